"""Errors, intervals and p values are those of scipy's tests, or of formulas worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from workflow_src.compare.noise import (
    ERRORS,
    ONE_SEED,
    PAIRED,
    PREDICTION,
    WELCH,
    adjusted,
    differences,
)

SEEDED = np.random.default_rng(7)


def lines(
    before: dict[int, float],
    after: dict[int, float],
    errors: tuple[float, float] = (math.nan, math.nan),
    row: int = 0,
    same_run: bool = False,
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
            "same_run": [same_run and seed in before and seed in after for seed in seeds],
            "equal": [seed in before and before[seed] == after.get(seed) for seed in seeds],
        }
    )


def seeded(count: int, shift: float = 0.0, first: int = 0) -> dict[int, float]:
    return dict(enumerate(shift + SEEDED.normal(size=count), start=first))


@pytest.mark.parametrize("count", [2, 3, 5, 20])
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


@pytest.mark.parametrize(("first", "count"), [(10, 4), (10, 2), (3, 6), (3, 2)])
def test_other_seeds_are_not_paired_as_scipy_does_it(first: int, count: int) -> None:
    before, after = seeded(4), seeded(count, 1.0, first)
    expected = stats.ttest_ind(list(after.values()), list(before.values()), equal_var=False)
    interval = expected.confidence_interval(0.95)
    row = differences(lines(before, after), 1).loc[0]
    assert row["method"] == WELCH
    assert row["p"] == pytest.approx(expected.pvalue, rel=1e-9)
    assert (row["low"], row["high"]) == pytest.approx((interval.low, interval.high), rel=1e-9)


def test_two_seeds_have_one_degree_of_freedom_whatever_their_estimates_errors() -> None:
    # Differences 1 and 3: mean 2, standard deviation 2 ** 0.5, of the mean 1: t is 2. The
    # distribution is Cauchy's, of which 1 - 2 atan(2) / pi lies beyond.
    row = differences(lines({0: 1.0, 1: 5.0}, {0: 2.0, 1: 8.0}, (0.3, 0.4)), 1).loc[0]
    assert (row["method"], row["error"], row["degrees"]) == (PAIRED, pytest.approx(1.0), 1)
    assert row["p"] == pytest.approx(1 - 2 * math.atan(2) / math.pi, rel=1e-9)


def test_one_run_measured_twice_has_the_errors_of_its_estimates() -> None:
    row = differences(lines({4: 10.0}, {4: 9.0}, (0.3, 0.4), same_run=True), 1).loc[0]
    assert row["method"] == ERRORS
    assert row["error"] == pytest.approx(0.5)
    # Two standard errors: 4.55 % of a normal distribution lie beyond.
    assert row["p"] == pytest.approx(0.0455002638963584, rel=1e-9)
    assert row["low"] == pytest.approx(-1 - 1.959963984540054 * 0.5, rel=1e-9)


@pytest.mark.parametrize("seed", [4, 5])
def test_two_runs_of_one_seed_each_have_an_interval_and_no_test(seed: int) -> None:
    row = differences(lines({4: 10.0}, {seed: 9.0}, (0.3, 0.4)), 1).loc[0]
    assert row["method"] == ONE_SEED
    assert math.isnan(row["p"])
    assert row["high"] == pytest.approx(-1 + 1.959963984540054 * 0.5, rel=1e-9)


@pytest.mark.parametrize("seed", [1, 7])
def test_one_value_is_held_against_the_spread_of_the_other_side(seed: int) -> None:
    # Mean 2 and variance 1 of three: a further value differs by (1 + 1/3) ** 0.5; t is 3 with two
    # degrees of freedom, of which 1 - 3 / 11 ** 0.5 lies beyond.
    several, one = {0: 1.0, 1: 2.0, 2: 3.0}, {seed: 2.0 + 3 * (4 / 3) ** 0.5}
    row = differences(lines(several, one, (9.0, 9.0)), 1).loc[0]
    assert (row["method"], row["degrees"]) == (PREDICTION, 2)
    assert row["error"] == pytest.approx((4 / 3) ** 0.5)
    assert row["p"] == pytest.approx(1 - 3 / 11**0.5, rel=1e-9)
    assert row["before"] == 2.0
    turned = differences(lines(one, several, (9.0, 9.0)), 1).loc[0]
    assert (turned["p"], turned["difference"]) == pytest.approx((row["p"], -row["difference"]))


def test_a_common_run_says_more_than_the_spread_of_others() -> None:
    row = differences(lines({0: 1.0, 1: 5.0}, {0: 1.5}, (0.3, 0.4), same_run=True), 1).loc[0]
    assert (row["method"], row["error"]) == (ERRORS, pytest.approx(0.5))
    assert (row["before"], row["difference"]) == (1.0, 0.5)


@pytest.mark.parametrize("same_run", [False, True])
@pytest.mark.parametrize(
    "errors", [(math.nan, math.nan), (0.1, math.nan), (math.nan, 0.1), (0.0, 0.0), (0.1, 0.0)]
)
def test_one_seed_without_errors_tells_nothing(errors: tuple[float, float], same_run: bool) -> None:
    row = differences(lines({0: 1.0}, {0: 2.0}, errors, same_run=same_run), 1).loc[0]
    assert row["method"] == ""
    assert math.isnan(row["p"])
    assert row["difference"] == 1.0


STILL = [
    ({0: 1.0, 1: 2.0, 2: 4.0}, {0: 1.5, 1: 2.5, 2: 4.5}),
    ({0: 0.1, 1: 0.2, 2: 0.7}, {0: 0.4, 1: 0.5, 2: 1.0}),
    ({0: 3.0, 1: 3.0}, {5: 4.0, 6: 4.5}),
    ({0: 3.0, 1: 3.0, 2: 3.0}, {5: 4.0}),
]


@pytest.mark.parametrize(("before", "after"), STILL)
def test_seeds_that_do_not_vary_are_not_without_noise(
    before: dict[int, float], after: dict[int, float]
) -> None:
    row = differences(lines(before, after), 1).loc[0]
    assert row["no_spread"]
    assert (row["method"], math.isnan(row["p"])) == ("", True)


def test_seeds_that_do_not_vary_have_the_errors_of_their_estimates() -> None:
    paired, _, welch, prediction = (
        differences(lines(*one, errors=(0.3, 0.4)), 1).loc[0] for one in STILL
    )
    # Three differences of error 0.5 each; two degrees of freedom.
    assert (paired["error"], paired["degrees"]) == (pytest.approx(0.5 / 3**0.5), 2)
    assert paired["p"] == pytest.approx(2 * stats.t(2).sf(3**0.5), rel=1e-9)
    assert welch["error"] == pytest.approx((0.09 / 2 + 0.125 / 2) ** 0.5)
    assert prediction["error"] == pytest.approx((0.09 * 4 / 3) ** 0.5)


def simulated(before: int, after: int, common: int, count: int) -> pd.DataFrame:
    """Many rows of standard normal numbers on both sides, which no training told apart."""
    rng = np.random.default_rng([before, after, common])
    seeds = before + after - common
    places = np.arange(seeds)
    there = {"before": places < before, "after": places >= before - common}
    return pd.DataFrame(
        {
            "row": np.repeat(np.arange(count), seeds),
            "same_run": False,
            "equal": False,
            **{
                f"{name}_{side}": np.where(there[side], numbers, math.nan).ravel()
                for side in there
                for name, numbers in (
                    ("value", rng.normal(size=(count, seeds))),
                    ("standard_error", np.full((count, seeds), 0.3)),
                )
            },
        }
    )


@pytest.mark.parametrize("level", [0.05, 0.005])
@pytest.mark.parametrize(
    ("before", "after", "common", "method"),
    [
        (2, 2, 2, PAIRED),
        (3, 3, 3, PAIRED),
        (5, 5, 5, PAIRED),
        (2, 3, 2, PAIRED),
        (2, 1, 0, PREDICTION),
        (1, 3, 0, PREDICTION),
        (5, 1, 0, PREDICTION),
        (2, 2, 0, WELCH),
        (3, 3, 0, WELCH),
        (5, 5, 0, WELCH),
    ],
)
def test_of_equal_sides_the_level_s_share_is_called_different(
    before: int, after: int, common: int, method: str, level: float
) -> None:
    """Exact for normal numbers, Welch's approximately: below the level where seeds are few."""
    count = 20_000
    found = differences(simulated(before, after, common, count), count)
    assert set(found["method"]) == {method}
    called = (found["p"] <= level).mean()
    uncertainty = (level * (1 - level) / count) ** 0.5
    assert called < level + 4 * uncertainty
    if method != WELCH:
        assert called > level - 4 * uncertainty
    covered = ((found["low"] <= 0) & (found["high"] >= 0)).mean()
    assert covered > 0.95 - 4 * (0.05 * 0.95 / count) ** 0.5


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
