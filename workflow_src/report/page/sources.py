"""Where each number of a table comes from, line by line: which evaluation, which run, chosen how.

It is for readers without scripts: the same numbers lead others to all that records say of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from workflow_src.report.cells import Source, title
from workflow_src.report.evaluations import Run
from workflow_src.report.page.addresses import cell_anchor
from workflow_src.report.page.comparison import telling_axes
from workflow_src.report.tables import Table
from workflow_src.report.wording import NOTHING, axis_title, axis_value, described, number


def sources_values(table: Table) -> dict[str, Any]:
    """What the template of sources shows: one line per seed of every cell.

    Axes that all rows of the table share are told once below it, and are no column here either.
    """
    telling = telling_axes(table)
    names = [*(table.row_axes[i] for i in telling), *table.column_axes]
    return {
        "titles": [axis_title(axis) for axis in names],
        "unit": table.metric.unit,
        "lines": list(_lines(table, telling)),
    }


def _lines(table: Table, telling: Sequence[int]) -> Iterator[dict[str, Any]]:
    """The first line of each cell has the anchor that its number leads to."""
    for place, row in enumerate(table.rows):
        for position, column in enumerate(table.columns):
            axes = [(table.row_axes[i], row[i]) for i in telling]
            axes += zip(table.column_axes, column, strict=True)
            anchor = cell_anchor(table, place, position)
            for source in table.cells[row, column].sources:
                yield {
                    "id": anchor,
                    "titles": [_title(source, axis, value) for axis, value in axes],
                    "seed": source.seed,
                    "member": source.member,
                    "told": source.told,
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
        "chosen": _chosen(winner, evaluation.runs) if winner else NOTHING,
        "candidates": len(evaluation.runs),
        "run": winner.fingerprint if winner else "",
        "evaluation": evaluation.fingerprint,
    }


def _chosen(winner: Run, candidates: Sequence[Run]) -> str:
    """The hyperparameters of the winner in which its candidates differ."""
    own = winner.hyperparameters or {}
    others = [one.hyperparameters or {} for one in candidates]
    return described(
        {
            name: value
            for name, value in own.items()
            if any(one.get(name) != value for one in others)
        }
    )
