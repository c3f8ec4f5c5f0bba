"""Missing pixels filled in again, mask by mask, model beside model.

A circuit sums out what it does not see (Tan and Peharz 2019, section 3.1); other models are
measured by the same estimate, so that they compare.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.colors import to_rgb
from numpy.typing import NDArray

from workflow_src.report.evidence import Group
from workflow_src.report.figures.mosaics import Panel, coloured, enlarged, panels_png, tiled
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
_ACROSS = 4
_IMAGES = 4
_DRAWS = 3
_PALETTE = 96
_HIDDEN = "#9db8cc"


def draw_inpainting(prefix: str, groups: Sequence[Group]) -> list[Figure]:
    """One figure per data set and likelihood; groups without such pictures are left out."""
    return [
        _figure(f"{prefix}_inpainting-{'-'.join(cell)}{mark}", cell, part)
        for cell, drawn in pictured(groups, "inpainting").items()
        for mark, part in _parts(drawn)
    ]


def _parts(drawn: Sequence[Pictured]) -> list[tuple[str, Sequence[Pictured]]]:
    """As many models as fit beside each other; a mark for the file name of every part."""
    parts = [drawn[start : start + _ACROSS] for start in range(0, len(drawn), _ACROSS)]
    return [(f"-{place}" if place else "", part) for place, part in enumerate(parts)]


def block(arrays: dict[str, NDArray[Any]], mask: int) -> NDArray[Any]:
    """One mask's rows: original, what is seen of it, what is expected, and draws, [h, w, 3]."""
    images = _rgb(arrays["images"][:_IMAGES])
    observed = arrays["observed"][mask][..., None]
    seen = np.where(observed, images, to_rgb(_HIDDEN))
    draws = arrays["completions"][mask, : len(images), :_DRAWS]
    columns = [
        images,
        seen,
        _rgb(arrays["expected"][mask, : len(images)]),
        *(_rgb(draws[:, place]) for place in range(draws.shape[1])),
    ]
    every = np.stack(columns, axis=1).reshape(-1, *seen.shape[1:])
    return tiled(every, len(images), len(columns), gap=1)


def _rgb(images: NDArray[Any]) -> NDArray[Any]:
    """Images [n, h, w] or [n, h, w, 3] in colour."""
    return images if images.ndim == 4 else coloured(images)


def _figure(name: str, cell: Cell, drawn: Sequence[Pictured]) -> Figure:
    masks = [str(one) for one in drawn[0].arrays["masks"]]
    rows = [
        [
            Panel(
                title_of(one, drawn) if place == 0 else "",
                enlarged(block(one.arrays, place), _SIZE),
            )
            for one in drawn
        ]
        for place in range(len(masks))
    ]
    labels = [mask.replace("_", " ") for mask in masks]
    return Figure(
        name=name,
        title=f"Missing pixels filled in, {cell_title(cell)}",
        caption=(
            "From left to right for every model: the test image, what is observed of it, the "
            "missing pixels' expectation given the others, and draws of them. "
            f"{_told(masks, drawn)} ({told_seeds(drawn)})."
        ),
        images={".png": panels_png(rows, labels, palette=_PALETTE)},
        evaluations=evaluations_of(drawn),
    )


def _told(masks: Sequence[str], drawn: Sequence[Pictured]) -> str:
    """What was measured per mask, in words."""
    parts = []
    for place, mask in enumerate(masks):
        each = [
            f"{title_of(one, drawn, ', ')} {_mean(one, 'error', place):.3f} and "
            + (f"{_mean(one, 'log_density', place):.3f}" if "log_density" in one.arrays else "none")
            for one in drawn
        ]
        parts.append(f"{mask.replace('_', ' ')}: {', '.join(each)}")
    return (
        "Root mean squared error of the expectation (share of full range), and log density in nats "
        f"per missing pixel, of models that have one: {'; '.join(parts)}"
    )


def _mean(one: Pictured, name: str, mask: int) -> float:
    return float(np.mean(one.arrays[name][mask]))
