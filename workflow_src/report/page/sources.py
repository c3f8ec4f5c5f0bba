"""Where each number of a table comes from, line by line: which run, chosen how, recorded where."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from workflow_src.report.cells import Source, title
from workflow_src.report.page.addresses import cell_anchor
from workflow_src.report.tables import Table
from workflow_src.report.wording import axis_title, axis_value, described, number


def sources_values(table: Table) -> dict[str, Any]:
    """What the template of sources shows: one line per seed of every cell."""
    return {
        "titles": [axis_title(axis) for axis in (*table.row_axes, *table.column_axes)],
        "unit": table.metric.unit,
        "lines": list(_lines(table)),
    }


def _lines(table: Table) -> Iterator[dict[str, Any]]:
    """The first line of each cell has the anchor that its number leads to."""
    for place, row in enumerate(table.rows):
        for position, column in enumerate(table.columns):
            axes = [*zip(table.row_axes, row, strict=True)]
            axes += zip(table.column_axes, column, strict=True)
            anchor = cell_anchor(table, place, position)
            for source in table.cells[row, column].sources:
                yield {
                    "id": anchor,
                    "titles": [_title(source, axis, value) for axis, value in axes],
                    "seed": source.seed,
                    "value": _measured(source, table.metric.unit),
                    "reason": source.reason,
                    **_origin(source),
                }
                anchor = ""


def _title(source: Source, axis: str, value: Any) -> str:
    """A collection is told by the data set that a number is of."""
    is_member = axis == "data_set" and source.member is not None
    return title(str(source.member)) if is_member else axis_value(axis, value)


def _measured(source: Source, unit: str) -> str | None:
    if source.value is None:
        return None
    error = source.standard_error
    return number(source.value, unit) + ("" if error is None else f" ± {number(error, unit)}")


def _origin(source: Source) -> dict[str, Any]:
    evaluation, winner = source.evaluation, source.evaluation.winner
    return {
        "chosen": described(winner.hyperparameters or {}) if winner else "",
        "candidates": len(evaluation.runs),
        "run": winner.fingerprint if winner else "",
        "record": evaluation.path.as_posix(),
    }
