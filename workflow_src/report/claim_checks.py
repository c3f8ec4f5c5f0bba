"""Whether numbers say what a claim says: the rules of every kind of check, on numbers alone.

What is compared is paired by seed: the same seed draws the same subset of images for all models.
What all seeds may have wrong in common, the estimate of a log partition function, does not become
less with their number. Where an interval holds values of either kind, the numbers do not decide. A
model without any finite number counts as worse than one with: it could not be trained there. No
seed is dropped: while one is not measured, nothing is said, and one that diverged can but confirm
that its model is the worse.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from workflow_src.report.intervals import (
    Interval,
    error_interval,
    mean_interval,
    root_mean_square,
)

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
    """One metric of one model in one cell, by seed; without any seed where it is not planned.

    Attributes
    ----------
    values, errors:
        Finite values, and their standard errors over test images, None where they have none.
    shared_errors:
        Of these errors, what is a log partition function's, which the spread over seeds does not
        tell; seeds without are left out.
    exact:
        Whether values are judged as they stand, without an interval: counts, printed numbers, and
        what is not independent from seed to seed.
    diverged:
        Seeds that were measured and have no finite number.
    pending:
        Seeds that were not measured.
    reason:
        Why seeds have no value; None where all have one.
    largest:
        Whether a fixed bound is asked of the largest value of any seed, and not of their mean.
    caveats:
        What of the grid the values are without, in words.
    """

    values: Mapping[int, float]
    errors: Mapping[int, float | None]
    exact: bool = False
    diverged: frozenset[int] = frozenset()
    pending: frozenset[int] = frozenset()
    reason: str | None = None
    shared_errors: Mapping[int, float] = field(default_factory=dict)
    largest: bool = False
    caveats: tuple[str, ...] = ()

    @property
    def mean(self) -> float | None:
        """Over the seeds that have a value."""
        return statistics.fmean(self.values.values()) if self.values else None

    @property
    def measured(self) -> frozenset[int]:
        """Seeds that have a value or diverged."""
        return self.diverged | frozenset(self.values)

    @property
    def seeds(self) -> frozenset[int]:
        """All that are planned."""
        return self.measured | self.pending

    @property
    def all_diverged(self) -> bool:
        """Whether it was measured and no seed has a finite number."""
        return bool(self.diverged) and self.diverged == self.seeds

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
    caveats:
        What of the grids the numbers are without, in words; the outcome is not theirs to change.
    """

    outcome: Outcome
    value: float | None = None
    interval: Interval | None = None
    first: float | None = None
    second: float | None = None
    seeds: int = 0
    reason: str | None = None
    caveats: tuple[str, ...] = ()

    @property
    def remarks(self) -> str | None:
        """The reason and the caveats."""
        return "; ".join(one for one in (self.reason, *self.caveats) if one) or None


def comparison(
    first: Series, second: Series, relation: Direction, better: Direction = "higher"
) -> Judgement:
    """Whether ``first`` is strictly higher, or lower, than ``second``; value: the difference."""
    if found := _not_run(first, second):
        return found
    loses = FAILS if relation == better else HOLDS
    if first.all_diverged != second.all_diverged:
        return _by_divergence(first, second, loses)
    seeds = _common(first, second)
    if not seeds:
        return _undecided(first, second)
    differences = [first.values[seed] - second.values[seed] for seed in seeds]
    error = _combined(first.error(seeds[0]), second.error(seeds[0]))
    shared = _shared(seeds, first, second)
    value, interval = _estimate(differences, error, first.exact and second.exact, shared)
    low, high = interval or (value, value)
    if relation == "lower":
        low, high = -high, -low
    outcome = HOLDS if low > 0 else FAILS if high <= 0 else UNDECIDED
    found = _judgement(outcome, value, interval, _mean(first, seeds), _mean(second, seeds), seeds)
    return _tempered(found, {loses: (first,), _INVERSE[loses]: (second,)})


def ratio(
    first: Series, second: Series, at_least: float | None, at_most: float | None
) -> Judgement:
    """Whether ``first`` / ``second`` lies within the bounds; value: the ratio."""
    if found := _not_run(first, second):
        return found
    seeds = _common(first, second)
    if not seeds:
        return _undecided(first, second)
    if any(second.values[seed] == 0 for seed in seeds):
        return Judgement(UNDECIDED, reason=_ZERO)
    means = _mean(first, seeds), _mean(second, seeds)
    exact = first.exact and second.exact
    ratios = [first.values[seed] / second.values[seed] for seed in seeds]
    error = None
    relative = [
        _relative(series.error(seeds[0]), series.values[seeds[0]]) for series in (first, second)
    ]
    if None not in relative:
        # To first order: relative errors of a quotient add up in squares.
        error = abs(ratios[0]) * (_combined(*relative) or 0.0)
    shared = abs(means[0] / means[1]) * math.hypot(
        *(_shared(seeds, one, share_of=one) for one in (first, second))
    )
    value, interval = _estimate([means[0] / means[1]] if exact else ratios, error, exact, shared)
    outcome = _within(value, interval, at_least, at_most)
    found = _judgement(outcome, value, interval, *means, seeds)
    return _tempered(found, {UNDECIDED: (first, second)})


def limit(first: Series, at_least: float | None, at_most: float | None) -> Judgement:
    """Whether ``first`` itself lies within the bounds; value: its mean, or largest, over seeds."""
    if found := _not_run(first):
        return found
    if first.largest:
        return _largest_within(first, at_least, at_most)
    seeds = _common(first)
    if not seeds:
        return _undecided(first)
    value, interval = _estimate(
        [first.values[seed] for seed in seeds],
        first.error(seeds[0]),
        first.exact,
        _shared(seeds, first),
    )
    outcome = _within(value, interval, at_least, at_most)
    found = _judgement(outcome, value, interval, value, None, seeds)
    return _tempered(found, {UNDECIDED: (first,)})


def _largest_within(first: Series, at_least: float | None, at_most: float | None) -> Judgement:
    """By the largest value of any seed; what diverged has none that is small enough."""
    most = max(first.values.values(), default=None)
    outcome = _within(math.inf if first.diverged or most is None else most, None, at_least, at_most)
    return Judgement(outcome, most, None, most, None, len(first.measured), _divergence(first))


def stability(whole: Series, part: Series, tolerance: float, better: Direction) -> Judgement:
    """Whether ``part`` is worse than ``whole`` by a share of at most ``tolerance``; value: it."""
    if found := _not_run(whole, part):
        return found
    if whole.values and part.all_diverged:
        return _by_divergence(whole, part, HOLDS)
    seeds = _common(whole, part)
    if not seeds:
        return _undecided(whole, part)
    if any(whole.values[seed] == 0 for seed in seeds):
        return Judgement(UNDECIDED, reason=_ZERO)
    sign = 1 if better == "higher" else -1
    losses = [
        sign * (whole.values[seed] - part.values[seed]) / abs(whole.values[seed]) for seed in seeds
    ]
    error = _combined(whole.error(seeds[0]), part.error(seeds[0]))
    share = None if error is None else error / abs(whole.values[seeds[0]])
    shared = _shared(seeds, whole, part, share_of=whole)
    value, interval = _estimate(losses, share, whole.exact and part.exact, shared)
    outcome = _within(value, interval, None, tolerance)
    found = _judgement(outcome, value, interval, _mean(whole, seeds), _mean(part, seeds), seeds)
    # What diverges on everything is not stable because it does so on less, too.
    return _tempered(found, {FAILS: (part,), UNDECIDED: (whole,)})


def smaller_loss(
    first: Mapping[float, Series],
    second: Mapping[float, Series],
    fraction: float,
    better: Direction,
) -> Judgement:
    """Whether ``first`` loses less than ``second`` from its best fraction to ``fraction``.

    Both are by fraction of the training images, ``fraction`` among them; smaller ones play no part.
    The value is the difference of the losses, the best fraction that of the best mean over the
    seeds that have all numbers of both. Where a model has no finite number at a larger fraction,
    its loss is not known.
    """
    curves = [
        {one: series for one, series in curve.items() if one >= fraction}
        for curve in (first, second)
    ]
    every = [series for curve in curves for series in curve.values()]
    if found := _not_run(*every):
        return found
    ends = first[fraction], second[fraction]
    larger = [s for curve in curves for one, s in curve.items() if one > fraction]
    if gone := [series for series in larger if series.all_diverged]:
        return _undecided(*gone)
    if ends[0].all_diverged != ends[1].all_diverged:
        # Their means are bounds, not losses.
        return replace(_by_divergence(*ends, FAILS), first=None, second=None)
    seeds = _common(*every)
    if not seeds:
        return _undecided(*every)
    sign = 1 if better == "higher" else -1
    pairs = [(_best(curve, sign, seeds), end) for curve, end in zip(curves, ends, strict=True)]
    found = _by_losses(pairs, sign, seeds, exact=all(one.exact for one in every))
    return _tempered(found, {FAILS: curves[0].values(), HOLDS: curves[1].values()})


def _by_losses(
    pairs: Sequence[tuple[Series, Series]], sign: int, seeds: Sequence[int], *, exact: bool
) -> Judgement:
    """Whether the first of two loses less, each from its best fraction to the last one."""
    losses = [
        [sign * (top.values[seed] - end.values[seed]) for seed in seeds] for top, end in pairs
    ]
    # Where the best fraction is the last one, nothing is lost and nothing uncertain.
    uncertain = [s for top, end in pairs if top is not end for s in (top, end)]
    error = _combined(*(one.error(seeds[0]) for one in uncertain))
    differences = [one - other for one, other in zip(*losses, strict=True)]
    value, interval = _estimate(differences, error, exact, _shared(seeds, *uncertain))
    low, high = interval or (value, value)
    outcome = HOLDS if high < 0 else FAILS if low >= 0 else UNDECIDED
    first, second = (statistics.fmean(one) for one in losses)
    return _judgement(outcome, value, interval, first, second, seeds)


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


def _not_run(*series: Series) -> Judgement | None:
    """The judgement where a seed that one of them has was not measured of all."""
    seeds = frozenset[int]().union(*(one.seeds for one in series))
    done = seeds.intersection(*(one.measured for one in series))
    if seeds and done == seeds:
        return None
    told = [f"{len(done)} of {len(seeds)} seeds"] if done else []
    told += [one.reason for one in series if one.reason and (not seeds or one.measured != seeds)]
    return Judgement(NOT_RUN, reason="; ".join(dict.fromkeys(told)) or NO_COMMON_SEED)


def _by_divergence(first: Series, second: Series, loses: Outcome) -> Judgement:
    """One of both has no finite number; ``loses`` is the outcome where that is ``first``."""
    outcome = loses if first.all_diverged else _INVERSE[loses]
    reason = _divergence(first, second)
    return Judgement(outcome, first=first.mean, second=second.mean, reason=reason)


def _tempered(found: Judgement, worse: Mapping[Outcome, Iterable[Series]]) -> Judgement:
    """What the other seeds say, where some diverged.

    ``worse`` holds series by the outcome that their being worse would lead to. The seeds that
    diverged leave the cell undecided unless the others say that outcome without them.
    """
    partly = {key: [one for one in series if one.diverged] for key, series in worse.items()}
    if not (every := [one for series in partly.values() for one in series]):
        return found
    confirmed = all(key == found.outcome for key, series in partly.items() if series)
    outcome = found.outcome if confirmed else UNDECIDED
    return replace(found, outcome=outcome, reason=_divergence(*every))


def _undecided(*series: Series) -> Judgement:
    """All seeds are measured, and none has all of the numbers."""
    return Judgement(UNDECIDED, reason=_divergence(*series) or NO_COMMON_SEED)


def _divergence(*series: Series) -> str | None:
    """How many seeds diverged, where it is not all, and why."""
    told = []
    for one in series:
        if one.diverged and one.values:
            told.append(f"{len(one.diverged)} of {len(one.seeds)} seeds diverged")
        if one.diverged and one.reason:
            told.append(one.reason)
    return "; ".join(dict.fromkeys(told)) or None


def _best(curve: Mapping[float, Series], sign: int, seeds: Sequence[int]) -> Series:
    """The series of the best mean over these seeds, which all have."""
    return max(curve.values(), key=lambda one: sign * _mean(one, seeds))


def _estimate(
    values: Sequence[float], error: float | None, exact: bool, shared: float
) -> tuple[float, Interval | None]:
    """Mean over seeds with its interval: over seeds where there are two, else over test images.

    ``error`` holds what seeds share, ``shared``; the spread over seeds does not.
    """
    value = statistics.fmean(values)
    if exact:
        return value, None
    return value, mean_interval(values, shared) or error_interval(value, error)


def _shared(seeds: Sequence[int], *series: Series, share_of: Series | None = None) -> float:
    """The root mean square over seeds of the errors that they share; several add up in squares.

    As a share of ``share_of``'s values, where that is given.
    """
    sizes = {seed: 1.0 if share_of is None else abs(share_of.values[seed]) for seed in seeds}
    errors = [[one.shared_errors.get(seed, 0.0) / sizes[seed] for seed in seeds] for one in series]
    return math.hypot(*map(root_mean_square, errors))


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
