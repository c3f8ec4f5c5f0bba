"""Confidence intervals of means over few seeds (Student 1908).

A seed is a whole training: the spread over seeds tells how a method varies, which the standard
error over test images of one training does not.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from scipy.special import stdtrit

Interval = tuple[float, float]

CONFIDENCE = 0.95
NORMAL_QUANTILE = 1.96
"""Of 95 % between both sides, for means over thousands of test images."""


def mean_interval(values: Sequence[float]) -> Interval | None:
    """The 95 % t interval of the mean of independent values; None of fewer than two."""
    count = len(values)
    if count < 2:
        return None
    quantile = float(stdtrit(count - 1, (1 + CONFIDENCE) / 2))
    half = quantile * statistics.stdev(values) / math.sqrt(count)
    middle = statistics.fmean(values)
    return middle - half, middle + half


def error_interval(value: float, standard_error: float | None) -> Interval | None:
    """The 95 % normal interval of an estimate; None where its error is not known."""
    if standard_error is None:
        return None
    half = NORMAL_QUANTILE * standard_error
    return value - half, value + half
