"""Where a Gaussian is densest within a region: the nearest point in its own metric."""

from __future__ import annotations

import numpy as np

from workflow_src.models.piecewise_affine.integrals.truncated import cholesky_factors
from workflow_src.models.piecewise_affine.partitions.cells import Booleans, Floats, Partition
from workflow_src.models.piecewise_affine.solvers.least_distance import nearest_to_origin


def constrained_modes(partition: Partition, means: Floats, covariances: Floats) -> Floats:
    """argmin over z in region of (z - mean)' covariance^-1 (z - mean), ``[N, R, S]``.

    ``means`` broadcasts to ``[N, R, S]``, ``covariances`` to ``[N, R, S, S]``. A mean within its
    region is its mode; elsewhere least distance programming finds it exactly.
    """
    points = max(means.shape[0], covariances.shape[0] if covariances.ndim == 4 else 1)
    shape = points, partition.regions, partition.dimensions
    factors = np.broadcast_to(cholesky_factors(covariances), (*shape, shape[-1]))
    modes = np.array(np.broadcast_to(means, shape))
    for point, region in np.argwhere(~inside(partition, modes)):
        normals, offsets = partition.half_spaces(region)
        mean, factor = modes[point, region], factors[point, region]
        turned = normals @ factor
        lengths = np.linalg.norm(turned, axis=1)
        interior = np.linalg.solve(factor, partition.interior[region] - mean)
        heights = (offsets - normals @ mean) / lengths
        nearest = nearest_to_origin(
            turned / lengths[:, None], heights, float(np.linalg.norm(interior))
        )
        # Where rounding leaves the half-spaces no common point, the interior is as good as any.
        white = interior if nearest is None else nearest.point
        modes[point, region] = mean + factor @ white
    return modes


def inside(partition: Partition, places: Floats) -> Booleans:
    """Whether each of ``places [N, R, S]`` is in its region or on its border: ``[N, R]``."""
    heights = partition.offsets - np.einsum(
        "nfi,fi->nf", places[:, partition.faces], partition.normals
    )
    violated = np.zeros((partition.regions, len(places)), dtype=np.int64)
    np.add.at(violated, partition.faces, (heights < 0).T)
    within: Booleans = violated.T == 0
    return within
