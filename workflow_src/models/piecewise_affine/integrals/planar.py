"""Masses and moments of the standard normal on convex polygons in the plane.

By the edges' terms (`edges`); where these cancel, because a polygon is tiny or thin, by slices
with an interval's mass within, which are positive and cancel nowhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from workflow_src.models.piecewise_affine.integrals.adaptive import integrals
from workflow_src.models.piecewise_affine.integrals.edges import (
    apart,
    edge_terms,
    squared_distances,
)
from workflow_src.models.piecewise_affine.integrals.half_spaces import between_bounds
from workflow_src.models.piecewise_affine.integrals.intervals import interval_moments
from workflow_src.models.piecewise_affine.integrals.truncated import REACH
from workflow_src.models.piecewise_affine.partitions.cells import Floats, Integers

LEAST_SHARE = 1e-3
"""Mass as a share of the terms it is a difference of, below which slices replace them."""


@dataclass(frozen=True)
class Edges:
    """Edges of Q convex polygons, one polygon after another, counter-clockwise in each.

    Of polygon q the rows ``first[q]`` to ``first[q + 1] - 1``, at least one. Unit outward
    ``normals [E, 2]``; ``heights [E]``, the origin's distances from the lines, positive inside;
    ``starts [E]`` and ``ends [E]`` along the tangents, infinite where there is none.
    """

    normals: Floats
    heights: Floats
    starts: Floats
    ends: Floats
    first: Integers

    @property
    def polygons(self) -> Integers:
        """The polygon of each edge, ``[E]``."""
        return np.repeat(np.arange(len(self.first) - 1), np.diff(self.first))

    def neighbours(self) -> tuple[Integers, Integers]:
        """The edges before and after each one."""
        after = np.arange(1, len(self.heights) + 1)
        after[self.first[1:] - 1] = self.first[:-1]
        before = np.empty_like(after)
        before[after] = np.arange(len(after))
        return before, after


@dataclass(frozen=True)
class PlanarIntegrals:
    """Of Q polygons: ``floor [Q]`` is the squared distance of their ``nearest [Q, 2]`` point.

    ``mass [Q]``, ``first [Q, 2]``, ``second [Q, 2, 2]`` and ``unmet [Q]``, how much of the mass is
    in doubt because slices did not converge: all times exp(floor / 2).
    """

    floor: Floats
    nearest: Floats
    mass: Floats
    first: Floats
    second: Floats
    unmet: Floats


def planar_integrals(edges: Edges, least_share: float = LEAST_SHARE) -> PlanarIntegrals:
    """Integrals of 1, u and u u' under the standard normal over every polygon."""
    before, after = edges.neighbours()
    heights, starts, ends = apart(
        edges.heights,
        edges.starts,
        edges.ends,
        np.einsum("ei,ei->e", edges.normals, edges.normals[before]),
        np.einsum("ei,ei->e", edges.normals, edges.normals[after]),
    )
    whole = edges.first[:-1]
    inside = np.logical_and.reduceat(heights >= 0, whole)
    distances = squared_distances(heights, starts, ends)
    floor = np.where(inside, 0.0, np.minimum.reduceat(distances, whole))
    terms = edge_terms(heights, starts, ends, floor[edges.polygons])
    cones = np.where(heights >= 0, terms.cones, -terms.cones)
    mass = inside - np.add.reduceat(cones, whole)
    first = -np.add.reduceat(edges.normals * terms.flux[:, None], whole)
    second = _second(edges.normals, heights, terms.flux, terms.slope, whole)
    second += mass[:, None, None] * np.eye(2)
    compared = inside + np.add.reduceat(np.abs(terms.cones), whole)
    unmet = np.zeros_like(mass)
    cancelled = np.flatnonzero(~(mass > least_share * compared))
    if len(cancelled):
        sliced = _sliced(edges, cancelled, floor[cancelled])
        mass[cancelled], first[cancelled], second[cancelled], unmet[cancelled] = sliced
    nearest = np.zeros((len(floor), 2))
    closest = np.flatnonzero(distances == floor[edges.polygons])
    closest = closest[~inside[edges.polygons[closest]]]
    feet = np.clip(0.0, starts, ends)[closest, None] * _tangents(edges.normals[closest])
    nearest[edges.polygons[closest]] = heights[closest, None] * edges.normals[closest] + feet
    return PlanarIntegrals(floor, nearest, mass, first, second, unmet)


def _tangents(normals: Floats) -> Floats:
    return np.stack([-normals[:, 1], normals[:, 0]], axis=1)


def _second(
    normals: Floats, heights: Floats, flux: Floats, slope: Floats, whole: Integers
) -> Floats:
    """Minus the sum over edges of (h flux n + slope t) n', made symmetric: ``[Q, 2, 2]``."""
    x, y = normals[:, 0], normals[:, 1]
    along = heights * flux
    entries = np.stack(
        [
            (along * x - slope * y) * x,
            along * x * y + 0.5 * slope * (x * x - y * y),
            (along * y + slope * x) * y,
        ],
        axis=1,
    )
    sums = -np.add.reduceat(entries, whole, axis=0)
    return sums[:, [[0, 1], [1, 2]]]


def _sliced(edges: Edges, chosen: Integers, floor: Floats) -> tuple[Floats, ...]:
    """Mass, first and second moments of the chosen polygons by slices; how much is in doubt."""
    counts = np.diff(edges.first)[chosen]
    rows = edges.first[chosen][:, None] + np.arange(counts.max())
    # Padding repeats the last edge, which changes no polygon.
    rows = np.minimum(rows, (edges.first[chosen] + counts - 1)[:, None])
    normals, heights = edges.normals[rows], edges.heights[rows]
    bounds, densest = _slice_bounds(normals, heights, edges.starts[rows], edges.ends[rows])

    def integrand(owners: Integers, places: Floats) -> Floats:
        lower, upper = between_bounds(
            normals[owners, :, 1], heights[owners] - normals[owners, :, 0] * places[:, None]
        )
        inner = standard_interval(lower, upper)
        exponent = inner[0] - 0.5 * (places * places - floor[owners] + np.log(2 * np.pi))
        density = np.exp(exponent)
        across = density * inner[1]
        return np.stack(
            [
                density,
                density * places,
                across,
                density * places * places,
                across * places,
                density * inner[2],
            ],
            axis=1,
        )

    found = integrals(integrand, bounds, 6, densest)
    values = found.values
    return values[:, 0], values[:, 1:3], values[:, 3:][:, [[0, 1], [1, 2]]], found.unmet


def standard_interval(lower: Floats, upper: Floats) -> tuple[Floats, Floats, Floats]:
    """log mass, mean and second moment of the standard normal on intervals, all ``[Q]``."""
    zero, one = torch.zeros((), dtype=torch.float64), torch.ones((), dtype=torch.float64)
    found = interval_moments(torch.from_numpy(lower), torch.from_numpy(upper), zero, one)
    return found.log_mass.numpy(), found.mean.numpy(), found.second.numpy()


def _slice_bounds(
    normals: Floats, heights: Floats, starts: Floats, ends: Floats
) -> tuple[Floats, Floats]:
    """First coordinates of the corners, within reach of the densest point, and its own.

    ``[P, 2 F + 3]``, in ascending order, and ``[P]``.
    """
    feet = np.clip(0.0, starts, ends)
    nearest = np.argmin(heights**2 + feet**2, axis=1)
    rows = np.arange(len(heights))
    inside = (heights >= 0).all(axis=1)
    x, y = normals[..., 0], normals[..., 1]
    mode = (heights * x - feet * y)[rows, nearest]
    mode = np.where(inside, 0.0, mode)[:, None]
    corners = np.concatenate([_first(x, y, heights, places) for places in (starts, ends)], axis=1)
    lowest = np.where((x >= 0).all(axis=1), -np.inf, corners.min(axis=1))[:, None]
    highest = np.where((x <= 0).all(axis=1), np.inf, corners.max(axis=1))[:, None]
    lowest, highest = np.maximum(lowest, mode - REACH), np.minimum(highest, mode + REACH)
    bounds = np.concatenate([corners, mode, lowest, highest], axis=1)
    return np.sort(np.clip(bounds, lowest, highest), axis=1), mode[:, 0]


def _first(x: Floats, y: Floats, heights: Floats, places: Floats) -> Floats:
    """First coordinates of places along edges; upright edges have but one, also infinitely far."""
    level = heights * x
    with np.errstate(invalid="ignore"):
        return np.where(y == 0, level, level - places * y)
