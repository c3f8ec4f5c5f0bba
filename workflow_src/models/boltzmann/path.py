"""The path of densities from independent units to a machine, which log Z's estimators follow.

At inverse temperature t in [0, 1] the log density is (1 - t) (a1_0.z1 + a2_0.z2) - t E(z1, z2) up
to a constant: independent units at 0, whose log Z is known, and the machine at 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import softplus

from workflow_src.models.boltzmann.energy import BoltzmannMachine, left_logits, right_logits
from workflow_src.models.boltzmann.gibbs import Uniforms, become_units, gibbs_sweeps

BASE_CHAINS, BASE_SWEEPS, BASE_ROUNDS = 128, 10, 5
RAREST = 0.01
"""Probability that every state of every independent unit keeps at least."""


@dataclass(frozen=True)
class Path:
    """A bank of machines and the independent units that their paths begin with.

    Attributes
    ----------
    machine:
        Where the path ends.
    left, right:
        Logits of the independent units, ``[R, 1, V]`` and ``[R, 1, H]``.
    """

    machine: BoltzmannMachine
    left: Tensor
    right: Tensor

    def run(self, number: int) -> Path:
        """One member, as a bank of one."""
        part = slice(number, number + 1)
        return Path(self.machine.run(number), self.left[part], self.right[part])

    def base_log_partition(self) -> Tensor:
        """log Z of the independent units, ``[R]``, in double precision."""
        return softplus(self.left.double()).sum((1, 2)) + softplus(self.right.double()).sum((1, 2))

    def base_states(
        self, chains: int, generators: Sequence[torch.Generator]
    ) -> tuple[Tensor, Tensor]:
        """States of the independent units, [R, chains, V] and [R, chains, H]."""
        left = self.left.expand(-1, chains, -1).clone()
        right = self.right.expand(-1, chains, -1).clone()
        become_units(left, Uniforms(left).draw(generators))
        become_units(right, Uniforms(right).draw(generators))
        return left, right

    def right_slopes(self, left: Tensor, out: Tensor) -> Tensor:
        """Derivative in t of the right units' logits given the left, [R, C, H]."""
        difference = self.machine.hidden_bias.unsqueeze(1) - self.right
        return torch.baddbmm(difference, left, self.machine.weights, out=out)

    def left_slopes(self, right: Tensor, out: Tensor) -> Tensor:
        """Derivative in t of the left units' logits given the right, [R, C, V]."""
        difference = self.machine.visible_bias.unsqueeze(1) - self.left
        return torch.baddbmm(difference, right, self.machine.weights.transpose(1, 2), out=out)

    def left_tilt(self, left: Tensor) -> Tensor:
        """Derivative in t of what the left units alone add to the log density, [R, C]."""
        difference = self.machine.visible_bias.unsqueeze(2) - self.left.transpose(1, 2)
        return torch.bmm(left, difference).squeeze(2)


@torch.no_grad()
def path_to(machine: BoltzmannMachine, generators: Sequence[torch.Generator]) -> Path:
    """The path from independent units with about the machine's own means.

    The means come from a few Gibbs sweeps of chains that start at random; every start gives a
    correct estimate of log Z, and one near the machine's means a precise one. The biases alone
    would depend on whether a unit's states are called 0 and 1 or 1 and 0.
    """
    machine = machine.detached()
    left = torch.full_like(machine.visible_bias, 0.5).unsqueeze(1).repeat(1, BASE_CHAINS, 1)
    left = left.le(Uniforms(left).draw(generators)).to(left.dtype)
    right = torch.zeros_like(machine.hidden_bias).unsqueeze(1).repeat(1, BASE_CHAINS, 1)
    left_mean, right_mean = torch.zeros_like(left[:, :1]), torch.zeros_like(right[:, :1])
    for _ in range(BASE_ROUNDS):
        left, right = gibbs_sweeps(machine, left, right, BASE_SWEEPS, generators)
        left_mean += left_logits(machine, right).sigmoid().mean(1, keepdim=True) / BASE_ROUNDS
        right_mean += right_logits(machine, left).sigmoid().mean(1, keepdim=True) / BASE_ROUNDS
    return Path(machine, left_mean.logit(eps=RAREST), right_mean.logit(eps=RAREST))
