"""The limit of vanishing noise: the latent z*(x) (Lemma 2, corrected) and latent optimisation.

As Sx = s^2 I goes to 0, the posterior of z gathers where |x - g(z)|^2 is least. With s^2 above 0
its highest point minimises |x - g(z)|^2 + s^2 |z|^2, so the prior only decides among equals in the
limit. Where A_w has less than full rank (a region of dead units) the limit is not a single point.
Generative latent optimisation leaves the prior out, or clips z (Proposition 3).

On each region this is least squares under linear constraints. Regions are taken in the order of
what they could reach without their borders, until that is worse than the best found.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from workflow_src.models.piecewise_affine.inference.expectations import (
    MEMORY_BYTES,
    DeepGenerativeNetwork,
    point_chunks,
)
from workflow_src.models.piecewise_affine.inference.regions import region_gaussians
from workflow_src.models.piecewise_affine.networks import Network, outputs
from workflow_src.models.piecewise_affine.noise import NoiseCovariance
from workflow_src.models.piecewise_affine.partitions.enumeration import Intervals, Partition
from workflow_src.models.piecewise_affine.solvers.constrained_least_squares import (
    FLAT,
    constrained_least_squares,
    pseudo_inverse,
)

Array: TypeAlias = NDArray[np.float64]

TIE = 1e-12
"""Relative difference of objectives below which the smaller latent is taken."""


@dataclass(frozen=True, eq=False)
class OptimalLatents:
    """The minimisers.

    Attributes
    ----------
    latents:
        z*, ``[N, S]``; the smallest one of those that a region offers, where there are several.
    regions:
        The region that it was found in, ``[N]``.
    outputs:
        g(z*), ``[N, D]``.
    objective:
        |x - g(z*)|^2 + prior_weight |z*|^2, ``[N]``.
    full_rank:
        Whether the region's problem has one solution only, ``[N]``. Where False, and no prior
        weighs in, the posterior's limit need not be a single point.
    """

    latents: Array
    regions: NDArray[np.int64]
    outputs: Array
    objective: Array
    full_rank: NDArray[np.bool_]


def optimal_latents(
    network: Network,
    partition: Partition,
    points: Array,
    prior_weight: float = 0.0,
    clip: float | None = None,
    memory_bytes: int = MEMORY_BYTES,
) -> OptimalLatents:
    """argmin over z of |x - g(z)|^2 + prior_weight |z|^2, over [-clip, clip]^S where given.

    ``ValueError`` for a negative weight or a clip that is not above zero, and where no minimum was
    found that satisfies the conditions of one.
    """
    if prior_weight < 0 or (clip is not None and clip <= 0):
        raise ValueError("a prior's weight is at least 0, and a clip above 0")
    unit = DeepGenerativeNetwork(network, NoiseCovariance.isotropic(1.0, network.outputs))
    gaussians, projection = region_gaussians(unit, partition)
    slopes = gaussians.slopes.numpy()
    singular = np.linalg.svd(slopes, compute_uv=False)
    size = float(singular.max(initial=0)) or 1.0
    problem = _Problem(partition, slopes, gaussians.offsets.numpy(), prior_weight, clip, size)
    solve = _solve_intervals if isinstance(partition, Intervals) else _solve_cells
    coordinates = projection.points(points).coordinates.numpy()
    latents = np.empty((len(coordinates), partition.dimensions))
    regions = np.empty(len(coordinates), dtype=np.int64)
    found = np.empty((len(coordinates), network.outputs))
    for rows in point_chunks(len(coordinates), partition, memory_bytes):
        latents[rows], regions[rows] = solve(problem, coordinates[rows])
        found[rows] = outputs(network, latents[rows])
    objective = np.square(np.asarray(points) - found).sum(axis=1)
    objective += prior_weight * np.square(latents).sum(axis=1)
    ranks = (singular > FLAT * size).sum(axis=1)
    full = (ranks == partition.dimensions) | (prior_weight > 0)
    return OptimalLatents(latents, regions, found, objective, full[regions])


@dataclass(frozen=True, eq=False)
class _Problem:
    """Least squares on regions: slopes ``[R, K, S]`` of at most ``size``, offsets ``[R, K]``."""

    partition: Partition
    slopes: Array
    offsets: Array
    prior_weight: float
    clip: float | None
    size: float

    def system(self, region: int) -> Array:
        """A on top of sqrt(prior weight) I, ``[K + S, S]``."""
        identity = np.eye(self.slopes.shape[2]) * np.sqrt(self.prior_weight)
        return np.vstack([self.slopes[region], identity])

    def target(self, region: int, coordinates: Array) -> Array:
        """y - b on top of zeros, ``[K + S]``."""
        zeros = np.zeros(self.slopes.shape[2])
        return np.concatenate([coordinates - self.offsets[region], zeros])

    def half_spaces(self, region: int) -> tuple[Array, Array]:
        """Those of the region and of the clip."""
        normals, offsets = self.partition.half_spaces(region)
        if self.clip is None:
            return normals, offsets
        identity = np.eye(normals.shape[1])
        sides = np.full(2 * len(identity), self.clip)
        return np.vstack([normals, identity, -identity]), np.concatenate([offsets, sides])


def _solve_intervals(problem: _Problem, coordinates: Array) -> tuple[Array, NDArray[np.int64]]:
    """S = 1: the parabola's lowest point, or the nearest end of the interval; all at once."""
    partition = problem.partition
    assert isinstance(partition, Intervals)
    limit = np.inf if problem.clip is None else problem.clip
    lower, upper = np.maximum(partition.lower, -limit), np.minimum(partition.upper, limit)
    slopes, offsets = problem.slopes[:, :, 0], problem.offsets
    curvature = np.square(slopes).sum(axis=1) + problem.prior_weight
    moment = coordinates @ slopes.T - np.einsum("rk,rk->r", offsets, slopes)
    flat = curvature <= (FLAT * problem.size) ** 2
    free = np.where(flat, 0.0, moment / np.where(flat, 1.0, curvature))
    empty = lower > upper
    latents = np.clip(free, np.where(empty, 0, lower), np.where(empty, 0, upper))
    objective = problem.prior_weight * np.square(latents)
    for index in range(slopes.shape[1]):
        fitted = latents * slopes[:, index] + offsets[:, index]
        objective += np.square(coordinates[:, index, None] - fitted)
    objective[:, empty] = np.inf
    best = objective.min(axis=1, keepdims=True)
    size = np.where(objective <= best + TIE * (1 + best), np.abs(latents), np.inf)
    regions = np.argmin(size, axis=1)
    return np.take_along_axis(latents, regions[:, None], axis=1), regions


def _solve_cells(problem: _Problem, coordinates: Array) -> tuple[Array, NDArray[np.int64]]:
    """S >= 2: region after region, best hope first."""
    count, latent = len(problem.slopes), problem.slopes.shape[2]
    systems = np.stack([problem.system(region) for region in range(count)])
    inverses = pseudo_inverse(systems, problem.size)
    found = np.zeros((len(coordinates), latent))
    regions = np.zeros(len(coordinates), dtype=np.int64)
    for point, values in enumerate(coordinates):
        targets = np.stack([problem.target(region, values) for region in range(count)])
        free = np.einsum("rsk,rk->rs", inverses, targets)
        hopes = np.square(targets - np.einsum("rks,rs->rk", systems, free)).sum(axis=1)
        found[point], regions[point] = _best_region(problem, systems, targets, hopes)
    return found, regions


def _best_region(
    problem: _Problem, systems: Array, targets: Array, hopes: Array
) -> tuple[Array, int]:
    best, latent, chosen = np.inf, np.zeros(systems.shape[2]), -1
    for region in np.argsort(hopes):
        if hopes[region] > best + TIE * (1 + best):
            break
        candidate = constrained_least_squares(
            systems[region], targets[region], *problem.half_spaces(int(region)), problem.size
        )
        if candidate is None:
            if problem.clip is None:
                raise ValueError(f"region {region} of the partition has no point")
            continue
        value = float(np.square(targets[region] - systems[region] @ candidate).sum())
        ties = value <= best + TIE * (1 + best)
        smaller = np.linalg.norm(candidate) < np.linalg.norm(latent)
        if value < best - TIE * (1 + best) or chosen < 0 or (ties and smaller):
            best, latent, chosen = min(best, value), candidate, int(region)
    if chosen < 0:
        raise ValueError("no region of the partition has a point within the clip")
    return latent, chosen
