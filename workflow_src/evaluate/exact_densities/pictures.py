"""Arrays that figures draw: densities on a grid, posteriors of a few observations, samples."""

from __future__ import annotations

import numpy as np

from workflow_src.evaluate.exact_densities.gaps import modes
from workflow_src.evaluate.exact_densities.likelihoods import log_likelihoods_of
from workflow_src.evaluate.exact_densities.regions import WINDOW
from workflow_src.evaluate.exact_densities.subject import Array, Points, Subject
from workflow_src.evaluate.measurement import Arrays
from workflow_src.models.piecewise_affine.inference.expectations import sampled_points
from workflow_src.models.piecewise_affine.inference.posterior import (
    PosteriorMoments,
    log_posterior_densities,
    posterior_moments,
)
from workflow_src.models.piecewise_affine.networks import outputs
from workflow_src.models.piecewise_affine.partitions.cells import Intervals

CURVE_POINTS = 1_001
SHOWN_POINTS = 500
GRID_OF_DENSITY = {1: 161, 2: 81}
"""Points along each side of a grid of data points, by latent dimensions; else the second."""
GRID_OF_POSTERIOR = {1: 801, 2: 121}
"""Points along each latent dimension."""
_REACH = 6.0
"""Posterior standard deviations about its mean that the grid of latent points holds."""


def curve(subject: Subject) -> Array:
    """The noiseless image [M, D] of a latent line, from one side of its window to the other."""
    latents = np.linspace(-WINDOW, WINDOW, CURVE_POINTS)[:, None]
    return outputs(subject.model.network, latents)


def marginal(subject: Subject, points: Points) -> Arrays:
    """log p(x) on a grid that holds the data and three standard deviations of noise."""
    data = np.concatenate([points.train, points.test])
    margin = 3 * np.sqrt(subject.model.noise.variances())
    lower, upper = data.min(axis=0) - margin, data.max(axis=0) + margin
    size = GRID_OF_DENSITY.get(subject.latent_dimensions, GRID_OF_DENSITY[2])
    first, second = (np.linspace(a, b, size) for a, b in zip(lower, upper, strict=True))
    grid = np.stack(np.meshgrid(first, second), axis=-1)
    density = log_likelihoods_of(subject, grid.reshape(-1, 2)).values
    arrays: Arrays = {
        "first": first,
        "second": second,
        "log_density": density.reshape(size, size),
        "test": points.test[:SHOWN_POINTS],
        "train": points.train[:SHOWN_POINTS],
    }
    return arrays | ({"curve": curve(subject)} if subject.latent_dimensions == 1 else {})


def posteriors(subject: Subject, points: Points, count: int) -> Arrays:
    """The exact posterior of ``count`` noiseless, noisy and test points each."""
    drawn = sampled_points(subject.model, count, subject.generator("observations"))
    latents, noiseless, noisy = drawn
    test = points.test[:count]
    observed = np.concatenate([noiseless, noisy, test])
    kinds = np.repeat(["noiseless", "noisy", "test"], [count, count, len(test)])
    unknown = np.full((len(test), subject.latent_dimensions), np.nan)
    moments = posterior_moments(subject.model, subject.partition, observed)
    arrays: Arrays = {
        "points": observed,
        "kinds": kinds,
        "drawn_latents": np.concatenate([latents, latents, unknown]),
        "log_likelihood": moments.log_likelihood,
        "mean": moments.mean,
        "covariance": moments.covariance,
        "region_probabilities": moments.region_probability,
        "reconstructions": moments.reconstruction,
        **_densities(subject, observed, moments),
    }
    codes = subject.encoded(observed)
    if codes is not None:
        arrays |= {"encoder_mean": codes.means, "encoder_covariance": codes.covariances}
    return arrays


def point_samples(subject: Subject, points: Points, count: int) -> Arrays:
    """Draws of the model, with and without noise, beside test points."""
    generator = subject.generator("samples")
    latents, noiseless, noisy = sampled_points(subject.model, count, generator)
    return {
        "latents": latents,
        "noiseless": noiseless,
        "noisy": noisy,
        "shape": np.array(points.shape, dtype=np.int64),
        "test": points.test[:count],
    }


def _densities(subject: Subject, points: Array, moments: PosteriorMoments) -> Arrays:
    """log p(z | x) of points [P, D] on a grid of z that holds all of their posteriors."""
    dimensions, known = subject.latent_dimensions, (subject.model, subject.partition, points)
    spread = np.sqrt(np.diagonal(moments.covariance, axis1=1, axis2=2))
    lower = (moments.mean - _REACH * spread).min(axis=0)
    upper = (moments.mean + _REACH * spread).max(axis=0)
    lower, upper = np.minimum(lower, -WINDOW), np.maximum(upper, WINDOW)
    size = GRID_OF_POSTERIOR[dimensions]
    sides = np.stack([np.linspace(a, b, size) for a, b in zip(lower, upper, strict=True)])
    if dimensions == 2:
        grid = np.stack(np.meshgrid(*sides), axis=-1).reshape(-1, 2)
        density = log_posterior_densities(*known, grid).reshape(len(points), size, size)
        return {"latents": sides, "log_density": density}
    arrays: Arrays = {
        "latents": sides[0],
        "log_density": log_posterior_densities(*known, sides[0][:, None]),
        "modes": modes(subject, points),
    }
    if isinstance(subject.partition, Intervals):
        limits = subject.partition.upper
        arrays["boundaries"] = limits[(limits > lower[0]) & (limits < upper[0])]
    return arrays
