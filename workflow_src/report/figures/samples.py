"""Images drawn from the winners, model beside model, with the expected pixels below."""

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
    models_of,
    pictured,
    title_of,
    told_seeds,
)
from workflow_src.report.wording import listed

_SIZE = 420
_ACROSS = 4
_IMAGES = 64


def draw_samples(prefix: str, groups: Sequence[Group]) -> list[Figure]:
    """One figure per data set and likelihood; groups without samples are left out."""
    return [_figure(prefix, cell, drawn) for cell, drawn in pictured(groups, "samples").items()]


def _figure(prefix: str, cell: Cell, drawn: Sequence[Pictured]) -> Figure:
    rows: list[list[Panel]] = []
    labels: list[str] = []
    for start in range(0, len(drawn), _ACROSS):
        part = drawn[start : start + _ACROSS]
        titles = [title_of(one, drawn) for one in part]
        for name, label in (("samples", "drawn"), ("means", "expected")):
            rows.append(
                [
                    Panel(
                        title if name == "samples" else "",
                        enlarged(square_tiling(one.arrays[name][:_IMAGES]), _SIZE),
                    )
                    for one, title in zip(part, titles, strict=True)
                ]
            )
            labels.append(label)
    return Figure(
        name=f"{prefix}_samples-{'-'.join(cell)}",
        title=f"Samples, {cell_title(cell)}",
        caption=(
            f"Images drawn from the winners ({listed(models_of(drawn))}), and below them the "
            f"pixels expected given the same latent codes and components ({told_seeds(drawn)})."
        ),
        images={".png": panels_png(rows, labels)},
        evaluations=evaluations_of(drawn),
    )
