"""The area under the ROC curve is the share of pairs in order, and its error is DeLong's."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from workflow_src.evaluate.exact_densities.anomalies import anomaly_row, area_under_curve


def share(negatives: list[float], positives: list[float]) -> float:
    pairs = list(itertools.product(negatives, positives))
    return sum((a < b) + (a == b) / 2 for a, b in pairs) / len(pairs)


def test_the_area_counts_pairs_and_halves_ties() -> None:
    rng = np.random.default_rng(5)
    negatives = rng.integers(0, 6, 13).astype(float)
    positives = rng.integers(2, 9, 8).astype(float)
    area, error = area_under_curve(negatives, positives)
    assert area == pytest.approx(share(negatives.tolist(), positives.tolist()))
    of_positives = np.array([share(negatives.tolist(), [one]) for one in positives])
    of_negatives = np.array([share([one], positives.tolist()) for one in negatives])
    variance = of_positives.var(ddof=1) / 8 + of_negatives.var(ddof=1) / 13
    assert error == pytest.approx(math.sqrt(variance))


def test_the_error_is_what_repetitions_spread_by() -> None:
    rng = np.random.default_rng(0)
    found = [
        area_under_curve(rng.normal(size=60), rng.normal(1.0, 1.0, size=40)) for _ in range(400)
    ]
    areas, errors = np.array(found).T
    assert errors.mean() == pytest.approx(areas.std(ddof=1), rel=0.12)


def test_low_densities_are_anomalies() -> None:
    row = anomaly_row(np.array([-1.0, -2.0, -3.0]), np.array([-10.0, -2.5]))
    assert row["value"] == pytest.approx(5 / 6)
    assert anomaly_row(np.zeros(3), np.full(2, -np.inf))["value"] == 1
    assert math.isnan(anomaly_row(np.zeros(3), np.zeros(1))["standard_error"])
