"""One cell of a table: our numbers over seeds, what they are made of, and what is to be said of it.

A collection's number of a seed is the mean over its members; of several variants the best is shown,
where the experiment says so. A cell without a number has its reason.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace

from workflow_src.config.data_sets import COLLECTIONS, DATA_SETS
from workflow_src.config.metrics import Metric
from workflow_src.config.published import PublishedValue
from workflow_src.report.annealing import Unfinished, annealing_remark
from workflow_src.report.choosing import Choice, chosen_over, error_of_mean
from workflow_src.report.cuts import Cut, cut_reason, cut_remark
from workflow_src.report.evaluations import Evaluation
from workflow_src.report.evidence import Group
from workflow_src.report.intervals import Interval, mean_interval, root_mean_square
from workflow_src.report.metrics import not_finite
from workflow_src.report.wording import counted, described, listed

OVER_SEEDS = "standard deviation over seeds"
OF_ESTIMATE = "standard error of the estimate"
NOT_PLANNED = "not in this plan"
INTERVAL_SEEDS = 3
"""From so many seeds on a cell shows an interval: of two it would be wider than it tells."""


@dataclass(frozen=True)
class Source:
    """One seed's part of a cell: ``value`` is None where ``reason`` says why.

    ``log_partition_error`` is what of ``standard_error`` is the log partition function's;
    ``member`` is the data set, where the cell is of a collection; ``never`` tells whether the
    training cannot have a value, so that none is missing.
    """

    seed: int
    value: float | None
    standard_error: float | None
    importance_samples: int | None
    reason: str | None
    evaluation: Evaluation
    log_partition_error: float = 0.0
    member: str | None = None
    never: bool = False

    @property
    def told(self) -> str:
        """The seed, and of a collection the data set, in words."""
        return str(self.seed) if self.member is None else f"{self.seed} on {title(self.member)}"


@dataclass(frozen=True)
class Cell:
    """One comparison.

    Attributes
    ----------
    ours:
        Mean over the seeds that have a value; None where none has.
    spread, spread_kind:
        `OVER_SEEDS` for two seeds or more, else `OF_ESTIMATE`; None where neither exists.
    interval:
        95 % t interval of the mean over seeds, widened by `log_partition_error`; None of fewer
        than `INTERVAL_SEEDS` and where the metric has none.
    published:
        The paper's number in the table's unit, as ``source_of_published`` prints it.
    difference:
        Ours minus published.
    reason:
        Why there is no number of ours.
    notes:
        Places in the table's notes.
    choice:
        What was chosen among, where the experiment shows the best of several variants.
    best:
        Whether this is the best of the cells of several of the study's own models that differ
        from it in the model, and in compared hyperparameters that only some of them have, alone.
    """

    sources: tuple[Source, ...]
    ours: float | None = None
    spread: float | None = None
    spread_kind: str | None = None
    interval: Interval | None = None
    published: float | None = None
    source_of_published: PublishedValue | None = None
    difference: float | None = None
    reason: str | None = None
    notes: tuple[int, ...] = ()
    choice: Choice | None = None
    best: bool = False

    @property
    def seeds(self) -> int:
        """Number of seeds that ``ours`` is the mean of."""
        return len({source.seed for source in self.sources if source.value is not None})

    @property
    def is_incomplete(self) -> bool:
        """Whether a planned number is missing."""
        return any(source.value is None and not source.never for source in self.sources)

    @property
    def log_partition_error(self) -> float:
        """The log partition function's standard error in ``ours``: root mean square over seeds.

        Not divided by the number of seeds: their estimators share their bias.
        """
        known = [one.log_partition_error for one in self.sources if one.value is not None]
        return root_mean_square(known)


def title(data_set: str) -> str:
    """The data set as people call it."""
    return DATA_SETS[data_set].title


def cell_of(
    groups: Sequence[Group], of: Metric, best_over: Sequence[str], cuts: Sequence[Cut]
) -> Cell:
    """Our numbers of one place of a table, without the published one.

    ``cuts`` are the cells of the grid at that place that were not trained for their size.
    """
    if not groups:
        return Cell((), reason=cut_reason(cuts) if cuts else NOT_PLANNED)
    choice = chosen_over(groups, best_over, of.name) if best_over else None
    shown = groups if choice is None else choice.groups
    sources = tuple(_source(group, of.name) for group in shown)
    cell = _with_ours(sources, of)
    return replace(cell, choice=choice)


def _source(group: Group, name: str) -> Source:
    evaluation, seed = group.evaluation, int(group.axes["seed"])
    member = None if group.collection is None else str(group.axes["data_set"])
    found = evaluation.metric(name)
    if found is None:
        reason = evaluation.why_without(name)
        never = evaluation.why_never(name) is not None
        return Source(seed, None, None, None, reason, evaluation, member=member, never=never)
    samples = found.importance_samples
    if not math.isfinite(found.value):
        return Source(seed, None, None, samples, not_finite(found), evaluation, member=member)
    shared = evaluation.log_partition_error(name)
    error = found.standard_error
    return Source(seed, found.value, error, samples, None, evaluation, shared, member)


def _with_ours(sources: tuple[Source, ...], of: Metric) -> Cell:
    seeds: dict[int, list[tuple[float, float | None]]] = {}
    for source in sources:
        if source.value is not None:
            seeds.setdefault(source.seed, []).append((source.value, source.standard_error))
    if not seeds:
        reasons = dict.fromkeys(source.reason for source in sources if source.reason)
        return Cell(sources, reason="; ".join(reasons) or NOT_PLANNED)
    values = [statistics.fmean(value for value, _ in found) for found in seeds.values()]
    cell = Cell(sources, ours=statistics.fmean(values))
    if len(values) > 1:
        enough = of.has_interval and len(values) >= INTERVAL_SEEDS
        interval = mean_interval(values, cell.log_partition_error) if enough else None
        spread = statistics.stdev(values)
        return replace(cell, spread=spread, spread_kind=OVER_SEEDS, interval=interval)
    (found,) = seeds.values()
    error = error_of_mean([error for _, error in found], of.name)
    kind = OF_ESTIMATE if error is not None else None
    return replace(cell, spread=error, spread_kind=kind)


def remarks(cell: Cell, cuts: Sequence[Cut], collection: str | None) -> list[str]:
    """What a table's notes say of a cell."""
    found = []
    if cell.choice is not None and cell.choice.count > 1:
        found.append(_of_choice(cell.choice))
    if cuts and cell.sources:
        found.append(cut_remark(cuts))
    if collection is not None and cell.sources:
        found += _of_members(cell, collection)
    cut = [
        source.told
        for source in cell.sources
        if source.evaluation.winner and source.evaluation.winner.ended_by_maximum_steps
    ]
    if cut:
        which = "" if len(cut) == len(cell.sources) else f" (seed {listed(cut)})"
        found.append(
            f"Training of the winner{which} was ended by maximum_steps, not by its stopping rule."
        )
    if unfinished := _unfinished(cell.sources):
        found.append(annealing_remark(unfinished, len(cell.sources)))
    if out := [one.evaluation for one in cell.sources if one.evaluation.left_out_judges]:
        counts = sorted({f"{len(one.left_out_judges)} of {one.judges}" for one in out})
        found.append(
            f"Without {listed(counts)} judges: {'; '.join(sorted(set(out[0].left_out_judges)))}."
        )
    without = [source for source in cell.sources if source.value is None]
    if cell.ours is not None and without:
        reasons = "; ".join(f"seed {source.told}: {source.reason}" for source in without)
        found.append(f"Mean over the other {_others(collection)}; {reasons}.")
    one = cell.source_of_published
    if one is not None and cell.published is None:
        found.append(f"Published in {one.unit}, which does not compare: {one.value:g}.")
    if one is not None and one.note:
        found.append(f"Published value: {one.note}.")
    return found


def _unfinished(sources: Sequence[Source]) -> list[Unfinished]:
    """Those whose numbers are shown and whose winners have layers that are not annealed."""
    shown = [one for one in sources if one.value is not None and one.evaluation.winner]
    return [
        Unfinished(one.told, one.evaluation.winner.spec, one.evaluation.unfinished_layers)
        for one in shown
        if one.evaluation.winner and one.evaluation.unfinished_layers
    ]


def _others(collection: str | None) -> str:
    return "seeds" if collection is None else "trainings"


def _of_choice(choice: Choice) -> str:
    """What was chosen, among how many, and what it was equal to."""
    if choice.chosen is None:
        return f"None of {counted(choice.count, 'variant')} of the grid has a number."
    text = (
        f"The best of {counted(choice.count, 'variant')} by the mean over seeds of this very "
        f"metric on the test set, as the paper chose: {described(choice.chosen)}"
    )
    if choice.ties:
        text += f"; as good: {' and '.join(described(one) for one in choice.ties)}"
    if choice.fewer:
        text += f"; {choice.fewer} with fewer numbers, or none, were not chosen from"
    return f"{text}."


def _of_members(cell: Cell, collection: str) -> list[str]:
    """Which of a collection's data sets a mean is without."""
    planned = {source.member for source in cell.sources}
    every = COLLECTIONS[collection].members
    absent = [title(name) for name in every if name not in planned]
    if not absent:
        return []
    there = [title(name) for name in every if name in planned]
    return [
        f"Mean over {listed(there)} alone; not in this plan are {listed(absent)}."
        if len(there) <= len(absent)
        else f"Mean without {listed(absent)}, which this plan does not have."
    ]
