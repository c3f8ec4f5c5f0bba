"""A polyhedron from its half-spaces: which of them are needed, and its vertices and rays.

By the double description method of Komei Fukuda's cddlib in floating point. That can fail, with or
without a word; what it says is checked, and where it does not hold Qhull takes its place, on the
polyhedron within a far box.
"""

from __future__ import annotations

from dataclasses import dataclass

import cdd
import numpy as np
from scipy.optimize import linprog
from scipy.spatial import HalfspaceIntersection, QhullError

from workflow_src.models.piecewise_affine.partitions.cells import Booleans, Floats

ROOM = 1e-9
"""A polyhedron has an interior if a ball of this radius times (1 + distance) is in it."""

OUTSIDE = 1e-7
"""Vertices and rays keep to every half-space up to this times (1 + distance from the origin)."""

AT_INFINITY = 1e-9
"""A vertex farther away than the inverse is a ray: what cddlib makes of parallel faces, rounded."""

BOXES = (1e1, 1e3, 1e6)
"""Half widths of boxes in which a point inside is looked for; the last is the far box."""

INFEASIBLE = 2
"""What linprog calls a linear program without a solution."""


@dataclass(frozen=True, eq=False)
class Polyhedron:
    """``needed [F]``: which half-spaces bound it; ``vertices [V, S]``; unit ``rays [Y, S]``.

    A line is two rays. ``interior [S]`` is a point within it. Where Qhull was needed, a ray is the
    direction from that point to one of the corners on the far box, which are ``far [C, S]``.
    """

    needed: Booleans
    vertices: Floats
    rays: Floats
    interior: Floats
    far: Floats


def polyhedron(normals: Floats, offsets: Floats) -> Polyhedron | None:
    """The points with ``normals [F, S] @ z <= offsets [F]``; None if they have no interior.

    The normals have length 1, and no two half-spaces are the same. ArithmeticError where it can not
    be told whether there is an interior, or where there is one and no method finds its vertices.
    """
    return _by_double_description(normals, offsets) or _by_far_box(normals, offsets)


def generators(normals: Floats, offsets: Floats) -> tuple[Floats, Floats]:
    """Vertices and unit rays, as cddlib finds them; it raises ``RuntimeError`` where it notices."""
    dimensions = normals.shape[1]
    if not len(normals):
        return np.zeros((1, dimensions)), np.concatenate([np.eye(dimensions), -np.eye(dimensions)])
    found = cdd.copy_generators(cdd.polyhedron_from_matrix(_matrix(normals, offsets)))
    table = np.reshape(np.asarray(found.array, dtype=np.float64), (-1, dimensions + 1))
    lines = np.isin(np.arange(len(table)), list(found.lin_set))
    points = ~lines & (table[:, 0] > AT_INFINITY * np.abs(table[:, 1:]).max(axis=1))
    vertices = table[points, 1:] / table[points, :1]
    if not len(vertices) and not offsets.any():
        # cddlib leaves the tip of a cone unsaid.
        vertices = np.zeros((1, dimensions))
    rays = np.concatenate([table[~points, 1:], -table[lines, 1:]])
    return vertices, rays / np.linalg.norm(rays, axis=1, keepdims=True)


def _matrix(normals: Floats, offsets: Floats) -> cdd.Matrix:
    rows = np.column_stack([offsets, -normals])
    return cdd.matrix_from_array(rows.tolist(), rep_type=cdd.RepType.INEQUALITY)


def _by_double_description(normals: Floats, offsets: Floats) -> Polyhedron | None:
    """None where cddlib fails, contradicts itself, or there is no interior."""
    needed = np.ones(len(offsets), dtype=bool)
    try:
        if len(offsets):
            needed[list(cdd.redundant_rows(_matrix(normals, offsets)))] = False
        vertices, rays = generators(normals[needed], offsets[needed])
    except RuntimeError:
        return None
    sizes = 1 + np.linalg.norm(vertices, axis=1)
    outside = (vertices @ normals.T - offsets) / sizes[:, None]
    if (
        not len(vertices)
        or max(outside.max(initial=0), (rays @ normals.T).max(initial=0)) > OUTSIDE
    ):
        return None
    middle = vertices.mean(axis=0)
    interior = middle + rays.sum(axis=0) * (1 + np.linalg.norm(middle))
    room = (offsets - normals @ interior).min(initial=np.inf)
    if room <= ROOM * (1 + np.linalg.norm(interior)):
        return None
    return Polyhedron(needed, vertices, rays, interior, vertices[:0])


def _by_far_box(normals: Floats, offsets: Floats) -> Polyhedron | None:
    interior = _middle_of_a_ball(normals, offsets)
    if interior is None:
        return None
    identity = np.eye(normals.shape[1])
    far = np.full(2 * len(identity), BOXES[-1])
    rows = np.concatenate([normals, identity, -identity])
    limits = np.concatenate([offsets, far])
    try:
        found = HalfspaceIntersection(np.column_stack([rows, -limits]), interior)
    except QhullError as error:
        raise ArithmeticError(
            f"no vertices were found of a polyhedron around {interior} with "
            f"{len(offsets)} half-spaces"
        ) from error
    corners = found.intersections[np.isfinite(found.intersections).all(axis=1)]
    distant = np.abs(corners).max(axis=1, initial=0.0) > BOXES[-1] / 2
    rays = corners[distant] - interior
    vertices = corners[~distant] if not distant.all() else interior[None]
    needed = np.isin(np.arange(len(offsets)), np.concatenate(found.dual_facets))
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    return Polyhedron(needed, vertices, rays, interior, corners[distant])


def _middle_of_a_ball(normals: Floats, offsets: Floats) -> Floats | None:
    """The centre of the largest ball of radius 1 or less, in the first box that holds one."""
    dimensions = normals.shape[1]
    rows = np.column_stack([normals, np.ones(len(normals))])
    for half_width in BOXES:
        bounds = [(-half_width, half_width)] * dimensions + [(0.0, 1.0)]
        goal = np.append(np.zeros(dimensions), -1.0)
        found = linprog(goal, A_ub=rows, b_ub=offsets, bounds=bounds)
        if not found.success and found.status != INFEASIBLE:
            raise ArithmeticError(
                f"whether {len(offsets)} half-spaces share an interior is unknown: {found.message}"
            )
        if found.success and found.x[-1] > ROOM * (1 + np.linalg.norm(found.x[:-1])):
            return np.asarray(found.x[:-1], dtype=np.float64)
    return None
