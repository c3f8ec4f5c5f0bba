"""Partitions of a latent space into the regions on which a network is affine.

Half-spaces of all regions stand one after another; those of region r are rows ``first[r]`` to
``first[r + 1] - 1``. Unit normals point out of the region: ``normals @ z <= offsets`` inside.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]
Integers = NDArray[np.int64]


COMPARED = 1 << 22
"""Points times half-spaces that are compared at once."""


@dataclass(frozen=True, eq=False)
class Partition:
    """R regions that fill the space and do not overlap; every one has an interior.

    ``signs [R, sum H]``; ``interior [R, S]``, a point within each; ``normals [F, S]``,
    ``offsets [F]``, ``first [R + 1]``: half-spaces without which the region would be larger.
    A region may reach to infinity.
    """

    signs: Booleans
    interior: Floats
    normals: Floats
    offsets: Floats
    first: Integers

    @property
    def regions(self) -> int:
        """R."""
        return int(self.signs.shape[0])

    @property
    def dimensions(self) -> int:
        """S."""
        return int(self.interior.shape[1])

    @property
    def faces(self) -> Integers:
        """The region that each half-space belongs to: ``[F]``."""
        return np.repeat(np.arange(self.regions), np.diff(self.first))

    def half_spaces(self, region: int) -> tuple[Floats, Floats]:
        """Normals ``[F_r, S]`` and offsets ``[F_r]`` of one region."""
        rows = slice(self.first[region], self.first[region + 1])
        return self.normals[rows], self.offsets[rows]


@dataclass(frozen=True, eq=False)
class Intervals(Partition):
    """S = 1: regions from left to right; ``lower [R]`` and ``upper [R]``, infinite at the ends."""

    lower: Floats
    upper: Floats


@dataclass(frozen=True, eq=False)
class Polygons(Partition):
    """S = 2: each half-space is an edge, counter-clockwise around its region.

    An edge is the points ``offset * normal + s * tangent`` for s from ``starts [F]`` to
    ``ends [F]``, tangent = (-normal_y, normal_x); -inf or inf where it has no end.
    """

    starts: Floats
    ends: Floats

    @property
    def tangents(self) -> Floats:
        """Unit directions of the edges: ``[F, 2]``."""
        return np.stack([-self.normals[:, 1], self.normals[:, 0]], axis=1)


@dataclass(frozen=True, eq=False)
class Polyhedra(Partition):
    """Any S: vertices and unit rays (both directions of a line) of all regions, one after another.

    Those of region r are ``vertices[first_vertex[r]:first_vertex[r + 1]]``, ``[V_r, S]``, and
    ``rays[first_ray[r]:first_ray[r + 1]]``. A region that holds a whole line has a point of it
    as its vertex. ``face_points [F, S]`` are a point within each face.
    """

    vertices: Floats
    first_vertex: Integers
    rays: Floats
    first_ray: Integers
    face_points: Floats


def region_by_half_spaces(partition: Partition, latents: Floats) -> Integers:
    """The region whose half-spaces each of ``latents [M, S]`` violates least: ``[M]``."""
    found = np.zeros(len(latents), dtype=np.int64)
    if partition.regions == 1:
        return found
    step = max(1, COMPARED // len(partition.offsets))
    for start in range(0, len(latents), step):
        rows = slice(start, start + step)
        excess = latents[rows] @ partition.normals.T - partition.offsets
        found[rows] = np.maximum.reduceat(excess, partition.first[:-1], axis=1).argmin(axis=1)
    return found


def region_by_signs(partition: Partition, signs: Booleans) -> Integers:
    """The region with each row of ``signs [M, sum H]``, ``[M]``; -1 where there is none."""
    places = {row.tobytes(): place for place, row in enumerate(np.packbits(partition.signs, 1))}
    found = [places.get(row.tobytes(), -1) for row in np.packbits(signs, 1)]
    return np.asarray(found, dtype=np.int64)
