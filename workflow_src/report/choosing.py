"""One number per seed, and of several variants the one that a table or a claim shows.

A collection of data sets stands for one: its number is the mean over the members that have one. Of
variants that differ in what an experiment shows the best of alone, the one with the best mean over
seeds is shown, by the metric that is looked at and on the test set, as papers choose from a grid.
Such a number is too good by chance, the more so the more variants there are; an experiment that
leaves the choice to the validation set has another.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workflow_src.config.metrics import metric
from workflow_src.report.evidence import Group

Variant = Mapping[str, Any]


@dataclass(frozen=True)
class Choice:
    """What is shown of several variants.

    Attributes
    ----------
    groups:
        Those of the variant that is shown; all, where no variant has a number.
    chosen:
        Its hyperparameters among those chosen over; None where no variant has a number.
    count:
        How many variants there are.
    ties:
        Variants, beside the chosen one and after it, with the very same mean.
    fewer:
        How many variants have numbers of fewer trainings than the chosen one, or none; they are
        not chosen.
    """

    groups: tuple[Group, ...]
    chosen: Variant | None
    count: int
    ties: tuple[Variant, ...] = ()
    fewer: int = 0


def chosen_over(groups: Sequence[Group], names: Sequence[str], metric_name: str) -> Choice:
    """The variant with the best mean over seeds, of those with the most numbers.

    ``groups`` differ in seed, member of a collection and the hyperparameters ``names`` alone. Of
    equal means it is the first in the order of ``groups``.
    """
    variants: dict[tuple[tuple[str, Any], ...], list[Group]] = {}
    for group in groups:
        told = tuple((name, group.variant[name]) for name in names if name in group.variant)
        variants.setdefault(told, []).append(group)
    counts = {told: _count(own, metric_name) for told, own in variants.items()}
    most = max(counts.values(), default=0)
    if not most:
        return Choice(tuple(groups), None, len(variants), fewer=len(variants))
    means = {
        told: statistics.fmean(values_by_seed(own, metric_name).values())
        for told, own in variants.items()
        if counts[told] == most
    }
    best = (min if metric(metric_name).better == "lower" else max)(means.values())
    first, *ties = [told for told, mean in means.items() if mean == best]
    return Choice(
        groups=tuple(variants[first]),
        chosen=dict(first),
        count=len(variants),
        ties=tuple(map(dict, ties)),
        fewer=len(variants) - len(means),
    )


def shown_groups(
    groups: Sequence[Group], names: Sequence[str], metric_name: str
) -> tuple[Group, ...]:
    """The groups of the variants that are shown, all where nothing is chosen over ``names``."""
    if not names:
        return tuple(groups)
    cells: dict[tuple[Any, ...], list[Group]] = {}
    for group in groups:
        axes = {name: group.value_of(name) for name in group.axes if name != "seed"}
        rest = {name: value for name, value in group.variant.items() if name not in names}
        cells.setdefault((*axes.items(), *rest.items()), []).append(group)
    chosen = (chosen_over(own, names, metric_name).groups for own in cells.values())
    shown = {id(group) for own in chosen for group in own}
    return tuple(group for group in groups if id(group) in shown)


def values_by_seed(groups: Sequence[Group], metric_name: str) -> dict[int, float]:
    """The number of every seed that has one: the mean over the members of a collection."""
    found: dict[int, list[float]] = {}
    for group in groups:
        one = group.evaluation.metric(metric_name)
        if one is not None and math.isfinite(one.value):
            found.setdefault(int(group.axes["seed"]), []).append(one.value)
    return {seed: statistics.fmean(values) for seed, values in found.items()}


def error_of_mean(errors: Sequence[float | None], metric_name: str) -> float | None:
    """The standard error of a mean over the members of a collection; None where one is not known.

    Of estimates that share their judges it is an upper bound.
    """
    known = [error for error in errors if error is not None]
    if not known or len(known) < len(errors):
        return None
    if metric(metric_name).shares_judges:
        # A judge that is too kind is so to all members: what it adds does not average out.
        return statistics.fmean(known)
    return math.sqrt(sum(error**2 for error in known)) / len(known)


def _count(groups: Sequence[Group], metric_name: str) -> int:
    """How many trainings have the number."""
    metrics = (group.evaluation.metric(metric_name) for group in groups)
    return sum(one is not None and math.isfinite(one.value) for one in metrics)
