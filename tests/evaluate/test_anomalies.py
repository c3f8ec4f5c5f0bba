"""Areas under ROC curves: of pairs in order, with DeLong's errors, and as the paper has them."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from workflow_src.evaluate.anomalies import (
    area_under_curve,
    best_scores,
    difference_of_areas,
    published_area,
)

Array = NDArray[np.float64]


def by_scikit_learn(usual: Array, anomalies: Array) -> float:
    labels = np.concatenate([np.ones(len(usual)), np.zeros(len(anomalies))])
    return float(roc_auc_score(labels, np.concatenate([usual, anomalies])))


def kernel(usual: Array, anomalies: Array) -> Array:
    """psi [N, M] of DeLong, DeLong and Clarke-Pearson (1988), pair by pair."""
    table = np.empty((len(usual), len(anomalies)))
    for (i, one), (j, other) in itertools.product(enumerate(usual), enumerate(anomalies)):
        table[i, j] = 1.0 if one > other else 0.5 if one == other else 0.0
    return table


def textbook_covariance(kernels: list[Array]) -> Array:
    """The covariance of several areas by their structural components."""
    of_usual = np.cov(np.stack([one.mean(axis=1) for one in kernels]))
    of_anomalies = np.cov(np.stack([one.mean(axis=0) for one in kernels]))
    count, other = kernels[0].shape
    return np.asarray(np.atleast_2d(of_usual) / count + np.atleast_2d(of_anomalies) / other)


def drawn(seed: int, *, ties: bool = True) -> tuple[Array, Array]:
    random = np.random.default_rng(seed)
    usual, anomalies = random.normal(1.0, 2.0, 37), random.normal(0.0, 1.5, 21)
    return (np.round(usual), np.round(anomalies)) if ties else (usual, anomalies)


@given(
    st.lists(st.integers(-4, 6), min_size=1, max_size=25),
    st.lists(st.integers(-6, 4), min_size=1, max_size=25),
    st.booleans(),
)
def test_the_area_is_that_of_scikit_learn(
    usual: list[int], anomalies: list[int], far_off: bool
) -> None:
    pair = np.array(usual, dtype=float), np.array(anomalies + [-1e5] * far_off, dtype=float)
    assert area_under_curve(*pair)[0] == pytest.approx(by_scikit_learn(*pair), abs=1e-12)


def test_one_score_far_below_all_others_moves_the_area_by_its_own_pairs_only() -> None:
    usual, anomalies = drawn(0)
    before = area_under_curve(usual, anomalies)[0]
    after = area_under_curve(np.append(usual, -1e5), anomalies)[0]
    assert after == pytest.approx(before * len(usual) / (len(usual) + 1))
    assert after == pytest.approx(by_scikit_learn(np.append(usual, -1e5), anomalies))


@pytest.mark.parametrize("ties", [False, True])
def test_the_error_is_that_of_the_textbook(ties: bool) -> None:
    pair = drawn(1, ties=ties)
    expected = math.sqrt(textbook_covariance([kernel(*pair)])[0, 0])
    assert area_under_curve(*pair)[1] == pytest.approx(expected)


def test_the_error_is_what_repetitions_spread_by() -> None:
    random = np.random.default_rng(0)
    found = [
        area_under_curve(random.normal(1.0, 1.0, 60), random.normal(size=40)) for _ in range(400)
    ]
    areas, errors = np.array(found).T
    assert errors.mean() == pytest.approx(areas.std(ddof=1), rel=0.12)


def test_a_difference_of_areas_has_the_error_of_what_they_do_not_share() -> None:
    first, second = drawn(2), drawn(3)
    # Images that are hard for both.
    second = first[0] + 0.3 * second[0], first[1] + 0.3 * second[1]
    difference, error = difference_of_areas(first, second)
    covariance = textbook_covariance([kernel(*first), kernel(*second)])
    variance = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    assert difference == pytest.approx(by_scikit_learn(*first) - by_scikit_learn(*second))
    assert error == pytest.approx(math.sqrt(variance))
    assert error < math.sqrt(covariance[0, 0] + covariance[1, 1]) / 2


def test_equal_scores_have_no_difference() -> None:
    assert difference_of_areas(drawn(4), drawn(4)) == (0.0, 0.0)


def test_scores_of_other_images_are_no_pair() -> None:
    usual, anomalies = drawn(5)
    with pytest.raises(ValueError, match=r"\[37, 21\] and \[37, 20\] images .* cannot be paired"):
        difference_of_areas((usual, anomalies), (usual, anomalies[1:]))


def test_the_best_of_several_scores() -> None:
    usual, anomalies = drawn(6)
    worse = np.zeros_like(usual), np.zeros_like(anomalies)
    scores = [worse[0], usual, usual], [worse[1], anomalies, anomalies]
    assert best_scores(*scores) == 1


def test_infinite_and_single_scores() -> None:
    assert area_under_curve(np.zeros(3), np.full(2, -np.inf))[0] == 1
    assert area_under_curve(np.full(3, -np.inf), np.full(2, -np.inf))[0] == 0.5
    assert math.isnan(area_under_curve(np.zeros(3), np.zeros(1))[1])
    assert math.isnan(published_area(np.zeros(3), np.full(2, -np.inf)))


def curve_of_the_paper(usual: Array, anomalies: Array) -> tuple[list[float], list[float]]:
    """Kept usual images and rejected anomalies, threshold by threshold, by counting."""
    every = [*usual, *anomalies]
    kept, rejected = [], []
    for step in range(100):
        threshold = min(every) + step * (max(every) - min(every)) / 100
        kept.append(sum(one > threshold for one in usual) / len(usual))
        rejected.append(sum(one < threshold for one in anomalies) / len(anomalies))
    return kept, rejected


@pytest.mark.parametrize("ties", [False, True])
def test_the_papers_area_is_that_under_its_hundred_points(ties: bool) -> None:
    pair = drawn(7, ties=ties)
    kept, rejected = curve_of_the_paper(*pair)
    # From the highest threshold to the lowest, so that the abscissa rises.
    expected = np.trapezoid(rejected[::-1], kept[::-1])
    assert published_area(*pair) == pytest.approx(expected)


def test_the_papers_area_lacks_what_lies_above_its_last_threshold() -> None:
    random = np.random.default_rng(8)
    usual, anomalies = random.uniform(0.2, 1.0, 5000), random.uniform(0.0, 0.8, 5000)
    # An eightieth of the usual images, all of them above every anomaly.
    expected = area_under_curve(usual, anomalies)[0] - 0.01 / 0.8
    assert published_area(usual, anomalies) == pytest.approx(expected, abs=0.003)


def test_the_papers_area_collapses_where_one_score_is_far_off() -> None:
    usual, anomalies = drawn(9)
    far_off = np.append(anomalies, -1e5)
    assert area_under_curve(usual, far_off)[0] > 0.6
    assert published_area(usual, far_off) == 0
