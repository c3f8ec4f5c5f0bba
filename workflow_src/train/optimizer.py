"""What optimizers of a bank share: parameters with a run axis, and moments that follow a run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Self

import torch
from torch import Tensor

FIRST_MOMENT = "first_moment."
SECOND_MOMENT = "second_moment."


class BankOptimizer(ABC):
    """Parameters of a bank, ``[R, ...]`` each, with two moments of their gradients.

    Parameters
    ----------
    parameters:
        Copied, and made trainable here.
    """

    def __init__(self, parameters: Mapping[str, Tensor]) -> None:
        self.parameters = {
            name: value.detach().clone().requires_grad_() for name, value in parameters.items()
        }
        self.first = {name: torch.zeros_like(value) for name, value in parameters.items()}
        self.second = {name: torch.zeros_like(value) for name, value in parameters.items()}
        self.updates = 0

    @abstractmethod
    def like(self, parameters: Mapping[str, Tensor]) -> Self:
        """An optimizer of the same settings on other parameters, at its beginning."""

    def backward(self, objective: Tensor) -> None:
        """The gradients that lead down ``-objective``, which sums those of the runs."""
        for value in self.parameters.values():
            value.grad = None
        (-objective).backward()  # type: ignore[no-untyped-call]

    def counts(self, number: int, device: torch.device) -> list[Tensor]:
        """The updates so far, once for each of so many tensors, as torch's functions take them."""
        return list(torch.full((number,), float(self.updates), device=device).unbind())

    def run_state(self, run: int) -> dict[str, Tensor]:
        """Copies of one run's parameters and, under prefixed names, its moments."""
        state = {name: value[run].detach().clone() for name, value in self.parameters.items()}
        for prefix, moments in ((FIRST_MOMENT, self.first), (SECOND_MOMENT, self.second)):
            state |= {prefix + name: value[run].clone() for name, value in moments.items()}
        return state

    def restore_moments(self, runs: Sequence[Mapping[str, Tensor]], step: int) -> None:
        """Take up the moments of earlier `run_state` results after ``step`` updates."""
        self.updates = step
        for prefix, moments in ((FIRST_MOMENT, self.first), (SECOND_MOMENT, self.second)):
            for name, value in moments.items():
                value.copy_(torch.stack([run[prefix + name] for run in runs]))

    def keeping(self, runs: Sequence[int]) -> Self:
        """The optimizer of the runs that stay."""
        states = [self.run_state(run) for run in runs]
        kept = self.like({n: torch.stack([state[n] for state in states]) for n in self.parameters})
        kept.restore_moments(states, self.updates)
        return kept
