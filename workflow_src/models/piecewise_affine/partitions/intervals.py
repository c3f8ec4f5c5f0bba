"""The partition of a one-dimensional latent space: breakpoints, sorted, layer after layer."""

from __future__ import annotations

import numpy as np

from workflow_src.models.piecewise_affine.networks import Network, signs
from workflow_src.models.piecewise_affine.partitions.cells import Floats, Intervals
from workflow_src.models.piecewise_affine.partitions.hyperplanes import hyperplanes

TOLERANCE = 1e-12
"""Breakpoints nearer than this times (1 + their size) are one: no region is thinner."""


def intervals(network: Network) -> Intervals:
    """All intervals on which the network is affine, from left to right; the end ones unbounded."""
    if network.latent_dimensions != 1:
        raise ValueError(f"intervals are of one latent dimension, not {network.latent_dimensions}")
    breakpoints: Floats = np.zeros(0)
    for layer in range(1, network.layers):
        lower, upper = _ends(breakpoints)
        inside = signs(network, _within(lower, upper))
        planes = hyperplanes(network, inside, layer)
        with np.errstate(divide="ignore", invalid="ignore"):
            roots = planes.offsets / planes.normals[:, :, 0]
            margin = TOLERANCE * (1 + np.abs(roots))
            within = (roots > lower[:, None] + margin) & (roots < upper[:, None] - margin)
        breakpoints = _without_repetitions(np.concatenate([breakpoints, roots[within]]))
    return _from_breakpoints(network, breakpoints)


def _from_breakpoints(network: Network, breakpoints: Floats) -> Intervals:
    """Half-spaces of region r: ``-z <= -lower`` unless it is the first, ``z <= upper`` likewise."""
    lower, upper = _ends(breakpoints)
    interior = _within(lower, upper)
    normals = np.tile([1.0, -1.0], len(breakpoints))[:, None]
    offsets = np.repeat(breakpoints, 2) * normals[:, 0]
    first = np.concatenate([[0], 2 * np.arange(len(breakpoints)) + 1, [2 * len(breakpoints)]])
    return Intervals(signs(network, interior), interior, normals, offsets, first, lower, upper)


def _without_repetitions(breakpoints: Floats) -> Floats:
    """In order, each of them farther from the one before than the tolerance."""
    ordered = np.sort(breakpoints)
    gaps = np.diff(ordered, prepend=-np.inf)
    return ordered[gaps > TOLERANCE * (1 + np.abs(ordered))]


def _ends(breakpoints: Floats) -> tuple[Floats, Floats]:
    """Lower and upper ends of the intervals between breakpoints: ``[R]`` each."""
    return np.concatenate([[-np.inf], breakpoints]), np.concatenate([breakpoints, [np.inf]])


def _within(lower: Floats, upper: Floats) -> Floats:
    """A point of each interval, ``[R, 1]``: the middle, or as far outside as the end is large."""
    with np.errstate(invalid="ignore"):
        middle = lower / 2 + upper / 2
        middle = np.where(np.isneginf(lower), upper - 1 - np.abs(upper), middle)
        middle = np.where(np.isposinf(upper), lower + 1 + np.abs(lower), middle)
    return np.where(np.isneginf(lower) & np.isposinf(upper), 0.0, middle)[:, None]
