"""The point of a convex cell that is nearest to the origin: least distance programming.

Non-negative least squares solves it exactly in finitely many steps (Lawson and Hanson, Solving
Least Squares Problems, chapter 23).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

Array: TypeAlias = NDArray[np.float64]

WIDENINGS = (1.0, 1e3, 1e6, 1e9, 1e12)
"""Scales that are tried, in distances of the farthest half-space: a corner can be far behind it."""

FARTHEST = 1e3
"""How far, in one scale, the nearest point may be before the next scale is tried."""

SLACK = 1e-9
"""What the point found may miss a half-space by, relative to distances: else they are disjoint."""


@dataclass(frozen=True, eq=False)
class NearestPoint:
    """The point of {u : normals u <= offsets} that is nearest to 0.

    Attributes
    ----------
    point:
        ``[S]``.
    active:
        Numbers of the half-spaces whose border it lies on and that hold it back.
    multipliers:
        Their positive multipliers: point = -multipliers @ normals[active].
    """

    point: Array
    active: NDArray[np.int64]
    multipliers: Array


def nearest_to_origin(
    normals: Array, offsets: Array, scale: float | None = None
) -> NearestPoint | None:
    """Half-spaces with unit normals ``[F, S]`` and offsets ``[F]``; None where they are disjoint.

    ``scale`` is the distance of some point within all of them, if one is known. Disjoint also
    counts what is some 10^15 times as far away as the farthest of the half-spaces.
    """
    if not len(offsets) or offsets.min() >= 0:
        latent = normals.shape[1]
        return NearestPoint(np.zeros(latent), np.zeros(0, dtype=np.int64), np.zeros(0))
    farthest = -float(offsets.min())
    scales = [farthest * widening for widening in WIDENINGS]
    if scale is not None:
        scales.insert(0, max(scale, farthest))
    for distance in scales:
        found = _nearest(normals, offsets, distance)
        if found is not None:
            return found
    return None


def _nearest(normals: Array, offsets: Array, scale: float) -> NearestPoint | None:
    """The same with distances counted in ``scale``; None if the point is much farther than that.

    All is divided by a residual of 1 / (1 + distance^2), which is accurate if it is not tiny.
    """
    system = np.vstack([-normals.T, -offsets[None, :] / scale])
    target = np.zeros(len(system))
    target[-1] = 1.0
    dual, _ = nnls(system, target)
    residual = system @ dual - target
    active = np.flatnonzero(dual > 0)
    if residual[-1] > -1 / (1 + FARTHEST**2) or not len(active):
        return None
    multipliers = dual[active] / -residual[-1] * scale
    # On the borders found, the nearest point is a linear problem: solve it without scaling.
    point = np.linalg.lstsq(normals[active], offsets[active], rcond=None)[0]
    slack = SLACK * (np.abs(offsets) + np.linalg.norm(point))
    if np.any(normals @ point > offsets + slack):
        return None
    return NearestPoint(np.asarray(point, dtype=np.float64), active, multipliers)


def whitened_half_spaces(
    normals: Array, offsets: Array, mean: Array, factor: Array
) -> tuple[Array, Array]:
    """Half-spaces in u = F' (z - mean), with unit normals."""
    turned = np.linalg.solve(factor, normals.T).T
    lengths = np.linalg.norm(turned, axis=1)
    return turned / lengths[:, None], (offsets - normals @ mean) / lengths
