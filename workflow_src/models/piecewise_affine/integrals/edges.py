"""A standard normal beyond the edges of polygons in the plane, scaled so that no tail underflows.

An edge lies on the line at signed distance h from the origin (positive where the origin is inside
of it), from a to b along its counter-clockwise tangent. What a polygon needs of it (Green's
theorem) are three numbers: the mass of the cone beyond it, seen from the origin, and the integrals
along it of the density and of the density times the place. The mass of a convex polygon is then
[origin inside] - sum of sgn(h) times the cones: a difference of positive terms that are no larger
than the density at the polygon's nearest point allows, also where the origin is far outside.

The mass beyond a ray from the foot's distance t onwards is Owen's T, rearranged:
Q(h) / 2 - T(h, t / h), taken literally near the origin and by quadrature from `NEAR` on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from workflow_src.models.piecewise_affine.integrals.intervals import NEPERS
from workflow_src.models.piecewise_affine.integrals.legendre import unit_legendre
from workflow_src.models.piecewise_affine.partitions.cells import Floats

NEAR = 3.0
"""Distance of an end up to which Owen's T is as precise as the scaled quadrature."""
NEGLIGIBLE = 82.0
"""Squared distances that exceed the nearest one's by more add less than a rounding error."""
NODES = 24
"""Gauss-Legendre nodes: 37 nepers, and a pole at distance `NEAR`, to some 1e-14."""
BLOCK = 8192
"""Ends whose quadrature is computed at once: the arrays stay in the cache."""
COINCIDENT = 1e-14
"""Distance below which an end is taken to be the origin itself."""


@dataclass(frozen=True)
class EdgeTerms:
    """Of every edge, times exp(floor / 2), in the shape of its h.

    ``cones``: mass of the cone beyond it, positive. ``flux``: integral of the density along it;
    ``slope``: of the density times the place along it.
    """

    cones: Floats
    flux: Floats
    slope: Floats


def squared_distances(heights: Floats, starts: Floats, ends: Floats) -> Floats:
    """From the origin to the nearest point of every edge."""
    distances: Floats = heights**2 + np.clip(0.0, starts, ends) ** 2
    return distances


def apart(
    heights: Floats, starts: Floats, ends: Floats, cosine_before: Floats, cosine_after: Floats
) -> tuple[Floats, Floats, Floats]:
    """Heights, starts and ends with the origin moved off a corner that it coincides with.

    Around a corner only angles matter: the origin goes `COINCIDENT` into the polygon along the
    corner's bisector, seen alike from both edges. The cosines are of the angles between an edge's
    outward normal and those of the edges before and after it.
    """
    for end, cosine, sign in ((starts, cosine_before, -1.0), (ends, cosine_after, 1.0)):
        at_corner = np.hypot(heights, np.where(np.isfinite(end), end, 1.0)) < COINCIDENT
        if at_corner.any():
            cosines = np.broadcast_to(cosine, heights.shape)[at_corner]
            heights, end = heights.copy(), end.copy()
            heights[at_corner] = COINCIDENT * np.sqrt(np.maximum(0.5 * (1 + cosines), 0))
            end[at_corner] = sign * COINCIDENT * np.sqrt(np.maximum(0.5 * (1 - cosines), 0))
            starts, ends = (end, ends) if sign < 0 else (starts, end)
    return heights, starts, ends


def edge_terms(heights: Floats, starts: Floats, ends: Floats, floor: Floats) -> EdgeTerms:
    """The terms of edges, all ``[...]`` of one shape; ``floor`` is at most `squared_distances`."""
    distance = np.abs(heights)
    before, after = (_End.of(distance, place, floor) for place in (starts, ends))
    crossed = (starts <= 0) & (ends >= 0)
    excess = np.where(crossed, distance * distance - floor, np.inf)
    foot = np.exp(-0.5 * np.maximum(excess, 0))
    beyond = 0.5 * foot * special.erfcx(distance * np.sqrt(0.5))
    whole = foot / np.sqrt(2 * np.pi)
    sign_before, sign_after = np.where(starts > 0, 1, -1), np.where(ends < 0, 1, -1)
    return EdgeTerms(
        cones=beyond + sign_before * before.beyond + sign_after * after.beyond,
        flux=whole + sign_before * before.along + sign_after * after.along,
        slope=before.density - after.density,
    )


@dataclass(frozen=True)
class _End:
    """Of an edge's end, scaled: the density there, and mass and flux from there outwards."""

    density: Floats
    beyond: Floats
    along: Floats

    @staticmethod
    def of(distance: Floats, place: Floats, floor: Floats) -> _End:
        excess = distance * distance + place * place - floor
        chosen = np.flatnonzero(excess < NEGLIGIBLE)
        density, beyond, along = np.zeros((3, *distance.shape))
        outwards = np.abs(place.ravel()[chosen])
        here = np.exp(-0.5 * np.maximum(excess.ravel()[chosen], 0))
        density.ravel()[chosen] = here / (2 * np.pi)
        along.ravel()[chosen] = (
            here * special.erfcx(outwards * np.sqrt(0.5)) * (0.5 / np.sqrt(2 * np.pi))
        )
        beyond.ravel()[chosen] = here * mass_beyond(distance.ravel()[chosen], outwards)
        return _End(density, beyond, along)


def mass_beyond(heights: Floats, outwards: Floats) -> Floats:
    """Mass beyond a line at h and, seen from the origin, beyond its point t, over exp(-r^2 / 2).

    Of ``heights [M]`` and ``outwards [M]``, both >= 0, with r^2 = h^2 + t^2. Relative error some
    1e-14 for r > `NEAR`, absolute 1e-14 below.
    """
    values = np.empty_like(heights)
    squares = heights * heights + outwards * outwards
    near = squares < NEAR * NEAR
    h, t = heights[near], outwards[near]
    with np.errstate(divide="ignore"):
        owen = special.owens_t(h, t / np.where(h == 0, np.finfo(float).tiny, h))
    values[near] = (0.5 * special.ndtr(-h) - owen) * np.exp(0.5 * squares[near])
    far = np.flatnonzero(~near)
    for first in range(0, len(far), BLOCK):
        block = far[first : first + BLOCK]
        values[block] = _quadrature(heights[block], outwards[block])
    return values


def _quadrature(heights: Floats, outwards: Floats) -> Floats:
    """1 / 2 pi times the integral over s > 0 of exp(-t s - s^2 / 2) h / (h^2 + (t + s)^2)."""
    reach = 2 * NEPERS / (np.sqrt(outwards**2 + 2 * NEPERS) + outwards)
    squares = heights * heights
    total = np.zeros_like(heights)
    for node, weight in zip(*unit_legendre(NODES), strict=True):
        steps = node * reach
        places = outwards + steps
        density = np.exp(-0.5 * steps * (outwards + places))
        total += weight * density / (squares + places * places)
    return total * reach * heights / (2 * np.pi)
