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

from workflow_src.models.piecewise_affine.inference import DeepGenerativeNetwork
from workflow_src.models.piecewise_affine.networks import affine_maps
from workflow_src.models.piecewise_affine.partitions import Partition
from workflow_src.models.piecewise_affine.regions import region_gaussians
from workflow_src.models.piecewise_affine.truncated import truncated_moments

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
    means, covariances:
        Of x given t = r, ``[R, D]`` and ``[R, D, D]``.
    """

    log_weights: Array
    slopes: Array
    offsets: Array
    latent_means: Array
    latent_covariances: Array
    means: Array
    covariances: Array

    @property
    def weights(self) -> Array:
        """p(t = r), ``[R]``; they sum to 1."""
        return np.exp(self.log_weights)

    def mean(self) -> Array:
        """E[x], ``[D]``."""
        return self.weights @ self.means

    def covariance(self) -> Array:
        """Cov[x], ``[D, D]``: within components and between them."""
        around = self.means - self.mean()
        between = np.einsum("r,rd,re->de", self.weights, around, around)
        return np.asarray(np.einsum("r,rde->de", self.weights, self.covariances) + between)


def mixture_of_components(model: DeepGenerativeNetwork, partition: Partition) -> Mixture:
    """Proposition 1: p(t = r) = prior mass of region r, W_r = A_r, v_r = b_r."""
    latent = partition.dimensions
    prior = truncated_moments(
        partition,
        torch.zeros(1, 1, latent, dtype=torch.float64),
        torch.eye(latent, dtype=torch.float64)[None],
    )
    maps = affine_maps(model.network, partition.signs)
    latent_means = prior.mean[0].numpy()
    spread = prior.second[0].numpy() - latent_means[:, :, None] * latent_means[:, None, :]
    means = (maps.slopes @ latent_means[:, :, None])[:, :, 0] + maps.offsets
    covariances = maps.slopes @ spread @ maps.slopes.transpose(0, 2, 1) + model.noise.matrix()
    return Mixture(
        log_weights=prior.log_mass[0].numpy(),
        slopes=maps.slopes,
        offsets=maps.offsets,
        latent_means=latent_means,
        latent_covariances=spread,
        means=means,
        covariances=covariances,
    )


def uncut_log_likelihoods(
    model: DeepGenerativeNetwork, partition: Partition, points: Array
) -> Array:
    """log of sum_r p(t = r) N(x; v_r, Sx + W_r W_r') in nats, ``[N]``: z is not cut to regions."""
    gaussians, projection = region_gaussians(model, partition)
    weights = torch.from_numpy(mixture_of_components(model, partition).log_weights)
    at = projection.points(points)
    means = gaussians.means(at.coordinates)
    densities = gaussians.log_densities(at.coordinates, at.remainder, means)
    return np.asarray(torch.logsumexp(densities + weights, dim=1).numpy())
