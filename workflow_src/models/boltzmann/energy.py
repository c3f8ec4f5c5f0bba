"""Energies of restricted Boltzmann machines, in banks.

A machine has two groups of binary units, the left (visible) and the right (hidden) ones, and the
density exp(a1.z1 + a2.z2 + z1.W.z2) / Z of section 5 of the DVAE++ paper. Nothing here knows what
the units stand for.

Shapes: R runs in the bank, C states (chains), V left and H right units; units are 0. or 1., or
probabilities where an expectation under independent units is meant.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import softplus


@dataclass(frozen=True)
class BoltzmannMachine:
    """The parameters of a bank of restricted Boltzmann machines.

    Attributes
    ----------
    visible_bias:
        Of the left units, ``[R, V]``.
    hidden_bias:
        Of the right units, ``[R, H]``.
    weights:
        Of the pairs, ``[R, V, H]``.
    """

    visible_bias: Tensor
    hidden_bias: Tensor
    weights: Tensor

    def __post_init__(self) -> None:
        runs, left, right = self.weights.shape
        if self.visible_bias.shape != (runs, left) or self.hidden_bias.shape != (runs, right):
            raise ValueError(
                f"weights {tuple(self.weights.shape)} do not join biases "
                f"{tuple(self.visible_bias.shape)} and {tuple(self.hidden_bias.shape)}"
            )

    @property
    def runs(self) -> int:
        """Members of the bank."""
        return self.weights.shape[0]

    @property
    def left_units(self) -> int:
        """Units of the left group."""
        return self.weights.shape[1]

    @property
    def right_units(self) -> int:
        """Units of the right group."""
        return self.weights.shape[2]

    def detached(self) -> BoltzmannMachine:
        """The same numbers, without a gradient."""
        return BoltzmannMachine(
            self.visible_bias.detach(), self.hidden_bias.detach(), self.weights.detach()
        )

    def transposed(self) -> BoltzmannMachine:
        """The same density with left and right exchanged."""
        return BoltzmannMachine(self.hidden_bias, self.visible_bias, self.weights.transpose(1, 2))

    def run(self, number: int) -> BoltzmannMachine:
        """One member, as a bank of one."""
        return self.runs_of([number])

    def runs_of(self, numbers: Sequence[int]) -> BoltzmannMachine:
        """Some of the members."""
        chosen = list(numbers)
        return BoltzmannMachine(
            self.visible_bias[chosen], self.hidden_bias[chosen], self.weights[chosen]
        )

    def double(self) -> BoltzmannMachine:
        """The same machine in double precision."""
        return BoltzmannMachine(
            self.visible_bias.double(), self.hidden_bias.double(), self.weights.double()
        )


def negative_energy(machine: BoltzmannMachine, left: Tensor, right: Tensor) -> Tensor:
    """a1.z1 + a2.z2 + z1.W.z2 of states ``left`` [R, C, V], ``right`` [R, C, H]: ``[R, C]``."""
    joined = (right_logits(machine, left) * right).sum(dim=2)
    return joined + _dot(left, machine.visible_bias)


def left_log_density(machine: BoltzmannMachine, left: Tensor) -> Tensor:
    """log of the sum over z2 of exp(-E(z1, z2)), for ``left`` [R, C, V]: ``[R, C]``.

    Minus the free energy; log Z is the log of its exponential's sum over z1.
    """
    summed = softplus(right_logits(machine, left)).sum(dim=2)
    return summed + _dot(left, machine.visible_bias)


def right_log_density(machine: BoltzmannMachine, right: Tensor) -> Tensor:
    """log of the sum over z1 of exp(-E(z1, z2)), for ``right`` [R, C, H]: ``[R, C]``."""
    return left_log_density(machine.transposed(), right)


def right_logits(machine: BoltzmannMachine, left: Tensor) -> Tensor:
    """Logits of the right units given the left ones [R, C, V]: ``[R, C, H]``."""
    return torch.baddbmm(machine.hidden_bias.unsqueeze(1), left, machine.weights)


def left_logits(machine: BoltzmannMachine, right: Tensor) -> Tensor:
    """Logits of the left units given the right ones [R, C, H]: ``[R, C, V]``."""
    return right_logits(machine.transposed(), right)


def _dot(states: Tensor, bias: Tensor) -> Tensor:
    return torch.bmm(states, bias.unsqueeze(2)).squeeze(2)
