"""A piecewise-affine network with a standard normal latent and Gaussian noise: the model itself.

Equation (4) of "Analytical Probability Distributions and EM-Learning for Deep Generative Networks".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from workflow_src.models.piecewise_affine.networks import Network, outputs
from workflow_src.models.piecewise_affine.noise import NoiseCovariance

Array: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class DeepGenerativeNetwork:
    """x = g(z) + noise, z standard normal, g a piecewise-affine network.

    Attributes
    ----------
    network:
        g, from S to D values.
    noise:
        The covariance of x given z.
    """

    network: Network
    noise: NoiseCovariance


def sampled_points(
    model: DeepGenerativeNetwork, count: int, generator: np.random.Generator
) -> tuple[Array, Array, Array]:
    """Draws of z ``[M, S]``, of g(z) ``[M, D]``, and of x ``[M, D]``."""
    latents = generator.standard_normal((count, model.network.latent_dimensions))
    noiseless = outputs(model.network, latents)
    noise = generator.standard_normal(noiseless.shape)
    return latents, noiseless, noiseless + model.noise.colour(noise)
