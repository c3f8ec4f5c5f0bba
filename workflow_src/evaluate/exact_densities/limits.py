"""The limit of no noise (Lemma 2, corrected) and the model written as a mixture (Proposition 1)."""

from __future__ import annotations

import numpy as np

from workflow_src.evaluate.exact_densities.pictures import curve
from workflow_src.evaluate.exact_densities.subject import Array, Subject
from workflow_src.evaluate.measurement import Arrays
from workflow_src.models.piecewise_affine.inference import DeepGenerativeNetwork
from workflow_src.models.piecewise_affine.integrals.moments import moments
from workflow_src.models.piecewise_affine.mixture import mixture_of_components
from workflow_src.models.piecewise_affine.noise import NoiseCovariance
from workflow_src.models.piecewise_affine.posterior import posterior_moments
from workflow_src.models.piecewise_affine.zero_noise import optimal_latents

SHOWN = 12
"""Test points whose latent points are sought."""
FACTORS = (1.0, 0.3, 0.1, 0.03, 0.01)
"""Of the model's standard deviation of noise, in a row that goes to zero."""
CLIP = 1.0
MOST_DIMENSIONS = 8
"""Values of a point up to which covariances of components are kept."""


def zero_noise(subject: Subject, test: Array) -> Arrays:
    """z* of the first test points, and the exact posterior as the noise goes to zero."""
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
        "penalised_latents": optimal_latents(*known, prior_weight=deviation**2).latents,
        "clipped_latents": optimal_latents(*known, clip=CLIP).latents,
        "clip": np.array(CLIP),
        "noise_standard_deviations": deviations,
        "means": np.stack([mean for mean, _ in found]),
        "standard_deviations": np.stack([spread for _, spread in found]),
    }
    drawn = network.outputs == 2 and subject.latent_dimensions == 1
    return arrays | ({"curve": curve(subject)} if drawn else {})


def _moments_at(subject: Subject, points: Array, deviation: float) -> tuple[Array, Array]:
    """Mean and standard deviation [P, S] of z given x under isotropic noise."""
    noise = NoiseCovariance.isotropic(deviation**2, points.shape[1])
    model = DeepGenerativeNetwork(subject.model.network, noise)
    found = posterior_moments(model, subject.partition, points)
    variances = np.diagonal(found.covariance, axis1=1, axis2=2)
    return found.mean, np.sqrt(np.maximum(variances, 0))


def components(subject: Subject) -> Arrays:
    """Weight and affine map of every region, and moments of z and x within it."""
    mixture = mixture_of_components(subject.model, subject.partition)
    count, size = len(mixture.log_weights), subject.latent_dimensions
    identity = np.broadcast_to(np.eye(size), (count, size, size))
    within = moments(subject.partition, np.zeros((1, count, size)), identity)
    mean = within.mean[0]
    covariance = within.second[0] - mean[:, :, None] * mean[:, None, :]
    arrays: Arrays = {
        "log_weights": mixture.log_weights,
        "slopes": mixture.slopes,
        "offsets": mixture.offsets,
        "latent_means": mean,
        "latent_covariances": covariance,
        "means": np.einsum("rds,rs->rd", mixture.slopes, mean) + mixture.offsets,
    }
    if subject.model.network.outputs <= MOST_DIMENSIONS:
        spread = mixture.slopes @ covariance @ mixture.slopes.transpose(0, 2, 1)
        arrays["covariances"] = spread + subject.model.noise.matrix()
    return arrays
