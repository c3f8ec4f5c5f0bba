"""What a Gaussian posterior cannot tell, point by point: gaps of approximation and amortisation.

The first is the divergence of the best Gaussian of a point from its exact posterior, the second
what an encoder loses against that Gaussian; their sum is the encoder's divergence.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm

from workflow_src.report.evidence import Group
from workflow_src.report.figures.axes_panels import (
    DENSITY,
    Array,
    Parts,
    as_plane,
    in_parts,
    panel_rows,
)
from workflow_src.report.figures.style import MODEL_COLOURS, Figure
from workflow_src.report.figures.winners import (
    Cell,
    Pictured,
    cell_title,
    evaluations_of,
    pictured,
    told_seeds,
)

_SIZE = 2.8
_SMALLEST = 1e-6
"""Nats below which gaps are drawn as this; what a search for the best Gaussian cannot tell."""
_PALEST = 1e-3
"""Nats from which on a point has a colour."""
_LINES = (
    ("approximation", "best Gaussian", MODEL_COLOURS[0], "-"),
    ("amortisation", "encoder against it", MODEL_COLOURS[1], "-"),
)


def draw_gaps(prefix: str, groups: Sequence[Group]) -> list[Figure]:
    """A row per winner, by data set and likelihood."""
    figures: list[Figure] = []
    for cell, drawn in pictured(groups, "gaps").items():
        figures += _figures(prefix, cell, drawn)
    return figures


def shares(values: Array) -> tuple[Array, Array]:
    """The values in ascending order and the share of all that is no greater, both [P]."""
    ordered = np.sort(values)
    return ordered, np.arange(1, len(ordered) + 1) / len(ordered)


def _figures(prefix: str, cell: Cell, drawn: Sequence[Pictured]) -> list[Figure]:
    figures = []
    for end, part in in_parts(drawn):
        images, across = panel_rows(part, drawn, _panels, _SIZE, _SIZE)
        where = (
            "Left: points, the darker the wider the gap of the best Gaussian; circles have "
            "posteriors of several modes. "
            if across > 1
            else ""
        )
        figures.append(
            Figure(
                name=f"{prefix}_gaps-{'-'.join(cell)}{end}",
                title=f"What a Gaussian posterior misses, {cell_title(cell)}",
                caption=(
                    f"{where}Share of test points whose gap is no wider: the divergence of the "
                    "best Gaussian from the exact posterior, and what the encoder loses against "
                    "that Gaussian, where there is one. Gaps below "
                    f"{_SMALLEST:g} nats stand at the left edge ({told_seeds(part)})."
                ),
                images=images,
                evaluations=evaluations_of(part),
            )
        )
    return figures


def _panels(one: Pictured) -> Parts:
    lines: Parts = [("share of points", _draw_shares)]
    plane = one.arrays["points"].shape[1] == 2
    return [("approximation gap", _draw_points), *lines] if plane else lines


def _draw_points(axes: Axes, one: Pictured) -> None:
    arrays = one.arrays
    gaps = np.maximum(arrays["approximation"], _PALEST)
    order = np.argsort(gaps)
    scale = LogNorm(0.5 * _PALEST, max(1.0, float(gaps.max())))
    points = arrays["points"][order]
    axes.scatter(
        points[:, 0], points[:, 1], c=gaps[order], cmap=DENSITY, norm=scale, s=9, linewidths=0
    )
    if "modes" in arrays:
        several = arrays["points"][arrays["modes"] > 1]
        axes.scatter(
            several[:, 0],
            several[:, 1],
            s=22,
            facecolors="none",
            edgecolors=MODEL_COLOURS[1],
            linewidths=0.5,
        )
    as_plane(axes)


def _draw_shares(axes: Axes, one: Pictured) -> None:
    for name, label, colour, dash in _LINES:
        if name in one.arrays:
            gaps, share = shares(np.maximum(one.arrays[name], _SMALLEST))
            axes.step(gaps, share, where="post", color=colour, linestyle=dash, label=label)
    axes.set(xscale="log", xlabel="nats", ylabel="share of points", ylim=(0, 1))
    axes.legend(loc="best", fontsize=7)
