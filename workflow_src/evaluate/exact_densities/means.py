"""Rows of means over points, without importance samples, since what is exact has none."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from workflow_src.evaluate.metric_rows import Row, row


def mean_row(metric: str, values: NDArray[np.float64], unit: str, error: float = 0.0) -> Row:
    """The mean over points; its standard error holds ``error``, which is independent of them."""
    count = len(values)
    of_points = float(values.std(ddof=1) / math.sqrt(count)) if count > 1 else math.nan
    return row(metric, float(values.mean()), math.hypot(of_points, error), unit, None)
