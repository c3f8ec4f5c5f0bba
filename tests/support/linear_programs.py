"""Regions of a network by a linear program for each sign of each unit, in any dimension."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linprog

from workflow_src.models.piecewise_affine.networks import Network

FAR = 1e7
SMALLEST_RADIUS = 1e-6


def sign_patterns(network: Network) -> set[tuple[bool, ...]]:
    """The signs of all hidden units on every region that a small ball fits in."""
    found: set[tuple[bool, ...]] = set()
    _split(network, (), [], [], found)
    return found


def _split(
    network: Network,
    pattern: tuple[bool, ...],
    normals: list[np.ndarray],
    offsets: list[float],
    found: set[tuple[bool, ...]],
) -> None:
    if len(pattern) == sum(network.hidden_units):
        found.add(pattern)
        return
    slope, offset = _preactivation(network, pattern)
    for positive in (False, True):
        sense = -1.0 if positive else 1.0
        rows, limits = [*normals, sense * slope], [*offsets, -sense * offset]
        if _radius(rows, limits) > SMALLEST_RADIUS:
            _split(network, (*pattern, positive), rows, limits, found)


def _preactivation(network: Network, pattern: tuple[bool, ...]) -> tuple[np.ndarray, float]:
    """Slope ``[S]`` and offset of the unit behind the last of the pattern."""
    slopes, offsets = np.eye(network.latent_dimensions), np.zeros(network.latent_dimensions)
    place = 0
    for weights, biases in zip(network.weights, network.biases, strict=True):
        slopes, offsets = weights @ slopes, weights @ offsets + biases
        if len(pattern) < place + len(biases):
            return slopes[len(pattern) - place], float(offsets[len(pattern) - place])
        scales = [network.activation.slopes[s] for s in pattern[place : place + len(biases)]]
        slopes, offsets = np.diag(scales) @ slopes, np.diag(scales) @ offsets
        place += len(biases)
    raise AssertionError


def _radius(normals: list[np.ndarray], offsets: list[float]) -> float:
    """Of the largest ball, of at most 1, with ``normals @ z <= offsets``; negative if empty."""
    rows = [[*normal, np.linalg.norm(normal)] for normal in normals]
    dimensions = len(normals[0])
    goal = [0.0] * dimensions + [-1.0]
    bounds = [(-FAR, FAR)] * dimensions + [(None, 1.0)]
    result = linprog(goal, A_ub=np.array(rows), b_ub=np.array(offsets), bounds=bounds)
    return float(result.x[-1]) if result.success else -1.0
