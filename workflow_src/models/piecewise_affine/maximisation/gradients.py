"""The exact gradient of the log likelihood, from the expectations (Fisher's identity)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from workflow_src.models.piecewise_affine.inference.expectations import (
    DeepGenerativeNetwork,
    ExpectedStatistics,
)
from workflow_src.models.piecewise_affine.maximisation.objective import (
    residual_covariance,
    residual_moments,
    residual_squares,
)
from workflow_src.models.piecewise_affine.networks import layer_inputs, layer_maps
from workflow_src.models.piecewise_affine.partitions.enumeration import Partition

Array: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Gradients:
    """Derivatives in nats, summed over points.

    weights, biases:
        One array per layer, shaped like the network's.
    noise:
        With respect to the values of the noise covariance: the variance (isotropic, ``[]``), the
        variances ``[D]`` (diagonal), or the symmetric matrix ``[D, D]`` whose inner product with a
        small symmetric change of the covariance is the change in nats (full).
    """

    weights: tuple[Array, ...]
    biases: tuple[Array, ...]
    noise: Array


def gradients(
    model: DeepGenerativeNetwork, partition: Partition, statistics: ExpectedStatistics
) -> Gradients:
    """Derivatives of the expected complete log likelihood at the model.

    With expectations under the model itself they are those of the exact log likelihood.
    """
    pulls = pulled_residuals(model, partition, statistics)
    layers = [
        layer_gradient(model, partition, pulls, layer)
        for layer in range(1, model.network.layers + 1)
    ]
    return Gradients(
        weights=tuple(gradient[:, :-1] for gradient in layers),
        biases=tuple(gradient[:, -1] for gradient in layers),
        noise=noise_gradient(model, partition, statistics),
    )


def pulled_residuals(
    model: DeepGenerativeNetwork, partition: Partition, statistics: ExpectedStatistics
) -> Array:
    """Sx^-1 times the residual moments, ``[R, D, S + 1]``: the start of every layer's gradient."""
    residuals = residual_moments(model, partition, statistics)
    return np.swapaxes(model.noise.solve(np.swapaxes(residuals, 1, 2)), 1, 2)


def layer_gradient(
    model: DeepGenerativeNetwork, partition: Partition, pulls: Array, layer: int
) -> Array:
    """Derivatives by the weights and, last column, the biases of a layer, ``[H_l, H_l-1 + 1]``."""
    inputs, back = around_layer(model, partition, layer)
    if back is not None:
        pulls = np.swapaxes(back, 1, 2) @ pulls
    return np.asarray(np.einsum("rhs,rks->hk", pulls, inputs, optimize=True))


def around_layer(
    model: DeepGenerativeNetwork, partition: Partition, layer: int
) -> tuple[Array, Array | None]:
    """The maps before and after a layer's weights on each region.

    From (z, 1) to (what enters the layer, 1), ``[R, H_l-1 + 1, S + 1]``; and from the layer's
    pre-activation to the output, ``[R, D, H_l]``: None for the last layer, where it is the identity
    (which for images would be the largest array of all).
    """
    back = None
    if layer == model.network.layers:
        maps = layer_inputs(model.network, partition.signs, layer)
        slopes, offsets = maps.slopes, maps.offsets
    else:
        layers = layer_maps(model.network, partition.signs, layer)
        slopes, offsets, back = layers.inputs_slopes, layers.inputs_offsets, layers.back
    regions, width, latents = slopes.shape
    inputs = np.zeros((regions, width + 1, latents + 1))
    inputs[:, :-1, :-1] = slopes
    inputs[:, :-1, -1] = offsets
    inputs[:, -1, -1] = 1
    return inputs, back


def noise_gradient(
    model: DeepGenerativeNetwork, partition: Partition, statistics: ExpectedStatistics
) -> Array:
    """Derivatives by the values of the noise covariance, shaped like them."""
    noise, count = model.noise, statistics.points
    if noise.kind == "full":
        residuals = residual_covariance(model, partition, statistics)
        inverse = noise.solve(np.eye(noise.dimensions))
        gradient = 0.5 * (noise.solve(noise.solve(residuals).T) - count * inverse)
        return np.asarray((gradient + gradient.T) / 2)
    squares = residual_squares(model, partition, statistics)
    variances = noise.variances()
    gradient = 0.5 * (squares / variances - count) / variances
    return np.asarray(gradient.sum() if noise.kind == "isotropic" else gradient)
