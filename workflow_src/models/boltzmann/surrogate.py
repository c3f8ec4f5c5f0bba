"""The term whose gradient is that of log Z (appendix E of the DVAE++ paper)."""

from __future__ import annotations

from torch import Tensor

from workflow_src.models.boltzmann.energy import BoltzmannMachine, negative_energy


def log_partition_surrogate(machine: BoltzmannMachine, left: Tensor, right: Tensor) -> Tensor:
    """The mean of -E over samples [R, C, V], [R, C, H] of the machine: ``[R]``.

    Its value means nothing. Its gradient in the machine's parameters is that of log Z in
    expectation over the machine's states, and no gradient goes into the samples. A bound that has
    minus log Z subtracts it.
    """
    return negative_energy(machine, left.detach(), right.detach()).mean(dim=1)
