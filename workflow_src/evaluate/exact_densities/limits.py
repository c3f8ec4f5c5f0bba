"""The limit of no noise (Lemma 2, corrected) and the model written as a mixture (Proposition 1).

Both are shown, and both are checked by a number: how far the exact posterior is from its limit at
the smallest noise, and how far the mixture's log density is from the model's.
"""

from __future__ import annotations

import numpy as np
from scipy.special import logsumexp

from workflow_src.evaluate.exact_densities.likelihoods import log_likelihoods_of
from workflow_src.evaluate.exact_densities.means import mean_row
from workflow_src.evaluate.exact_densities.pictures import curve
from workflow_src.evaluate.exact_densities.reference import conditioned
from workflow_src.evaluate.exact_densities.subject import Array, Subject
from workflow_src.evaluate.measurement import Arrays
from workflow_src.evaluate.metric_rows import Row, row
from workflow_src.models.piecewise_affine.inference.expectations import DeepGenerativeNetwork
from workflow_src.models.piecewise_affine.inference.mixture import prior_log_masses
from workflow_src.models.piecewise_affine.inference.posterior import posterior_moments
from workflow_src.models.piecewise_affine.inference.zero_noise import optimal_latents
from workflow_src.models.piecewise_affine.integrals.moments import moments
from workflow_src.models.piecewise_affine.networks import affine_maps
from workflow_src.models.piecewise_affine.noise import NoiseCovariance

SHOWN = 12
"""Test points whose latent points are sought."""
FACTORS = (1.0, 0.3, 0.1, 0.03, 0.01)
"""Of the model's standard deviation of noise, in a row that goes to zero."""
CLIP = 1.0
MOST_DIMENSIONS = 8
"""Values of a point up to which covariances of components are kept, and densities put together."""
MOST_POINTS = 100
"""Test points, the first ones, at which the mixture's density is put together."""


def zero_noise(subject: Subject, test: Array) -> tuple[list[Row], Arrays]:
    """z* of the first test points, and the exact posterior as the noise goes to zero.

    The row is the distance of the posterior's mean from z* at the smallest noise, where the limit
    is one point.
    """
    points, network = test[:SHOWN], subject.model.network
    deviation = subject.model.noise.standard_deviation()
    known = (network, subject.partition, points)
    limit = optimal_latents(*known)
    deviations = deviation * np.array(FACTORS)
    found = [_moments_at(subject, points, float(one)) for one in deviations]
    arrays: Arrays = {
        "points": points,
        "latents": limit.latents,
        "reconstructions": limit.outputs,
        "regions": limit.regions,
        "single": limit.full_rank,
        "penalised_latents": optimal_latents(*known, prior_weight=deviation**2).latents,
        "clipped_latents": optimal_latents(*known, clip=CLIP).latents,
        "clip": np.array(CLIP),
        "noise_standard_deviations": deviations,
        "means": np.stack([mean for mean, _ in found]),
        "standard_deviations": np.stack([spread for _, spread in found]),
    }
    if network.outputs == 2 and subject.latent_dimensions == 1:
        arrays["curve"] = curve(subject)
    return [distance_row(arrays)], arrays


def distance_row(arrays: Arrays) -> Row:
    """The mean of |E[z | x] - z*| at the smallest noise over points whose limit is one point."""
    off = np.linalg.norm(arrays["means"][-1] - arrays["latents"], axis=1)
    return mean_row("zero_noise_distance", off[arrays["single"]], "latent units")


def _moments_at(subject: Subject, points: Array, deviation: float) -> tuple[Array, Array]:
    """Mean and standard deviation [P, S] of z given x under isotropic noise."""
    noise = NoiseCovariance.isotropic(deviation**2, points.shape[1])
    model = DeepGenerativeNetwork(subject.model.network, noise)
    found = posterior_moments(model, subject.partition, points)
    variances = np.diagonal(found.covariance, axis1=1, axis2=2)
    return found.mean, np.sqrt(np.maximum(variances, 0))


def components(subject: Subject, test: Array) -> tuple[list[Row], Arrays]:
    """Weight and affine map of every region, and moments of z and x within it.

    The row is the largest difference of the mixture's log density from the model's over the first
    of the ``test`` points [N, D], of few values.
    """
    log_weights = prior_log_masses(subject.partition)
    maps = affine_maps(subject.model.network, subject.partition.signs)
    count, size = len(log_weights), subject.latent_dimensions
    identity = np.broadcast_to(np.eye(size), (count, size, size))
    within = moments(subject.partition, np.zeros((1, count, size)), identity)
    mean = within.mean[0]
    covariance = within.second[0] - mean[:, :, None] * mean[:, None, :]
    arrays: Arrays = {
        "log_weights": log_weights,
        "slopes": maps.slopes,
        "offsets": maps.offsets,
        "latent_means": mean,
        "latent_covariances": covariance,
        "means": np.einsum("rds,rs->rd", maps.slopes, mean) + maps.offsets,
    }
    if subject.model.network.outputs <= MOST_DIMENSIONS:
        spread = maps.slopes @ covariance @ maps.slopes.transpose(0, 2, 1)
        arrays["covariances"] = spread + subject.model.noise.matrix()
        points = test[:MOST_POINTS]
        arrays["log_likelihood"] = log_likelihoods_of(subject, points).values
        arrays["mixture_log_density"] = mixture_log_densities(subject, points, log_weights)
    return difference_rows(arrays), arrays


def difference_rows(arrays: Arrays) -> list[Row]:
    """The largest difference of log densities, where the mixture's were put together."""
    if "mixture_log_density" not in arrays:
        return []
    off = np.abs(arrays["mixture_log_density"] - arrays["log_likelihood"])
    return [row("mixture_difference", float(off.max()), None, "nats", None)]


def mixture_log_densities(subject: Subject, points: Array, log_weights: Array) -> Array:
    """log of sum_r w_r p(x | r) in nats of points [N, D], with weights of log w_r [R].

    The density of a component is that of x = W_r z + v_r + noise with z cut to its region:
    N(x; v_r, Sx + W_r W_r') times the mass of the region under p(z | x) by its mass under p(z),
    each a density by itself. By dense linear algebra, apart from what gives the log likelihood.
    """
    found, partition = conditioned(subject, points), subject.partition
    count, size = found.means.shape[1:]
    identity = np.broadcast_to(np.eye(size), (count, size, size))
    prior = moments(partition, np.zeros((1, count, size)), identity).log_mass
    given = moments(partition, found.means, found.covariances).log_mass
    # A region too far out for a mass in float64 has no weight either.
    with np.errstate(invalid="ignore"):
        of_components = found.log_density + given - prior
    parts = np.where(np.isfinite(log_weights), log_weights + of_components, -np.inf)
    return np.asarray(logsumexp(parts, axis=1))
