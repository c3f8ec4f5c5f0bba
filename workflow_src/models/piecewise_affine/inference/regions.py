"""A network with noise as one linear Gaussian model for each region, in whitened coordinates.

On region w, x = A_w z + b_w + noise. With L L' = Sx, everything that inference asks of x is a
function of y = L^-1 (x - v^L), taken from the last biases so that no digits are lost on data far
from the origin. The last layer is linear, so what y varies by with z stays in the columns of
L^-1 W^L: where these are fewer than D, points are projected on them once, and all work for each
region has at most H_{L-1} dimensions instead of D. What is left of y outside of them is the same
for every region.

Shapes: N points, R regions, S latent dimensions, D values of a point, K = min(D, H_{L-1}).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workflow_src.models.piecewise_affine.generative_networks import DeepGenerativeNetwork
from workflow_src.models.piecewise_affine.networks import layer_inputs
from workflow_src.models.piecewise_affine.partitions.enumeration import Partition

Array: TypeAlias = NDArray[np.float64]

LOG_TWO_PI = math.log(2 * math.pi)


@dataclass(frozen=True, eq=False)
class RegionGaussians:
    """The linear Gaussian models of all regions; float64 tensors on one device.

    Attributes
    ----------
    slopes, offsets:
        The affine maps in whitened, projected coordinates, ``[R, K, S]`` and ``[R, K]``.
    gains:
        S_w A_w' Sx^-1 in these coordinates, ``[R, S, K]``: mu_w(x) = gains (y - offsets).
    covariances:
        S_w, ``[R, S, S]``; ``precisions`` their inverses I + A_w' Sx^-1 A_w.
    log_constants:
        -D/2 log 2 pi - 1/2 log det(Sx + A_w A_w'), ``[R]``.
    likelihood_constant:
        -D/2 log 2 pi - 1/2 log det Sx.
    """

    slopes: Tensor
    offsets: Tensor
    gains: Tensor
    covariances: Tensor
    precisions: Tensor
    log_constants: Tensor
    likelihood_constant: float

    @property
    def regions(self) -> int:
        """R."""
        return self.slopes.shape[0]

    @property
    def latent_dimensions(self) -> int:
        """S."""
        return self.slopes.shape[2]

    def chosen(self, regions: Tensor) -> RegionGaussians:
        """Those of some regions ``[M]``, in their order; regions may come more than once."""
        return RegionGaussians(
            self.slopes[regions],
            self.offsets[regions],
            self.gains[regions],
            self.covariances[regions],
            self.precisions[regions],
            self.log_constants[regions],
            self.likelihood_constant,
        )

    def means(self, coordinates: Tensor) -> Tensor:
        """mu_w(x) of coordinates ``[N, K]``, ``[N, R, S]``."""
        rows = self.gains.reshape(-1, self.gains.shape[2])
        centre = (self.gains @ self.offsets[:, :, None])[:, :, 0]
        means = (coordinates @ rows.T).reshape(len(coordinates), *self.gains.shape[:2])
        return means.sub_(centre)

    def log_densities(self, coordinates: Tensor, remainder: Tensor, means: Tensor) -> Tensor:
        """log N(x; b_w, Sx + A_w A_w') of coordinates ``[N, K]`` and remainder ``[N]``, ``[N, R]``.

        The quadratic form is |y - b - A mu|^2 + |mu|^2: a sum of squares, where the shorter
        |y - b|^2 - ... would be a difference of large numbers far from the data.
        """
        return self._quadratic(coordinates, means, remainder).add_(self.log_constants)

    def log_joint_densities(
        self, coordinates: Tensor, remainder: Tensor, latents: Tensor
    ) -> Tensor:
        """log p(x, z) if z ``[N, R, S]`` (or broadcast) lies in region w, ``[N, R]``."""
        constant = self.likelihood_constant - self.latent_dimensions / 2 * LOG_TWO_PI
        return self._quadratic(coordinates, latents, remainder).add_(constant)

    def _quadratic(self, coordinates: Tensor, latents: Tensor, remainder: Tensor) -> Tensor:
        """-1/2 (|y - A z - b|^2 + |z|^2), ``[N, R]``: one coordinate at a time, to save memory."""
        total = (latents * latents).sum(dim=-1) + remainder[:, None]
        for index in range(self.slopes.shape[1]):
            residual = coordinates[:, index, None] - self.offsets[:, index]
            for dimension in range(self.slopes.shape[2]):
                residual -= latents[..., dimension] * self.slopes[:, index, dimension]
            total = total + residual.square_()
        return total.mul_(-0.5)


@dataclass(frozen=True, eq=False)
class WhitenedPoints:
    """Points as inference sees them: coordinates ``[N, K]`` and squares outside of them ``[N]``."""

    coordinates: Tensor
    remainder: Tensor


def region_gaussians(
    model: DeepGenerativeNetwork, partition: Partition, device: str = "cpu"
) -> tuple[RegionGaussians, Projection]:
    """The Gaussian models of all regions, and how points are put into their coordinates."""
    network = model.network
    if model.noise.dimensions != network.outputs:
        raise ValueError(f"noise of {model.noise.dimensions} values, points of {network.outputs}")
    projection = _projection(model)
    maps = layer_inputs(network, partition.signs, network.layers)
    slopes = projection.last_layer @ maps.slopes
    offsets = maps.offsets @ projection.last_layer.T
    return _gaussians(slopes, offsets, model.noise.log_determinant(), network.outputs, device), (
        projection
    )


@dataclass(frozen=True, eq=False)
class Projection:
    """Where points are projected to before any region is looked at.

    Attributes
    ----------
    model:
        Whose noise whitens the points, and whose last biases are their centre.
    basis:
        Q of L^-1 W^L = Q T, ``[D, K]``; None where D <= H_{L-1}, and nothing is projected.
    last_layer:
        T, ``[K, H_{L-1}]``: the last layer in the projected coordinates; L^-1 W^L if none are.
    """

    model: DeepGenerativeNetwork
    basis: Array | None
    last_layer: Array

    def points(self, points: Array, device: str = "cpu") -> WhitenedPoints:
        """Points ``[N, D]`` in the coordinates of the regions."""
        values = np.asarray(points, dtype=np.float64)
        whitened = self.model.noise.whiten(values - self.model.network.biases[-1])
        if self.basis is None:
            coordinates, remainder = whitened, np.zeros(len(values))
        else:
            coordinates = whitened @ self.basis
            outside = whitened - coordinates @ self.basis.T
            remainder = np.einsum("nd,nd->n", outside, outside)
        return WhitenedPoints(_tensor(coordinates, device), _tensor(remainder, device))


def _projection(model: DeepGenerativeNetwork) -> Projection:
    last = model.network.weights[-1]
    whitened = model.noise.whiten(last.T).T
    if last.shape[0] <= last.shape[1]:
        return Projection(model, None, whitened)
    basis, last_layer = np.linalg.qr(whitened)
    return Projection(model, basis, last_layer)


def _gaussians(
    slopes: Array, offsets: Array, log_determinant: float, values: int, device: str
) -> RegionGaussians:
    """From whitened maps; I + A' A is factored by QR of A on top of I, which never squares A."""
    regions, rows, latent = slopes.shape
    stacked = np.concatenate(
        [slopes, np.broadcast_to(np.eye(latent), (regions, latent, latent))], axis=1
    )
    orthogonal, triangular = np.linalg.qr(stacked)
    inverse = np.linalg.inv(triangular)
    gains = inverse @ orthogonal[:, :rows].transpose(0, 2, 1)
    log_root = np.log(np.abs(np.diagonal(triangular, axis1=1, axis2=2))).sum(axis=1)
    constant = -values / 2 * LOG_TWO_PI - log_determinant / 2
    return RegionGaussians(
        slopes=_tensor(slopes, device),
        offsets=_tensor(offsets, device),
        gains=_tensor(gains, device),
        covariances=_tensor(inverse @ inverse.transpose(0, 2, 1), device),
        precisions=_tensor(triangular.transpose(0, 2, 1) @ triangular, device),
        log_constants=_tensor(constant - log_root, device),
        likelihood_constant=constant,
    )


def _tensor(values: Array, device: str) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float64)).to(device)
