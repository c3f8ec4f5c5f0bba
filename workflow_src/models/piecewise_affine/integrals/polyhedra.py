"""Gaussians on polyhedra (S = 3): slices along the first axis, exact polygons within.

After whitening with a lower factor the first coordinate is that of the latent space, moved and
scaled; each slice is a convex polygon under the standard normal (`planar`), and what is integrated
over the slices is positive and smooth between the polyhedron's vertices.

Shapes: P pairs of a point and a region, F faces of a region (of the one with most), S = 3.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workflow_src.models.piecewise_affine.integrals.adaptive import checked, integrals
from workflow_src.models.piecewise_affine.integrals.half_spaces import PARALLEL, ends_of_edges
from workflow_src.models.piecewise_affine.integrals.modes import constrained_modes
from workflow_src.models.piecewise_affine.integrals.planar import Edges, planar_integrals
from workflow_src.models.piecewise_affine.integrals.truncated import (
    REACH,
    Moments,
    cholesky_factors,
    from_white,
    sensible,
)
from workflow_src.models.piecewise_affine.partitions.cells import (
    Booleans,
    Floats,
    Integers,
    Polyhedra,
)

PAIRS = 256
"""Points times regions that are integrated at once."""
LEAST_SHARE = 1e-5
"""As in `planar`, for slices, which are tiny at a vertex, where they matter least."""
THIN = 1e-12
"""Perimeter of a slice, relative to its distance from the origin, below which it is no polygon."""


def polyhedron_moments(partition: Polyhedra, means: Floats, covariances: Floats) -> Moments:
    """As `moments.moments`, for S = 3."""
    points = max(means.shape[0], covariances.shape[0] if covariances.ndim == 4 else 1)
    regions = partition.regions
    factors = np.broadcast_to(cholesky_factors(covariances), (points, regions, 3, 3))
    means = np.broadcast_to(means, (points, regions, 3))
    modes = constrained_modes(partition, means, covariances)
    bodies = _Bodies.of(partition)
    log_mass = np.empty(points * regions)
    first, second = np.empty((len(log_mass), 3)), np.empty((len(log_mass), 3, 3))
    pairs = np.arange(len(log_mass))
    flat = means.reshape(-1, 3), factors.reshape(-1, 3, 3), modes.reshape(-1, 3)
    for start in range(0, len(pairs), PAIRS):
        rows = slice(start, start + PAIRS)
        mean, factor, mode = (array[rows] for array in flat)
        log_mass[rows], *white = _white_moments(bodies, pairs[rows] % regions, mean, factor, mode)
        first[rows], second[rows] = from_white(mean, factor, *white)
    shape = points, regions
    return Moments(log_mass.reshape(shape), first.reshape(*shape, 3), second.reshape(*shape, 3, 3))


@dataclass(frozen=True)
class _Bodies:
    """Every region's faces and the places of its vertices along the first axis, padded.

    ``normals [R, F, 3]`` and ``offsets [R, F]``, 0 and 1 for no face; ``levels [R, V]``, repeated;
    ``lowest [R]`` and ``highest [R]``, infinite where the region is.
    """

    normals: Floats
    offsets: Floats
    levels: Floats
    lowest: Floats
    highest: Floats

    @staticmethod
    def of(partition: Polyhedra) -> _Bodies:
        faces = int(np.diff(partition.first).max(initial=1))
        normals = np.zeros((partition.regions, faces, 3))
        offsets = np.ones((partition.regions, faces))
        levels = np.zeros((partition.regions, int(np.diff(partition.first_vertex).max()) + faces))
        lowest, highest = np.empty(partition.regions), np.empty(partition.regions)
        for region in range(partition.regions):
            own, bounds = partition.half_spaces(region)
            normals[region, : len(own)], offsets[region, : len(own)] = own, bounds
            upright = np.hypot(own[:, 1], own[:, 2]) <= PARALLEL
            rows = slice(*partition.first_vertex[region : region + 2])
            places = np.concatenate(
                [partition.vertices[rows, 0], bounds[upright] / own[upright, 0]]
            )
            levels[region] = np.resize(places, levels.shape[1])
            rays = partition.rays[slice(*partition.first_ray[region : region + 2]), 0]
            lowest[region] = -np.inf if (rays < -PARALLEL).any() else places.min()
            highest[region] = np.inf if (rays > PARALLEL).any() else places.max()
        return _Bodies(normals, offsets, levels, lowest, highest)


def _white_moments(
    bodies: _Bodies, regions: Integers, means: Floats, factors: Floats, modes: Floats
) -> tuple[Floats, Floats, Floats]:
    """log mass ``[P]``, mean and second moment of u = factor^-1 (z - mean), for pairs."""
    normals = np.einsum("pfi,pij->pfj", bodies.normals[regions], factors)
    offsets = bodies.offsets[regions] - np.einsum("pfi,pi->pf", bodies.normals[regions], means)
    slopes = np.hypot(normals[..., 1], normals[..., 2])
    level = slopes <= PARALLEL * np.linalg.norm(normals, axis=-1)
    slopes = np.where(level, 1.0, slopes)
    across = np.where(level[..., None], 0.0, normals[..., 1:] / slopes[..., None])
    along, offsets = normals[..., 0] / slopes, offsets / slopes
    shifts = (modes - means)[..., None]
    nearest = np.asarray(np.linalg.solve(factors, shifts)[..., 0], dtype=np.float64)
    floor = (nearest**2).sum(-1)

    def integrand(owners: Integers, places: Floats) -> Floats:
        heights = offsets[owners] - along[owners] * places[:, None]
        return _slice_values(across[owners], heights, places, floor[owners])

    bounds = _bounds(bodies, regions, means, factors, nearest)
    found = integrals(integrand, bounds, 11, nearest[:, 0])
    values = found.values
    checked(found.unmet + values[:, 10], values[:, 0], floor)
    with np.errstate(divide="ignore"):
        log_mass = np.log(np.maximum(values[:, 0], 0)) - 0.5 * floor
    second = values[:, 4:][:, [[0, 1, 2], [1, 3, 4], [2, 4, 5]]]
    return log_mass, *sensible(nearest, values[:, 0], values[:, 1:4], second)


def _bounds(
    bodies: _Bodies, regions: Integers, means: Floats, factors: Floats, nearest: Floats
) -> Floats:
    """Where slices begin, end and pass a vertex, within reach of the mode, in ascending order."""
    centre, scale = means[:, :1], factors[:, :1, 0]
    mode = nearest[:, :1]
    lowest = (bodies.lowest[regions][:, None] - centre) / scale
    highest = (bodies.highest[regions][:, None] - centre) / scale
    lowest, highest = np.maximum(lowest, mode - REACH), np.minimum(highest, mode + REACH)
    levels = (bodies.levels[regions] - centre) / scale
    inner = np.concatenate([levels, mode, lowest, highest], axis=1)
    return np.sort(np.clip(inner, lowest, np.maximum(lowest, highest)), axis=1)


def _slice_values(across: Floats, heights: Floats, places: Floats, floor: Floats) -> Floats:
    """Of slices, times exp(floor / 2): mass, moments and mass in doubt, ``[Q, 11]``."""
    mass, first, second, unmet = _cross_sections(across, heights, floor - places * places)
    scaled = 1 / np.sqrt(2 * np.pi)
    density = scaled * mass
    values = np.empty((len(places), 11))
    values[:, 0], values[:, 1] = density, density * places
    values[:, 2:4] = scaled * first
    values[:, 4] = density * places * places
    values[:, 5:7] = values[:, 2:4] * places[:, None]
    values[:, 7], values[:, 8], values[:, 9] = (
        scaled * second[:, row, column] for row, column in ((0, 0), (0, 1), (1, 1))
    )
    values[:, 10] = scaled * unmet
    return values


def _cross_sections(across: Floats, heights: Floats, floor: Floats) -> tuple[Floats, ...]:
    """Masses, moments and doubts of polygons ``across @ v <= heights``, times exp(floor / 2)."""
    starts, ends = ends_of_edges(across, heights)
    present = starts < ends
    present &= _is_polygon(heights, starts, ends, present)[:, None]
    counts = present.sum(axis=1)
    free = ~across.any(axis=(1, 2))
    mass = np.where(free, np.exp(0.5 * np.minimum(floor, 0)), 0.0)
    first, unmet = np.zeros((len(across), 2)), np.zeros(len(across))
    second = mass[:, None, None] * np.eye(2)
    chosen = np.flatnonzero(counts)
    if len(chosen):
        edges = Edges(
            *_in_order(across, heights, starts, ends, present),
            np.concatenate([[0], np.cumsum(counts[chosen])]),
        )
        found = planar_integrals(edges, LEAST_SHARE)
        scale = np.exp(0.5 * np.minimum(floor[chosen] - found.floor, 0))
        mass[chosen], first[chosen] = scale * found.mass, scale[:, None] * found.first
        unmet[chosen] = scale * found.unmet
        second[chosen] = scale[:, None, None] * found.second
    return mass, first, second, unmet


def _is_polygon(heights: Floats, starts: Floats, ends: Floats, present: Booleans) -> Booleans:
    """Whether a slice is more than rounding has left of a vertex or of an edge: ``[Q]``."""
    perimeters = np.where(present, ends - starts, 0.0).sum(axis=1)
    places = np.where(present & np.isfinite(starts), np.abs(starts), 0.0) + np.abs(heights)
    # The origin is not inside where a line that lost its edge to rounding says otherwise.
    outside = ((heights < 0) & ~present).any(axis=1) & ((heights >= 0) | ~present).all(axis=1)
    sizes = 1 + np.where(present, places, 0.0).max(axis=1)
    polygons: Booleans = ~outside & (perimeters > THIN * sizes)
    return polygons


def _in_order(
    across: Floats, heights: Floats, starts: Floats, ends: Floats, present: Booleans
) -> tuple[Floats, Floats, Floats, Floats]:
    """The present edges of all polygons, counter-clockwise by their normals' angles."""
    angles = np.where(present, np.arctan2(across[..., 1], across[..., 0]), np.inf)
    order = np.argsort(angles, axis=1)
    rows = np.arange(len(order))[:, None]
    kept = present[rows, order]
    return (
        across[rows, order][kept],
        heights[rows, order][kept],
        starts[rows, order][kept],
        ends[rows, order][kept],
    )
