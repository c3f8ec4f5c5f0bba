"""Judgements against numbers worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from workflow_src.report.claim_checks import (
    FAILS,
    HOLDS,
    NOT_RUN,
    UNDECIDED,
    Series,
    comparison,
    limit,
    ratio,
    smaller_loss,
    stability,
    verdict,
)

T2 = 4.302653
"""Quantile 97.5 % of Student's t with 2 degrees of freedom, from a printed table."""


def seeds(*values: float, error: float | None = 1.0, **keys: Any) -> Series:
    return Series(dict(enumerate(values)), dict.fromkeys(range(len(values)), error), **keys)


def partly(
    values: dict[int, float], diverged: tuple[int, ...] = (), pending: tuple[int, ...] = ()
) -> Series:
    reason = "a reason" if diverged or pending else None
    return Series(
        values,
        dict.fromkeys(values, 1.0),
        diverged=frozenset(diverged),
        pending=frozenset(pending),
        reason=reason,
    )


EMPTY = Series({}, {}, pending=frozenset({0}), reason="not evaluated yet")
DIVERGED = Series({}, {}, diverged=frozenset({0, 1}), reason="none of 4 runs was finite")


def test_a_difference_is_paired_by_seed() -> None:
    # Differences 2, 3, 4: mean 3, standard deviation 1, so 3 +- 4.303 / sqrt(3) = 3 +- 2.484.
    # Unpaired, the spread of 100 between seeds would hide it.
    found = comparison(seeds(102.0, 203.0, 304.0), seeds(100.0, 200.0, 300.0), "higher")
    assert found.outcome == HOLDS
    assert found.value == pytest.approx(3.0)
    assert found.interval == pytest.approx((3 - T2 / 3**0.5, 3 + T2 / 3**0.5), rel=1e-6)
    assert (found.first, found.second, found.seeds) == (203.0, 200.0, 3)


def sharing(error: float, *values: float) -> Series:
    return seeds(*values, error=9.0, shared_errors=dict.fromkeys(range(len(values)), error))


def test_what_seeds_share_widens_intervals_by_the_errors_of_both() -> None:
    # Differences 2, 3, 4 of 3 +- 2.484; shared errors 0.6 and 0.8 make 1, so that 1.96 is added in
    # quadrature: 3.164, and the sign is no longer sure.
    first, second = sharing(0.6, 102.0, 203.0, 304.0), sharing(0.8, 100.0, 200.0, 300.0)
    found = comparison(first, second, "higher")
    half = ((T2 / 3**0.5) ** 2 + 1.959964**2) ** 0.5
    assert found.interval == pytest.approx((3 - half, 3 + half), rel=1e-3)
    assert found.outcome == UNDECIDED
    # One prior is a Boltzmann machine and the other one is not.
    found = comparison(first, seeds(100.0, 200.0, 300.0), "higher")
    half = ((T2 / 3**0.5) ** 2 + (0.6 * 1.959964) ** 2) ** 0.5
    assert found.interval == pytest.approx((3 - half, 3 + half), rel=1e-3)
    assert found.outcome == HOLDS


def test_what_seeds_share_is_the_root_mean_square_of_their_errors() -> None:
    one = Series({0: 5.0, 1: 5.0}, {}, shared_errors={0: 3.0, 1: 4.0})
    half = 1.959964 * 12.5**0.5
    assert limit(one, None, 9.0).interval == pytest.approx((5 - half, 5 + half), rel=1e-4)


def test_of_one_seed_the_error_of_its_estimate_is_all() -> None:
    # It holds the shared error already.
    one = Series({0: 5.0}, {0: 1.0}, shared_errors={0: 0.9})
    assert limit(one, None, 9.0).interval == pytest.approx((3.04, 6.96))


def test_what_seeds_share_is_a_share_of_ratios_and_losses() -> None:
    # 3 % and 4 % make 5 %, of the ratio 2.
    found = ratio(sharing(6.0, 200.0, 200.0), sharing(4.0, 100.0, 100.0), None, 2.19)
    assert found.interval == pytest.approx((2 - 0.196, 2 + 0.196), rel=1e-4)
    # -1000 falls to -1040, and errors of 3 and 4 make 5, or 0.5 %.
    found = stability(sharing(3.0, -1e3, -1e3), sharing(4.0, -1040.0, -1040.0), 0.05, "higher")
    assert found.interval == pytest.approx((0.04 - 0.0098, 0.04 + 0.0098), rel=1e-4)
    # Losses of 2 and 9 with the errors of four numbers, 4 + 1 + 4 + 4 in squares.
    first = {1.0: sharing(2.0, 10.0, 10.0), 0.1: sharing(1.0, 8.0, 8.0)}
    second = {1.0: sharing(2.0, 10.0, 10.0), 0.1: sharing(2.0, 1.0, 1.0)}
    # What is best on least loses nothing, for sure.
    flat = {1.0: sharing(7.0, 1.0, 1.0), 0.1: sharing(7.0, 5.0, 5.0)}
    found = smaller_loss(first, second, 0.1, "higher")
    half = 1.96 * 13**0.5
    assert found.interval == pytest.approx((-7 - half, -7 + half), rel=1e-4)
    found = smaller_loss(first, flat, 0.1, "higher")
    half = 1.96 * 5**0.5
    assert found.interval == pytest.approx((2 - half, 2 + half), rel=1e-4)


def test_an_interval_with_zero_in_it_does_not_decide() -> None:
    # Differences 1, 3, 5: 3 +- 4.303 * 2 / sqrt(3) = 3 +- 4.97.
    first, second = seeds(1.0, 3.0, 5.0), seeds(0.0, 0.0, 0.0)
    assert comparison(first, second, "higher").outcome == UNDECIDED
    assert comparison(first, second, "lower").outcome == UNDECIDED


def test_the_other_direction_fails() -> None:
    first, second = seeds(102.0, 203.0, 304.0), seeds(100.0, 200.0, 300.0)
    assert comparison(first, second, "lower").outcome == FAILS
    assert comparison(second, first, "lower").outcome == HOLDS


def test_seeds_that_one_of_both_lacks_are_missing() -> None:
    first = Series({0: 10.0, 1: 11.0, 7: 500.0}, {})
    second = Series({0: 8.0, 1: 9.0, 8: -500.0}, {})
    found = comparison(first, second, "higher")
    assert (found.outcome, found.reason) == (NOT_RUN, "2 of 4 seeds")
    assert comparison(Series({1: 1.0}, {}), Series({2: 0.0}, {}), "higher").outcome == NOT_RUN


def test_while_a_seed_is_missing_nothing_is_said() -> None:
    # Far apart as they are, one of three seeds is no verdict; nor is one that diverged a number.
    whole = seeds(100.0, 101.0, 102.0)
    some = partly({0: 1.0}, pending=(1, 2))
    for found in (
        comparison(whole, some, "higher"),
        comparison(some, whole, "higher"),
        ratio(whole, some, 2.0, None),
        limit(some, None, 5.0),
        stability(whole, some, 0.5, "higher"),
        smaller_loss({1.0: whole, 0.1: whole}, {1.0: whole, 0.1: some}, 0.1, "higher"),
        smaller_loss({1.0: some, 0.1: whole}, {1.0: whole, 0.1: whole}, 0.1, "higher"),
        comparison(whole, partly({}, diverged=(0,), pending=(1, 2)), "higher"),
    ):
        assert (found.outcome, found.reason) == (NOT_RUN, "1 of 3 seeds; a reason")


@pytest.mark.parametrize(
    ("first", "second", "relation", "outcome"),
    [
        # 100 against survivors of 1: whatever the others would be, the first is the better.
        (seeds(100.0, 100.0, 100.0), partly({1: 1.0}, (0, 2)), "higher", HOLDS),
        (seeds(100.0, 100.0, 100.0), partly({1: 1.0}, (0, 2)), "lower", FAILS),
        (partly({1: 1.0}, (0, 2)), seeds(100.0, 100.0, 100.0), "higher", FAILS),
        (partly({1: 1.0}, (0, 2)), seeds(100.0, 100.0, 100.0), "lower", HOLDS),
        # The survivor is the better one, and two of three could not be trained.
        (partly({1: 100.0}, (0, 2)), seeds(1.0, 1.0, 1.0), "higher", UNDECIDED),
        (partly({1: 100.0}, (0, 2)), seeds(1.0, 1.0, 1.0), "lower", UNDECIDED),
        (seeds(1.0, 1.0, 1.0), partly({1: 100.0}, (0, 2)), "higher", UNDECIDED),
        # Both diverged in part, in the same seeds and in others.
        (partly({1: 100.0}, (0, 2)), partly({1: 1.0}, (0, 2)), "higher", UNDECIDED),
        (partly({1: 100.0}, (0, 2)), partly({0: 1.0}, (1, 2)), "higher", UNDECIDED),
    ],
)
def test_seeds_that_diverged_can_but_confirm_the_worse(
    first: Series, second: Series, relation: Any, outcome: str
) -> None:
    found = comparison(first, second, relation)
    assert found.outcome == outcome
    assert found.reason == "2 of 3 seeds diverged; a reason"


def test_where_seeds_diverged_bounds_are_never_kept_for_sure() -> None:
    some, whole = partly({0: 10.0, 1: 10.0}, (2,)), seeds(10.0, 10.0, 10.0)
    for found in (
        ratio(whole, some, 0.5, 2.0),
        limit(some, None, 20.0),
        limit(some, None, 5.0),
        stability(whole, some, 0.1, "higher"),
        stability(some, whole, 0.1, "higher"),
    ):
        assert (found.outcome, found.reason) == (UNDECIDED, "1 of 3 seeds diverged; a reason")
    # 10 falls to 1: too much by 80 %, with or without the seed that diverged.
    assert stability(whole, partly({0: 1.0, 1: 1.0}, (2,)), 0.1, "higher").outcome == FAILS


def test_what_diverged_in_all_seeds_loses_to_what_diverged_in_some() -> None:
    found = comparison(partly({0: 1.0}, (1,)), DIVERGED, "higher")
    assert found.outcome == HOLDS
    assert found.reason == "1 of 2 seeds diverged; a reason; none of 4 runs was finite"


@pytest.mark.parametrize(("difference", "outcome"), [(9.7, UNDECIDED), (9.9, HOLDS)])
def test_one_seed_is_judged_by_the_errors_over_test_images(difference: float, outcome: str) -> None:
    # Errors 3 and 4 make 5; 1.96 * 5 = 9.8.
    found = comparison(seeds(difference, error=3.0), seeds(0.0, error=4.0), "higher")
    assert found.outcome == outcome
    assert found.interval == pytest.approx((difference - 9.8, difference + 9.8))


def test_exact_numbers_have_no_interval_and_equal_ones_are_not_higher() -> None:
    one, other = seeds(5.0, error=None, exact=True), seeds(4.0, error=None, exact=True)
    assert comparison(one, other, "higher").interval is None
    assert comparison(one, other, "higher").outcome == HOLDS
    assert comparison(one, one, "higher").outcome == FAILS


def test_what_diverged_is_worse_than_what_did_not() -> None:
    there = seeds(1.0, 2.0)
    assert comparison(DIVERGED, there, "lower").outcome == HOLDS
    assert comparison(DIVERGED, there, "higher").outcome == FAILS
    assert comparison(there, DIVERGED, "higher").outcome == HOLDS
    # Of a time or an error, the worse is the higher.
    assert comparison(DIVERGED, there, "higher", better="lower").outcome == HOLDS
    assert comparison(DIVERGED, DIVERGED, "higher").outcome == UNDECIDED
    assert comparison(DIVERGED, EMPTY, "higher").outcome == NOT_RUN
    assert comparison(DIVERGED, there, "higher").reason == "none of 4 runs was finite"


def test_what_neither_side_plans_is_said_to_be_in_no_plan() -> None:
    nowhere = Series({}, {}, reason="not in this plan")
    judged = comparison(nowhere, nowhere, "higher")
    assert (judged.outcome, judged.reason) == (NOT_RUN, "not in this plan")


def test_what_was_not_measured_is_not_run() -> None:
    for found in (
        comparison(EMPTY, seeds(1.0), "higher"),
        ratio(seeds(1.0), EMPTY, 1.0, None),
        limit(EMPTY, None, 1.0),
        stability(seeds(1.0), EMPTY, 0.1, "higher"),
        smaller_loss({1.0: seeds(1.0), 0.1: EMPTY}, {1.0: seeds(1.0), 0.1: EMPTY}, 0.1, "higher"),
    ):
        assert found.outcome == NOT_RUN
        assert found.reason


@pytest.mark.parametrize(
    ("value", "bounds", "outcome"),
    [
        (1713 / 511, (10**0.5, 10**1.5), HOLDS),
        (1545 / 511, (10**0.5, 10**1.5), FAILS),
        (33.0, (10**0.5, 10**1.5), FAILS),
        (33.0, (10**0.5, None), HOLDS),
        (33.0, (None, 30.0), FAILS),
    ],
)
def test_a_ratio_lies_within_its_bounds(
    value: float, bounds: tuple[float | None, float | None], outcome: str
) -> None:
    first, second = seeds(value * 511, exact=True), seeds(511.0, exact=True)
    found = ratio(first, second, *bounds)
    assert found.outcome == outcome
    assert found.value == pytest.approx(value)


def test_the_error_of_a_ratio_is_that_of_its_parts() -> None:
    # 3 % and 4 % make 5 % of the ratio 2.
    found = ratio(seeds(200.0, error=6.0), seeds(100.0, error=4.0), None, 2.19)
    assert found.interval == pytest.approx((2 - 0.196, 2 + 0.196))
    assert found.outcome == UNDECIDED
    assert ratio(seeds(1.0), seeds(0.0), None, 2.0).outcome == UNDECIDED


def test_a_ratio_without_interval_is_that_of_the_means() -> None:
    # 3 / 1 and 5 / 3: means 4 and 2 make 2, while the mean of the ratios is 7 / 3.
    found = ratio(seeds(3.0, 5.0, exact=True), seeds(1.0, 3.0, exact=True), None, 2.1)
    assert (found.value, found.interval, found.outcome) == (2.0, None, HOLDS)


def test_a_limit_is_of_the_mean_over_seeds() -> None:
    # 0.5, 0.6, 0.7: 0.6 +- 4.303 * 0.1 / sqrt(3) = 0.6 +- 0.248.
    gains = seeds(0.5, 0.6, 0.7)
    assert limit(gains, None, 1.0).outcome == HOLDS
    assert limit(gains, None, 0.8).outcome == UNDECIDED
    assert limit(gains, 1.0, None).outcome == FAILS
    assert limit(seeds(0.9, error=0.01), None, 1.0).interval == pytest.approx((0.8804, 0.9196))


def test_one_seed_refutes_what_is_never_to_be() -> None:
    # The mean of the three, 0.1 +- 0.43, says nothing.
    falls = (0.0, 0.0, 0.3)
    assert limit(seeds(*falls), None, 0.01).outcome == UNDECIDED
    found = limit(seeds(*falls, largest=True), None, 0.01)
    assert (found.outcome, found.value, found.interval, found.seeds) == (FAILS, 0.3, None, 3)
    assert limit(seeds(0.0, 1e-9, largest=True), None, 1e-8).outcome == HOLDS
    # Errors over test images and the spread over seeds have no say.
    assert limit(seeds(0.0, 0.9, error=5.0, largest=True), None, 1.0).outcome == HOLDS


def test_a_run_that_was_lost_is_an_infinite_fall() -> None:
    lost = replace(partly({0: 0.0}, diverged=(1,)), largest=True)
    found = limit(lost, None, 1.0)
    assert (found.outcome, found.value, found.reason) == (
        FAILS,
        0.0,
        "1 of 2 seeds diverged; a reason",
    )
    assert limit(replace(DIVERGED, largest=True), None, 1.0).outcome == FAILS
    assert limit(replace(lost, pending=frozenset({2})), None, 1.0).outcome == NOT_RUN


def test_a_loss_is_a_share_of_the_value_on_everything() -> None:
    # -1000 falls to -1040: 4 % of 1000, though the numbers are negative.
    whole, part = seeds(-1000.0, error=3.0), seeds(-1040.0, error=4.0)
    found = stability(whole, part, 0.05, "higher")
    assert found.value == pytest.approx(0.04)
    assert found.interval == pytest.approx((0.04 - 0.0098, 0.04 + 0.0098))
    assert found.outcome == HOLDS
    assert stability(whole, part, 0.03, "higher").outcome == FAILS
    assert stability(whole, part, 0.041, "higher").outcome == UNDECIDED
    # Where lower is better, the same change is a gain.
    assert stability(whole, part, 0.0, "lower").value == pytest.approx(-0.04)
    assert stability(seeds(-1e3, -1e3), DIVERGED, 0.5, "higher").outcome == FAILS


def curve(**values: tuple[float, ...]) -> dict[float, Series]:
    return {float(name.removeprefix("at_")) / 100: seeds(*one) for name, one in values.items()}


def test_a_loss_starts_at_the_best_fraction() -> None:
    # The first is best at 50 %, with means 101 and 91: it loses 10 on average, seed by seed
    # 9, 10, 11. The second is best at 100 %: it loses 30, 31, 29.
    first = curve(
        at_100=(99.0, 100.0, 101.0), at_50=(100.0, 101.0, 102.0), at_10=(91.0, 91.0, 91.0)
    )
    second = curve(at_100=(90.0, 91.0, 92.0), at_50=(80.0, 80.0, 80.0), at_10=(60.0, 60.0, 63.0))
    found = smaller_loss(first, second, 0.1, "higher")
    assert (found.first, found.second) == (pytest.approx(10.0), pytest.approx(30.0))
    # Differences -21, -21, -18: mean -20, standard deviation sqrt(3).
    assert found.value == pytest.approx(-20.0)
    assert found.interval == pytest.approx((-20 - T2, -20 + T2), rel=1e-6)
    assert found.outcome == HOLDS
    assert smaller_loss(second, first, 0.1, "higher").outcome == FAILS


def test_a_loss_of_one_seed_has_the_errors_of_its_four_numbers() -> None:
    first, second = curve(at_100=(10.0,), at_10=(8.0,)), curve(at_100=(10.0,), at_10=(5.0,))
    found = smaller_loss(first, second, 0.1, "higher")
    # Losses 2 and 5; four errors of 1 make 2.
    assert found.value == pytest.approx(-3.0)
    assert found.interval == pytest.approx((-3 - 1.96 * 2, -3 + 1.96 * 2))
    assert found.outcome == UNDECIDED


def test_who_diverges_on_the_smallest_set_has_lost_more() -> None:
    there = curve(at_100=(10.0, 11.0), at_10=(8.0, 9.0))
    gone = {1.0: seeds(10.0, 11.0), 0.1: DIVERGED}
    assert smaller_loss(there, gone, 0.1, "higher").outcome == HOLDS
    assert smaller_loss(gone, there, 0.1, "higher").outcome == FAILS


def test_who_diverges_on_larger_sets_has_lost_no_one_knows_how_much() -> None:
    there = curve(at_100=(50.0, 51.0), at_50=(40.0, 41.0), at_10=(8.0, 9.0))
    # Best and last at 10 %, because it diverges everywhere else: no loss of 0.
    gone = {1.0: DIVERGED, 0.5: DIVERGED, 0.1: seeds(1.0, 2.0)}
    never = {1.0: DIVERGED, 0.5: DIVERGED, 0.1: DIVERGED}
    for one in (gone, never):
        for found in (
            smaller_loss(one, there, 0.1, "higher"),
            smaller_loss(there, one, 0.1, "higher"),
        ):
            assert (found.outcome, found.reason) == (UNDECIDED, "none of 4 runs was finite")


def test_the_best_fraction_is_that_of_the_seeds_that_all_have() -> None:
    # Seed 2 diverged at 10 %. With it, 50 % has the better mean, 40 against 30; without it,
    # 100 % has, 30 against 10, and the loss to 0 is 30, more than the second's 5.
    first = {
        1.0: seeds(30.0, 30.0, 30.0),
        0.5: seeds(10.0, 10.0, 100.0),
        0.1: partly({0: 0.0, 1: 0.0}, (2,)),
    }
    second = curve(at_100=(10.0, 10.0, 10.0), at_50=(9.0, 9.0, 9.0), at_10=(5.0, 5.0, 5.0))
    found = smaller_loss(first, second, 0.1, "higher")
    assert (found.first, found.second, found.value, found.seeds) == (30.0, 5.0, 25.0, 2)
    # The first diverged in part and is the worse anyway; the other way round it is the second.
    assert found.outcome == FAILS
    assert smaller_loss(second, first, 0.1, "higher").outcome == HOLDS
    assert found.reason == "1 of 3 seeds diverged; a reason"
    # With an end of 28 it has lost 2, less than 5, in the seeds that it was trained in.
    first[0.1] = partly({0: 28.0, 1: 28.0}, (2,))
    assert smaller_loss(first, second, 0.1, "higher").value == -3.0
    assert smaller_loss(first, second, 0.1, "higher").outcome == UNDECIDED


def test_fractions_below_the_one_asked_for_play_no_part() -> None:
    first = curve(at_100=(10.0, 10.0), at_10=(9.0, 9.0)) | {0.01: EMPTY}
    second = curve(at_100=(10.0, 10.0), at_10=(5.0, 5.0)) | {0.01: seeds(90.0, 90.0)}
    found = smaller_loss(first, second, 0.1, "higher")
    assert (found.first, found.second, found.outcome) == (1.0, 5.0, HOLDS)


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ([HOLDS, HOLDS], HOLDS),
        ([HOLDS, UNDECIDED], UNDECIDED),
        ([NOT_RUN, UNDECIDED, HOLDS], NOT_RUN),
        ([FAILS, NOT_RUN, UNDECIDED, HOLDS], FAILS),
        ([], NOT_RUN),
    ],
)
def test_a_claim_holds_where_all_of_it_does(outcomes: list[Any], expected: str) -> None:
    assert verdict(outcomes) == expected
