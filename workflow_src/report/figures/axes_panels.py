"""Rows of panels with axes, a row or a panel per winner: what figures of points are drawn on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap
from numpy.typing import NDArray

from workflow_src.report.figures.style import canvas, look, png, svg
from workflow_src.report.figures.winners import Pictured, title_of
from workflow_src.report.wording import MINUS

Array = NDArray[Any]
Draw = Callable[[Axes, Pictured], None]
Parts = Sequence[tuple[str, Draw]]

NOISELESS, NOISY, MEAN = "#c92a2a", "#0b6e99", "#2f9e44"
"""As in Figure 3 of the EM-DGN paper: what the generator gives, with noise, and expectations."""
DENSITY = LinearSegmentedColormap.from_list("density", ["white", "#9cc5d8", "#0b6e99", "#12263a"])
_MOST_ROWS = 8
_TITLE, _LINE = 0.35, 0.17


def in_parts(drawn: Sequence[Pictured]) -> Iterator[tuple[str, Sequence[Pictured]]]:
    """The winners in parts that a figure has room for, each with the end of its name."""
    for start in range(0, len(drawn), _MOST_ROWS):
        number = start // _MOST_ROWS + 1
        yield "" if number == 1 else f"-{number}", drawn[start : start + _MOST_ROWS]


def panel_rows(
    rows: Sequence[Pictured],
    drawn: Sequence[Pictured],
    parts_of: Callable[[Pictured], Parts],
    width: float,
    height: float,
) -> tuple[dict[str, bytes], int]:
    """A row per winner of the panels that ``parts_of`` gives for it, and how many there are across.

    A panel takes ``width`` x ``height`` inches. The title of a row, at the left of its first
    panel, is what tells a winner from those of ``drawn``.
    """
    parts = [parts_of(one) for one in rows]
    across = max(map(len, parts))
    titles = [title_of(one, drawn, ", ") if len(drawn) > 1 else "" for one in rows]
    with look():
        figure = canvas(width * across, (height + _TITLE) * len(rows))
        figure.set_layout_engine("constrained", h_pad=0.05, w_pad=0.05)
        grid = figure.subplots(len(rows), across, squeeze=False)
        for line, one, its_parts, title in zip(grid, rows, parts, titles, strict=True):
            for place, axes in enumerate(line):
                if place >= len(its_parts):
                    axes.set_axis_off()
                    continue
                words, draw = its_parts[place]
                draw(axes, one)
                above = title if place == 0 else ""
                axes.set_title("\n".join(filter(None, (above, words))), loc="left")
        return {".png": png(figure, palette=256), ".svg": svg(figure)}, across


def panel_each(
    drawn: Sequence[Pictured], draw: Draw, size: float, most_across: int = 4
) -> dict[str, bytes]:
    """A square panel of ``size`` inches per winner."""
    across = min(most_across, len(drawn))
    down = -(-len(drawn) // across)
    titles = [title_of(one, drawn) for one in drawn]
    lines = max(title.count("\n") for title in titles)
    with look():
        figure = canvas(size * across, (size + _TITLE + _LINE * lines) * down)
        figure.set_layout_engine("constrained", h_pad=0.05, w_pad=0.05)
        grid = list(figure.subplots(down, across, squeeze=False).flat)
        for axes, one, title in zip(grid, drawn, titles, strict=False):
            draw(axes, one)
            axes.set_title(title, loc="left")
        for axes in grid[len(drawn) :]:
            axes.set_axis_off()
        return {".png": png(figure, palette=256), ".svg": svg(figure)}


def as_plane(axes: Axes, window: Array | None = None) -> None:
    """Make both axes of one unit; ``window`` [2, 2] are the limits of each."""
    axes.grid(False)
    axes.set_aspect("equal")
    if window is not None:
        axes.set(xlim=tuple(window[0]), ylim=tuple(window[1]))
    true_minus(axes)


def true_minus(axes: Axes) -> None:
    """Write numbers at the ticks short, and with a true minus sign."""
    for axis in (axes.xaxis, axes.yaxis):
        if axis.get_scale() == "linear":
            axis.set_major_formatter(lambda value, _: f"{value:.4g}".replace("-", MINUS))


def segments(axes: Axes, starts: Array, ends: Array, color: str) -> None:
    """Thin lines from each of ``starts`` [P, 2] to each of ``ends`` [P, 2]."""
    lines = np.stack([starts, ends], axis=1)
    axes.add_collection(LineCollection(list(lines), colors=color, linewidths=0.6))


def ellipse(mean: Array, covariance: Array, deviations: float = 2.0, corners: int = 73) -> Array:
    """Points [corners, 2] at so many standard deviations of a Gaussian [2], [2, 2]."""
    angles = np.linspace(0, 2 * np.pi, corners)
    values, vectors = np.linalg.eigh(covariance)
    axes = vectors * np.sqrt(np.clip(values, 0, None))
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    points: Array = mean + deviations * circle @ axes.T
    return points
