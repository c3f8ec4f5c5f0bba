"""Images drawn as they are, and sharpened from the same choices of the highest layer.

Figures 5 and 9 of Gepperth, "A new perspective on probabilistic image modeling".
"""

from __future__ import annotations

from collections.abc import Sequence

from workflow_src.report.evidence import Group
from workflow_src.report.figures.mosaics import Panel, enlarged, panels_png, square_tiling
from workflow_src.report.figures.style import Figure
from workflow_src.report.figures.winners import (
    Cell,
    Pictured,
    cell_title,
    evaluations_of,
    pictured,
    title_of,
    told_seeds,
)

_SIZE = 460
_WINNERS = 2
"""Winners in a row, each with two panels."""
_WAYS = {"plain": "as drawn", "sharpened": "sharpened"}


def draw_sharpened_samples(prefix: str, groups: Sequence[Group]) -> list[Figure]:
    """One figure per data set and likelihood; groups with nothing to sharpen are left out."""
    cells = pictured(groups, "sharpened_samples")
    return [_figure(prefix, cell, drawn) for cell, drawn in cells.items()]


def _figure(prefix: str, cell: Cell, drawn: Sequence[Pictured]) -> Figure:
    panels = [
        Panel(
            f"{title_of(one, drawn, ', ')}\n{words}",
            enlarged(square_tiling(one.arrays[way]), _SIZE),
        )
        for one in drawn
        for way, words in _WAYS.items()
    ]
    across = _WINNERS * len(_WAYS)
    rows = [panels[start : start + across] for start in range(0, len(panels), across)]
    return Figure(
        name=f"{prefix}_sharpened_samples-{'-'.join(cell)}",
        title=f"Sharpening, {cell_title(cell)}",
        caption=(
            "Images drawn from the winners, and the same choices at the highest layer with "
            "sharpening, image for image in the same place of the two panels "
            f"({told_seeds(drawn)})."
        ),
        images={".png": panels_png(rows)},
        evaluations=evaluations_of(drawn),
    )
