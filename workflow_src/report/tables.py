"""The comparison table of an experiment: ours over seeds beside the published number.

What goes down, across and into the cells is the study's to say; every cell keeps the evaluations
that it came from. A cell without a number is there too, with its reason. How tables are written is
`workflow_src.report.table_files`' and `workflow_src.report.page`'s.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from workflow_src.config.data_sets import COLLECTIONS, data_set
from workflow_src.config.experiments import Experiment
from workflow_src.config.metrics import Metric, metric
from workflow_src.config.published import PublishedValue
from workflow_src.config.studies import Study
from workflow_src.report.cells import OF_ESTIMATE, OVER_SEEDS, Cell, cell_of, remarks
from workflow_src.report.cuts import OF_RUNS, Cut, CutIndex
from workflow_src.report.evidence import Group
from workflow_src.report.joined import BETTER
from workflow_src.report.wording import converted

_ALWAYS_SHOWN = ("protocol", "stream")
_AXES = ("model", "data_set", "likelihood", "fraction", *_ALWAYS_SHOWN)

Key = tuple[Any, ...]


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


def build_table(
    study: Study, experiment: str, groups: Sequence[Group], cuts: Sequence[Cut] = ()
) -> Table:
    """The table of one experiment from its groups, at least one, and the cells that were cut."""
    asked = study.experiments[experiment]
    layout, chosen_over = asked.table, frozenset(asked.best_over)
    rows_by, columns_by = layout.rows, tuple(layout.columns)
    row_axes, column_axes = _headings(rows_by, columns_by, groups, cuts, chosen_over)
    cut_at = CutIndex(cuts)
    by_cell: dict[tuple[Key, Key], list[Group]] = {}
    for group in groups:
        place = (_key(group, row_axes), _key(group, column_axes))
        by_cell.setdefault(place, []).append(group)
    places = [*by_cell, *_places_of(cuts, row_axes, column_axes, groups)]
    known = known_order(asked)
    rows = _ordered(row_axes, [row for row, _ in places], known)
    columns = _ordered(column_axes, [column for _, column in places], known)
    notes: dict[str, int] = {}
    constants = {
        name: groups[0].value_of(name)
        for name in _names((*groups, *cuts), chosen_over)
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
        compared=asked.published is not None,
    )
    published = study.published_values(experiment)
    cells = {}
    for row in rows:
        for column in columns:
            own = by_cell.get((row, column), [])
            there = cut_at.at(table.axes_of(row, column))
            cell = cell_of(own, table.metric, asked.best_over, there)
            cells[row, column] = _finished(cell, table, (row, column), there, published, notes)
    samples = {s.importance_samples for cell in cells.values() for s in cell.sources} - {None}
    table = replace(table, cells=cells)
    return replace(
        table,
        cells=_with_best(table, study.joined(experiment), notes),
        importance_samples=max((s for s in samples if s is not None), default=None),
        notes=tuple(notes),
    )


def _finished(
    cell: Cell,
    table: Table,
    place: tuple[Key, Key],
    cuts: Sequence[Cut],
    published: Sequence[PublishedValue],
    notes: dict[str, int],
) -> Cell:
    """The cell with the published number and its places in the notes, which may grow."""
    axes = table.axes_of(*place)
    cell = _with_published(cell, table, axes, published)
    collection = axes["data_set"] if axes["data_set"] in COLLECTIONS else None
    told = remarks(cell, cuts, collection)
    return replace(cell, notes=tuple(notes.setdefault(text, len(notes)) for text in told))


def _places_of(
    cuts: Sequence[Cut],
    row_axes: Sequence[str],
    column_axes: Sequence[str],
    groups: Sequence[Group],
) -> list[tuple[Key, Key]]:
    """Where cut cells would stand: at every part of the training images and stream of the plan."""
    rest = {(group.axes["fraction"], group.axes["stream"]): None for group in groups}

    def key(cut: Cut, names: Sequence[str], fraction: object, stream: object) -> Key:
        more = {"fraction": fraction, "stream": stream}
        return tuple(more[name] if name in more else cut.value_of(name) for name in names)

    return [(key(cut, row_axes, *one), key(cut, column_axes, *one)) for cut in cuts for one in rest]


def _headings(
    rows: str,
    columns: tuple[str, ...],
    groups: Sequence[Group],
    cuts: Sequence[Cut],
    chosen_over: frozenset[str],
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Rows' and columns' names: the study's, protocol and stream, and whatever else varies.

    What only cut cells have another value of is a heading too, so that they have a place.
    """
    named = (rows, *columns)

    def varies(name: str) -> bool:
        there: Sequence[Group | Cut] = groups if name in OF_RUNS else (*groups, *cuts)
        return len({one.value_of(name) for one in there}) > 1

    varying = [
        name
        for name in _names((*groups, *cuts), chosen_over)
        if name not in named and (name in _ALWAYS_SHOWN or varies(name))
    ]
    return (rows, *varying), columns


def _names(cells: Sequence[Group | Cut], chosen_over: frozenset[str]) -> tuple[str, ...]:
    """What cells differ in: the axes, and after them what is compared and not chosen over."""
    return (*_AXES, *sorted({name for one in cells for name in one.variant} - chosen_over))


def _key(group: Group, names: tuple[str, ...]) -> Key:
    return tuple(group.value_of(name) for name in names)


def known_order(experiment: Experiment) -> dict[str, list[Any]]:
    """The values of axes in the order of the experiment's grids."""
    grids = experiment.scales.values()
    return {
        "model": [model for grid in grids for model in grid.models],
        "data_set": [
            data_set(name).collection or name for grid in grids for name in grid.data_sets
        ],
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


def _with_best(
    table: Table, joined: Collection[str], notes: dict[str, int]
) -> dict[tuple[Key, Key], Cell]:
    """The cells, with the best of each comparison between the study's own models marked.

    A model that joined takes no mark from them; a cell of it that is better has a note instead.
    """
    if table.metric.better == "neither":
        return dict(table.cells)
    pick = max if table.metric.better == "higher" else min
    numbers = {place: cell.ours for place, cell in table.cells.items() if cell.ours is not None}
    model = {place: table.axes_of(*place)["model"] for place in numbers}
    own = [place for place in numbers if model[place] not in joined]
    cells = dict(table.cells)
    for places in _comparisons(table, own):
        if len({model[place] for place in places}) > 1:
            best = pick(numbers[place] for place in places)
            for place in places:
                cells[place] = replace(cells[place], best=numbers[place] == best)
    for places in _comparisons(table, numbers):
        rivals = {numbers[place] for place in places if model[place] not in joined}
        for place in places if rivals else ():
            if model[place] in joined and pick({numbers[place], *rivals}) not in rivals:
                told = notes.setdefault(BETTER, len(notes))
                cells[place] = replace(cells[place], notes=(*cells[place].notes, told))
    return cells


def _comparisons(
    table: Table, places: Collection[tuple[Key, Key]]
) -> Iterable[list[tuple[Key, Key]]]:
    """Those of the places that differ in the model, or in what only some of the models have."""
    axes = {place: table.axes_of(*place) for place in places}
    apart = {"model", *_of_some_models(axes.values())}
    found: dict[Key, list[tuple[Key, Key]]] = {}
    for place, values in axes.items():
        rest = tuple(value for name, value in values.items() if name not in apart)
        found.setdefault(rest, []).append(place)
    return found.values()


def _of_some_models(cells: Iterable[Mapping[str, Any]]) -> set[str]:
    """Compared hyperparameters that a model of the cells lacks: its axes have no value of them."""
    having: dict[str, set[str]] = {}
    for axes in cells:
        told = {name for name, value in axes.items() if name not in _AXES and value is not None}
        having.setdefault(axes["model"], set()).update(told)
    told = {name for names in having.values() for name in names}
    return {name for name in told if not all(name in names for names in having.values())}
