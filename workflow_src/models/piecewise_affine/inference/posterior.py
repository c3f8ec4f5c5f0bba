"""The posterior p(z | x): density, moments, modes and samples (Proposition 2, corrected).

Exact up to three latent dimensions. From four on moments are estimates with errors, the density
has the error of log p(x) (`inference.log_likelihoods_with_errors`), and draws choose their regions
by estimated probabilities; modes are exact in any number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from workflow_src.models.piecewise_affine.inference.cell_modes import cell_modes, interval_modes
from workflow_src.models.piecewise_affine.inference.cell_sampling import sample_regions
from workflow_src.models.piecewise_affine.inference.expectations import (
    MEMORY_BYTES,
    DeepGenerativeNetwork,
    e_step,
    expected_outputs,
    log_likelihoods,
    point_chunks,
)
from workflow_src.models.piecewise_affine.inference.regions import (
    RegionGaussians,
    WhitenedPoints,
    region_gaussians,
)
from workflow_src.models.piecewise_affine.inference.replicates import replicated
from workflow_src.models.piecewise_affine.inference.truncated import USUAL_DRAWS, Draws, is_exact
from workflow_src.models.piecewise_affine.integrals.modes import constrained_modes
from workflow_src.models.piecewise_affine.networks import affine_maps
from workflow_src.models.piecewise_affine.partitions.enumeration import (
    Intervals,
    Partition,
    region_of,
)

Array: TypeAlias = NDArray[np.float64]

HELD_DENSITIES = 5
"""Numbers held at once for each point and latent whose density is asked for."""


@dataclass(frozen=True, eq=False)
class PosteriorMoments:
    """What is known of z given each point.

    Attributes
    ----------
    log_likelihood:
        log p(x) in nats, ``[N]``.
    region_probability:
        p(z in w | x), ``[N, R]``.
    mean, covariance:
        E[z | x] ``[N, S]`` and Cov[z | x] ``[N, S, S]``.
    reconstruction:
        E[g(z) | x], ``[N, D]``.
    errors:
        The standard error of each of these; None where they are exact.
    """

    log_likelihood: Array
    region_probability: Array
    mean: Array
    covariance: Array
    reconstruction: Array
    errors: PosteriorMoments | None = None


def posterior_moments(
    model: DeepGenerativeNetwork,
    partition: Partition,
    points: Array,
    memory_bytes: int = MEMORY_BYTES,
) -> PosteriorMoments:
    """Moments of z given each of the points ``[N, D]``."""
    if is_exact(partition):
        return _named(_moments(model, partition, points, memory_bytes, USUAL_DRAWS))
    means, errors = replicated(
        lambda draws: _moments(model, partition, points, memory_bytes, draws)
    )
    return _named(means, _named(errors))


def _named(arrays: list[Array], errors: PosteriorMoments | None = None) -> PosteriorMoments:
    log_likelihood, probability, mean, covariance, reconstruction = arrays
    return PosteriorMoments(log_likelihood, probability, mean, covariance, reconstruction, errors)


def _moments(
    model: DeepGenerativeNetwork,
    partition: Partition,
    points: Array,
    memory_bytes: int,
    draws: Draws,
) -> list[Array]:
    """The arrays of `PosteriorMoments`, in its order."""
    maps = affine_maps(model.network, partition.signs)
    parts = [
        (
            posterior.log_likelihood,
            posterior.probability,
            posterior.latent_mean(),
            posterior.latent_covariance(),
            expected_outputs(maps, posterior),
        )
        for _, posterior in e_step(model, partition, points, memory_bytes, draws=draws)
    ]
    return [np.concatenate(column) for column in zip(*parts, strict=True)]


def log_posterior_densities(
    model: DeepGenerativeNetwork,
    partition: Partition,
    points: Array,
    latents: Array,
    memory_bytes: int = MEMORY_BYTES,
) -> Array:
    """log p(z | x) in nats of points ``[N, D]`` at latents ``[M, S]``, ``[N, M]``.

    Beside the result, the work is in chunks of points that fit ``memory_bytes``.
    """
    values, places = np.asarray(points, dtype=np.float64), np.asarray(latents, dtype=np.float64)
    gaussians, projection = region_gaussians(model, partition)
    chosen = gaussians.chosen(torch.from_numpy(region_of(partition, model.network, places)))
    found = np.empty((len(values), len(places)))
    rows = max(1, memory_bytes // (8 * HELD_DENSITIES * max(1, len(places))))
    for start in range(0, len(values), rows):
        at = projection.points(values[start : start + rows])
        joint = chosen.log_joint_densities(
            at.coordinates, at.remainder, torch.from_numpy(places)[None]
        )
        found[start : start + rows] = joint.numpy()
    found -= log_likelihoods(model, partition, values, memory_bytes)[:, None]
    return found


def sample_posteriors(
    model: DeepGenerativeNetwork,
    partition: Partition,
    points: Array,
    draws: int,
    generator: np.random.Generator,
    memory_bytes: int = MEMORY_BYTES,
) -> Array:
    """Exact independent draws of z given each point, ``[N, draws, S]``.

    A region by its posterior probability (for S >= 4 an estimate, so that draws are nearly exact),
    then the Gaussian cut to it.
    """
    gaussians, projection = region_gaussians(model, partition)
    found = np.empty((len(points), draws, partition.dimensions))
    for rows, posterior in e_step(model, partition, points, memory_bytes):
        at = projection.points(np.asarray(points)[rows])
        means = gaussians.means(at.coordinates).numpy()
        regions = _drawn_regions(posterior.probability, draws, generator)
        found[rows] = sample_regions(
            partition, regions, means, gaussians.covariances.numpy(), generator
        )
    return found


def mode_counts(
    model: DeepGenerativeNetwork,
    partition: Partition,
    points: Array,
    relative_density: float = 0.0,
    memory_bytes: int = MEMORY_BYTES,
) -> NDArray[np.int64]:
    """Number of local maxima of p(z | x), ``[N]``.

    Only those count whose density is at least ``relative_density`` times that of the highest.
    """
    values = np.asarray(points, dtype=np.float64)
    gaussians, projection = region_gaussians(model, partition)
    found = np.empty(len(values), dtype=np.int64)
    for rows in point_chunks(len(values), partition, memory_bytes):
        at = projection.points(values[rows])
        found[rows] = _mode_counts(partition, gaussians, at, relative_density)
    return found


def _mode_counts(
    partition: Partition, gaussians: RegionGaussians, at: WhitenedPoints, relative_density: float
) -> NDArray[np.int64]:
    means = gaussians.means(at.coordinates).numpy()
    if isinstance(partition, Intervals):
        ends = partition.lower[:, None], partition.upper[:, None]
        highest, modes = np.clip(means, *ends), interval_modes(partition, means[:, :, 0])
    else:
        highest = constrained_modes(partition, means, gaussians.covariances.numpy())
        modes = np.array([cell_modes(partition, row) for row in highest])
    heights = gaussians.log_joint_densities(
        at.coordinates, at.remainder, torch.from_numpy(highest)
    ).numpy()
    heights = np.where(modes, heights, -np.inf)
    with np.errstate(divide="ignore"):
        least = heights.max(axis=1, keepdims=True) + np.log(relative_density)
    return np.asarray((modes & (heights >= least)).sum(axis=1), dtype=np.int64)


def _drawn_regions(
    probability: Array, draws: int, generator: np.random.Generator
) -> NDArray[np.int64]:
    """Regions ``[N, draws]`` by their probabilities ``[N, R]``; never one of probability 0."""
    cumulative = np.cumsum(probability, axis=1)
    heights = generator.random((len(probability), draws)) * cumulative[:, -1:]
    chosen = [
        np.searchsorted(row, height, side="right")
        for row, height in zip(cumulative, heights, strict=True)
    ]
    last = probability.shape[1] - 1 - np.argmax(probability[:, ::-1] > 0, axis=1)
    return np.asarray(np.minimum(np.array(chosen, dtype=np.int64), last[:, None]))
