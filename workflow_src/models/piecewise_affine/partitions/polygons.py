"""The partition of a two-dimensional latent space: polygons, cut by one unit's lines after another.

A line is a unit normal m and an offset c, the points with m.z = c. Edges are stored as intervals of
their own lines, so that one that reaches to infinity has an infinite end and no far box is needed.
All regions are cut at once; a unit has another line in each region of the layers before it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workflow_src.models.piecewise_affine.networks import Network
from workflow_src.models.piecewise_affine.partitions.cells import (
    Booleans,
    Floats,
    Integers,
    Polygons,
)
from workflow_src.models.piecewise_affine.partitions.hyperplanes import hyperplanes

TOLERANCE = 1e-10
"""A line cuts a region only where this times (1 + distance from the origin) is on both sides."""

SHORTEST = 1e-13
"""Edges shorter than this times (1 + distance from the origin) are corners, and rounding."""

PARALLEL = 1e-12
"""Lines at a smaller angle (radians) are parallel."""


@dataclass(eq=False)
class _Edges:
    """Edges of all regions in any order; see ``Polygons`` for their half-spaces and ends."""

    region: Integers
    normals: Floats
    offsets: Floats
    starts: Floats
    ends: Floats

    @property
    def tangents(self) -> Floats:
        return _turned(self.normals)

    def of(self, chosen: Booleans | Integers) -> _Edges:
        return _Edges(
            self.region[chosen],
            self.normals[chosen],
            self.offsets[chosen],
            self.starts[chosen],
            self.ends[chosen],
        )


@dataclass(eq=False)
class _Lines:
    """A line for each region: ``normals [R, 2]`` (zeros where there is none), ``offsets [R]``."""

    normals: Floats
    offsets: Floats

    @property
    def none(self) -> Booleans:
        return np.asarray(~self.normals.any(axis=1))


@dataclass(eq=False)
class _Heights:
    """How far along an edge's line a region's line rises: ``foot + slope * s``; ``[E]`` each."""

    foot: Floats
    slope: Floats

    def at(self, places: Floats) -> Floats:
        with np.errstate(invalid="ignore"):
            return self.foot + np.where(self.slope == 0, 0.0, self.slope * places)


def polygons(network: Network) -> Polygons:
    """All polygons on which the network is affine; some reach to infinity."""
    if network.latent_dimensions != 2:
        raise ValueError(f"polygons are of two latent dimensions, not {network.latent_dimensions}")
    edges = _Edges(np.zeros(0, dtype=np.int64), np.zeros((0, 2)), *np.zeros((3, 0)))
    signs = np.zeros((1, 0), dtype=bool)
    for layer, units in enumerate(network.hidden_units, start=1):
        planes = hyperplanes(network, signs, layer)
        before = np.arange(len(signs))
        for unit in range(units):
            lines = _Lines(planes.normals[before, unit], planes.offsets[before, unit])
            edges, positive, parents = _cut(edges, lines)
            before = before[parents]
            signs = np.column_stack([signs[parents], positive])
    return _finished(edges, signs)


def _cut(edges: _Edges, lines: _Lines) -> tuple[_Edges, Booleans, Integers]:
    """Cut the regions that their line runs through.

    The new edges; which side each new region is on ``[R']``; the region that it comes from
    ``[R']``: those of before in their order (negative parts), then the positive parts.
    """
    heights = _heights(edges, lines)
    below, above, mean = _sides(edges, heights, lines)
    lower, upper = _chords(edges, heights, lines)
    length = upper - lower
    extent = np.where(np.isfinite(length), np.abs(lower) + np.abs(upper), 0.0)
    long = length > TOLERANCE * (1 + np.abs(lines.offsets) + extent)
    crossed = below & above & long & ~lines.none
    parents = np.concatenate([np.arange(len(crossed)), np.flatnonzero(crossed)])
    positive = np.where(lines.none, lines.offsets < 0, above & ~below | (above == below) & mean)
    positive = np.concatenate([positive & ~crossed, np.ones(crossed.sum(), dtype=bool)])
    return _parts(edges, heights, lines, crossed, (lower, upper)), positive, parents


def _heights(edges: _Edges, lines: _Lines) -> _Heights:
    normals = lines.normals[edges.region]
    foot = (normals * edges.normals).sum(axis=1) * edges.offsets - lines.offsets[edges.region]
    slope = (normals * edges.tangents).sum(axis=1)
    return _Heights(foot, np.where(np.abs(slope) < PARALLEL, 0.0, slope))


def _sides(edges: _Edges, heights: _Heights, lines: _Lines) -> tuple[Booleans, Booleans, Booleans]:
    """Whether a region reaches below its line, above it, and is above it on average: ``[R]``."""
    regions = len(lines.offsets)
    alone = np.bincount(edges.region, minlength=regions)[edges.region] == 1
    # The ends of the one edge of a half-plane span its border only.
    inwards = -(lines.normals[edges.region] * edges.normals).sum(axis=1)
    below, above = alone & (inwards < -PARALLEL), alone & (inwards > PARALLEL)
    total = np.zeros(regions)
    for places in (edges.starts, edges.ends):
        finite = np.isfinite(places)
        size = np.abs(edges.offsets) + np.where(finite, np.abs(places), 0.0)
        values = heights.at(places)
        below |= values < -TOLERANCE * (1 + size)
        above |= values > TOLERANCE * (1 + size)
        total += np.bincount(edges.region, np.clip(values, -1e300, 1e300), minlength=regions)
    if not len(edges.region):
        return np.ones(1, dtype=bool), np.ones(1, dtype=bool), np.ones(1, dtype=bool)
    return _any(below, edges, regions), _any(above, edges, regions), total > 0


def _any(flags: Booleans, edges: _Edges, regions: int) -> Booleans:
    return np.bincount(edges.region[flags], minlength=regions) > 0


def _chords(edges: _Edges, heights: _Heights, lines: _Lines) -> tuple[Floats, Floats]:
    """From where to where on a region's line, along its tangent, it is inside: ``[R]`` each.

    The line enters through edges on which it rises and leaves through those on which it falls.
    """
    ends = np.full(len(lines.offsets), -np.inf), np.full(len(lines.offsets), np.inf)
    directions = _turned(lines.normals)
    for end, chosen, nearest in (
        (ends[0], heights.slope > 0, np.maximum),
        (ends[1], heights.slope < 0, np.minimum),
    ):
        met, places = edges.of(chosen), -heights.foot[chosen] / heights.slope[chosen]
        points = met.offsets[:, None] * met.normals + places[:, None] * met.tangents
        nearest.at(end, met.region, (points * directions[met.region]).sum(axis=1))
    return ends


def _parts(
    edges: _Edges,
    heights: _Heights,
    lines: _Lines,
    crossed: Booleans,
    chords: tuple[Floats, Floats],
) -> _Edges:
    """Edges after the cut; a region's positive part is new, behind all regions."""
    cut = crossed[edges.region]
    number = len(crossed) + np.cumsum(crossed) - 1
    within, foot, slope = edges.of(cut), heights.foot[cut], heights.slope[cut]
    negative = _clipped(within, foot, slope)
    positive = _clipped(within, -foot, -slope)
    positive.region = number[positive.region]
    regions = np.flatnonzero(crossed)
    normals, offsets = lines.normals[regions], lines.offsets[regions]
    lower, upper = chords[0][regions], chords[1][regions]
    return _joined(
        edges.of(~cut),
        negative,
        positive,
        _Edges(regions, normals, offsets, lower, upper),
        _Edges(number[regions], -normals, -offsets, -upper, -lower),
    )


def _clipped(edges: _Edges, foot: Floats, slope: Floats) -> _Edges:
    """What of the edges has a height of at most 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        crossing = -foot / slope
    starts = np.where(slope < 0, np.maximum(edges.starts, crossing), edges.starts)
    ends = np.where(slope > 0, np.minimum(edges.ends, crossing), edges.ends)
    kept = (ends > starts) & ((slope != 0) | (foot <= 0))
    return _Edges(edges.region, edges.normals, edges.offsets, starts, ends).of(kept)


def _joined(*parts: _Edges) -> _Edges:
    return _Edges(
        np.concatenate([part.region for part in parts]),
        np.concatenate([part.normals for part in parts]),
        np.concatenate([part.offsets for part in parts]),
        np.concatenate([part.starts for part in parts]),
        np.concatenate([part.ends for part in parts]),
    )


def _finished(edges: _Edges, signs: Booleans) -> Polygons:
    """Edges counter-clockwise, with a point inside every region."""
    with np.errstate(invalid="ignore"):
        sizes = (
            1 + np.abs(edges.offsets) + np.where(np.isfinite(edges.starts), abs(edges.starts), 0)
        )
        edges = edges.of(edges.ends - edges.starts > SHORTEST * sizes)
    edges.normals = edges.normals + 0.0  # no -0.0, whose angle would be another
    angles = np.arctan2(edges.normals[:, 1], edges.normals[:, 0])
    edges = edges.of(np.lexsort([angles, edges.region]))
    regions = len(signs)
    counts = np.bincount(edges.region, minlength=regions)
    first = np.concatenate([[0], np.cumsum(counts)])
    return Polygons(
        signs,
        _inside(edges, regions),
        edges.normals,
        edges.offsets,
        first,
        edges.starts,
        edges.ends,
    )


def _inside(edges: _Edges, regions: int) -> Floats:
    """A point of each region: the mean of its vertices, moved inwards where it is unbounded."""
    corners, counts, rays = np.zeros((regions, 2)), np.zeros(regions), np.zeros((regions, 2))
    for places, sense in ((edges.starts, -1.0), (edges.ends, 1.0)):
        finite = np.isfinite(places)
        # An edge without any end counts with its point nearest to the origin.
        line = np.isinf(edges.starts) & np.isinf(edges.ends)
        at = np.where(finite, places, 0.0)
        points = edges.offsets[:, None] * edges.normals + at[:, None] * edges.tangents
        used = finite | line
        counts += np.bincount(edges.region[used], minlength=regions)
        _add(corners, edges, points, used)
        _add(rays, edges, sense * edges.tangents, ~finite)
        _add(rays, edges, -edges.normals / 2, line)
    lengths = np.linalg.norm(rays, axis=1)
    directions = np.where(lengths[:, None] > TOLERANCE, rays, 0.0)
    directions /= np.where(lengths > TOLERANCE, lengths, 1.0)[:, None]
    middle = corners / np.maximum(counts, 1)[:, None]
    sizes = 1 + np.linalg.norm(middle, axis=1)
    return np.asarray(middle + directions * sizes[:, None])


def _add(sums: Floats, edges: _Edges, vectors: Floats, chosen: Booleans) -> None:
    for axis in range(2):
        region, values = edges.region[chosen], vectors[chosen, axis]
        sums[:, axis] += np.bincount(region, values, minlength=len(sums))


def _turned(vectors: Floats) -> Floats:
    """Vectors ``[..., 2]`` turned by a quarter counter-clockwise."""
    return np.stack([-vectors[:, 1], vectors[:, 0]], axis=1)
