"""Mass, mean and second moment of a Gaussian on every region of a partition, for one to three S.

The e0, e1 and E2 of Theorem 2 of "Analytical Probability Distributions and EM-Learning for Deep
Generative Networks", corrected, divided by e0 and with e0 as a logarithm, so that a region far in
the tail has moments too. The paper's own route is in `reference`; from four dimensions on there
is an estimate in `sampling`.

Shapes: N points, R regions, S latent dimensions.
"""

from __future__ import annotations

import numpy as np
import torch

from workflow_src.models.piecewise_affine.integrals.intervals import (
    interval_log_masses,
    interval_moments,
)
from workflow_src.models.piecewise_affine.integrals.polygons import polygon_moments
from workflow_src.models.piecewise_affine.integrals.polyhedra import polyhedron_moments
from workflow_src.models.piecewise_affine.integrals.truncated import Moments
from workflow_src.models.piecewise_affine.partitions.cells import (
    Floats,
    Intervals,
    Partition,
    Polygons,
    Polyhedra,
)

__all__ = ["EXACT_DIMENSIONS", "Moments", "log_masses", "moments"]

EXACT_DIMENSIONS = 3
"""Most latent dimensions whose integrals are exact."""


def moments(partition: Partition, means: Floats, covariances: Floats) -> Moments:
    """Mass and normalised moments of N(mean, covariance) restricted to each region.

    ``means`` broadcasts to ``[N, R, S]`` and ``covariances`` to ``[N, R, S, S]``: ``[R, S, S]``
    where every point has the same, ``[N, 1, S, S]`` where every region has the same.
    ValueError for more than three dimensions (see `sampling.estimated_moments`), for `Polyhedra` of
    less than three, and for covariances that are not positive definite. ArithmeticError where an
    integral did not converge.

    Log masses, relative to the larger of themselves and 1, are right to some 1e-9 at all distances
    of up to 5,000 deviations (as tested), if the covariances' largest eigenvalues are at most 10^7
    times the smallest: what rounding has taken of a covariance no integral brings back. Moments, in
    units of the mean's size and its square, are right to 1e-8 up to some hundred deviations, and to
    1e-6 beyond, where rounding may leave no variance and the densest point stands for the mean.
    """
    means, covariances = _checked(partition, means, covariances)
    match partition:
        case Intervals():
            found = interval_moments(*_interval_arguments(partition, means, covariances))
            return Moments(
                found.log_mass.numpy(),
                found.mean.numpy()[..., None],
                found.second.numpy()[..., None, None],
            )
        case Polygons():
            return polygon_moments(partition, means, covariances)
        case Polyhedra() if partition.dimensions == EXACT_DIMENSIONS:
            return polyhedron_moments(partition, means, covariances)
    raise ValueError(
        f"no integrals over {type(partition).__name__} of {partition.dimensions} dimensions; "
        "use the partition of Intervals or Polygons that partitions.partition makes"
    )


def log_masses(partition: Partition, means: Floats, covariances: Floats) -> Floats:
    """The logarithms of the masses alone, ``[N, R]``: as `moments`, and cheaper."""
    if isinstance(partition, Intervals):
        arguments = _interval_arguments(partition, *_checked(partition, means, covariances))
        masses: Floats = interval_log_masses(*arguments).numpy()
        return masses
    return moments(partition, means, covariances).log_mass


def _checked(partition: Partition, means: Floats, covariances: Floats) -> tuple[Floats, Floats]:
    """Both with all their dimensions: ``[N | 1, R | 1, S]`` and ``[N | 1, R | 1, S, S]``."""
    dimensions = partition.dimensions
    if dimensions > EXACT_DIMENSIONS:
        raise ValueError(
            f"exact integrals are for at most {EXACT_DIMENSIONS} latent dimensions, not "
            f"{dimensions}; use estimated_moments"
        )
    means, covariances = np.asarray(means, float), np.asarray(covariances, float)
    means = means.reshape((1,) * (3 - means.ndim) + means.shape)
    covariances = covariances.reshape((1,) * (4 - covariances.ndim) + covariances.shape)
    points = max(len(means), len(covariances))
    np.broadcast_shapes(means.shape, (points, partition.regions, dimensions))
    np.broadcast_shapes(covariances.shape, (points, partition.regions, dimensions, dimensions))
    return means, covariances


def _interval_arguments(
    partition: Intervals, means: Floats, covariances: Floats
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    if not (covariances > 0).all():
        raise ValueError("a covariance is not positive definite")
    shape = max(len(means), len(covariances)), partition.regions
    arrays = (
        partition.lower,
        partition.upper,
        np.broadcast_to(means[..., 0], shape),
        np.broadcast_to(covariances[..., 0, 0], shape),
    )
    lower, upper, centres, variances = (
        torch.from_numpy(np.array(array, dtype=np.float64)) for array in arrays
    )
    return lower, upper, centres, variances
