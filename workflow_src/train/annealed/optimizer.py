"""Adam and AdaMax over a bank of runs, each run with a step size of its own, and weight decay."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.optim.adam import adam
from torch.optim.adamax import adamax

from workflow_src.train.optimizer import BankOptimizer

_FIRST_MOMENT_DECAY = 0.9
_ADAMAX_EPSILON = 1e-8
_AUXILIARY_FACTOR = 10


@dataclass(frozen=True)
class OptimizerSettings:
    """What the runs of a bank have in common.

    Attributes
    ----------
    rule:
        ``adam`` or ``adamax``.
    epsilon:
        Epsilon-hat of Adam: added to the root of the second moment before that is corrected for
        its bias. AdaMax has its usual one, 1e-8, added to every gradient's size.
    second_moment_decay:
        Beta 2; of AdaMax the decay of its largest gradient, which then is the second moment here.
    weight_decay:
        c in the term -c sum(w^2) / 2 of every run's objective, over the weights of ``decayed``.
    decayed:
        Names of the parameters that it is taken of.
    auxiliary:
        Names of the parameters whose steps are ten times as long.
    """

    rule: Literal["adam", "adamax"]
    epsilon: float
    second_moment_decay: float
    weight_decay: float
    decayed: frozenset[str]
    auxiliary: frozenset[str] = frozenset()


class AnnealedOptimizer(BankOptimizer):
    """One of the two rules on parameters with a run axis in front."""

    def __init__(self, parameters: Mapping[str, Tensor], settings: OptimizerSettings) -> None:
        super().__init__(parameters)
        self._settings = settings

    def like(self, parameters: Mapping[str, Tensor]) -> AnnealedOptimizer:
        """An optimizer of the same rule."""
        return AnnealedOptimizer(parameters, self._settings)

    def maximise(self, objective: Tensor, rates: Sequence[float]) -> None:
        """One step up a scalar that sums the runs' objectives, of size ``rates`` [R]."""
        self.backward(objective)
        trained = [name for name, value in self.parameters.items() if value.grad is not None]
        with torch.no_grad():
            for rate, runs in _by_rate(rates):
                for (factor, decay), names in self._alike(trained).items():
                    self._move(names, runs, rate * factor, decay)
        self.updates += 1

    def _alike(self, names: Sequence[str]) -> dict[tuple[int, float], list[str]]:
        """Parameters by the factor of their step size and their weight decay."""
        settings = self._settings
        found: dict[tuple[int, float], list[str]] = {}
        for name in names:
            factor = _AUXILIARY_FACTOR if name in settings.auxiliary else 1
            decay = settings.weight_decay if name in settings.decayed else 0.0
            found.setdefault((factor, decay), []).append(name)
        return found

    def _move(self, names: Sequence[str], runs: Sequence[int], rate: float, decay: float) -> None:
        """Update some parameters of some runs with one step size; torch's functions do it."""
        values = [self.parameters[name] for name in names]
        gradients = [value.grad for value in values if value.grad is not None]
        first = [self.first[name] for name in names]
        second = [self.second[name] for name in names]
        settings, device = self._settings, values[0].device
        parts = (
            _of_runs(values, runs),
            _of_runs(gradients, runs),
            _of_runs(first, runs),
            _of_runs(second, runs),
        )
        if settings.rule == "adam":
            # Torch's epsilon is added to the corrected root.
            correction = math.sqrt(1 - settings.second_moment_decay ** (self.updates + 1))
            adam(
                *parts,
                [],
                self.counts(len(parts[0]), device),
                foreach=False,
                fused=True,
                amsgrad=False,
                beta1=_FIRST_MOMENT_DECAY,
                beta2=settings.second_moment_decay,
                lr=rate,
                weight_decay=decay,
                eps=settings.epsilon / correction,
                maximize=False,
            )
        else:
            adamax(
                *parts,
                # Read there number by number, for which a GPU would have to be waited for.
                self.counts(len(parts[0]), torch.device("cpu")),
                eps=_ADAMAX_EPSILON,
                beta1=_FIRST_MOMENT_DECAY,
                beta2=settings.second_moment_decay,
                lr=rate,
                weight_decay=decay,
            )


def _by_rate(rates: Sequence[float]) -> list[tuple[float, list[int]]]:
    """The runs of each step size, in the order of their first ones."""
    found: dict[float, list[int]] = {}
    for run, rate in enumerate(rates):
        found.setdefault(rate, []).append(run)
    return list(found.items())


def _of_runs(tensors: Sequence[Tensor], runs: Sequence[int]) -> list[Tensor]:
    """The tensors whole where these are all runs, else what of them is those runs'."""
    if all(len(runs) == len(tensor) for tensor in tensors):
        return [tensor.detach() for tensor in tensors]
    return [tensor.detach()[run] for tensor in tensors for run in runs]
