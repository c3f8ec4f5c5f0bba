"""A network as a continuous mixture of probabilistic PCA (Proposition 1).

Component r is chosen with the prior mass of its region, and is x = W_r z + v_r + noise with z
standard normal *cut to the region*: that is what makes the mixture continuous, and what a mixture
of probabilistic PCA with the same weights leaves out (`uncut_log_likelihoods`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import logsumexp
from torch import Tensor

from workflow_src.models.piecewise_affine.inference.expectations import (
    MEMORY_BYTES,
    DeepGenerativeNetwork,
    point_chunks,
)
from workflow_src.models.piecewise_affine.inference.regions import region_gaussians
from workflow_src.models.piecewise_affine.inference.truncated import (
    USUAL_DRAWS,
    Estimated,
    estimated,
    is_exact,
    truncated_log_masses,
    truncated_moments,
)
from workflow_src.models.piecewise_affine.networks import affine_maps
from workflow_src.models.piecewise_affine.noise import NoiseCovariance
from workflow_src.models.piecewise_affine.partitions.enumeration import Partition

Array: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Mixture:
    """The components of a network with noise.

    Attributes
    ----------
    log_weights:
        log p(t = r), ``[R]``.
    slopes, offsets:
        W_r ``[R, D, S]`` and v_r ``[R, D]``.
    latent_means, latent_covariances:
        Of z given t = r, ``[R, S]`` and ``[R, S, S]``: of the cut prior.
    means:
        E[x | t = r], ``[R, D]``.
    noise:
        The covariance of x given z, the same in all components.
    """

    log_weights: Array
    slopes: Array
    offsets: Array
    latent_means: Array
    latent_covariances: Array
    means: Array
    noise: NoiseCovariance

    @property
    def weights(self) -> Array:
        """p(t = r), ``[R]``; they sum to 1."""
        return np.exp(self.log_weights)

    def mean(self) -> Array:
        """E[x], ``[D]``."""
        return self.weights @ self.means

    def covariances(self) -> Array:
        """Cov[x | t = r], ``[R, D, D]``: made when asked for, since images have a large D."""
        spread = self.slopes @ self.latent_covariances @ self.slopes.transpose(0, 2, 1)
        return np.asarray(spread + self.noise.matrix())

    def covariance(self) -> Array:
        """Cov[x], ``[D, D]``: within components and between them."""
        around = self.means - self.mean()
        between = (around.T * self.weights) @ around
        spread = self.weights[:, None, None] * (self.slopes @ self.latent_covariances)
        within = np.tensordot(spread, self.slopes, axes=([0, 2], [0, 2]))
        return np.asarray(within + self.noise.matrix() + between)


def prior_log_masses(partition: Partition) -> Array:
    """log of the prior's mass on each region, ``[R]``; the masses sum to 1: exact for S <= 3.

    Estimates from S = 4 on, whose errors `prior_log_masses_with_errors` tells.
    """
    return prior_log_masses_with_errors(partition)[0]


def prior_log_masses_with_errors(partition: Partition) -> tuple[Array, Array]:
    """The logarithms of the masses and their standard errors, ``[R]`` each; 0 where exact.

    Where no draw of an estimate fell into a region its logarithm is -inf, and the error is inf.
    """
    means, covariances = _prior(partition.dimensions)
    if is_exact(partition):
        log_masses = truncated_log_masses(partition, means, covariances)[0].numpy()
        return log_masses - logsumexp(log_masses), np.zeros(partition.regions)
    found = _estimated_prior(partition)
    log_masses = found.moments.log_mass[0].numpy()
    return log_masses - logsumexp(log_masses), found.log_mass_error[0].numpy()


def mixture_of_components(model: DeepGenerativeNetwork, partition: Partition) -> Mixture:
    """Proposition 1: p(t = r) = prior mass of region r, W_r = A_r, v_r = b_r.

    Exact for S <= 3. From S = 4 on weights and latent moments are estimates: those of the weights
    have errors (`prior_log_masses_with_errors`), the moments have none.
    """
    if is_exact(partition):
        prior = truncated_moments(partition, *_prior(partition.dimensions))
    else:
        prior = _estimated_prior(partition).moments
    log_masses = prior.log_mass[0].numpy()
    maps = affine_maps(model.network, partition.signs)
    latent_means = prior.mean[0].numpy()
    spread = prior.second[0].numpy() - latent_means[:, :, None] * latent_means[:, None, :]
    means = (maps.slopes @ latent_means[:, :, None])[:, :, 0] + maps.offsets
    return Mixture(
        log_weights=log_masses - logsumexp(log_masses),
        slopes=maps.slopes,
        offsets=maps.offsets,
        latent_means=latent_means,
        latent_covariances=spread,
        means=means,
        noise=model.noise,
    )


def uncut_log_likelihoods(
    model: DeepGenerativeNetwork,
    partition: Partition,
    points: Array,
    memory_bytes: int = MEMORY_BYTES,
) -> Array:
    """log of sum_r p(t = r) N(x; v_r, Sx + W_r W_r') in nats, ``[N]``: z is not cut to regions.

    As exact as the weights: see `prior_log_masses`.
    """
    values = np.asarray(points, dtype=np.float64)
    gaussians, projection = region_gaussians(model, partition)
    weights = torch.from_numpy(prior_log_masses(partition))
    found = np.empty(len(values))
    for rows in point_chunks(len(values), partition, memory_bytes):
        at = projection.points(values[rows])
        means = gaussians.means(at.coordinates)
        densities = gaussians.log_densities(at.coordinates, at.remainder, means)
        found[rows] = torch.logsumexp(densities + weights, dim=1).numpy()
    return found


def _prior(latent: int) -> tuple[Tensor, Tensor]:
    """Mean and covariance of the standard normal, as one Gaussian for all regions."""
    return (
        torch.zeros(1, 1, latent, dtype=torch.float64),
        torch.eye(latent, dtype=torch.float64)[None],
    )


def _estimated_prior(partition: Partition) -> Estimated:
    even = torch.zeros(1, partition.regions, dtype=torch.float64)
    return estimated(partition, *_prior(partition.dimensions), even, USUAL_DRAWS)
