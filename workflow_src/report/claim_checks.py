"""Whether numbers say what a claim says: the rules of every kind of check, on numbers alone.

What is compared is paired by seed: the same seed draws the same subset of images for all models.
Where an interval holds values of either kind, the numbers do not decide. A model without any finite
number counts as worse than one with: it could not be trained there.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from workflow_src.report.intervals import Interval, error_interval, mean_interval

HOLDS: Literal["holds"] = "holds"
FAILS: Literal["fails"] = "fails"
UNDECIDED: Literal["undecided"] = "undecided"
NOT_RUN: Literal["not_run"] = "not_run"
Outcome = Literal["holds", "fails", "undecided", "not_run"]
Direction = Literal["higher", "lower"]

NO_COMMON_SEED = "no seed has all of its numbers"
_ZERO = "what it is divided by is 0"
_INVERSE: dict[Outcome, Outcome] = {HOLDS: FAILS, FAILS: HOLDS}


@dataclass(frozen=True)
class Series:
    """One metric of one model in one cell, by seed.

    Attributes
    ----------
    values, errors:
        Finite values, and their standard errors over test images, None where they have none.
    exact:
        Whether values are counts or printed numbers, which no interval belongs to.
    pending:
        Whether seeds are without a value because they were not measured.
    reason:
        Why seeds have no value; None where all have one.
    """

    values: Mapping[int, float]
    errors: Mapping[int, float | None]
    exact: bool = False
    pending: bool = False
    reason: str | None = None

    @property
    def mean(self) -> float | None:
        """Over the seeds that have a value."""
        return statistics.fmean(self.values.values()) if self.values else None

    @property
    def diverged(self) -> bool:
        """Whether it was measured and no seed has a finite number."""
        return not self.values and not self.pending

    def error(self, seed: int) -> float | None:
        """The standard error of one seed's value."""
        return self.errors.get(seed)


@dataclass(frozen=True)
class Judgement:
    """What the numbers of one cell say.

    Attributes
    ----------
    value, interval:
        What the outcome rests on (a difference, a ratio, a loss, a mean) and its 95 % interval.
    first, second:
        The numbers that it was made from, means over ``seeds`` seeds.
    reason:
        Why the cell was not run or does not decide.
    """

    outcome: Outcome
    value: float | None = None
    interval: Interval | None = None
    first: float | None = None
    second: float | None = None
    seeds: int = 0
    reason: str | None = None


def comparison(
    first: Series, second: Series, relation: Direction, better: Direction = "higher"
) -> Judgement:
    """Whether ``first`` is strictly higher, or lower, than ``second``; value: the difference."""
    seeds = _common(first, second)
    if first.diverged != second.diverged and (first.values or second.values):
        wins = HOLDS if relation == better else FAILS
        return _by_divergence(first, second, wins)
    if not seeds:
        return _without(first, second)
    differences = [first.values[seed] - second.values[seed] for seed in seeds]
    error = _combined(first.error(seeds[0]), second.error(seeds[0]))
    value, interval = _estimate(differences, error, first.exact and second.exact)
    low, high = interval or (value, value)
    if relation == "lower":
        low, high = -high, -low
    outcome = HOLDS if low > 0 else FAILS if high <= 0 else UNDECIDED
    return _judgement(outcome, value, interval, _mean(first, seeds), _mean(second, seeds), seeds)


def ratio(
    first: Series, second: Series, at_least: float | None, at_most: float | None
) -> Judgement:
    """Whether ``first`` / ``second`` lies within the bounds; value: the ratio."""
    seeds = _common(first, second)
    if not seeds:
        return _without(first, second)
    if any(second.values[seed] == 0 for seed in seeds):
        return Judgement(UNDECIDED, reason=_ZERO)
    ratios = [first.values[seed] / second.values[seed] for seed in seeds]
    error = None
    relative = [
        _relative(series.error(seeds[0]), series.values[seeds[0]]) for series in (first, second)
    ]
    if None not in relative:
        # To first order: relative errors of a quotient add up in squares.
        error = abs(ratios[0]) * (_combined(*relative) or 0.0)
    value, interval = _estimate(ratios, error, first.exact and second.exact)
    outcome = _within(value, interval, at_least, at_most)
    return _judgement(outcome, value, interval, _mean(first, seeds), _mean(second, seeds), seeds)


def limit(first: Series, at_least: float | None, at_most: float | None) -> Judgement:
    """Whether ``first`` itself lies within the bounds; value: its mean over seeds."""
    seeds = _common(first)
    if not seeds:
        return _without(first)
    value, interval = _estimate(
        [first.values[seed] for seed in seeds], first.error(seeds[0]), first.exact
    )
    outcome = _within(value, interval, at_least, at_most)
    return _judgement(outcome, value, interval, value, None, seeds)


def stability(whole: Series, part: Series, tolerance: float, better: Direction) -> Judgement:
    """Whether ``part`` is worse than ``whole`` by a share of at most ``tolerance``; value: it."""
    seeds = _common(whole, part)
    if whole.values and part.diverged:
        return _by_divergence(part, whole, HOLDS)
    if not seeds:
        return _without(whole, part)
    if any(whole.values[seed] == 0 for seed in seeds):
        return Judgement(UNDECIDED, reason=_ZERO)
    sign = 1 if better == "higher" else -1
    losses = [
        sign * (whole.values[seed] - part.values[seed]) / abs(whole.values[seed]) for seed in seeds
    ]
    error = _combined(whole.error(seeds[0]), part.error(seeds[0]))
    share = None if error is None else error / abs(whole.values[seeds[0]])
    value, interval = _estimate(losses, share, whole.exact and part.exact)
    outcome = _within(value, interval, None, tolerance)
    return _judgement(outcome, value, interval, _mean(whole, seeds), _mean(part, seeds), seeds)


def smaller_loss(
    first: Mapping[float, Series],
    second: Mapping[float, Series],
    fraction: float,
    better: Direction,
) -> Judgement:
    """Whether ``first`` loses less than ``second`` from its best fraction to ``fraction``.

    Both are by fraction of the training images. The value is the difference of the losses, the
    best fraction that of the best mean over seeds.
    """
    for curve in (first, second):
        if fraction not in curve or any(one.pending and not one.values for one in curve.values()):
            return Judgement(NOT_RUN, reason="not all fractions are evaluated")
    last = first[fraction], second[fraction]
    if last[0].diverged != last[1].diverged:
        return _by_divergence(*last, HOLDS)
    if not all(series.values for series in last):
        return _without(*last)
    sign = 1 if better == "higher" else -1
    ends = [(_best(curve, sign), curve[fraction]) for curve in (first, second)]
    seeds = _common(*(series for pair in ends for series in pair))
    if not seeds:
        return Judgement(NOT_RUN, reason=NO_COMMON_SEED)
    losses = [[sign * (top.values[seed] - end.values[seed]) for seed in seeds] for top, end in ends]
    # Where the best fraction is the last one, nothing is lost and nothing uncertain.
    errors = [s.error(seeds[0]) for top, end in ends if top is not end for s in (top, end)]
    differences = [one - other for one, other in zip(*losses, strict=True)]
    value, interval = _estimate(differences, _combined(*errors), exact=False)
    low, high = interval or (value, value)
    outcome = HOLDS if high < 0 else FAILS if low >= 0 else UNDECIDED
    means = [statistics.fmean(one) for one in losses]
    return _judgement(outcome, value, interval, means[0], means[1], seeds)


def verdict(outcomes: Sequence[Outcome]) -> Outcome:
    """Of all cells: one that fails is enough; none may be open for the claim to hold."""
    for worse in (FAILS, NOT_RUN, UNDECIDED):
        if worse in outcomes:
            return worse
    return HOLDS if outcomes else NOT_RUN


def _judgement(
    outcome: Outcome,
    value: float,
    interval: Interval | None,
    first: float,
    second: float | None,
    seeds: Sequence[int],
) -> Judgement:
    return Judgement(outcome, value, interval, first, second, len(seeds))


def _common(*series: Series) -> list[int]:
    return sorted(set.intersection(*(set(one.values) for one in series)))


def _mean(series: Series, seeds: Sequence[int]) -> float:
    return statistics.fmean(series.values[seed] for seed in seeds)


def _by_divergence(first: Series, second: Series, wins: Outcome) -> Judgement:
    """One of both has no finite number; ``wins`` is the outcome where that is ``second``."""
    worse = first if first.diverged else second
    outcome = _INVERSE[wins] if first.diverged else wins
    return Judgement(outcome, first=first.mean, second=second.mean, reason=worse.reason)


def _without(*series: Series) -> Judgement:
    """A cell without a number to judge: not run, or run and without a number for a reason."""
    empty = [one for one in series if not one.values]
    reasons = dict.fromkeys(one.reason for one in empty if one.reason)
    reason = "; ".join(reasons) or NO_COMMON_SEED
    diverged = bool(empty) and all(one.diverged for one in empty)
    return Judgement(UNDECIDED if diverged else NOT_RUN, reason=reason)


def _best(curve: Mapping[float, Series], sign: int) -> Series:
    """The series of the best mean; every curve has one with values."""
    return max(
        (one for one in curve.values() if one.values), key=lambda one: sign * (one.mean or 0.0)
    )


def _estimate(
    values: Sequence[float], error: float | None, exact: bool
) -> tuple[float, Interval | None]:
    """Mean over seeds with its interval: over seeds where there are two, else over test images."""
    value = statistics.fmean(values)
    if exact:
        return value, None
    return value, mean_interval(values) or error_interval(value, error)


def _combined(*errors: float | None) -> float | None:
    known = [error for error in errors if error is not None]
    return math.hypot(*known) if known else None


def _relative(error: float | None, value: float) -> float | None:
    return None if error is None or value == 0 else error / abs(value)


def _within(
    value: float, interval: Interval | None, at_least: float | None, at_most: float | None
) -> Outcome:
    least = -math.inf if at_least is None else at_least
    most = math.inf if at_most is None else at_most
    low, high = interval or (value, value)
    if least <= low and high <= most:
        return HOLDS
    return FAILS if high < least or low > most else UNDECIDED
