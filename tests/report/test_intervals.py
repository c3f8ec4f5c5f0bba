"""Intervals against SciPy's distribution and a printed table."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from workflow_src.report.intervals import error_interval, mean_interval, root_mean_square


def test_the_interval_of_three_values_is_that_of_the_printed_t_table() -> None:
    # Mean 2814, standard deviation sqrt(268); 4.303 is t of 97.5 % with 2 degrees of freedom.
    low, high = mean_interval([2800.0, 2810.0, 2832.0]) or (0.0, 0.0)
    half = 4.303 * 268.0**0.5 / 3**0.5
    assert low == pytest.approx(2814.0 - half, abs=0.01)
    assert high == pytest.approx(2814.0 + half, abs=0.01)


@pytest.mark.parametrize("count", [2, 3, 5, 30])
def test_the_interval_is_scipys(count: int) -> None:
    values = np.random.default_rng(count).normal(3.0, 2.0, count)
    expected = stats.t.interval(0.95, count - 1, values.mean(), stats.sem(values))
    assert mean_interval(list(values)) == pytest.approx(expected, rel=1e-12)


def test_what_all_values_share_is_added_in_quadrature_and_not_averaged() -> None:
    # 4.303 / sqrt(3) = 2.484 of the values' own; 1.96 * 1.5 = 2.94 of what they share.
    low, high = mean_interval([9.0, 10.0, 11.0], 1.5) or (0.0, 0.0)
    assert (high - 10.0, 10.0 - low) == pytest.approx((3.849, 3.849), abs=0.002)
    # Of equal values, however many they are, what they share is all there is.
    assert mean_interval([1.0] * 100, 0.5) == pytest.approx((1.0 - 0.98, 1.0 + 0.98))


@pytest.mark.parametrize("shared", [0.1, 1.0, 3.0])
def test_intervals_hold_the_truth_whatever_part_of_the_error_is_shared(shared: float) -> None:
    random = np.random.default_rng(7)
    repetitions, seeds = 2000, 5
    biases = random.normal(0, shared, repetitions)
    values = biases[:, None] + random.normal(0, 1, (repetitions, seeds))
    found = [mean_interval(list(one), shared) or (1.0, 1.0) for one in values]
    held = np.mean([low < 0 < high for low, high in found])
    # 0.95 within four standard errors; more, as two quantiles in quadrature are cautious.
    assert 0.93 < held < 0.985
    if shared > 0.5:
        narrow = [mean_interval(list(one)) or (1.0, 1.0) for one in values]
        assert np.mean([low < 0 < high for low, high in narrow]) < 0.85


def test_the_root_mean_square_is_of_all_errors() -> None:
    # (9 + 16 + 0) / 3.
    assert root_mean_square([3.0, 4.0, 0.0]) == pytest.approx((25 / 3) ** 0.5)
    assert root_mean_square([]) == 0


def test_one_value_has_no_interval_over_seeds() -> None:
    assert mean_interval([1.0]) is None


def test_an_error_spans_1_96_of_itself_to_both_sides() -> None:
    assert error_interval(10.0, 0.5) == pytest.approx((9.02, 10.98))
    assert error_interval(10.0, None) is None
