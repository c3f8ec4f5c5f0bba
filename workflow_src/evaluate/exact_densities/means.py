"""Rows of means over points, without importance samples, since what is exact has none."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from workflow_src.evaluate.metric_rows import Row, row
from workflow_src.models.piecewise_affine.inference.truncated import DRAWS


def mean_row(metric: str, values: NDArray[np.float64], unit: str, error: float = 0.0) -> Row:
    """The mean over points, NaN of none.

    Its standard error holds ``error``, which is independent of them.
    """
    count = len(values)
    mean = float(values.mean()) if count else math.nan
    of_points = float(values.std(ddof=1) / math.sqrt(count)) if count > 1 else math.nan
    return row(metric, mean, math.hypot(of_points, error), unit, None)


def estimate_row(
    metric: str, values: NDArray[np.float64], errors: NDArray[np.float64] | None
) -> Row:
    """The mean of nats over points, and of how many draws each is where it is an estimate.

    The standard error then holds that of the estimates, ``errors``, drawn point by point.
    """
    if errors is None:
        return mean_row(metric, values, "nats")
    of_estimates = float(np.linalg.norm(errors)) / len(errors)
    return mean_row(metric, values, "nats", of_estimates) | {"importance_samples": DRAWS}
