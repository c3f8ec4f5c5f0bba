"""Every verdict from the smallest sides that have it; many rows are judged together."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from support.comparisons import Row, rows, side, without

from workflow_src.compare.noise import ERRORS, ONE_SEED, PAIRED, PREDICTION, WELCH
from workflow_src.compare.verdicts import BEYOND, EXACT, FINDINGS, Verdict, judged

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


@pytest.mark.parametrize("errors", [None, 0.1])
@pytest.mark.parametrize("values", [[1.0], NEAR])
def test_rounding_is_no_change_and_is_told(values: list[float], errors: float | None) -> None:
    rounded = [one * (1 + 1e-13) for one in values]
    row = only(rows(values, errors=errors), rows(rounded, errors=errors, winner="anew"))
    assert (row["verdict"], row["note"]) == (Verdict.SAME, "equal to rounding")
    assert only(rows(values), rows(values))["note"] == ""


def test_more_than_rounding_is_a_change() -> None:
    row = only(rows(NEAR), rows([1.0, 2.0, 4.0 * (1 + 1e-8)]))
    assert row["verdict"] == Verdict.WITHIN


def test_seeds_that_all_change_alike_cannot_be_told_without_another_error() -> None:
    row = only(rows([0.1, 0.2, 0.7]), rows([0.4, 0.5, 1.0]))
    assert (row["verdict"], row["method"]) == (Verdict.UNTOLD, "")
    assert row["note"] == "seeds do not vary, and their estimates have no standard error"
    row = only(rows([0.1, 0.2, 0.7], errors=0.3), rows([0.4, 0.5, 1.0], errors=0.3))
    assert (row["verdict"], row["method"]) == (Verdict.WITHIN, PAIRED)
    assert row["note"] == "seeds do not vary: the errors of the estimates instead"


def test_an_estimate_without_error_is_not_certain() -> None:
    """An accuracy of 1 has a standard error of 0."""
    row = only(rows([1.0], errors=0.0), rows([0.99], errors=0.0))
    assert row["verdict"] == Verdict.UNTOLD


def test_common_seeds_that_are_equal_are_the_same_whatever_else_there_is() -> None:
    row = only(rows(NEAR), rows([*NEAR, 100.0]))
    assert row["verdict"] == Verdict.SAME
    assert (row["seeds_before"], row["seeds_after"], row["seeds_common"]) == (3, 4, 3)


def test_a_common_seed_does_not_hide_what_the_others_became() -> None:
    before = rows({0: 1.0, 1: 1.1})
    row = only(before, rows({0: 1.0, 2: 1000.0, 3: 1000.1}))
    assert (row["verdict"], row["method"]) == (Verdict.WITHIN, WELCH)
    assert row["difference"] == pytest.approx(2001.1 / 3 - 1.05)
    assert only(before, rows({0: 1.0}))["verdict"] == Verdict.SAME


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


@pytest.mark.parametrize(("value", "verdict"), [(1.9, Verdict.INSIDE), (2.1, Verdict.LARGER)])
def test_one_seed_trained_anew_is_no_finding(value: float, verdict: Verdict) -> None:
    row = only(rows([1.0], errors=0.3), rows([value], errors=0.4, winner="anew"))
    assert (row["verdict"], row["method"]) == (verdict, ONE_SEED)
    assert verdict not in FINDINGS
    assert np.isnan(row["p"])
    assert np.isnan(row["p_adjusted"])
    assert row["high"] - row["difference"] == pytest.approx(1.959963984540054 * 0.5)


def test_a_run_without_a_name_is_not_the_same_run() -> None:
    sides = (rows([one], errors=0.1, winner=None) for one in (1.0, 9.0))
    assert only(*sides)["verdict"] == Verdict.LARGER


def test_one_seed_trained_anew_makes_others_no_less_certain() -> None:
    """It is not among the tests that are judged together."""
    tested = [rows([1.0], errors=0.3), rows([2.1], errors=0.4)]
    single = [rows([1.0], errors=0.3, model=f"m{one}", winner="a") for one in range(50)]
    anew = [rows([1.0001], errors=0.3, model=f"m{one}", winner="b") for one in range(50)]
    found = judged(side(tested[0], *single), side(tested[1], *anew)).set_index("model")
    assert found.loc["vae", "verdict"] == Verdict.BETTER
    assert found.loc["vae", "p_adjusted"] == found.loc["vae", "p"]


def test_one_seed_is_held_against_the_spread_of_several() -> None:
    several = rows({0: 1.0, 1: 2.0, 2: 3.0}, errors=0.01)
    near, far = (rows({0: one}, errors=0.01, winner="anew") for one in (2.9, 20.0))
    assert [only(several, one)["verdict"] for one in (near, far)] == [
        Verdict.WITHIN,
        Verdict.BETTER,
    ]
    assert only(several, far)["method"] == PREDICTION


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


def test_a_reason_does_not_hide_what_the_common_seeds_became() -> None:
    before = rows([11.0, 12.0, 14.0, 1.0])
    row = only(before, rows({0: 1.01, 1: 2.02, 2: 4.0, 3: None}))
    assert row["verdict"] == Verdict.WORSE
    assert row["p"] == pytest.approx(stats.ttest_rel([1.01, 2.02, 4.0], [11.0, 12.0, 14.0]).pvalue)
    assert row["reasons"] == "seed 3: a number -> the bound was nan"


def test_a_cell_that_diverged_loses_every_metric() -> None:
    before = [*rows([1.0], "test_bound"), *rows([2.0], "test_elbo")]
    found = judged(side(before), side(without("no_winner", [0])))
    assert found["verdict"].tolist() == [Verdict.REASON, Verdict.REASON]
    assert set(found["metric"]) == {"test_bound", "test_elbo"}
    assert set(found["reasons"]) == {"seed 0: a number -> diverged at step 3"}


def test_the_same_reason_is_the_same_and_another_is_not() -> None:
    diverged = without("no_winner", [0])
    assert only(diverged, diverged)["verdict"] == Verdict.SAME
    later = only(diverged, without("no_winner", [0], reason="diverged at step 1e4"))
    assert later["verdict"] == Verdict.SAME
    assert later["reasons"] == "seed 0: diverged at step 3 -> diverged at step 1e4"
    killed = only(diverged, without("no_winner", [0], reason="out of memory at step 3"))
    assert killed["verdict"] == Verdict.REASON
    assert killed["reasons"] == "seed 0: diverged at step 3 -> out of memory at step 3"


def test_units_that_convert_are_one() -> None:
    percent = rows([10.0, 20.0, 40.0], "anomaly_auc", 1.0, unit="percent")
    share = rows([0.1, 0.2, 0.4], "anomaly_auc", 0.01, unit="share")
    for sides in ((percent, share), (share, percent)):
        row = only(*sides)
        assert (row["verdict"], row["unit"]) == (Verdict.SAME, "share")
        assert (row["before"], row["after"]) == pytest.approx((0.7 / 3, 0.7 / 3))
    one = only(
        rows([10.0], "anomaly_auc", 3.0, unit="percent"),
        rows([0.2], "anomaly_auc", 0.04, unit="share"),
    )
    assert one["error"] == pytest.approx(0.05)


def test_units_that_do_not_convert_cannot_be_compared() -> None:
    row = only(rows(NEAR, unit="nats"), rows(HIGHER, unit="bits per dimension"))
    assert row["verdict"] == Verdict.UNTOLD
    assert row["note"] == "units do not convert: nats and bits per dimension"
    assert row[["difference", "p", "error", "relative"]].isna().all()


def test_a_file_without_units_is_taken_to_have_the_other_side_s() -> None:
    row = only(rows(NEAR, unit=None), rows(NEAR, unit="nats"))
    assert (row["verdict"], row["unit"]) == (Verdict.SAME, "nats")


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
