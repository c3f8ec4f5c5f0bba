"""Adam over a bank of runs: one update for all, and moments that follow a run in and out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

FIRST_MOMENT = "first_moment."
SECOND_MOMENT = "second_moment."


class BankAdam:
    """Adam with its default decay rates and epsilon on parameters with a run axis in front.

    Parameters
    ----------
    parameters:
        ``[R, ...]`` each; made trainable here.
    learning_rate:
        The same for all runs of the bank.
    """

    def __init__(self, parameters: Mapping[str, Tensor], learning_rate: float) -> None:
        self.parameters = {
            name: value.detach().clone().requires_grad_() for name, value in parameters.items()
        }
        self._learning_rate = learning_rate
        self._adam = torch.optim.Adam(list(self.parameters.values()), lr=learning_rate, fused=True)

    def maximise(self, objective: Tensor) -> None:
        """One step up the gradient of a scalar that sums the runs' objectives."""
        self._adam.zero_grad(set_to_none=True)
        (-objective).backward()  # type: ignore[no-untyped-call]
        self._adam.step()

    def run_state(self, run: int) -> dict[str, Tensor]:
        """Copies of one run's parameters and, under prefixed names, its moments."""
        state = {name: value[run].detach().clone() for name, value in self.parameters.items()}
        for name, value in self.parameters.items():
            moments = self._adam.state[value]
            if moments:
                state[FIRST_MOMENT + name] = moments["exp_avg"][run].clone()
                state[SECOND_MOMENT + name] = moments["exp_avg_sq"][run].clone()
        return state

    def restore_moments(self, runs: Sequence[Mapping[str, Tensor]], step: int) -> None:
        """Take up the moments of earlier `run_state` results after ``step`` updates."""
        for name, value in self.parameters.items():
            self._adam.state[value] = {
                "step": torch.tensor(float(step), device=value.device),
                "exp_avg": torch.stack([run[FIRST_MOMENT + name] for run in runs]).to(value.device),
                "exp_avg_sq": torch.stack([run[SECOND_MOMENT + name] for run in runs]).to(
                    value.device
                ),
            }

    def keeping(self, runs: Sequence[int], step: int) -> BankAdam:
        """The optimizer of the runs that stay, after ``step`` updates."""
        states = [self.run_state(run) for run in runs]
        names = list(self.parameters)
        kept = BankAdam(
            {name: torch.stack([state[name] for state in states]) for name in names},
            self._learning_rate,
        )
        kept.restore_moments(states, step)
        return kept
