"""Gaussians on intervals (S = 1), in torch float64 on any device.

Every interval is mirrored so that its farther end is on the right. Between 0 and `TAIL` standard
deviations erfcx gives masses and moments in closed form; further out, and where the interval is
narrow, they cancel, and Gauss-Legendre quadrature of the density from the nearer end is exact to
rounding. Logarithms of masses have a relative error of some 1e-15 however far the interval is,
apart from the rounding of its whitened ends.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from workflow_src.models.piecewise_affine.integrals.legendre import unit_legendre

TAIL = 4.0
"""Standard deviations from which on quadrature replaces the closed form."""
NARROW = 0.5
"""Width, in units of the density's own scale, below which quadrature replaces it as well."""
NEPERS = 37.0
"""What lies e^-37 below the density at the nearer end is less than a rounding error."""
NODES = 20
"""Gauss-Legendre nodes: an exponential over 37 nepers to some 1e-15."""
HALF_LOG_TWO_PI = 0.5 * math.log(2 * math.pi)


@dataclass(frozen=True)
class IntervalMoments:
    """log mass, E[z | z in interval] and E[z^2 | z in interval], each ``[N, R]``."""

    log_mass: Tensor
    mean: Tensor
    second: Tensor


def interval_moments(
    lower: Tensor, upper: Tensor, means: Tensor, variances: Tensor
) -> IntervalMoments:
    """Of N(mean, variance) restricted to (lower, upper); all broadcast to ``[N, R]``, float64."""
    deviations = variances.sqrt()
    first, last = (lower - means) / deviations, (upper - means) / deviations
    mirrored = first + last < 0
    near, far = torch.where(mirrored, -last, first), torch.where(mirrored, -first, last)
    log_mass, mean, variance = _closed_form(near, far)
    hard = (near > TAIL) | _is_narrow(near, far)
    if bool(hard.any()):
        log_mass[hard], mean[hard], variance[hard] = _quadrature(near[hard], far[hard])
    mean = means + deviations * torch.where(mirrored, -mean, mean)
    mean = mean.clamp(lower, upper)
    return IntervalMoments(log_mass, mean, mean * mean + variances * variance)


def interval_log_masses(lower: Tensor, upper: Tensor, means: Tensor, variances: Tensor) -> Tensor:
    """The logarithms of the masses alone, ``[N, R]``."""
    deviations = variances.sqrt()
    return standard_log_masses((lower - means) / deviations, (upper - means) / deviations)


def standard_log_masses(first: Tensor, last: Tensor) -> Tensor:
    """Logarithms of the standard normal's masses between ``first`` and ``last``."""
    mirrored = first + last < 0
    near, far = torch.where(mirrored, -last, first), torch.where(mirrored, -first, last)
    log_mass = _log_mass(near, _scaled_mass(near, far))
    narrow = _is_narrow(near, far)
    if bool(narrow.any()):
        log_mass[narrow] = _quadrature(near[narrow], far[narrow])[0]
    return log_mass


def _is_narrow(near: Tensor, far: Tensor) -> Tensor:
    return (far - near) * near.abs().clamp(min=1) < NARROW


def _peak(near: Tensor) -> Tensor:
    """The densest point of an interval, or 0 if it is within."""
    return near.clamp(min=0)


def _log_mass(near: Tensor, scaled: Tensor) -> Tensor:
    return scaled.log() - 0.5 * _peak(near) ** 2 - HALF_LOG_TWO_PI


def _scaled_mass(near: Tensor, far: Tensor) -> Tensor:
    """The mass over the density at the peak."""
    ratio = torch.exp(-0.5 * (far - near) * (far + near))
    half = math.sqrt(0.5)
    tail = torch.special.erfcx(near * half) - ratio * torch.special.erfcx(far * half)
    around = torch.erf(far * half) - torch.erf(near * half)
    return math.sqrt(math.pi / 2) * torch.where(near > 0, tail, around)


def _closed_form(near: Tensor, far: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """log mass, mean and variance of a standard normal on (near, far), ``|near| <= far``."""
    peak = _peak(near)
    scaled = _scaled_mass(near, far)
    at_near = torch.exp(-0.5 * (near - peak) * (near + peak))
    at_far = torch.exp(-0.5 * (far - peak) * (far + peak))
    mean = (at_near - at_far) / scaled
    ends = _finite(near) * at_near - _finite(far) * at_far
    variance = (1 + ends / scaled - mean**2).clamp(0, 1)
    return _log_mass(near, scaled), mean, variance


def _finite(ends: Tensor) -> Tensor:
    """Infinite ends as 0, for a product with a density of 0."""
    return torch.where(ends.isinf(), torch.zeros_like(ends), ends)


def _quadrature(near: Tensor, far: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The same by quadrature of exp(-near v - v^2 / 2) over the distance v from the nearer end."""
    nodes, weights = (
        torch.tensor(values, dtype=near.dtype, device=near.device)
        for values in unit_legendre(NODES)
    )
    reach = 2 * NEPERS / (torch.sqrt(near**2 + 2 * NEPERS) + near)
    length = torch.minimum(far - near, reach)[..., None]
    steps = length * nodes
    density = torch.exp(-steps * (near[..., None] + 0.5 * steps)) * weights
    total = density.sum(-1)
    step = (density * steps).sum(-1) / total
    spread = (density * (steps - step[..., None]) ** 2).sum(-1) / total
    log_mass = (total * length[..., 0]).log() - 0.5 * near**2 - HALF_LOG_TWO_PI
    return log_mass, near + step, spread
