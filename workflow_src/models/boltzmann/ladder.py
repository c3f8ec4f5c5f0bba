"""Ladders of temperatures whose neighbours exchange states often enough."""

from __future__ import annotations

import math

import torch
from torch import Tensor

LOWEST_ACCEPTANCE, TARGET_ACCEPTANCE, HIGHEST_ACCEPTANCE = 0.4, 0.55, 0.75
FIRST_RUNGS, MOST_RUNGS = 8, 200


def first_ladder(like: Tensor) -> Tensor:
    """Inverse temperatures to start with, from 0 to 1."""
    return torch.linspace(0, 1, FIRST_RUNGS, dtype=like.dtype, device=like.device)


def acceptances(ladder: Tensor, energies: Tensor) -> Tensor:
    """Mean acceptance of exchanges between neighbours, ``[T - 1]``.

    ``ladder`` [T]; ``energies`` [S, T, C], the derivative in t of the log density at every
    temperature's states.
    """
    gain = ladder.diff().unsqueeze(1) * (energies[:, :-1] - energies[:, 1:])
    return gain.clamp_max(0).exp().mean(dim=(0, 2))


def is_good(ladder: Tensor, accepted: Tensor) -> bool:
    """Whether neighbours exchange often enough, and no rung can be spared."""
    lowest, mean = float(accepted.min()), float(accepted.mean())
    spare = mean > HIGHEST_ACCEPTANCE and len(ladder) > 3
    return (lowest >= LOWEST_ACCEPTANCE and not spare) or len(ladder) >= MOST_RUNGS


def respaced(ladder: Tensor, accepted: Tensor) -> Tensor:
    """A ladder whose neighbours would all exchange at `TARGET_ACCEPTANCE`.

    Where log densities' differences are normal, an acceptance is erfc of a length that adds up
    along the ladder (Predescu and others, 2004): the new rungs are equally far apart in it.
    """
    lengths = torch.erfinv(1 - accepted.double().clamp(1e-9, 1 - 1e-9))
    total = torch.cat([lengths.new_zeros(1), lengths.cumsum(0)])
    step = torch.erfinv(torch.tensor(1 - TARGET_ACCEPTANCE, dtype=torch.float64))
    rungs = min(max(math.ceil(float(total[-1] / step)), 2) + 1, MOST_RUNGS)
    wanted = torch.linspace(0, 1, rungs, dtype=torch.float64, device=ladder.device) * total[-1]
    upper = torch.searchsorted(total, wanted).clamp(1, len(total) - 1)
    share = (wanted - total[upper - 1]) / (total[upper] - total[upper - 1])
    places = ladder.double()
    result = places[upper - 1] + share.clamp(0, 1) * (places[upper] - places[upper - 1])
    result[0], result[-1] = 0, 1
    return result.to(ladder.dtype)
