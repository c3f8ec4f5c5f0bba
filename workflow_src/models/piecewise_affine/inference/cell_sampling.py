"""Exact independent draws of Gaussians cut to the regions of a partition.

One dimension: the inverse of the distribution function, in logarithms, so that tails are as exact
as the middle. More dimensions: rejection, from whichever of two proposals accepts more:

- the Gaussian cut to the half-space behind the cell's mode, the whole Gaussian where the mean lies
  in the cell;
- exponential slacks along the borders that hold the mode back and a Gaussian across, good far out.

No chain is involved: draws are independent and exactly distributed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr, ndtri_exp

from workflow_src.models.piecewise_affine.partitions.enumeration import Intervals, Partition
from workflow_src.models.piecewise_affine.solvers.least_distance import (
    NearestPoint,
    nearest_to_origin,
    whitened_half_spaces,
)

Array: TypeAlias = NDArray[np.float64]

PROPOSALS = 256
"""How many draws are proposed at first; twice as many each time that they were not enough."""

TRIAL = 256
"""Proposals by which the two ways are compared."""

LARGEST_SIZE = 2**18
"""Most proposals at a time."""

LARGEST_EFFORT = 2**26
"""Proposals for one cell and point after which sampling gives up."""


def sample_regions(
    partition: Partition,
    regions: NDArray[np.int64],
    means: Array,
    covariances: Array,
    generator: np.random.Generator,
) -> Array:
    """Draws ``[N, M, S]`` in regions ``[N, M]`` from N(means [N, R, S], covariances [R, S, S])."""
    points, draws = regions.shape
    latent = partition.dimensions
    if isinstance(partition, Intervals):
        chosen = np.take_along_axis(means[:, :, 0], regions, axis=1)
        scales = np.sqrt(covariances[:, 0, 0])[regions]
        lower, upper = partition.lower[regions], partition.upper[regions]
        return sample_intervals(lower, upper, chosen, scales, generator)[:, :, None]
    found = np.empty((points, draws, latent))
    for point in range(points):
        for region in np.unique(regions[point]):
            here = np.flatnonzero(regions[point] == region)
            found[point, here] = sample_cell(
                *partition.half_spaces(int(region)),
                means[point, region],
                covariances[region],
                len(here),
                generator,
            )
    return found


def sample_intervals(
    lower: Array, upper: Array, means: Array, scales: Array, generator: np.random.Generator
) -> Array:
    """Draws of N(means, scales^2) between lower and upper (both may be infinite), any shape."""
    below, above = (lower - means) / scales, (upper - means) / scales
    # Right of the mean the interval is mirrored: only lower tails have accurate logarithms.
    mirrored = below > 0
    left, right = np.where(mirrored, -above, below), np.where(mirrored, -below, above)
    log_left, log_right = log_ndtr(left), log_ndtr(right)
    heights = generator.random(np.shape(lower))
    # log(F_l + u (F_r - F_l)) = log F_r + log(u + (1 - u) F_l / F_r)
    share = np.exp(log_left - log_right)
    with np.errstate(divide="ignore"):
        drawn = ndtri_exp(log_right + np.log(heights + (1 - heights) * share))
    drawn = np.clip(drawn, left, right)
    places = means + scales * np.where(mirrored, -drawn, drawn)
    return np.asarray(np.clip(places, lower, upper))


def sample_cell(
    normals: Array,
    offsets: Array,
    mean: Array,
    covariance: Array,
    count: int,
    generator: np.random.Generator,
) -> Array:
    """Draws ``[count, S]`` of N(mean, covariance) cut to {z : normals z <= offsets}.

    ``ValueError`` where the cell is so thin that 2^26 proposals are not enough.
    """
    precision_factor = np.linalg.cholesky(np.linalg.inv(covariance))
    whitened, distances = whitened_half_spaces(normals, offsets, mean, precision_factor)
    nearest = nearest_to_origin(whitened, distances)
    if nearest is None:
        raise ValueError("a cell without an inside cannot be drawn from")
    cell = _Cell(whitened, distances, nearest)
    drawn = _rejection(cell, count, generator)
    return np.asarray(mean + np.linalg.solve(precision_factor.T, drawn.T).T)


@dataclass(frozen=True, eq=False)
class _Cell:
    """A cell in coordinates in which the Gaussian is standard; ``nearest`` is its mode."""

    normals: Array
    distances: Array
    nearest: NearestPoint

    def holds(self, points: Array) -> NDArray[np.bool_]:
        """Which of ``[M, S]`` lie within; those on its mode's borders do, up to rounding."""
        slack = 1e-12 * (1 + np.abs(self.distances))
        return np.asarray(np.all(points @ self.normals.T <= self.distances + slack, axis=1))

    def half_space(self, count: int, generator: np.random.Generator) -> Array:
        """Accepted of ``count`` standard normal draws behind the mode's tangent plane."""
        proposed = generator.standard_normal((count, self.normals.shape[1]))
        distance = float(np.linalg.norm(self.nearest.point))
        if distance > 0:
            direction = self.nearest.point / distance
            infinite = np.full(count, np.inf)
            along = sample_intervals(
                np.full(count, distance), infinite, np.zeros(count), np.ones(count), generator
            )
            proposed += (along - proposed @ direction)[:, None] * direction
        return np.asarray(proposed[self.holds(proposed)])

    def slacks(self, count: int, generator: np.random.Generator) -> Array:
        """Accepted of ``count`` draws whose slacks behind the mode's borders are exponential.

        With u = mode + w, |u|^2 = |mode|^2 + 2 multipliers . slacks + |w|^2: what exponential
        slacks and a standard normal part across leave to rejection is exp(-|part along|^2 / 2).
        """
        borders = self.normals[self.nearest.active]
        exponential = generator.standard_exponential((count, len(borders)))
        inverse = np.linalg.pinv(borders)
        along = -(exponential / self.nearest.multipliers) @ inverse.T
        free = generator.standard_normal((count, self.normals.shape[1]))
        across = free - (free @ borders.T) @ inverse.T
        proposed = self.nearest.point + along + across
        kept = np.log(generator.random(count)) <= -0.5 * np.einsum("ms,ms->m", along, along)
        return np.asarray(proposed[kept & self.holds(proposed)])


def _rejection(cell: _Cell, count: int, generator: np.random.Generator) -> Array:
    propose = cell.half_space
    if len(cell.nearest.active):
        # The trial's own draws are not kept: the luckier way would be chosen for them.
        halves, slacks = cell.half_space(TRIAL, generator), cell.slacks(TRIAL, generator)
        propose = cell.slacks if len(slacks) > len(halves) else cell.half_space
    accepted: list[Array] = []
    found, effort, size = 0, 0, max(PROPOSALS, 2 * count)
    while found < count:
        if effort >= LARGEST_EFFORT:
            raise ValueError("a cell is too thin to be drawn from by rejection")
        accepted.append(propose(size, generator))
        found, effort, size = found + len(accepted[-1]), effort + size, min(2 * size, LARGEST_SIZE)
    return np.concatenate(accepted)[:count]
