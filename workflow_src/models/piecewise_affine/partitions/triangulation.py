"""Regions cut to a window, and their Delaunay triangulations (Figure 2 of the EM-DGN paper)."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from scipy.spatial import Delaunay, QhullError

from workflow_src.models.piecewise_affine.partitions.cells import Floats, Partition

OUTSIDE = 1e-9
"""A corner keeps to every half-space up to this share of the window's size."""

SAME = 1e-10
"""Corners nearer to each other than this share of the window's size are one."""

FLAT = 1e-10
"""Volume, relative to its longest side's power, below which Qhull's simplex is rounding."""


def clipped_vertices(partition: Partition, region: int, lower: Floats, upper: Floats) -> Floats:
    """Vertices ``[V, S]`` of a region within the box ``lower [S]`` to ``upper [S]``; may be none.

    For S = 1 from left to right, for S = 2 counter-clockwise.
    """
    own_normals, own_offsets = partition.half_spaces(region)
    identity = np.eye(partition.dimensions)
    normals = np.concatenate([own_normals, identity, -identity])
    offsets = np.concatenate([own_offsets, upper, -lower])
    if partition.dimensions == 1:
        ends = offsets * normals[:, 0]
        least, most = ends[normals[:, 0] < 0].max(), ends[normals[:, 0] > 0].min()
        return np.reshape([least, most] if least < most else [], (-1, 1))
    if partition.dimensions == 2:
        return _corners(normals, offsets, float((upper - lower).max()))
    # Only here is cddlib needed.
    from workflow_src.models.piecewise_affine.partitions.half_spaces import polyhedron

    found = polyhedron(normals, offsets)
    return np.zeros((0, partition.dimensions)) if found is None else found.vertices


def simplices(vertices: Floats) -> Floats:
    """Corners ``[T, S + 1, S]`` of simplices that fill the convex hull of ``vertices [V, S]``.

    None where the vertices span no volume, and none that Qhull makes of rounding.
    """
    dimensions = vertices.shape[1]
    if dimensions == 1:
        ordered = np.sort(vertices, axis=0)
        return np.stack([ordered[:-1], ordered[1:]], axis=1)
    try:
        corners = vertices[Delaunay(vertices).simplices]
    except (QhullError, ValueError):
        return np.zeros((0, dimensions + 1, dimensions))
    sides = corners[:, 1:] - corners[:, :1]
    sizes = np.linalg.norm(sides, axis=2).max(axis=1) ** dimensions
    return np.asarray(corners[np.abs(np.linalg.det(sides)) > FLAT * sizes])


def _corners(normals: Floats, offsets: Floats, size: float) -> Floats:
    """The corners ``[V, 2]`` of a bounded polygon, counter-clockwise; none if it has no area."""
    pairs = np.asarray(list(combinations(range(len(offsets)), 2)))
    systems, limits = _meeting(normals[pairs], offsets[pairs])
    points = np.linalg.solve(systems, limits[:, :, None])[:, :, 0]
    points = points[(points @ normals.T <= offsets + OUTSIDE * size).all(axis=1)]
    if len(points) < 3:
        return np.zeros((0, 2))
    from_middle = points - points.mean(axis=0)
    points = points[np.argsort(np.arctan2(from_middle[:, 1], from_middle[:, 0]))]
    apart = np.linalg.norm(points - np.roll(points, 1, axis=0), axis=1) > SAME * size
    return points[apart] if apart.sum() >= 3 else np.zeros((0, 2))


def _meeting(systems: Floats, limits: Floats) -> tuple[Floats, Floats]:
    """The pairs of lines that are not parallel."""
    sines = systems[:, 0, 0] * systems[:, 1, 1] - systems[:, 0, 1] * systems[:, 1, 0]
    return systems[np.abs(sines) > SAME], limits[np.abs(sines) > SAME]
