"""The expected complete log likelihood Q that a maximisation step raises.

Equation (21) of "Analytical Probability Distributions and EM-Learning for Deep Generative
Networks", corrected (the second moment of z is weighted by A' Sx^-1 A), from sums over points.

Residuals are differences of sums over points around the statistics' center, so that they keep their
digits wherever the points lie; a variance that is tiny beside the points' own spread does not.

Q takes the expectations as given: the network's affine maps are those of the regions (sign
patterns) that the expectations were taken over, whether or not the network still has these regions.
Shapes: N points, R regions, S latent dimensions, D values of a point.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from workflow_src.models.piecewise_affine.inference.expectations import (
    DeepGenerativeNetwork,
    ExpectedStatistics,
)
from workflow_src.models.piecewise_affine.networks import (
    AffineMaps,
    Network,
    affine_maps,
    with_layer,
)
from workflow_src.models.piecewise_affine.partitions.enumeration import Partition

Array: TypeAlias = NDArray[np.float64]


def expected_complete_log_likelihood(
    model: DeepGenerativeNetwork, partition: Partition, statistics: ExpectedStatistics
) -> float:
    """Sum over points of E[log p(x, z) | x] in nats, the expectation being the statistics'."""
    noise = model.noise
    if noise.kind == "full":
        misfit = float(np.trace(noise.solve(residual_covariance(model, partition, statistics))))
    else:
        misfit = float(noise.solve(residual_squares(model, partition, statistics)).sum())
    count, dimensions = statistics.points, noise.dimensions + model.network.latent_dimensions
    latents = float(np.trace(statistics.second, axis1=1, axis2=2).sum())
    normaliser = count * (dimensions * math.log(2 * math.pi) + noise.log_determinant())
    return -0.5 * (normaliser + misfit + latents)


def residual_squares(
    model: DeepGenerativeNetwork, partition: Partition, statistics: ExpectedStatistics
) -> Array:
    """Sum over points of E[(x - g(z))^2 | x], value by value, ``[D]``."""
    maps = centered_maps(model.network, partition, statistics)
    slopes, offsets = maps.slopes, maps.offsets
    cross = (slopes * statistics.points_first).sum((0, 2))
    cross += (offsets * statistics.points_mass).sum(0)
    first, mass = _output_moments(maps, statistics)
    return np.asarray(
        statistics.squares - 2 * cross + (first * slopes).sum((0, 2)) + (mass * offsets).sum(0)
    )


def residual_covariance(
    model: DeepGenerativeNetwork, partition: Partition, statistics: ExpectedStatistics
) -> Array:
    """Sum over points of E[(x - g(z)) (x - g(z))' | x], ``[D, D]``; needs ``statistics.outer``."""
    if statistics.outer is None:
        raise ValueError("a full noise covariance needs the points' outer products")
    maps = centered_maps(model.network, partition, statistics)
    cross = np.einsum("rds,res->de", statistics.points_first, maps.slopes, optimize=True)
    cross += statistics.points_mass.T @ maps.offsets
    first, mass = _output_moments(maps, statistics)
    outputs = np.einsum("rds,res->de", first, maps.slopes, optimize=True) + mass.T @ maps.offsets
    total = statistics.outer - cross - cross.T + outputs
    return np.asarray((total + total.T) / 2)


def residual_moments(
    model: DeepGenerativeNetwork, partition: Partition, statistics: ExpectedStatistics
) -> Array:
    """Sum over points of E[(x - g(z)) (z, 1)' 1(z in w) | x], ``[R, D, S + 1]``."""
    first, mass = _output_moments(centered_maps(model.network, partition, statistics), statistics)
    return np.concatenate(
        [statistics.points_first - first, (statistics.points_mass - mass)[:, :, None]], axis=2
    )


def centered_maps(
    network: Network, partition: Partition, statistics: ExpectedStatistics
) -> AffineMaps:
    """g(z) - center on each region: what the statistics' centered points are compared with.

    The center leaves the last biases before anything is added to them, so that no digits are lost
    however far from the origin the points lie.
    """
    biases = network.biases[-1] - statistics.center
    return affine_maps(with_layer(network, network.layers, biases=biases), partition.signs)


def latent_moments(statistics: ExpectedStatistics) -> Array:
    """Sum over points of E[(z, 1) (z, 1)' 1(z in w) | x], ``[R, S + 1, S + 1]``."""
    top = np.concatenate([statistics.second, statistics.first[:, :, None]], axis=2)
    bottom = np.concatenate([statistics.first, statistics.mass[:, None]], axis=1)
    return np.concatenate([top, bottom[:, None, :]], axis=1)


def _output_moments(maps: AffineMaps, statistics: ExpectedStatistics) -> tuple[Array, Array]:
    """Sums of E[g z' 1(z in w)], ``[R, D, S]``, and E[g 1(z in w)], ``[R, D]``; g by these maps."""
    first = maps.slopes @ statistics.second
    first = first + maps.offsets[:, :, None] * statistics.first[:, None, :]
    mass = np.einsum("rds,rs->rd", maps.slopes, statistics.first)
    return first, mass + maps.offsets * statistics.mass[:, None]
