"""What trained models draw: points, a column per run, or images; Figures 7, 9 and 11 of the EM-DGN
paper.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from workflow_src.report.evidence import Group
from workflow_src.report.figures.axes_panels import NOISY, Array, as_plane, true_minus
from workflow_src.report.figures.mosaics import Panel, enlarged, panels_png, square_tiling
from workflow_src.report.figures.style import MUTED, RULE, Figure, canvas, look, png, svg
from workflow_src.report.figures.winners import (
    Cell,
    Pictured,
    cell_title,
    evaluations_of,
    pictured,
    title_of,
    told_seeds,
)
from workflow_src.report.wording import counted

_SIZE = 1.25
_SIDE = 1.5
_IMAGES = 25
_PIXELS = 300
_ACROSS = 4
_SHARE = 0.005
"""Share of the pixels of test images that are darker than black or lighter than white."""


def draw_point_samples(prefix: str, groups: Sequence[Group]) -> list[Figure]:
    """One figure per data set and likelihood."""
    figures = []
    for cell, drawn in pictured(groups, "point_samples", every_seed=True).items():
        height, _ = drawn[0].arrays["shape"]
        dimensions = drawn[0].arrays["noisy"].shape[1]
        if height > 1:
            figures.append(_image_figure(prefix, cell, _first_seeds(drawn)))
        elif dimensions <= 2:
            figures.append(_point_figure(prefix, cell, drawn))
    return figures


def by_variant(drawn: Sequence[Pictured]) -> dict[tuple[Any, ...], dict[int, Pictured]]:
    """The winners by all that tells them apart but the seed, then by seed."""
    found: dict[tuple[Any, ...], dict[int, Pictured]] = {}
    for one in drawn:
        fixed = [item for item in one.group.axes.items() if item[0] != "seed"]
        key = (*fixed, *one.group.variant.items())
        found.setdefault(key, {})[one.group.axes["seed"]] = one
    return found


def gray(values: Array, black: float, white: float, shape: Array) -> Array:
    """Points [n, D] as images [n, height, width] within [0, 1]."""
    height, width = shape
    scaled = (values - black) / max(white - black, 1e-12)
    images: Array = np.clip(scaled, 0, 1).reshape(len(values), int(height), int(width))
    return images


def _first_seeds(drawn: Sequence[Pictured]) -> list[Pictured]:
    return [next(iter(seeds.values())) for seeds in by_variant(drawn).values()]


def _point_figure(prefix: str, cell: Cell, drawn: Sequence[Pictured]) -> Figure:
    rows = by_variant(drawn)
    seeds = sorted({one.group.axes["seed"] for one in drawn})
    with look():
        figure = canvas(_SIZE * len(seeds) + _SIDE, (_SIZE + 0.1) * len(rows) + 0.4)
        figure.set_layout_engine("constrained", h_pad=0.02, w_pad=0.02)
        grid = figure.subplots(len(rows), len(seeds), squeeze=False)
        window = _window(drawn)
        for line, winners in zip(grid, rows.values(), strict=True):
            for axes, seed in zip(line, seeds, strict=True):
                _draw_points(axes, winners.get(seed), window)
            title = title_of(next(iter(winners.values())), drawn)
            words = {"rotation": 0, "ha": "right", "va": "center", "fontsize": 7}
            line[0].set_ylabel(title, **words)
        for axes, seed in zip(grid[0], seeds, strict=True):
            axes.set_title(f"seed {seed}", fontsize=7)
        images = {".png": png(figure, palette=256), ".svg": svg(figure)}
    return Figure(
        name=f"{prefix}_point_samples-{'-'.join(cell)}",
        title=f"Points drawn from the models, {cell_title(cell)}",
        caption=(
            f"Points drawn with noise (blue) over test points (gray), of "
            f"{counted(len(drawn), 'winner')}: a row per way of training, a column per seed; "
            "empty where a seed has no winner. Points beyond the panels are not shown."
        ),
        images=images,
        evaluations=evaluations_of(drawn),
    )


def _window(drawn: Sequence[Pictured]) -> Array:
    """Around the test points, with half as much room again as they take."""
    test = np.concatenate([one.arrays["test"] for one in drawn])
    low, high = test.min(axis=0), test.max(axis=0)
    room = 0.25 * (high - low) + 1e-6
    return np.stack([low - room, high + room], axis=1)


def _draw_points(axes: Axes, one: Pictured | None, window: Array) -> None:
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set(visible=True, color=RULE)
    if one is not None and window.shape[0] == 1:
        bins = list(np.linspace(window[0, 0], window[0, 1], 41))
        axes.hist(one.arrays["test"][:, 0], bins, color=MUTED, alpha=0.5, density=True)
        axes.hist(one.arrays["noisy"][:, 0], bins, color=NOISY, histtype="step", density=True)
        true_minus(axes)
        return
    if one is not None:
        axes.plot(*one.arrays["test"].T, ".", color=MUTED, markersize=1.0, alpha=0.5)
        axes.plot(*one.arrays["noisy"].T, ".", color=NOISY, markersize=1.0, alpha=0.7)
    as_plane(axes, window)


def _image_figure(prefix: str, cell: Cell, drawn: Sequence[Pictured]) -> Figure:
    test = np.concatenate([one.arrays["test"] for one in drawn])
    black, white = (float(np.quantile(test, share)) for share in (_SHARE, 1 - _SHARE))
    rows: list[list[Panel]] = []
    labels: list[str] = []
    for start in range(0, len(drawn), _ACROSS):
        part = drawn[start : start + _ACROSS]
        for name, label in (("noiseless", "expected"), ("noisy", "drawn")):
            rows.append(
                [
                    Panel(
                        title_of(one, drawn) if name == "noiseless" else "",
                        _mosaic(one.arrays, name, black, white),
                    )
                    for one in part
                ]
            )
            labels.append(label)
    return Figure(
        name=f"{prefix}_point_samples-{'-'.join(cell)}",
        title=f"Images drawn from the models, {cell_title(cell)}",
        caption=(
            "The generator's outputs at random latent points, and below them the same with "
            "noise. All panels have one scale of grays, from the darkest to the lightest half "
            f"per cent of the pixels of test images ({told_seeds(drawn)})."
        ),
        images={".png": panels_png(rows, labels)},
        evaluations=evaluations_of(drawn),
    )


def _mosaic(arrays: Mapping[str, Array], name: str, black: float, white: float) -> Array:
    images = gray(arrays[name][:_IMAGES], black, white, arrays["shape"])
    return enlarged(square_tiling(images), _PIXELS)
