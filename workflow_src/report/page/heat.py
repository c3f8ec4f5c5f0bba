"""How strongly a difference from the published number is tinted, and in which direction."""

from __future__ import annotations

from workflow_src.report.cells import Cell
from workflow_src.report.tables import Table

_SIGNS = {"higher": 1.0, "lower": -1.0}
_COUNTS = "parameters"


def heat_scale(table: Table) -> float | None:
    """The difference that has the full tint: the largest of the table without its sign.

    None where nothing is tinted: no cell has a published number beside ours, none differs from it,
    or neither direction is better. Nor are counts of parameters: with fewer than the paper has, a
    model is another one and no better.
    """
    if table.metric.better not in _SIGNS or table.metric.unit == _COUNTS:
        return None
    found = (cell.difference for cell in table.cells.values())
    largest = max((abs(one) for one in found if one is not None), default=0.0)
    return largest or None


def heat_of(cell: Cell, table: Table, scale: float | None) -> float | None:
    """From -1, the worst of the table, over 0 to 1, the best; None where nothing is tinted."""
    if scale is None or cell.difference is None:
        return None
    return _SIGNS[table.metric.better] * cell.difference / scale
