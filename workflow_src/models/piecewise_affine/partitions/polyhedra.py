"""The partition of a latent space of any dimension: polyhedra, found from face to face.

A region's signs give its half-spaces, and beyond each of the faces lies another region, whose signs
are those just beyond a point of the face. Regions without an interior are none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from workflow_src.models.piecewise_affine.networks import Network
from workflow_src.models.piecewise_affine.networks import signs as signs_at
from workflow_src.models.piecewise_affine.partitions.cells import (
    Booleans,
    Floats,
    Integers,
    Polyhedra,
)
from workflow_src.models.piecewise_affine.partitions.half_spaces import Polyhedron, polyhedron
from workflow_src.models.piecewise_affine.partitions.hyperplanes import hyperplanes, signs_beyond

ON_FACE = 1e-8
"""A vertex this near to a face, relative to 1 + its distance from the origin, is on it."""

STEPS = (1e-8, 1e-6, 1e-4)
"""How far to look behind what is too thin for a region, times 1 + distance from the origin."""


@dataclass(frozen=True, eq=False)
class _Cell:
    """One region: the half-spaces that it needs, and a point within each face."""

    signs: Booleans
    normals: Floats
    offsets: Floats
    polyhedron: Polyhedron
    face_points: Floats


@dataclass(frozen=True, eq=False)
class _Frontier:
    """Signs to look at, and from where they were seen: a point on a face, and outwards from it."""

    signs: Booleans
    points: Floats
    directions: Floats

    def of(self, rows: list[int]) -> _Frontier:
        return _Frontier(self.signs[rows], self.points[rows], self.directions[rows])


def polyhedra(network: Network) -> Polyhedra:
    """All regions of a network; see the module. ArithmeticError where one can not be described."""
    stream = np.random.default_rng(0)
    start = stream.standard_normal((1, network.latent_dimensions))
    frontier = _settled(network, signs_at(network, start), start, np.zeros_like(start))
    known = {frontier.signs[0].tobytes()}
    cells: list[_Cell] = []
    while len(frontier.signs):
        found = list(_cells(network, frontier.signs, stream))
        real = [cell for cell in found if cell is not None]
        cells += real
        thin = frontier.of([row for row, cell in enumerate(found) if cell is None])
        frontier = _together([*_beyond(network, real), *_behind(network, thin), thin.of([])])
        frontier = _settled(network, frontier.signs, frontier.points, frontier.directions)
        frontier = frontier.of(_new(frontier.signs, known))
    return _collected(cells)


def _beyond(network: Network, cells: list[_Cell]) -> Iterator[_Frontier]:
    """What lies on the other side of the faces of regions."""
    for cell in cells:
        signs = signs_beyond(network, cell.face_points, cell.normals)
        yield _Frontier(signs, cell.face_points, cell.normals)


def _behind(network: Network, thin: _Frontier) -> Iterator[_Frontier]:
    """What lies a little farther on, where what is just beyond a face is too thin for a region."""
    for step in STEPS:
        sizes = 1 + np.linalg.norm(thin.points, axis=1, keepdims=True)
        points = thin.points + step * sizes * thin.directions
        yield _Frontier(signs_at(network, points), points, thin.directions)


def _settled(network: Network, signs: Booleans, points: Floats, directions: Floats) -> _Frontier:
    """With the one sign of units that are constant on a region; rounding may have said another."""
    signs, start = signs.copy(), 0
    for layer, units in enumerate(network.hidden_units, start=1):
        planes = hyperplanes(network, signs, layer)
        own = signs[:, start : start + units]
        own[planes.constant] = planes.offsets[planes.constant] < 0
        start += units
    return _Frontier(signs, points, directions)


def _new(signs: Booleans, known: set[bytes]) -> list[int]:
    """Which rows are not known, each once; they are known from now on."""
    rows = []
    for row, own in enumerate(signs):
        signature = own.tobytes()
        if signature not in known:
            known.add(signature)
            rows.append(row)
    return rows


def _together(parts: list[_Frontier]) -> _Frontier:
    return _Frontier(
        np.concatenate([part.signs for part in parts]),
        np.concatenate([part.points for part in parts]),
        np.concatenate([part.directions for part in parts]),
    )


def _cells(
    network: Network, signs: Booleans, stream: np.random.Generator
) -> Iterator[_Cell | None]:
    """The region of each row of signs; None where it has no interior."""
    layers = [hyperplanes(network, signs, layer) for layer in range(1, network.layers)]
    shape = (len(signs), 0, network.latent_dimensions)
    normals = np.concatenate([np.zeros(shape), *(planes.normals for planes in layers)], axis=1)
    offsets = np.concatenate([np.zeros(shape[:2]), *(planes.offsets for planes in layers)], axis=1)
    outwards = np.where(signs, -1.0, 1.0)
    for row, own in enumerate(signs):
        real = normals[row].any(axis=1)
        sense = outwards[row, real]
        yield _cell(own, sense[:, None] * normals[row, real], sense * offsets[row, real], stream)


def _cell(
    signs: Booleans, normals: Floats, offsets: Floats, stream: np.random.Generator
) -> _Cell | None:
    normals, offsets = _tightest(normals, offsets)
    found = polyhedron(normals, offsets)
    if found is None:
        return None
    normals, offsets = normals[found.needed], offsets[found.needed]
    points = [
        _face_point(normal, offset, found, stream)
        for normal, offset in zip(normals, offsets, strict=True)
    ]
    return _Cell(signs, normals, offsets, found, np.reshape(points, normals.shape))


def _tightest(normals: Floats, offsets: Floats) -> tuple[Floats, Floats]:
    """Of half-spaces with the same normal, the smallest one."""
    order = np.argsort(offsets, kind="stable")
    _, places = np.unique(np.round(normals[order], 12) + 0.0, axis=0, return_index=True)
    chosen = np.sort(order[places])
    return normals[chosen], offsets[chosen]


def _face_point(
    normal: Floats, offset: float, found: Polyhedron, stream: np.random.Generator
) -> Floats:
    """A point within a face, drawn so that it is on the border of no other region but by chance."""
    vertices = np.concatenate([found.vertices, found.far])
    # Rays to a far box are not along the faces as exactly as its corners are on them.
    rays = found.rays[: 0 if len(found.far) else None]
    sizes = 1 + np.linalg.norm(vertices, axis=1)
    on_face = np.abs(vertices @ normal - offset) <= ON_FACE * sizes
    along = np.abs(rays @ normal) <= ON_FACE
    if not on_face.any():
        on_face = np.abs(vertices @ normal - offset) == np.abs(vertices @ normal - offset).min()
    weights = stream.uniform(0.5, 1.5, on_face.sum()) / sizes[on_face]
    point = weights @ vertices[on_face] / weights.sum()
    point = point + stream.uniform(0.5, 1.5, along.sum()) @ rays[along]
    return np.asarray(point - (normal @ point - offset) * normal, dtype=np.float64)


def _collected(cells: list[_Cell]) -> Polyhedra:
    def together(parts: list[Floats]) -> tuple[Floats, Integers]:
        counts = [len(part) for part in parts]
        return np.concatenate(parts), np.concatenate([[0], np.cumsum(counts)])

    normals, first = together([cell.normals for cell in cells])
    vertices, first_vertex = together([cell.polyhedron.vertices for cell in cells])
    rays, first_ray = together([cell.polyhedron.rays for cell in cells])
    return Polyhedra(
        np.stack([cell.signs for cell in cells]),
        np.stack([cell.polyhedron.interior for cell in cells]),
        normals,
        np.concatenate([cell.offsets for cell in cells]),
        first,
        vertices,
        first_vertex,
        rays,
        first_ray,
        np.concatenate([cell.face_points for cell in cells]),
    )
