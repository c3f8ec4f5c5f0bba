"""The same test images, half hidden and filled in again by every model, with the models' errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
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

_SIZE = 620
_PALETTE = 96
_HIDDEN = "#9db8cc"
_WAYS = {
    "filled": "drawn",
    "expected": "expected",
    "zeroed_filled": "drawn, hidden pixels as black",
}
_ERRORS = {
    "inpainting_error": "error",
    "zeroed_inpainting_error": "as black",
    "mean_image_inpainting_error": "mean image",
}


def draw_side_by_side(prefix: str, groups: Sequence[Group]) -> list[Figure]:
    """One figure per data set and likelihood; groups without such pictures are left out."""
    cells = pictured(groups, "side_by_side")
    return [_figure(prefix, cell, drawn) for cell, drawn in cells.items()]


def same_images(drawn: Sequence[Pictured]) -> bool:
    """Whether all show the same test images."""
    first = drawn[0].arrays["originals"]
    return all(np.array_equal(one.arrays["originals"], first) for one in drawn)


def numbers(one: Pictured) -> str:
    """The model's errors, as shares of the full range, in words."""
    found = []
    for name, words in _ERRORS.items():
        metric = one.group.evaluation.metric(name)
        if metric is not None:
            found.append(f"{words} {metric.value:.3f}")
    density = one.group.evaluation.metric("inpainting_log_density")
    if density is not None:
        found.append(f"log density {density.value:.3f}")
    return ", ".join(found)


def _figure(prefix: str, cell: Cell, drawn: Sequence[Pictured]) -> Figure:
    ways = [way for way in _WAYS if any(way in one.arrays for one in drawn)]
    first = drawn[0].arrays
    seen = np.where(first["observed"][..., None], _rgb(first["originals"]), to_rgb(_HIDDEN))
    rows = [[_panel("Test images", first["originals"]), _panel("What is seen of them", seen)]]
    for one in drawn:
        row = [
            _panel(f"{title_of(one, drawn, ', ')}, {_WAYS[way]}", one.arrays[way])
            for way in ways
            if way in one.arrays
        ]
        # What is drawn has the numbers, all of them under the model's name.
        rows.append([replace(row[0], title=f"{row[0].title}\n{numbers(one)}"), *row[1:]])
    told = "; ".join(f"{title_of(one, drawn, ', ')}: {numbers(one)}" for one in drawn)
    same = "" if same_images(drawn) else " Models were shown other images than the first one was."
    return Figure(
        name=f"{prefix}_side_by_side-{'-'.join(cell)}",
        title=f"The same images filled in, {cell_title(cell)}",
        caption=(
            "Test images, what is seen of them, and what every model draws and expects in the "
            "hidden half; of convolutional mixtures also as the DCGMM paper fills in, with hidden "
            "pixels as evidence of black. Root mean squared errors of the expectation over the "
            "first 64 test images, as a share of the full range, also with hidden pixels as black "
            "and of the mean training image, and where there is a density its logarithm in nats "
            f"per hidden pixel: {told} ({told_seeds(drawn)}).{same}"
        ),
        images={".png": panels_png(rows, palette=_PALETTE)},
        evaluations=evaluations_of(drawn),
    )


def _panel(title: str, images: NDArray[Any]) -> Panel:
    return Panel(title, enlarged(tiled(_rgb(images), 1, len(images), gap=1), _SIZE))


def _rgb(images: NDArray[Any]) -> NDArray[Any]:
    """Images [n, h, w] or [n, h, w, 3] in colour."""
    return images if images.ndim == 4 else coloured(images)
