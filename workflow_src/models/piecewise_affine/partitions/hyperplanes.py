"""The hyperplanes at which hidden units change their sign, and which side a point is on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workflow_src.models.piecewise_affine.networks import (
    Network,
    layer_inputs,
    preactivation_maps,
)
from workflow_src.models.piecewise_affine.partitions.cells import Booleans, Floats

ROUNDING = 64 * float(np.finfo(np.float64).eps)
"""A coefficient below this share of the terms that it is the sum of is what rounding left of 0."""

NEGLIGIBLE = 1e-9
"""Pre-activations and slopes below this share of their terms are zero on a face."""


@dataclass(frozen=True, eq=False)
class Hyperplanes:
    """Units of one layer on each region: positive where ``normals @ z > offsets``.

    ``normals [R, H, S]`` of length 1 and ``offsets [R, H]``. Units that are constant on a region
    have a normal of zeros and the offset -1, 0 or 1: positive, nothing, negative everywhere.
    """

    normals: Floats
    offsets: Floats

    @property
    def constant(self) -> Booleans:
        """Units without a hyperplane: ``[R, H]``."""
        return np.asarray(~self.normals.any(axis=2))


def hyperplanes(network: Network, signs: Booleans, layer: int) -> Hyperplanes:
    """Those of hidden ``layer`` (1 to L - 1), given the signs of the layers before it."""
    maps = preactivation_maps(network, signs, layer)
    slopes, offsets = _without_rounding(network, signs, layer, maps.slopes, maps.offsets)
    lengths = np.linalg.norm(slopes, axis=2)
    constant = lengths == 0
    scale = np.where(constant, 1.0, lengths)
    return Hyperplanes(
        slopes / scale[:, :, None],
        np.where(constant, -np.sign(offsets), -offsets / scale),
    )


def signs_beyond(network: Network, points: Floats, directions: Floats) -> Booleans:
    """The signs just beyond ``points [F, S]`` in ``directions [F, S]``: ``[F, sum H]``.

    A unit that is zero at a point has the sign of its slope in the direction, and is not positive
    where that is zero as well.
    """
    negative, positive = network.activation.slopes
    layers = []
    for weights, biases in zip(network.weights[:-1], network.biases[:-1], strict=True):
        sizes = np.abs(points) @ np.abs(weights).T + np.abs(biases)
        values = _negligible_to_zero(points @ weights.T + biases, sizes)
        slopes = _negligible_to_zero(directions @ weights.T, np.abs(directions) @ np.abs(weights).T)
        layers.append(np.where(values == 0, slopes > 0, values > 0))
        scales = np.where(layers[-1], positive, negative)
        points, directions = scales * values, scales * slopes
    return np.concatenate([np.zeros((len(points), 0), dtype=bool), *layers], axis=1)


def _without_rounding(
    network: Network, signs: Booleans, layer: int, slopes: Floats, offsets: Floats
) -> tuple[Floats, Floats]:
    """The same with zeros for what cancels but for its rounding."""
    inputs = layer_inputs(network, signs, layer)
    weights, biases = np.abs(network.weights[layer - 1]), np.abs(network.biases[layer - 1])
    terms = np.matmul(weights, np.linalg.norm(inputs.slopes, axis=2)[:, :, None])[:, :, 0]
    flat = np.linalg.norm(slopes, axis=2) <= ROUNDING * terms
    offset_terms = np.abs(inputs.offsets) @ weights.T + biases
    none = np.abs(offsets) <= ROUNDING * offset_terms
    return np.where(flat[:, :, None], 0.0, slopes), np.where(none, 0.0, offsets)


def _negligible_to_zero(values: Floats, sizes: Floats) -> Floats:
    return np.where(np.abs(values) <= NEGLIGIBLE * sizes, 0.0, values)
