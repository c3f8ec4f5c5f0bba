"""Test images with what a model draws after carrying them up to its highest layer.

Section IV-E of Gepperth, "A new perspective on probabilistic image modeling".
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from workflow_src.report.evidence import Group
from workflow_src.report.figures.mosaics import Panel, enlarged, panels_png, tiled
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

_SIZE = 520
_ACROSS = 3


def draw_variants(prefix: str, groups: Sequence[Group]) -> list[Figure]:
    """One figure per data set and likelihood; groups without variants are left out."""
    return [_figure(prefix, cell, drawn) for cell, drawn in pictured(groups, "variants").items()]


def _figure(prefix: str, cell: Cell, drawn: Sequence[Pictured]) -> Figure:
    panels = [Panel(title_of(one, drawn), enlarged(_rows(one), _SIZE)) for one in drawn]
    rows = [panels[start : start + _ACROSS] for start in range(0, len(panels), _ACROSS)]
    return Figure(
        name=f"{prefix}_variants-{'-'.join(cell)}",
        title=f"Variants of test images, {cell_title(cell)}",
        caption=(
            "A row for each test image: the image itself, and after it what the winner draws from "
            f"its activities in the highest layer ({told_seeds(drawn)})."
        ),
        images={".png": panels_png(rows)},
        evaluations=evaluations_of(drawn),
    )


def _rows(one: Pictured) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Originals and their variants, a row each."""
    variants = one.arrays["variants"]
    every = np.concatenate([one.arrays["originals"][:, None], variants], axis=1)
    images = every.reshape(-1, *every.shape[2:])
    return np.asarray(tiled(images, every.shape[0], every.shape[1], gap=1), dtype=np.float64)
