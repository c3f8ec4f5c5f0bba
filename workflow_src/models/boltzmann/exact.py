"""The log partition function of small machines, by enumeration."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import softplus

from workflow_src.models.boltzmann.energy import BoltzmannMachine
from workflow_src.models.latent_variables import LogPartition

MOST_UNITS = 22
"""The smaller group's units that enumeration goes up to: four million states."""

CHUNK_UNITS = 12
"""Units whose states are enumerated at once; the others' states follow one another."""


@torch.no_grad()
def exact_log_partition(machine: BoltzmannMachine) -> LogPartition:
    """log Z of every run, in double precision: the smaller group enumerated, the larger summed out.

    The result has the type of the parameters, and no gradient.

    Raises
    ------
    ValueError
        If both groups have more than `MOST_UNITS` units.
    """
    smaller = machine if machine.left_units <= machine.right_units else machine.transposed()
    units = smaller.left_units
    if units > MOST_UNITS:
        raise ValueError(
            f"a machine of {machine.left_units} and {machine.right_units} units is too large to "
            f"enumerate: one group may have at most {MOST_UNITS}"
        )
    double = smaller.detached().double()
    at_once = min(units, CHUNK_UNITS)
    low = all_states(at_once, double.weights).unsqueeze(0).expand(double.runs, -1, -1)
    low_logits = torch.bmm(low, double.weights[:, :at_once])
    low_bias = torch.bmm(low, double.visible_bias[:, :at_once].unsqueeze(2)).squeeze(2)
    total = torch.full_like(low_bias[:, 0], -torch.inf)
    for high in all_states(units - at_once, double.weights):
        logits = double.hidden_bias + high @ double.weights[:, at_once:]
        summed = softplus(low_logits + logits.unsqueeze(1)).sum(dim=2) + low_bias
        offset = double.visible_bias[:, at_once:] @ high
        total = torch.logaddexp(total, torch.logsumexp(summed, dim=1) + offset)
    value = total.to(machine.weights.dtype)
    return LogPartition(value, torch.zeros_like(value))


def all_states(units: int, like: Tensor) -> Tensor:
    """All states of so many units, ``[2**units, units]``, of the type and device of ``like``."""
    numbers = torch.arange(2**units, device=like.device).unsqueeze(1)
    places = torch.arange(units, device=like.device)
    return (numbers >> places & 1).to(like.dtype)
