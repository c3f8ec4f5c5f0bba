"""The exact posterior p(z | x): density, moments, modes and samples (Proposition 2, corrected)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from workflow_src.models.piecewise_affine.cell_modes import cell_modes, interval_modes
from workflow_src.models.piecewise_affine.cell_sampling import sample_regions
from workflow_src.models.piecewise_affine.inference import (
    MEMORY_BYTES,
    DeepGenerativeNetwork,
    e_step,
    expected_outputs,
    log_likelihoods,
)
from workflow_src.models.piecewise_affine.integrals.modes import constrained_modes
from workflow_src.models.piecewise_affine.networks import affine_maps
from workflow_src.models.piecewise_affine.partitions import Intervals, Partition, region_of
from workflow_src.models.piecewise_affine.regions import region_gaussians

Array: TypeAlias = NDArray[np.float64]


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
    """

    log_likelihood: Array
    region_probability: Array
    mean: Array
    covariance: Array
    reconstruction: Array


def posterior_moments(
    model: DeepGenerativeNetwork,
    partition: Partition,
    points: Array,
    memory_bytes: int = MEMORY_BYTES,
) -> PosteriorMoments:
    """Moments of z given each of the points ``[N, D]``."""
    maps = affine_maps(model.network, partition.signs)
    parts: list[PosteriorMoments] = []
    for _, posterior in e_step(model, partition, points, memory_bytes):
        parts.append(
            PosteriorMoments(
                log_likelihood=posterior.log_likelihood,
                region_probability=posterior.probability,
                mean=posterior.latent_mean(),
                covariance=posterior.latent_covariance(),
                reconstruction=expected_outputs(maps, posterior),
            )
        )
    names = PosteriorMoments.__dataclass_fields__
    return PosteriorMoments(
        *(np.concatenate([getattr(part, name) for part in parts]) for name in names)
    )


def log_posterior_densities(
    model: DeepGenerativeNetwork, partition: Partition, points: Array, latents: Array
) -> Array:
    """log p(z | x) in nats of points ``[N, D]`` at latents ``[M, S]``, ``[N, M]``."""
    gaussians, projection = region_gaussians(model, partition)
    chosen = torch.from_numpy(region_of(partition, model.network, latents))
    at = projection.points(points)
    joint = gaussians.chosen(chosen).log_joint_densities(
        at.coordinates, at.remainder, torch.from_numpy(np.asarray(latents, dtype=np.float64))[None]
    )
    return np.asarray(joint.numpy() - log_likelihoods(model, partition, points)[:, None])


def sample_posteriors(
    model: DeepGenerativeNetwork,
    partition: Partition,
    points: Array,
    draws: int,
    generator: np.random.Generator,
    memory_bytes: int = MEMORY_BYTES,
) -> Array:
    """Exact independent draws of z given each point, ``[N, draws, S]``.

    A region by its posterior probability (an estimate for S >= 4), then the Gaussian cut to it.
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
) -> NDArray[np.int64]:
    """Number of local maxima of p(z | x), ``[N]``.

    Only those count whose density is at least ``relative_density`` times that of the highest.
    """
    gaussians, projection = region_gaussians(model, partition)
    at = projection.points(points)
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
