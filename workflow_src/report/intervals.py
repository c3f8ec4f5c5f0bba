"""Confidence intervals of means over few seeds (Student 1908).

A seed is a whole training: the spread over seeds tells how a method varies, which the standard
error over test images of one training does not. Nor does it tell what all trainings' numbers have
wrong in common: an estimate of log Z whose bias is the estimator's own does not average out.
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


def mean_interval(values: Sequence[float], shared_error: float = 0.0) -> Interval | None:
    """The 95 % t interval of the mean of independent values; None of fewer than two.

    ``shared_error`` is the standard error of what all values may have wrong in common. Its own 95 %
    are added in quadrature, whatever the number of values.
    """
    count = len(values)
    if count < 2:
        return None
    quantile = float(stdtrit(count - 1, (1 + CONFIDENCE) / 2))
    of_seeds = quantile * statistics.stdev(values) / math.sqrt(count)
    half = math.hypot(of_seeds, NORMAL_QUANTILE * shared_error)
    middle = statistics.fmean(values)
    return middle - half, middle + half


def root_mean_square(errors: Sequence[float]) -> float:
    """Of standard errors of what is not averaged away; 0 of none."""
    return math.sqrt(statistics.fmean(one**2 for one in errors)) if errors else 0.0


def error_interval(value: float, standard_error: float | None) -> Interval | None:
    """The 95 % normal interval of an estimate; None where its error is not known."""
    if standard_error is None:
        return None
    half = NORMAL_QUANTILE * standard_error
    return value - half, value + half
