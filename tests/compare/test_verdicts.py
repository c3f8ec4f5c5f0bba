"""Every verdict from the smallest sides that have it; many rows are judged together."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from support.comparisons import Row, rows, side, without

from workflow_src.compare.noise import ERRORS, PAIRED
from workflow_src.compare.verdicts import BEYOND, EXACT, Verdict, judged

NEAR = [1.0, 2.0, 4.0]
HIGHER = [11.01, 12.02, 14.0]


def only(before: list[Row], after: list[Row]) -> pd.Series:
    """The one row that these sides have."""
    found = judged(side(before), side(after))
    assert len(found) == 1
    return found.loc[0]


def test_equal_numbers_are_the_same() -> None:
    row = only(rows(NEAR, errors=0.1), rows(NEAR, errors=0.1))
    assert row["verdict"] == Verdict.SAME
    assert row["difference"] == 0
    assert row["method"] == ""
    assert np.isnan(row["p_adjusted"])


def test_the_last_bit_is_enough_not_to_be_the_same() -> None:
    last = np.nextafter(4.0, 5.0)
    row = only(rows(NEAR), rows([1.0, 2.0, last]))
    assert row["verdict"] == Verdict.WITHIN


def test_common_seeds_that_are_equal_are_the_same_whatever_else_there_is() -> None:
    row = only(rows(NEAR), rows([*NEAR, 100.0]))
    assert row["verdict"] == Verdict.SAME
    assert (row["seeds_before"], row["seeds_after"], row["seeds_common"]) == (3, 4, 3)


@pytest.mark.parametrize(
    ("metric", "verdict"),
    [
        ("test_log_likelihood", Verdict.BETTER),
        ("test_cross_entropy", Verdict.WORSE),
        ("region_count", Verdict.CHANGED),
        ("of_tomorrow", Verdict.CHANGED),
    ],
)
def test_the_metric_says_which_direction_is_better(metric: str, verdict: Verdict) -> None:
    row = only(rows(NEAR, metric), rows(HIGHER, metric))
    assert row["verdict"] == verdict
    assert row["method"] == PAIRED
    assert row["p_adjusted"] == pytest.approx(stats.ttest_rel(HIGHER, NEAR).pvalue)
    assert row["relative"] == pytest.approx((37.03 - 7) / 7)


def test_noise_explains_what_it_can() -> None:
    row = only(rows([1.0, 2.0, 4.0]), rows([2.0, 1.0, 5.0]))
    assert row["verdict"] == Verdict.WITHIN


def test_one_seed_is_judged_by_the_errors_of_the_estimates() -> None:
    assert only(rows([1.0], errors=0.3), rows([1.9], errors=0.4))["verdict"] == Verdict.WITHIN
    row = only(rows([1.0], errors=0.3), rows([2.1], errors=0.4))
    assert (row["verdict"], row["method"]) == (Verdict.BETTER, ERRORS)


def test_one_seed_without_errors_cannot_be_told() -> None:
    assert only(rows([1.0]), rows([2.0]))["verdict"] == Verdict.UNTOLD


@pytest.mark.parametrize("seeds", [[0], [0, 1], [0, 1, 2]])
def test_any_change_of_a_count_is_one(seeds: list[int]) -> None:
    before = rows(dict.fromkeys(seeds, 100.0), "parameter_count")
    after = rows(dict.fromkeys(seeds, 100.0) | {seeds[-1]: 101.0}, "parameter_count")
    row = only(before, after)
    assert (row["verdict"], row["method"]) == (Verdict.WORSE, EXACT)
    assert np.isnan(row["p"])


def test_counts_of_other_seeds_are_compared_as_they_are() -> None:
    before = rows({0: 100.0}, "parameter_count")
    assert only(before, rows({1: 100.0}, "parameter_count"))["verdict"] == Verdict.SAME
    assert only(before, rows({1: 99.0}, "parameter_count"))["verdict"] == Verdict.BETTER


def test_times_are_not_judged() -> None:
    row = only(rows(NEAR, "seconds_per_step", unit="s"), rows(HIGHER, "seconds_per_step", unit="s"))
    assert row["verdict"] == Verdict.TIMING
    assert row["difference"] == pytest.approx(30.03 / 3)


def test_what_one_side_has_alone() -> None:
    found = judged(
        side(rows(NEAR, model="vae"), rows(NEAR, "test_elbo")),
        side(rows(NEAR, model="vae"), rows(NEAR, model="spvae")),
    ).set_index(["model", "metric"])["verdict"]
    assert found["vae", "test_log_likelihood"] == Verdict.SAME
    assert found["vae", "test_elbo"] == Verdict.GONE
    assert found["spvae", "test_log_likelihood"] == Verdict.APPEARED


def test_a_number_that_became_none_has_another_reason() -> None:
    row = only(rows(NEAR), rows({0: 1.0, 1: None, 2: 4.0}))
    assert row["verdict"] == Verdict.REASON
    assert row["reasons"] == "seed 1: a number -> the bound was nan"


def test_a_cell_that_diverged_loses_every_metric() -> None:
    before = [*rows([1.0], "test_bound"), *rows([2.0], "test_elbo")]
    found = judged(side(before), side(without("no_winner", [0])))
    assert found["verdict"].tolist() == [Verdict.REASON, Verdict.REASON]
    assert set(found["metric"]) == {"test_bound", "test_elbo"}
    assert set(found["reasons"]) == {"seed 0: a number -> diverged at step 3"}


def test_the_same_reason_is_the_same_and_another_is_not() -> None:
    diverged = without("no_winner", [0])
    assert only(diverged, diverged)["verdict"] == Verdict.SAME
    later = without("no_winner", [0], reason="diverged at step 9")
    row = only(diverged, later)
    assert row["verdict"] == Verdict.REASON
    assert row["reasons"] == "seed 0: diverged at step 3 -> diverged at step 9"


def test_what_is_not_here_is_not_gone() -> None:
    missing = without("missing", [0, 1, 2])
    assert only(rows(NEAR), missing)["verdict"] == Verdict.NOT_HERE
    assert only(missing, rows(NEAR))["verdict"] == Verdict.NOT_HERE
    assert only(missing, missing)["verdict"] == Verdict.NOT_HERE
    some = [*rows({0: 1.0}, errors=0.1), *without("missing", [1, 2], "test_log_likelihood")]
    row = only(rows(NEAR, errors=0.1), some)
    assert row["verdict"] == Verdict.SAME
    assert "seed 2: a number -> not here" in row["reasons"]


def test_reasons_of_other_seeds_cannot_be_compared() -> None:
    row = only(without("no_winner", [0]), without("no_winner", [1]))
    assert row["verdict"] == Verdict.UNTOLD


def test_axes_and_samples_tell_rows_apart() -> None:
    few = rows(NEAR, "test_bound", importance_samples=10)
    many = rows(HIGHER, "test_bound", importance_samples=100)
    variant = rows(HIGHER, "test_bound", variant='{"width": 3}')
    found = judged(side(few, many, variant), side(few, many, variant))
    assert len(found) == 3
    assert set(found["verdict"]) == {Verdict.SAME}


def test_what_was_made_anew_is_counted() -> None:
    before = rows({0: 1.0, 1: 2.0, 2: 3.0}, winner="run-a")
    after = [
        *rows({0: 1.5}, winner="run-a", evaluation="anew-0"),
        *rows({1: 2.6}, winner="run-b", evaluation="anew-1"),
        *rows({2: 3.7}, winner="run-c", evaluation="anew-2", hyperparameters='{"width": 2}'),
    ]
    row = only(before, after)
    assert (row["same_evaluations"], row["same_runs"], row["same_choices"]) == (0, 1, 2)


def test_experiments_that_share_evaluations_are_tested_once() -> None:
    rng = np.random.default_rng(0)
    before = [rows(rng.normal(size=3), model=f"m{one}") for one in range(4)]
    after = [rows(rng.normal(1.5, size=3), model=f"m{one}") for one in range(4)]

    def in_experiments(parts: list[list[Row]], first_of: int) -> list[Row]:
        """The first model in so many experiments."""
        copies = [row | {"experiment": f"e{n}"} for n in range(first_of) for row in parts[0]]
        return [*copies, *(row for part in parts[1:] for row in part)]

    once = judged(side(in_experiments(before, 1)), side(in_experiments(after, 1)))
    often = judged(side(in_experiments(before, 9)), side(in_experiments(after, 9)))
    assert len(often) == len(once) + 8
    by_model = once.set_index("model")["p_adjusted"]
    for _, row in often.iterrows():
        assert row["p_adjusted"] == by_model[row["model"]]
    expected = stats.false_discovery_control(once["p"])
    assert once["p_adjusted"].to_numpy() == pytest.approx(expected)


def test_the_level_decides() -> None:
    before, after = rows([1.0], errors=0.3), rows([2.1], errors=0.4)
    p = 2 * stats.norm.sf(1.1 / 0.5)
    for level, verdict in ((p * 1.01, Verdict.BETTER), (p * 0.99, Verdict.WITHIN)):
        found = judged(side(before), side(after), level=level)
        assert found.loc[0, "verdict"] == verdict


def test_of_many_rows_without_and_with_effects_few_are_called_wrongly() -> None:
    """The false discovery rate of independent exact tests is the level times the null share."""
    level, repetitions, null, changed, seeds = 0.2, 50, 60, 20, 5
    rng = np.random.default_rng(2026)
    shares, found_changes = [], 0
    for _ in range(repetitions):
        shift = np.r_[np.zeros(null), np.full(changed, 3.0)]
        values = rng.normal(size=(2, null + changed, seeds))
        values[1] += shift[:, None]
        sides = [
            side(*(rows(list(one), model=f"m{place}") for place, one in enumerate(numbers)))
            for numbers in values
        ]
        verdicts = judged(*sides, level=level).set_index("model")["verdict"]
        called = verdicts[verdicts.isin([one.value for one in BEYOND])].index
        wrong = sum(int(name.removeprefix("m")) < null for name in called)
        shares.append(wrong / max(len(called), 1))
        found_changes += len(called) - wrong
    expected = level * null / (null + changed)
    uncertainty = np.std(shares, ddof=1) / np.sqrt(repetitions)
    assert abs(np.mean(shares) - expected) < 4 * uncertainty
    assert found_changes > 0.5 * repetitions * changed


def test_sides_without_rows() -> None:
    assert judged(side(), side()).empty
    assert judged(side(), side(rows(NEAR)))["verdict"].tolist() == [Verdict.APPEARED]
