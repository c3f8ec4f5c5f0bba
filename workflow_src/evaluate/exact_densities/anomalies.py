"""Anomalies told apart by low exact density: the area under the ROC curve and its error."""

from __future__ import annotations

import math

import numpy as np

from workflow_src.evaluate.exact_densities.subject import Array
from workflow_src.evaluate.metric_rows import Row, row


def anomaly_row(usual: Array, anomalies: Array) -> Row:
    """From log densities of usual test points [N] and of anomalies [M]."""
    area, error = area_under_curve(-usual, -anomalies)
    return row("anomaly_auc", area, error, "share", None)


def area_under_curve(negatives: Array, positives: Array) -> tuple[float, float]:
    """P(positive score > negative score), ties half, and its standard error.

    The error is that of DeLong, DeLong and Clarke-Pearson (1988): from how the share of the other
    kind that each point is above of spreads within each kind.
    """
    of_positives = _share_below(negatives, positives)
    of_negatives = 1 - _share_below(positives, negatives)
    variance = _variance_of_mean(of_positives) + _variance_of_mean(of_negatives)
    return float(of_positives.mean()), math.sqrt(variance)


def _share_below(scores: Array, points: Array) -> Array:
    """Share of ``scores`` [N] below each of ``points`` [M], ties half: [M]."""
    ordered = np.sort(scores)
    below = np.searchsorted(ordered, points, side="left")
    up_to = np.searchsorted(ordered, points, side="right")
    return np.asarray((below + up_to) / (2 * len(scores)))


def _variance_of_mean(values: Array) -> float:
    return float(values.var(ddof=1) / len(values)) if len(values) > 1 else math.nan
