"""The noise covariance that maximises the expected complete log likelihood."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from workflow_src.models.piecewise_affine.inference.expectations import (
    DeepGenerativeNetwork,
    ExpectedStatistics,
)
from workflow_src.models.piecewise_affine.maximisation.objective import (
    residual_covariance,
    residual_squares,
)
from workflow_src.models.piecewise_affine.maximisation.quadratics import UnsolvedError
from workflow_src.models.piecewise_affine.noise import NoiseCovariance
from workflow_src.models.piecewise_affine.partitions.enumeration import Partition

Array: TypeAlias = NDArray[np.float64]


def best_noise(
    model: DeepGenerativeNetwork,
    partition: Partition,
    statistics: ExpectedStatistics,
    smallest_variance: float = 1e-8,
) -> NoiseCovariance:
    """The covariance of the model's kind with the highest Q: the expected residuals' mean square.

    Where an eigenvalue (a variance) falls below ``smallest_variance`` it is that: the maximiser
    among covariances whose eigenvalues are at least that large. `UnsolvedError` where one is
    further below zero than that: then rounding leaves unknown what it is.
    """
    noise = model.noise
    if noise.kind == "full":
        covariance = residual_covariance(model, partition, statistics) / statistics.points
        return replace(noise, values=_raised(covariance, smallest_variance))
    variances = residual_squares(model, partition, statistics) / statistics.points
    if noise.kind == "isotropic":
        variances = np.asarray(variances.mean())
    _check_rounding(variances, smallest_variance)
    return replace(noise, values=np.maximum(variances, smallest_variance))


def between(start: NoiseCovariance, end: NoiseCovariance, step: float) -> NoiseCovariance:
    """The covariance at ``step`` of the way; Q rises all along the way to the best covariance."""
    return replace(start, values=(1 - step) * start.values + step * end.values)


def _check_rounding(variances: Array, least: float) -> None:
    smallest = float(variances.min())
    if smallest < -least:
        raise UnsolvedError(
            f"a variance of the noise came out as {smallest:.2g}: the residuals are too small "
            "beside the points and the network's outputs for their difference to be known"
        )


def _raised(covariance: Array, least: float) -> Array:
    """The symmetric matrix with its eigenvalues raised to ``least``."""
    values, vectors = np.linalg.eigh(covariance)
    if values[0] >= least:
        return covariance
    _check_rounding(values, least)
    raised = (vectors * np.maximum(values, least)) @ vectors.T
    return np.asarray((raised + raised.T) / 2)
