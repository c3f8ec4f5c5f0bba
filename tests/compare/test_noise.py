"""Errors, intervals and p values are those of scipy's tests, or of formulas worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from workflow_src.compare.noise import ERRORS, PAIRED, TWO_SEEDS, WELCH, adjusted, differences

SEEDED = np.random.default_rng(7)


def lines(
    before: dict[int, float],
    after: dict[int, float],
    errors: tuple[float, float] = (math.nan, math.nan),
    row: int = 0,
) -> pd.DataFrame:
    """One line per seed of either side; a standard error for each side."""
    seeds = sorted(before.keys() | after.keys())
    return pd.DataFrame(
        {
            "row": row,
            "seed": seeds,
            "value_before": [before.get(seed, math.nan) for seed in seeds],
            "value_after": [after.get(seed, math.nan) for seed in seeds],
            "standard_error_before": [errors[0] if seed in before else math.nan for seed in seeds],
            "standard_error_after": [errors[1] if seed in after else math.nan for seed in seeds],
        }
    )


def seeded(count: int, shift: float = 0.0, first: int = 0) -> dict[int, float]:
    return dict(enumerate(shift + SEEDED.normal(size=count), start=first))


@pytest.mark.parametrize("count", [3, 5, 20])
def test_common_seeds_are_paired_as_scipy_pairs_them(count: int) -> None:
    before, after = seeded(count), seeded(count, 0.5)
    expected = stats.ttest_rel(list(after.values()), list(before.values()))
    interval = expected.confidence_interval(0.95)
    row = differences(lines(before, after), 1).loc[0]
    assert row["method"] == PAIRED
    assert row["p"] == pytest.approx(expected.pvalue, rel=1e-9)
    assert (row["low"], row["high"]) == pytest.approx((interval.low, interval.high), rel=1e-9)
    assert row["difference"] == pytest.approx(
        np.mean(list(after.values())) - np.mean(list(before.values())), rel=1e-9
    )


def test_pairing_takes_common_seeds_alone() -> None:
    before, after = {0: 1.0, 1: 2.0, 2: 4.0, 3: 1000.0}, {0: 2.0, 1: 2.5, 2: 5.5, 9: -1000.0}
    expected = stats.ttest_rel([2.0, 2.5, 5.5], [1.0, 2.0, 4.0])
    row = differences(lines(before, after), 1).loc[0]
    assert row["p"] == pytest.approx(expected.pvalue, rel=1e-9)
    assert (row["before"], row["after"]) == pytest.approx((7 / 3, 10 / 3))
    assert (row["seeds_before"], row["seeds_after"], row["seeds_common"]) == (4, 4, 3)


@pytest.mark.parametrize(("first", "count"), [(10, 4), (10, 2), (3, 6), (2, 5)])
def test_other_seeds_are_not_paired_as_scipy_does_it(first: int, count: int) -> None:
    before, after = seeded(4), seeded(count, 1.0, first)
    expected = stats.ttest_ind(list(after.values()), list(before.values()), equal_var=False)
    interval = expected.confidence_interval(0.95)
    row = differences(lines(before, after), 1).loc[0]
    assert row["method"] == WELCH
    assert row["p"] == pytest.approx(expected.pvalue, rel=1e-9)
    assert (row["low"], row["high"]) == pytest.approx((interval.low, interval.high), rel=1e-9)


def test_two_seeds_by_hand() -> None:
    # Differences 1 and 3: mean 2, variance 2, of the mean 1. Errors 0.3 and 0.4: variance of each
    # difference 0.25, of the mean 0.125. Together 1.125, with 1.125**2 / 1**2 degrees of freedom.
    row = differences(lines({0: 1.0, 1: 5.0}, {0: 2.0, 1: 8.0}, (0.3, 0.4)), 1).loc[0]
    assert row["method"] == TWO_SEEDS
    assert row["difference"] == pytest.approx(2.0)
    assert row["error"] == pytest.approx(math.sqrt(1.125))
    assert row["degrees"] == pytest.approx(1.265625)
    expected = 2 * stats.t(1.265625).sf(2 / math.sqrt(1.125))
    assert row["p"] == pytest.approx(expected, rel=1e-9)


def test_two_seeds_without_errors_are_a_paired_test_of_two() -> None:
    row = differences(lines({0: 1.0, 1: 5.0}, {0: 2.0, 1: 8.0}), 1).loc[0]
    expected = stats.ttest_rel([2.0, 8.0], [1.0, 5.0])
    assert row["p"] == pytest.approx(expected.pvalue, rel=1e-9)


def test_one_seed_has_the_errors_of_its_estimates() -> None:
    row = differences(lines({4: 10.0}, {4: 9.0}, (0.3, 0.4)), 1).loc[0]
    assert row["method"] == ERRORS
    assert row["error"] == pytest.approx(0.5)
    # Two standard errors: 4.55 % of a normal distribution lie beyond.
    assert row["p"] == pytest.approx(0.0455002638963584, rel=1e-9)
    assert row["low"] == pytest.approx(-1 - 1.959963984540054 * 0.5, rel=1e-9)


def test_without_common_seeds_means_have_the_errors_of_their_estimates() -> None:
    row = differences(lines({0: 10.0, 1: 12.0}, {2: 9.0}, (0.6, 0.4)), 1).loc[0]
    assert row["method"] == ERRORS
    assert (row["before"], row["after"]) == (11.0, 9.0)
    assert row["error"] == pytest.approx(math.sqrt(2 * 0.36 / 4 + 0.16))


@pytest.mark.parametrize("errors", [(math.nan, math.nan), (0.1, math.nan), (math.nan, 0.1)])
def test_one_seed_without_errors_tells_nothing(errors: tuple[float, float]) -> None:
    row = differences(lines({0: 1.0}, {0: 2.0}, errors), 1).loc[0]
    assert row["method"] == ""
    assert math.isnan(row["p"])
    assert row["difference"] == 1.0


def test_a_shift_of_all_seeds_by_the_same_is_certain() -> None:
    row = differences(lines({0: 1.0, 1: 2.0, 2: 4.0}, {0: 1.5, 1: 2.5, 2: 4.5}), 1).loc[0]
    assert row["p"] == 0.0
    assert row["low"] == row["high"] == 0.5


def test_a_side_without_numbers_is_not_tested() -> None:
    found = differences(lines({0: 1.0, 1: 2.0}, {}), 2)
    assert found["p"].isna().all()
    assert found["seeds_before"].tolist() == [2, 0]


def test_rows_do_not_touch_each_other() -> None:
    first = ({0: 1.0, 1: 2.0, 2: 4.0}, {0: 2.0, 1: 2.5, 2: 5.5})
    second = ({0: 7.0}, {0: 9.0}, (1.0, 1.0))
    together = differences(pd.concat([lines(*first), lines(*second, row=1)]).sample(frac=1.0), 2)
    assert together.loc[0].equals(differences(lines(*first), 1).loc[0])
    assert together.loc[1].equals(differences(lines(*second), 1).loc[0])


def test_p_values_are_adjusted_by_hand() -> None:
    # Sorted: 0.01, 0.03, 0.04, 0.5; times 4 by rank: 0.04, 0.06, 0.0533, 0.5; then from the
    # largest down none may be above a later one.
    p = np.array([0.04, math.nan, 0.01, 0.5, 0.03])
    expected = [0.16 / 3, math.nan, 0.04, 0.5, 0.16 / 3]
    assert adjusted(p) == pytest.approx(expected, nan_ok=True)
    assert np.isnan(adjusted(np.array([math.nan]))).all()
