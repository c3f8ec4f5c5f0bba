"""The comparison table of an experiment: ours over seeds beside the published number.

What goes down, across and into the cells is the study's to say; every cell keeps the evaluations
that it came from. A cell without a number is there too, with its reason. How tables are written is
`workflow_src.report.table_files`' and `workflow_src.report.page`'s.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from workflow_src.config.experiments import Experiment
from workflow_src.config.metrics import Metric, metric
from workflow_src.config.published import PublishedValue
from workflow_src.config.studies import Study
from workflow_src.report.evidence import Evaluation, Group
from workflow_src.report.intervals import Interval, mean_interval, root_mean_square
from workflow_src.report.metrics import not_finite
from workflow_src.report.wording import converted, listed

OVER_SEEDS = "standard deviation over seeds"
OF_ESTIMATE = "standard error of the estimate"
NOT_PLANNED = "not in this plan"
INTERVAL_SEEDS = 3
"""From so many seeds on a cell shows an interval: of two it would be wider than it tells."""

_ALWAYS_SHOWN = ("protocol", "stream")
_AXES = ("model", "data_set", "likelihood", "fraction", *_ALWAYS_SHOWN)

Key = tuple[Any, ...]


@dataclass(frozen=True)
class Source:
    """One seed's part of a cell: ``value`` is None where ``reason`` says why.

    ``log_partition_error`` is what of ``standard_error`` is the log partition function's.
    """

    seed: int
    value: float | None
    standard_error: float | None
    importance_samples: int | None
    reason: str | None
    evaluation: Evaluation
    log_partition_error: float = 0.0


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
    best:
        Whether this is the best of the cells that differ from it in the model alone; cells of
        models with other compared hyperparameters differ in more.
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
    best: bool = False

    @property
    def seeds(self) -> int:
        """Number of seeds that ``ours`` is the mean of."""
        return sum(source.value is not None for source in self.sources)

    @property
    def log_partition_error(self) -> float:
        """The log partition function's standard error in ``ours``: root mean square over seeds.

        Not divided by the number of seeds: their estimators share their bias.
        """
        known = [one.log_partition_error for one in self.sources if one.value is not None]
        return root_mean_square(known)


@dataclass(frozen=True)
class Table:
    """One experiment's table.

    Attributes
    ----------
    row_axes, column_axes:
        What ``rows`` and ``columns`` hold values of: axes, protocol and stream always among them,
        and hyperparameters that the experiment compares. A model without one has None.
    cells:
        By row and column, all of them.
    importance_samples:
        Of the metric, where it has them.
    notes:
        Footnotes, referred to by cells.
    constants:
        Axes and compared hyperparameters that have one value in all cells and are no heading.
    compared:
        Whether the paper prints numbers for this experiment, be it for other data sets.
    """

    study: str
    experiment: str
    metric: Metric
    row_axes: tuple[str, ...]
    column_axes: tuple[str, ...]
    rows: tuple[Key, ...]
    columns: tuple[Key, ...]
    cells: Mapping[tuple[Key, Key], Cell]
    importance_samples: int | None
    notes: tuple[str, ...]
    constants: Mapping[str, Any]
    compared: bool

    @property
    def spread_kinds(self) -> tuple[str, ...]:
        """The kinds of spread that appear."""
        found = {cell.spread_kind for cell in self.cells.values()}
        return tuple(kind for kind in (OVER_SEEDS, OF_ESTIMATE) if kind in found)

    @property
    def has_intervals(self) -> bool:
        """Whether any cell has an interval."""
        return any(cell.interval for cell in self.cells.values())

    @property
    def log_partition_error(self) -> float:
        """The largest of any cell."""
        return max((cell.log_partition_error for cell in self.cells.values()), default=0.0)

    def values_of(self, axis: str) -> tuple[Any, ...]:
        """The values of one axis that appear, in their order."""
        places = ((row, column) for row in self.rows for column in self.columns)
        return tuple(dict.fromkeys(self.axes_of(*place)[axis] for place in places))

    def axes_of(self, row: Key, column: Key) -> dict[str, Any]:
        """All axes of one cell."""
        return {
            **self.constants,
            **dict(zip(self.row_axes, row, strict=True)),
            **dict(zip(self.column_axes, column, strict=True)),
        }


def build_table(study: Study, experiment: str, groups: Sequence[Group]) -> Table:
    """The table of one experiment from its groups, at least one."""
    layout = study.experiments[experiment].table
    row_axes, column_axes = _headings(layout.rows, tuple(layout.columns), groups)
    by_cell: dict[tuple[Key, Key], list[Group]] = {}
    for group in groups:
        place = (_key(group, row_axes), _key(group, column_axes))
        by_cell.setdefault(place, []).append(group)
    known = known_order(study.experiments[experiment])
    rows = _ordered(row_axes, [row for row, _ in by_cell], known)
    columns = _ordered(column_axes, [column for _, column in by_cell], known)
    notes: dict[str, int] = {}
    constants = {
        name: groups[0].value_of(name)
        for name in _names(groups)
        if name not in (*row_axes, *column_axes)
    }
    table = Table(
        study=study.name,
        experiment=experiment,
        metric=metric(layout.metric),
        row_axes=row_axes,
        column_axes=column_axes,
        rows=rows,
        columns=columns,
        cells={},
        importance_samples=None,
        notes=(),
        constants=constants,
        compared=study.experiments[experiment].published is not None,
    )
    published = study.published_values(experiment)
    cells = {
        (row, column): _cell(table, row, column, by_cell.get((row, column), []), published, notes)
        for row in rows
        for column in columns
    }
    samples = {s.importance_samples for cell in cells.values() for s in cell.sources} - {None}
    return replace(
        table,
        cells=_with_best(replace(table, cells=cells)),
        importance_samples=max((s for s in samples if s is not None), default=None),
        notes=tuple(notes),
    )


def _headings(
    rows: str, columns: tuple[str, ...], groups: Sequence[Group]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Rows' and columns' names: the study's, protocol and stream, and whatever else varies."""
    named = (rows, *columns)
    varying = [
        name
        for name in _names(groups)
        if name not in named
        and (name in _ALWAYS_SHOWN or len({group.value_of(name) for group in groups}) > 1)
    ]
    return (rows, *varying), columns


def _names(groups: Sequence[Group]) -> tuple[str, ...]:
    """What groups differ in: the axes, and after them the compared hyperparameters."""
    return (*_AXES, *sorted({name for group in groups for name in group.variant}))


def _key(group: Group, names: tuple[str, ...]) -> Key:
    return tuple(group.value_of(name) for name in names)


def known_order(experiment: Experiment) -> dict[str, list[Any]]:
    """The values of axes in the order of the experiment's grids."""
    grids = experiment.scales.values()
    return {
        "model": [model for grid in grids for model in grid.models],
        "data_set": [data_set for grid in grids for data_set in grid.data_sets],
        "likelihood": [likelihood for grid in grids for likelihood in grid.likelihoods],
    }


def _ordered(
    names: Sequence[str], keys: Sequence[Key], known: Mapping[str, Sequence[Any]]
) -> tuple[Key, ...]:
    """Every key once, sorted by its first value, then by its second ..."""
    ranks = [
        {value: rank for rank, value in enumerate(_in_order(name, values, known.get(name, ())))}
        for name, values in zip(names, zip(*keys, strict=True), strict=True)
    ]
    unique = dict.fromkeys(keys)
    return tuple(
        sorted(unique, key=lambda key: [rank[v] for rank, v in zip(ranks, key, strict=True)])
    )


def _in_order(name: str, values: Sequence[Any], known: Sequence[Any]) -> list[Any]:
    """Numbers ascending, parts of the training set descending, else as known or as they appear."""
    unique = list(dict.fromkeys(values))
    there = [value for value in unique if value is not None]
    if there and all(isinstance(value, int | float) for value in there):
        there.sort(reverse=name == "fraction")
        return [*there, *(value for value in unique if value is None)]
    return list(dict.fromkeys([*(value for value in known if value in unique), *unique]))


def _cell(
    table: Table,
    row: Key,
    column: Key,
    groups: Sequence[Group],
    published: Sequence[PublishedValue],
    notes: dict[str, int],
) -> Cell:
    sources = tuple(_source(group, table.metric.name) for group in groups)
    cell = _with_ours(sources, has_interval=table.metric.has_interval)
    cell = _with_published(cell, table, table.axes_of(row, column), published)
    places = tuple(notes.setdefault(text, len(notes)) for text in _remarks(cell))
    return replace(cell, notes=places)


def _source(group: Group, name: str) -> Source:
    evaluation, seed = group.evaluation, int(group.axes["seed"])
    found = evaluation.metric(name)
    if found is None:
        reason = evaluation.reason or f"the evaluation has no {name}"
        return Source(seed, None, None, None, reason, evaluation)
    if not math.isfinite(found.value):
        return Source(seed, None, None, found.importance_samples, not_finite(found), evaluation)
    error, samples = found.standard_error, found.importance_samples
    shared = evaluation.log_partition_error(name)
    return Source(seed, found.value, error, samples, None, evaluation, shared)


def _with_ours(sources: tuple[Source, ...], *, has_interval: bool) -> Cell:
    values = [source.value for source in sources if source.value is not None]
    if not values:
        reasons = dict.fromkeys(source.reason for source in sources if source.reason)
        return Cell(sources, reason="; ".join(reasons) or NOT_PLANNED)
    cell = Cell(sources, ours=statistics.fmean(values))
    if len(values) > 1:
        enough = has_interval and len(values) >= INTERVAL_SEEDS
        interval = mean_interval(values, cell.log_partition_error) if enough else None
        spread = statistics.stdev(values)
        return replace(cell, spread=spread, spread_kind=OVER_SEEDS, interval=interval)
    error = next(source.standard_error for source in sources if source.value is not None)
    kind = OF_ESTIMATE if error is not None else None
    return replace(cell, spread=error, spread_kind=kind)


def _with_published(
    cell: Cell, table: Table, axes: Mapping[str, Any], published: Sequence[PublishedValue]
) -> Cell:
    # Papers' numbers are for models that were trained on everything.
    if axes["fraction"] != 1:
        return cell
    key = (axes["model"], axes["data_set"], axes["likelihood"], table.metric.name)
    # What a hyperparameter tells apart here is another model than one where it does not.
    variant = {name: v for name, v in axes.items() if name not in _AXES and v is not None}
    for one in published:
        found = (one.model, one.data_set, one.likelihood, one.metric)
        if found == key and one.is_of(variant):
            value = converted(one.value, one.unit, table.metric.unit)
            both = value is not None and cell.ours is not None
            difference = cell.ours - value if both else None  # type: ignore[operator]
            return replace(cell, published=value, source_of_published=one, difference=difference)
    return cell


def _remarks(cell: Cell) -> list[str]:
    remarks = []
    cut = [
        str(source.seed)
        for source in cell.sources
        if source.evaluation.winner and source.evaluation.winner.ended_by_maximum_steps
    ]
    if cut:
        which = "" if len(cut) == len(cell.sources) else f" (seed {listed(cut)})"
        remarks.append(
            f"Training of the winner{which} was ended by maximum_steps, not by its stopping rule."
        )
    without = [source for source in cell.sources if source.value is None]
    if cell.ours is not None and without:
        reasons = "; ".join(f"seed {source.seed}: {source.reason}" for source in without)
        remarks.append(f"Mean over the other seeds; {reasons}.")
    one = cell.source_of_published
    if one is not None and cell.published is None:
        remarks.append(f"Published in {one.unit}, which does not compare: {one.value:g}.")
    if one is not None and one.note:
        remarks.append(f"Published value: {one.note}.")
    return remarks


def _with_best(table: Table) -> dict[tuple[Key, Key], Cell]:
    """The cells, with the best of each comparison between models marked."""
    if table.metric.better == "neither":
        return dict(table.cells)
    comparisons: dict[Key, list[tuple[Key, Key]]] = {}
    for place, cell in table.cells.items():
        if cell.ours is not None:
            axes = table.axes_of(*place)
            rest = tuple(value for name, value in axes.items() if name != "model")
            comparisons.setdefault(rest, []).append(place)
    cells = dict(table.cells)
    pick = max if table.metric.better == "higher" else min
    for places in comparisons.values():
        if len(places) > 1:
            best = pick(cells[place].ours or 0.0 for place in places)
            for place in places:
                cells[place] = replace(cells[place], best=cells[place].ours == best)
    return cells
