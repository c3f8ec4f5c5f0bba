"""The log partition function of a restricted Boltzmann machine: exact where it can be.

Larger machines are estimated by annealed importance sampling, and where the result is published
also by parallel tempering, whose agreement is part of the error.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch

from workflow_src.models.boltzmann.annealed_importance import annealed_log_partition
from workflow_src.models.boltzmann.energy import BoltzmannMachine
from workflow_src.models.boltzmann.exact import exact_log_partition
from workflow_src.models.boltzmann.parallel_tempering import tempered_log_partition
from workflow_src.models.latent_variables import LogPartition

EXACT_UNITS = 20
"""The smaller group's units up to which log Z is enumerated: a second of one core."""

TRAINING_TEMPERATURES, TRAINING_CHAINS = 200, 256


def log_partition(
    machine: BoltzmannMachine,
    generators: Sequence[torch.Generator],
    effort: Literal["training", "evaluation"],
) -> LogPartition:
    """log Z of every run; one stream for each run.

    Exact for small machines. Else ``training`` is a short annealing, and ``evaluation`` what
    `combined` makes of all estimates.
    """
    if _is_small(machine):
        return exact_log_partition(machine)
    if effort == "training":
        return annealed_log_partition(machine, generators, TRAINING_TEMPERATURES, TRAINING_CHAINS)
    return combined(log_partition_estimates(machine, generators))


def log_partition_estimates(
    machine: BoltzmannMachine, generators: Sequence[torch.Generator]
) -> dict[str, LogPartition]:
    """Every estimate of log Z at full size, by the name of its method.

    ``exact`` alone for small machines, else ``annealed_importance_sampling`` and
    ``parallel_tempering``.
    """
    if _is_small(machine):
        return {"exact": exact_log_partition(machine)}
    return {
        "annealed_importance_sampling": annealed_log_partition(machine, generators),
        "parallel_tempering": tempered_log_partition(machine, generators),
    }


def combined(estimates: dict[str, LogPartition]) -> LogPartition:
    """One estimate of several: the first, with an error that covers how far the others lie off.

    A difference that the estimates' own errors do not explain is added to the first one's error,
    in squares: either may be the wrong one.
    """
    first, *others = estimates.values()
    unexplained = torch.zeros_like(first.value)
    for other in others:
        expected = first.standard_error.square() + other.standard_error.square()
        excess = (first.value - other.value).square() - expected
        unexplained = torch.maximum(unexplained, excess)
    error = (first.standard_error.square() + unexplained).sqrt()
    return LogPartition(first.value, error)


def _is_small(machine: BoltzmannMachine) -> bool:
    return min(machine.left_units, machine.right_units) <= EXACT_UNITS
