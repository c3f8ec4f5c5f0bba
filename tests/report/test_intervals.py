"""Intervals against SciPy's distribution and a printed table."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from workflow_src.report.intervals import error_interval, mean_interval


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


def test_one_value_has_no_interval_over_seeds() -> None:
    assert mean_interval([1.0]) is None


def test_an_error_spans_1_96_of_itself_to_both_sides() -> None:
    assert error_interval(10.0, 0.5) == pytest.approx((9.02, 10.98))
    assert error_interval(10.0, None) is None
