"""Gaussians on polygons (S = 2): whitened edges, then the integrals of `planar`.

Shapes: N points, R regions, F edges of all regions together.
"""

from __future__ import annotations

import numpy as np

from workflow_src.models.piecewise_affine.integrals.adaptive import checked
from workflow_src.models.piecewise_affine.integrals.planar import Edges, planar_integrals
from workflow_src.models.piecewise_affine.integrals.truncated import (
    Moments,
    cholesky_factors,
    from_white,
    sensible,
)
from workflow_src.models.piecewise_affine.partitions.cells import Floats, Integers, Polygons

CHUNK = 1 << 15
"""Edges, over points and regions, whose terms are computed at once."""
CLOSE = 1.0
"""Whitened distance up to which a corner, rather than the line's offset, tells an edge's height.

Both edges of a corner then see the origin at the same place, to the last bit: near a corner the
angles between them decide.
"""


def polygon_moments(partition: Polygons, means: Floats, covariances: Floats) -> Moments:
    """As `moments.moments`, for S = 2."""
    points = max(means.shape[0], covariances.shape[0] if covariances.ndim == 4 else 1)
    regions = partition.regions
    factors = cholesky_factors(covariances)
    factors = np.broadcast_to(factors, (points, regions, 2, 2))
    means = np.broadcast_to(means, (points, regions, 2))
    log_mass = np.empty((points, regions))
    first, second = np.empty((points, regions, 2)), np.empty((points, regions, 2, 2))
    step = max(1, CHUNK // max(1, len(partition.offsets)))
    for start in range(0, points, step):
        rows = slice(start, start + step)
        log_mass[rows], mean, square = _white_moments(partition, means[rows], factors[rows])
        first[rows], second[rows] = from_white(means[rows], factors[rows], mean, square)
    return Moments(log_mass, first, second)


def _white_moments(
    partition: Polygons, means: Floats, factors: Floats
) -> tuple[Floats, Floats, Floats]:
    """log mass, mean and second moment of u = factor^-1 (z - mean), for ``[n, R]``."""
    shape = means.shape[:2]
    if not len(partition.offsets):
        return np.zeros(shape), np.zeros((*shape, 2)), np.broadcast_to(np.eye(2), (*shape, 2, 2))
    found = planar_integrals(white_edges(partition, means, factors))
    checked(found.unmet, found.mass, found.floor)
    with np.errstate(divide="ignore", invalid="ignore"):
        log_mass = np.log(np.maximum(found.mass, 0)) - 0.5 * found.floor
    mean, second = sensible(found.nearest, found.mass, found.first, found.second)
    return log_mass.reshape(shape), mean.reshape(*shape, 2), second.reshape(*shape, 2, 2)


def white_edges(partition: Polygons, means: Floats, factors: Floats) -> Edges:
    """The edges of every region as u = factor^-1 (z - mean) sees them, point after point.

    ``means [n, R, 2]`` and lower factors ``[n, R, 2, 2]``; the result has n F edges.
    """
    faces, points = partition.faces, len(means)
    means, factors = means[:, faces], factors[:, faces]
    normals = np.einsum("nfji,fj->nfi", factors, partition.normals)
    lengths = np.hypot(normals[..., 0], normals[..., 1])
    normals = normals / lengths[..., None]
    tangents = np.stack([-normals[..., 1], normals[..., 0]], axis=-1)
    heights = partition.offsets - np.einsum("nfi,fi->nf", means, partition.normals)
    heights = heights / lengths
    corners, bounded, after = _corners(partition)
    begin = _white(corners - means, factors)
    finish = _white(corners[after] - means, factors)
    starts = np.where(bounded, np.einsum("nfi,nfi->nf", tangents, begin), -np.inf)
    ends = np.where(bounded[after], np.einsum("nfi,nfi->nf", tangents, finish), np.inf)
    heights = _from_close_corner(heights, normals, begin, finish, bounded, bounded[after])
    edges = np.diff(partition.first)
    return Edges(
        normals.reshape(-1, 2),
        heights.ravel(),
        starts.ravel(),
        ends.ravel(),
        np.concatenate([[0], np.cumsum(np.tile(edges, points))]),
    )


def _corners(partition: Polygons) -> tuple[Floats, np.ndarray, Integers]:
    """Where each edge starts ``[F, 2]``, whether it does ``[F]``, and the edge after it ``[F]``."""
    after = np.arange(1, len(partition.offsets) + 1)
    after[partition.first[1:] - 1] = partition.first[:-1]
    bounded = np.isfinite(partition.starts)
    places = np.where(bounded, partition.starts, 0.0)[:, None]
    corners = partition.offsets[:, None] * partition.normals + places * partition.tangents
    return corners, bounded, after


def _white(shifted: Floats, factors: Floats) -> Floats:
    """factor^-1 shifted, for lower factors of two rows."""
    x = shifted[..., 0] / factors[..., 0, 0]
    y = (shifted[..., 1] - factors[..., 1, 0] * x) / factors[..., 1, 1]
    return np.stack([x, y], axis=-1)


def _from_close_corner(
    heights: Floats,
    normals: Floats,
    begin: Floats,
    finish: Floats,
    begins: np.ndarray,
    finishes: np.ndarray,
) -> Floats:
    """Heights as the nearer corner tells them, where there is one within `CLOSE`."""
    distances = [
        np.where(exists, (corner * corner).sum(-1), np.inf)
        for corner, exists in ((begin, begins), (finish, finishes))
    ]
    nearer = np.where((distances[0] <= distances[1])[..., None], begin, finish)
    close = np.minimum(*distances) < CLOSE
    return np.where(close, np.einsum("nfi,nfi->nf", normals, nearer), heights)
