"""Images that share a state of the global latent variables, side by side (Figure 4 of DVAE++)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

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

_FILE = "global_samples"
_STATES_ACROSS = 2
_SIZE = 520
_BETWEEN_STATES = 3
_PALETTE = 128


def draw_global_samples(prefix: str, groups: Sequence[Group]) -> list[Figure]:
    """One figure per data set and likelihood; groups without global samples are left out."""
    return [_figure(prefix, cell, drawn) for cell, drawn in pictured(groups, _FILE).items()]


def strips(images: NDArray[Any], across: int = _STATES_ACROSS) -> NDArray[Any]:
    """Images [states, draws, h, w] or [..., 3], the draws of a state in a row, as one picture.

    ``across`` states stand side by side, further apart than their draws.
    """
    rows = np.stack([tiled(one, 1, len(one), gap=1) for one in images])
    return tiled(rows, -(-len(rows) // across), across, gap=_BETWEEN_STATES)


def _figure(prefix: str, cell: Cell, drawn: Sequence[Pictured]) -> Figure:
    panels = [
        [
            Panel(title_of(one, drawn), _picture(one.arrays["samples"])),
            Panel("Expected pixels", _picture(one.arrays["means"])),
        ]
        for one in drawn
    ]
    draws = drawn[0].arrays["samples"].shape[1]
    return Figure(
        name=f"{prefix}_global_samples-{'-'.join(cell)}",
        title=f"Samples per global state, {cell_title(cell)}",
        caption=(
            f"Every {draws} images in a row share one state of the global latent variables, drawn "
            "from their prior, and differ in everything else; on the right the pixels expected "
            f"given the same latent variables ({told_seeds(drawn)})."
        ),
        images={".png": panels_png(panels, palette=_PALETTE)},
        evaluations=evaluations_of(drawn),
    )


def _picture(images: NDArray[Any]) -> NDArray[Any]:
    return enlarged(strips(images), _SIZE)
