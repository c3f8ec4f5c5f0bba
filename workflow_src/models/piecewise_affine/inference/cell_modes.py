"""The modes of a density that is a Gaussian on each cell of a partition, and continuous.

It is log-concave on each cell, so a point is a local maximum exactly if it is the largest point of
every cell that it touches.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from workflow_src.models.piecewise_affine.partitions.enumeration import Intervals, Partition

Array: TypeAlias = NDArray[np.float64]

TOUCHING = 1e-9
"""Distance, relative to 1 + size, below which a point lies on a border."""

SAME = 100.0
"""Such distances within which two regions' highest points count as one place."""


def interval_modes(partition: Intervals, means: Array) -> NDArray[np.bool_]:
    """Regions ``[N, R]`` whose highest point is a mode, for S = 1, from mu_w(x) ``[N, R]``.

    Within an interval there is one where mu_w lies inside. At a border, counted to the interval on
    its left, there is one where the density rises on the left and falls on the right.
    """
    found = (means > partition.lower) & (means < partition.upper)
    borders = partition.upper[:-1]
    found[:, :-1] |= (means[:, :-1] >= borders) & (means[:, 1:] <= borders)
    return np.asarray(found)


def cell_modes(partition: Partition, highest: Array) -> NDArray[np.bool_]:
    """Regions ``[R]`` whose highest point ``[R, S]`` is a mode; each mode is counted once.

    A highest point inside its region is one. On a border it can only be one if other regions have
    theirs in the same place: few do, and only for those are all half-spaces looked at.
    """
    sizes = TOUCHING * (1 + np.abs(highest).max(axis=1))
    on_border = _on_border(partition, highest, sizes)
    found = ~on_border
    for region in _shared(highest, sizes, on_border):
        mode, size = highest[region], sizes[region]
        if np.any(np.abs(highest[found] - mode).max(axis=1) <= SAME * size):
            continue
        touching = _touching(partition, mode, size)
        touching[region] = True
        found[region] = np.abs(highest[touching] - mode).max() <= SAME * size
    return found


def _on_border(partition: Partition, highest: Array, sizes: Array) -> NDArray[np.bool_]:
    """Regions whose highest point is on their border, as far as numbers tell, ``[R]``."""
    heights = np.einsum("fs,fs->f", partition.normals, highest[partition.faces])
    near = heights > partition.offsets - sizes[partition.faces]
    return np.asarray(np.bincount(partition.faces[near], minlength=partition.regions) > 0)


def _shared(highest: Array, sizes: Array, on_border: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Regions with their highest point on the border where that of another one is too."""
    regions = np.flatnonzero(on_border)
    if not len(regions):
        return regions
    places = highest[regions]
    near = cKDTree(places).query_ball_point(
        places, SAME * sizes[regions], p=np.inf, return_length=True
    )
    return np.asarray(regions[near > 1])


def _touching(partition: Partition, point: Array, size: float) -> NDArray[np.bool_]:
    """The regions whose closure holds the point, ``[R]``."""
    outside = partition.normals @ point > partition.offsets + size
    counts = np.bincount(partition.faces[outside], minlength=partition.regions)
    return np.asarray(counts == 0)
