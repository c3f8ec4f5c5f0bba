"""The log partition function of a restricted Boltzmann machine: exact where it can be.

Larger machines are estimated by annealed importance sampling, and where the result is published
also by parallel tempering; their agreement is part of the error.
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

TRAINING_TEMPERATURES, TRAINING_CHAINS = 1000, 256


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
    """One estimate of several: that of the smallest error, which is made to cover the others.

    A difference that the estimates' own errors do not explain is added to that error, in squares:
    either may be the wrong one. Every run of a bank goes by its own.
    """
    values = torch.stack([one.value for one in estimates.values()])
    errors = torch.stack([one.standard_error for one in estimates.values()])
    best = errors.argmin(dim=0, keepdim=True)
    value, error = values.gather(0, best), errors.gather(0, best)
    excess = (values - value).square() - errors.square() - error.square()
    unexplained = excess.amax(dim=0).clamp_min(0)
    return LogPartition(value[0], (error[0].square() + unexplained).sqrt())


def _is_small(machine: BoltzmannMachine) -> bool:
    return min(machine.left_units, machine.right_units) <= EXACT_UNITS
