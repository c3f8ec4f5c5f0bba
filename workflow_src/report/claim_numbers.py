"""Where the numbers of a check come from: the groups of a plan, or what the paper prints.

Both are looked up by their place, so that a claim over many cells of a large plan is quick.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

from workflow_src.config.metrics import metric
from workflow_src.config.models import resolved_values
from workflow_src.config.studies import Study
from workflow_src.report.choosing import chosen_over, error_of_mean, values_by_seed
from workflow_src.report.claim_checks import Series
from workflow_src.report.cuts import Cut, CutIndex, cut_caveat, cut_reason
from workflow_src.report.evaluations import NO_WINNER
from workflow_src.report.evidence import Group
from workflow_src.report.intervals import root_mean_square
from workflow_src.report.metrics import not_finite
from workflow_src.report.wording import axis_value, converted, counted

NOT_PLANNED = "not in this plan"
NOT_PRINTED = "the paper prints no number"


class Way(NamedTuple):
    """How the models of a plan were trained."""

    protocol: str
    stream: str


@dataclass(frozen=True)
class Place:
    """One cell of an experiment, at one part of the training images."""

    experiment: str
    data_set: str
    likelihood: str
    fraction: float
    way: Way | None


class Numbers(Protocol):
    """What checks read."""

    def series(self, metric_name: str, chosen: Mapping[str, Any], place: Place) -> Series:
        """The metric of what ``chosen`` names, axes and compared hyperparameters, at a place."""
        ...

    def fractions(self, chosen: Mapping[str, Any], place: Place) -> tuple[float, ...]:
        """The parts of the training images that it was trained on there."""
        ...


class Measured:
    """The numbers of a study's groups.

    ``best_over`` has by experiment what the best of is shown, ``cuts`` what is not trained.
    """

    def __init__(
        self,
        groups: Iterable[Group],
        best_over: Mapping[str, Sequence[str]] | None = None,
        cuts: Sequence[Cut] = (),
    ) -> None:
        self._best_over = best_over or {}
        names = dict.fromkeys(one.experiment for one in cuts)
        self._cuts = {
            name: CutIndex([one for one in cuts if one.experiment == name]) for name in names
        }
        self._groups: dict[tuple[Any, ...], list[Group]] = {}
        self._fractions: dict[tuple[Any, ...], dict[float, None]] = {}
        self._ways: dict[str, dict[Way, None]] = {}
        self._cells: dict[str, dict[tuple[str, str], None]] = {}
        for group in groups:
            axes, fraction = group.axes, float(group.axes["fraction"])
            way = Way(axes["protocol"], axes["stream"])
            cell = (str(group.value_of("data_set")), axes["likelihood"])
            key = (group.experiment, axes["model"], *cell, *way)
            self._groups.setdefault((*key, fraction), []).append(group)
            self._fractions.setdefault(key, {})[fraction] = None
            self._ways.setdefault(group.experiment, {})[way] = None
            self._cells.setdefault(group.experiment, {})[cell] = None

    def ways(self, experiments: Iterable[str]) -> tuple[Way, ...]:
        """How the models of these experiments are trained; of all, where these have no group."""
        found = dict.fromkeys(way for name in experiments for way in self._ways.get(name, {}))
        every = dict.fromkeys(way for ways in self._ways.values() for way in ways)
        return tuple(found or every)

    def cells(self, experiment: str) -> tuple[tuple[str, str], ...]:
        """Data set and likelihood of the experiment's groups."""
        return tuple(self._cells.get(experiment, {}))

    def series(self, metric_name: str, chosen: Mapping[str, Any], place: Place) -> Series:
        """As `Numbers.series`."""
        key, hyperparameters = _key(chosen, place)
        groups = [
            group
            for group in self._groups.get((*key, place.fraction), ())
            if all(group.variant.get(name) == value for name, value in hyperparameters.items())
        ]
        cuts = self._cut(chosen, place)
        if not groups:
            return Series({}, {}, reason=cut_reason(cuts) if cuts else NOT_PLANNED)
        caveats = [cut_caveat(cuts)] if cuts else []
        names = self._best_over.get(place.experiment, ())
        choice = chosen_over(groups, names, metric_name) if names else None
        if choice is not None and choice.chosen is not None and choice.fewer:
            caveats.append(
                f"{choice.fewer} of {counted(choice.count, 'variant')} with fewer numbers, or "
                "none, not chosen from"
            )
        shown = groups if choice is None else choice.groups
        model = axis_value("model", chosen["model"])
        told = tuple(f"{model}: {caveat}" for caveat in caveats)
        return replace(_series(shown, metric_name), caveats=told)

    def _cut(self, chosen: Mapping[str, Any], place: Place) -> Sequence[Cut]:
        """What the grid there has and is not trained."""
        if place.experiment not in self._cuts:
            return ()
        told = {"model": chosen["model"], "data_set": place.data_set} | _told(chosen)
        told["likelihood"] = place.likelihood
        if place.way is not None:
            told["protocol"] = place.way.protocol
        return self._cuts[place.experiment].at(told)

    def fractions(self, chosen: Mapping[str, Any], place: Place) -> tuple[float, ...]:
        """As `Numbers.fractions`."""
        return tuple(self._fractions.get(_key(chosen, place)[0], ()))


class Published:
    """The numbers that a paper prints, of models that were trained on all images."""

    def __init__(self, study: Study, experiments: Iterable[str]) -> None:
        self._values: dict[tuple[Any, ...], float] = {}
        for name in dict.fromkeys(experiments):
            for one in study.published_values(name):
                value = converted(one.value, one.unit, metric(one.metric).unit)
                if value is not None:
                    key = (name, one.model, one.data_set, one.likelihood, one.metric)
                    self._values[*key, frozenset(one.hyperparameters)] = value

    def series(self, metric_name: str, chosen: Mapping[str, Any], place: Place) -> Series:
        """As `Numbers.series`; a published number has neither seed nor error."""
        cell = (place.experiment, chosen["model"], place.data_set, place.likelihood, metric_name)
        variant = frozenset(_told(chosen).items())
        value = self._values.get((*cell, variant)) if place.fraction == 1 else None
        if value is None:
            return Series({}, {}, exact=True, reason=NOT_PRINTED)
        return Series({0: value}, {}, exact=True)

    def fractions(self, chosen: Mapping[str, Any], place: Place) -> tuple[float, ...]:
        """As `Numbers.fractions`."""
        return ()


def _told(chosen: Mapping[str, Any]) -> dict[str, Any]:
    """The compared hyperparameters that are chosen, as specs hold them."""
    told = {name: value for name, value in chosen.items() if name != "model"}
    return resolved_values(chosen["model"], told)


def _key(chosen: Mapping[str, Any], place: Place) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Where groups are looked up, and the compared hyperparameters that are chosen."""
    hyperparameters = _told(chosen)
    way = place.way or (None, None)
    key = (place.experiment, chosen["model"], place.data_set, place.likelihood, *way)
    return key, hyperparameters


def _series(groups: Sequence[Group], metric_name: str) -> Series:
    errors: dict[int, list[float | None]] = {}
    shared: dict[int, list[float]] = {}
    diverged: set[int] = set()
    pending: set[int] = set()
    reasons: dict[str, None] = {}
    for group in groups:
        seed, found = int(group.axes["seed"]), group.evaluation.metric(metric_name)
        if found is not None and math.isfinite(found.value):
            errors.setdefault(seed, []).append(found.standard_error)
            part = group.evaluation.log_partition_error(metric_name)
            shared.setdefault(seed, []).append(part)
        elif found is not None:
            reasons[not_finite(found)] = None
            diverged.add(seed)
        else:
            reasons[group.evaluation.why_without(metric_name)] = None
            (diverged if group.evaluation.state == NO_WINNER else pending).add(seed)
    # A collection's number is the mean over its members, so that one without a number leaves none.
    without = diverged | pending
    values = values_by_seed(groups, metric_name)
    return Series(
        {seed: value for seed, value in values.items() if seed not in without},
        {s: error_of_mean(each, metric_name) for s, each in errors.items() if s not in without},
        shared_errors={s: root_mean_square(each) for s, each in shared.items() if s not in without},
        exact=not metric(metric_name).has_interval,
        largest=metric(metric_name).over_seeds == "largest",
        diverged=frozenset(diverged),
        pending=frozenset(pending - diverged),
        reason="; ".join(reasons) or None,
    )
