"""Which regions share a face, and by how many steps across faces each is found from one of them.

The recursive search of the EM-DGN paper (Figure 1 and Algorithm 1), breadth first: in each step all
regions across a face of one found before. Activations are continuous, so that one region only lies
across the whole of a face, whose signs are those just beyond any point within it.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra

from workflow_src.models.piecewise_affine.networks import Network
from workflow_src.models.piecewise_affine.partitions.cells import (
    Floats,
    Integers,
    Intervals,
    Partition,
    Polygons,
    Polyhedra,
    region_by_half_spaces,
    region_by_signs,
)
from workflow_src.models.piecewise_affine.partitions.hyperplanes import signs_beyond

STEPS = (1e-9, 1e-7, 1e-5)
"""How far to look behind a face where no region has the signs beyond it, times 1 + distance."""


def neighbours(partition: Partition, network: Network) -> Integers:
    """The region across each half-space's face: ``[F]``; -1 where rounding hides it.

    Crossing one face flips the signs of all units whose hyperplanes coincide there. Time grows
    with the number of faces; where rounding, or a region thinner than the partition's tolerance,
    leaves no region with the signs beyond, the one behind the face is looked for among all.
    """
    if isinstance(partition, Intervals):
        return partition.faces + np.sign(partition.normals[:, 0]).astype(np.int64)
    points = face_points(partition)
    signs = signs_beyond(network, points, partition.normals)
    found, own = region_by_signs(partition, signs), partition.faces
    found[found == own] = -1
    sizes = 1 + np.linalg.norm(points, axis=1, keepdims=True)
    for step in STEPS:
        rows = np.flatnonzero(found < 0)
        behind = points[rows] + step * sizes[rows] * partition.normals[rows]
        regions = region_by_half_spaces(partition, behind)
        found[rows] = np.where(regions == own[rows], -1, regions)
    return found


def discovery_steps(partition: Partition, network: Network, start: int) -> Integers:
    """The least number of faces between region ``start`` and each region: ``[R]``.

    0 for the start; -1 for a region to which rounding hides every way.
    """
    beyond, own = neighbours(partition, network), partition.faces
    seen = beyond >= 0
    shape = (partition.regions, partition.regions)
    graph = coo_array((np.ones(seen.sum()), (own[seen], beyond[seen])), shape=shape).tocsr()
    steps = dijkstra(graph, directed=False, indices=start, unweighted=True)
    return np.where(np.isfinite(steps), steps, -1).astype(np.int64)


def face_points(partition: Partition) -> Floats:
    """A point within each face: ``[F, S]``."""
    if isinstance(partition, Polyhedra):
        return partition.face_points
    on_lines = partition.offsets[:, None] * partition.normals
    if not isinstance(partition, Polygons):
        return on_lines
    places = _within(partition.starts, partition.ends)
    return np.asarray(on_lines + places[:, None] * partition.tangents)


def _within(starts: Floats, ends: Floats) -> Floats:
    """The middle of each edge, ``[F]``; of one without an end, as far out as its other end is."""
    low, high = np.isneginf(starts), np.isposinf(ends)
    first, last = np.where(low, 0.0, starts), np.where(high, 0.0, ends)
    middle = first / 2 + last / 2
    middle = np.where(low & ~high, last - 1 - np.abs(last), middle)
    return np.where(high & ~low, first + 1 + np.abs(first), middle)
