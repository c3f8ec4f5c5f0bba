"""The modes of a density that is a Gaussian on each cell of a partition, and continuous.

It is log-concave on each cell, so a point is a local maximum exactly if it is the largest point of
every cell that it touches.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from workflow_src.models.piecewise_affine.partitions import Intervals, Partition

Array: TypeAlias = NDArray[np.float64]

TOUCHING = 1e-9
"""Distance, relative to 1 + size, below which a point lies on a border."""


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
    """Regions ``[R]`` whose highest point ``[R, S]`` is a mode; each mode is counted once."""
    found = np.zeros(len(highest), dtype=bool)
    for region, mode in enumerate(highest):
        size = TOUCHING * (1 + float(np.abs(mode).max()))
        if np.any(np.abs(highest[found] - mode).max(axis=1) <= 100 * size):
            continue
        touching = _touching(partition, mode, size)
        touching[region] = True
        found[region] = np.abs(highest[touching] - mode).max() <= 100 * size
    return found


def _touching(partition: Partition, point: Array, size: float) -> NDArray[np.bool_]:
    """The regions whose closure holds the point, ``[R]``."""
    outside = partition.normals @ point > partition.offsets + size
    counts = np.bincount(partition.faces[outside], minlength=partition.regions)
    return np.asarray(counts == 0)
