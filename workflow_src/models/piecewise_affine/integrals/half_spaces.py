"""Half-spaces of standard normals: their common lines, planes and ends within other half-spaces."""

from __future__ import annotations

import numpy as np

from workflow_src.models.piecewise_affine.partitions.cells import Floats

PARALLEL = 1e-13
"""Sine below which two lines, or a face and a slice, count as parallel."""


def ends_of_edges(normals: Floats, offsets: Floats) -> tuple[Floats, Floats]:
    """Where polygons ``normals @ u <= offsets`` begin and end along their lines, ``[Q, F]`` each.

    Unit ``normals [Q, F, 2]``, ``offsets [Q, F]``. Along the counter-clockwise tangent, from the
    origin's foot; a line that is no edge ends before it starts. A normal of 0 is no half-plane.
    """
    tangents = np.stack([-normals[..., 1], normals[..., 0]], axis=-1)
    sines = np.einsum("qfi,qgi->qfg", tangents, normals)
    cosines = np.einsum("qfi,qgi->qfg", normals, normals)
    room = offsets[:, None, :] - offsets[:, :, None] * cosines
    with np.errstate(divide="ignore", invalid="ignore"):
        crossings = room / sines
    ends = np.where(sines > PARALLEL, crossings, np.inf).min(-1)
    starts = np.where(sines < -PARALLEL, crossings, -np.inf).max(-1)
    same = np.eye(normals.shape[1], dtype=bool)
    outside = ((np.abs(sines) <= PARALLEL) & (room < 0) & ~same).any(-1)
    absent = outside | ~normals.any(-1)
    return np.where(absent, np.inf, starts), np.where(absent, -np.inf, ends)


def between_bounds(slopes: Floats, offsets: Floats) -> tuple[Floats, Floats]:
    """The interval where ``slopes * v <= offsets`` for all F of ``[Q, F]``: ``[Q]`` each.

    A slope of 0 says nothing of v. The interval is empty, its ends alike, where they cross.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        places = offsets / slopes
    upper = np.where(slopes > PARALLEL, places, np.inf).min(-1)
    lower = np.where(slopes < -PARALLEL, places, -np.inf).max(-1)
    return lower, np.maximum(lower, upper)
