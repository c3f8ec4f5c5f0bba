"""Centroids of the lowest mixture layer, on the square grid by which they are annealed.

Figure 14 of Gepperth, "A new perspective on probabilistic image modeling".
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

_SIZE = 420


def draw_centroids(prefix: str, groups: Sequence[Group]) -> list[Figure]:
    """One figure per data set and likelihood and size of patches; others are left out."""
    figures = []
    for cell, drawn in pictured(groups, "centroids").items():
        shapes: dict[tuple[int, ...], list[Pictured]] = {}
        for one in drawn:
            shapes.setdefault(one.arrays["images"].shape, []).append(one)
        for place, alike in enumerate(shapes.values()):
            figures.append(_figure(prefix, cell, alike, f"-{place}" if place else ""))
    return figures


def _figure(prefix: str, cell: Cell, drawn: Sequence[Pictured], mark: str) -> Figure:
    height, width = drawn[0].arrays["images"].shape[1:3]
    row = [
        Panel(title_of(one, drawn), enlarged(square_tiling(one.arrays["images"]), _SIZE))
        for one in drawn
    ]
    return Figure(
        name=f"{prefix}_centroids-{'-'.join(cell)}{mark}",
        title=f"Centroids of patches of {height} x {width} pixels, {cell_title(cell)}",
        caption=(
            "Centroids of the lowest mixture layer, as patches from black (0) to white (1), on the "
            "grid by which they are annealed, whose opposite sides are neighbours "
            f"({told_seeds(drawn)})."
        ),
        images={".png": panels_png([row])},
        evaluations=evaluations_of(drawn),
    )
