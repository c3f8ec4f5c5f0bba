"""How well scores tell anomalies apart: the area under the ROC curve, and its errors.

Scores are higher for what is usual, as log densities are; any scores will do, ties and infinities
among them. N = usual images, M = anomalies.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.floating[Any]]

PUBLISHED_THRESHOLDS = 100
"""Thresholds of the DCGMM paper's estimator."""


def area_under_curve(usual: Scores, anomalies: Scores) -> tuple[float, float]:
    """P(score of an anomaly < score of a usual image), ties half, and its standard error.

    ``usual`` is ``[N]``, ``anomalies`` is ``[M]``. The error is that of DeLong, DeLong and
    Clarke-Pearson (1988): from how the share of the other kind that each image is on the right side
    of spreads within each kind. It is NaN where a kind has a single image.
    """
    of_anomalies, of_usual = _placements(usual, anomalies)
    variance = _variance_of_mean(of_anomalies) + _variance_of_mean(of_usual)
    return float(of_anomalies.mean()), math.sqrt(variance)


def difference_of_areas(
    first: tuple[Scores, Scores], second: tuple[Scores, Scores]
) -> tuple[float, float]:
    """Area of the first scores minus that of the second, of the same images, and its error.

    Each is a pair of ``usual [N]`` and ``anomalies [M]``, image by image in the same order. The
    error is DeLong's for correlated areas: what both scores do alike to an image is none.

    Raises
    ------
    ValueError
        If the two are not of as many images.
    """
    shapes = [[len(scores) for scores in pair] for pair in (first, second)]
    if shapes[0] != shapes[1]:
        raise ValueError(
            f"scores of {shapes[0]} and {shapes[1]} images (usual, anomalies) cannot be paired; "
            "expected scores of the same images"
        )
    differences = [
        one - other for one, other in zip(_placements(*first), _placements(*second), strict=True)
    ]
    variance = sum(_variance_of_mean(one) for one in differences)
    return float(differences[0].mean()), math.sqrt(variance)


def best_scores(usual: Sequence[Scores], anomalies: Sequence[Scores]) -> int:
    """Which of several scores of the same images has the largest area; the first of equal ones."""
    areas = [area_under_curve(*pair)[0] for pair in zip(usual, anomalies, strict=True)]
    return int(np.argmax(areas))


def published_area(usual: Scores, anomalies: Scores) -> float:
    """The area as the DCGMM paper's authors estimate it (their Appendix D and Figure 10).

    The share of usual images above a threshold against the share of anomalies below it, at 100
    thresholds that cut the range of all scores into equal steps from its lower end on, joined by
    straight lines. The upper end is no threshold and the curve's own end points are not added, so
    that a single score far below all others leaves every threshold but the lowest beneath the rest:
    the area goes to 0 whatever the order of the scores. The authors order the points by the share
    alone and not stably, so that where many shares tie their area may be another. Not for results;
    for comparison with what was published.
    """
    every = np.concatenate([_doubles(usual), _doubles(anomalies)])
    lowest, highest = float(every.min()), float(every.max())
    if not math.isfinite(highest - lowest):
        return math.nan
    steps = np.arange(PUBLISHED_THRESHOLDS)[::-1]
    thresholds = lowest + steps * (highest - lowest) / PUBLISHED_THRESHOLDS
    kept = 1 - np.searchsorted(np.sort(_doubles(usual)), thresholds, side="right") / len(usual)
    below = np.searchsorted(np.sort(_doubles(anomalies)), thresholds, side="left")
    rejected = below / len(anomalies)
    return float((np.diff(kept) * (rejected[1:] + rejected[:-1]) / 2).sum())


def _doubles(scores: Scores) -> NDArray[np.float64]:
    return np.asarray(scores, dtype=np.float64)


def _placements(usual: Scores, anomalies: Scores) -> tuple[NDArray[np.float64], ...]:
    """Share of usual images above each anomaly [M], and of anomalies below each usual image [N]."""
    negatives, positives = -_doubles(usual), -_doubles(anomalies)
    return _share_below(negatives, positives), 1 - _share_below(positives, negatives)


def _share_below(scores: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of ``scores`` [N] below each of ``points`` [M], ties half: [M]."""
    ordered = np.sort(scores)
    below = np.searchsorted(ordered, points, side="left")
    up_to = np.searchsorted(ordered, points, side="right")
    return np.asarray((below + up_to) / (2 * len(scores)))


def _variance_of_mean(values: NDArray[np.float64]) -> float:
    return float(values.var(ddof=1) / len(values)) if len(values) > 1 else math.nan
