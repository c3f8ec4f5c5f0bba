"""An experiment's table laid out for its page: heads, rows, cells, and what the tint means."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from workflow_src.config.studies import Study
from workflow_src.report.cells import Cell
from workflow_src.report.page.addresses import cell_anchor, experiment_anchor
from workflow_src.report.page.heat import heat_of, heat_scale
from workflow_src.report.table_files import (
    difference_text,
    interval_text,
    legend,
    letter,
    published_text,
)
from workflow_src.report.tables import Key, Table
from workflow_src.report.wording import (
    axis_title,
    axis_value,
    counted,
    heading_text,
    number,
    plain_key,
    sentence,
)

_KINDS = ("ours", "published", "difference")
_SEEDS = "below it"


def table_values(table: Table, study: Study) -> dict[str, Any]:
    """What the template of a table shows."""
    scale = heat_scale(table)
    titles = telling_axes(table)
    return {
        "name": experiment_anchor(table.study, table.experiment),
        "row_titles": [
            {"text": axis_title(table.row_axes[i]), "name": table.row_axes[i]} for i in titles
        ],
        "heads": _heads(table),
        "compared": _is_compared(table),
        "rows": [_row(table, place, row, titles, scale) for place, row in enumerate(table.rows)],
        "everywhere": _everywhere(table, titles),
        "legend": legend(table, study, _SEEDS),
        "direction": _direction(table),
        "full_heat": None if scale is None else f"{number(scale, table.metric.unit)}",
        "unit": table.metric.unit,
        "notes": [{"mark": letter(i), "text": text} for i, text in enumerate(table.notes)],
    }


def telling_axes(table: Table) -> list[int]:
    """Places of the row axes that tell rows apart, the first always among them."""
    axes = range(len(table.row_axes))
    return [i for i in axes if i == 0 or len({row[i] for row in table.rows}) > 1]


def _everywhere(table: Table, titles: Sequence[int]) -> str:
    """What holds of all rows alike and is no column for that reason."""
    first = table.rows[0]
    told = [
        f"{axis_title(axis).lower()} {axis_value(axis, first[i])}"
        for i, axis in enumerate(table.row_axes)
        if i not in titles and first[i] is not None
    ]
    return f"All rows: {', '.join(told)}." if told else ""


def _direction(table: Table) -> str | None:
    better = table.metric.better
    return None if better == "neither" else f"{sentence(better)} is better."


def _kinds(table: Table) -> tuple[str, ...]:
    return _KINDS if _is_compared(table) else _KINDS[:1]


def _is_compared(table: Table) -> bool:
    """Whether any cell has a number of the paper's; the legend tells where none has."""
    return table.compared and any(
        cell.source_of_published is not None for cell in table.cells.values()
    )


def _heads(table: Table) -> list[list[dict[str, Any]]]:
    """Header rows: one per column axis with merged neighbours, then ours, published, difference.

    Only the last row sorts; its heads have the whole name of their column for the export.
    """
    kinds = _kinds(table)
    rows = []
    for depth, axis in enumerate(table.column_axes):
        merged = itertools.groupby(table.columns, key=lambda column: column[: depth + 1])
        rows.append(
            [
                {
                    "text": heading_text(axis, prefix[-1]),
                    "span": sum(len(kinds) for _ in columns),
                    "name": "",
                }
                for prefix, columns in merged
            ]
        )
    last = [
        {"text": kind, "span": 1, "name": ".".join([*_name(table, column), kind])}
        for column in table.columns
        for kind in kinds
    ]
    return [*rows, last]


def _name(table: Table, column: Key) -> list[str]:
    return plain_key(table.column_axes, column)


def _row(
    table: Table, place: int, row: Key, titles: Sequence[int], scale: float | None
) -> dict[str, Any]:
    return {
        "titles": [
            {"text": axis_value(table.row_axes[i], row[i]), "order": _order(row[i])} for i in titles
        ],
        "cells": [
            _cell(table, table.cells[row, column], cell_anchor(table, place, position), scale)
            for position, column in enumerate(table.columns)
        ],
    }


def _order(value: Any) -> str | None:
    """What a row's title is sorted by where that is not its text."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return repr(value) if is_number else None


def _cell(table: Table, cell: Cell, anchor: str, scale: float | None) -> dict[str, Any]:
    unit = table.metric.unit
    one = cell.source_of_published
    heat = heat_of(cell, table, scale)
    return {
        "anchor": anchor if cell.sources else None,
        "evaluations": _evaluations(cell),
        "value": None if cell.ours is None else number(cell.ours, unit),
        "order": _exact(cell.ours),
        "spread": "" if cell.spread is None else number(cell.spread, unit),
        "interval": interval_text(cell.interval, unit) if cell.interval else "",
        "seeds": counted(cell.seeds, "seed"),
        "reason": cell.reason,
        "planned": any(not source.never for source in cell.sources),
        "best": cell.best,
        "marks": [letter(note) for note in cell.notes],
        "published": published_text(cell, unit),
        "published_order": _exact(cell.published),
        "printed": f"{one.place}, in {one.unit}" if one else "",
        "difference": difference_text(cell, unit),
        "difference_order": _exact(cell.difference),
        "heat": None if heat is None else f"{heat:.3f}",
        "told": "" if heat is None else _told(heat),
    }


def _told(heat: float) -> str:
    if heat == 0:
        return "as published"
    return "better than published" if heat > 0 else "worse than published"


def _exact(value: float | None) -> str:
    """A number to sort and to export by, in full precision; nothing where there is none."""
    return "" if value is None else repr(float(value))


def _evaluations(cell: Cell) -> Sequence[str]:
    """Every evaluation behind a cell, once."""
    return list(dict.fromkeys(source.evaluation.fingerprint for source in cell.sources))
