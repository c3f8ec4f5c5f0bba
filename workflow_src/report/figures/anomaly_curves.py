"""Inliers kept against anomalies rejected as a threshold on the score varies, layer by layer.

Figure 10 of Gepperth, "A new perspective on probabilistic image modeling". Every score is a
threshold; the area under the curve is the share of pairs of an inlier and an anomaly that the score
puts in order, ties counted half. The paper's own estimate, with few thresholds, is named apart.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from workflow_src.report.evidence import Group
from workflow_src.report.figures.style import (
    COMPONENT_COLOURS,
    MUTED,
    Figure,
    legend_columns,
    look,
    panel_grid,
    png,
    svg,
)
from workflow_src.report.figures.winners import (
    Pictured,
    cell_title,
    evaluations_of,
    pictured,
    title_of,
    told_seeds,
)
from workflow_src.report.wording import counted

_ACROSS = 3
_WIDE, _HIGH, _LINE = 3.4, 3.0, 0.17
_POINTS = 400
"""Points of a curve that are drawn, at the most."""

Array = NDArray[np.float64]


def draw_anomalies(prefix: str, groups: Sequence[Group]) -> list[Figure]:
    """One figure per data set and likelihood; groups without scores of anomalies are left out."""
    figures = []
    for cell, drawn in pictured(groups, "scores").items():
        with_anomalies = [one for one in drawn if one.arrays["anomalies"].size]
        if with_anomalies:
            figures.append(_figure(prefix, cell, with_anomalies))
    return figures


def kept_and_rejected(inliers: NDArray[Any], anomalies: NDArray[Any]) -> tuple[Array, Array]:
    """Shares of inliers kept and anomalies rejected, both ascending or not with the threshold.

    Scores of N inliers and M anomalies. An image is kept where its score is at least the threshold;
    thresholds are all scores, one below them and one above, so that the curve has both its ends.
    """
    scores = np.concatenate([inliers, anomalies])
    thresholds = np.concatenate([[-np.inf], np.unique(scores), [np.inf]])
    kept = 1 - np.searchsorted(np.sort(inliers), thresholds, side="left") / len(inliers)
    rejected = np.searchsorted(np.sort(anomalies), thresholds, side="left") / len(anomalies)
    return kept, rejected


def area(kept: Array, rejected: Array) -> float:
    """The area under the curve by the trapezium rule, in which ties count half."""
    return float(np.sum((kept[:-1] - kept[1:]) * (rejected[:-1] + rejected[1:]) / 2))


def _figure(prefix: str, cell: tuple[str, str], drawn: Sequence[Pictured]) -> Figure:
    layers = max(len(one.arrays["test"]) for one in drawn)
    titles = [f"layer {number}" for number in range(1, layers + 1)] if layers > 1 else ["score"]
    across = min(_ACROSS, len(drawn))
    above = [title_of(one, drawn) for one in drawn]
    high = _HIGH + _LINE * max(title.count("\n") for title in above)
    with look():
        figure, grid = panel_grid(len(drawn), across, high, _WIDE * across, 0.3, titles)
        for axes, one, title in zip(grid, drawn, above, strict=True):
            _draw_panel(axes, one)
            axes.set_title(title, loc="left")
        handles = [
            Line2D([], [], color=COMPONENT_COLOURS[place], label=title)
            for place, title in enumerate(titles)
        ]
        columns = legend_columns(titles, _WIDE * across)
        figure.legend(handles=handles, loc="outside upper left", ncols=columns)
        images = {".png": png(figure, palette=256), ".svg": svg(figure)}
    first = drawn[0].arrays
    return Figure(
        name=f"{prefix}_anomalies-{'-'.join(cell)}",
        title=f"Inliers kept against anomalies rejected, {cell_title(cell)}",
        caption=(
            "Images are kept whose score is above a threshold, of every mixture layer or, of other "
            f"models, their density, for {counted(first['test'].shape[-1], 'inlier')} and "
            f"{first['anomalies'].shape[-1]:,} anomalies. Numbers are the areas under the curves; "
            "in parentheses, of the highest layer, what the DCGMM paper's program makes of it with "
            "100 equally spaced thresholds and no end points. Dashed: chance "
            f"({told_seeds(drawn)})."
        ),
        images=images,
        evaluations=evaluations_of(drawn),
    )


def _draw_panel(axes: Axes, one: Pictured) -> None:
    test, anomalies = one.arrays["test"], one.arrays["anomalies"]
    published = one.group.evaluation.metric("published_anomaly_auc")
    axes.plot([0, 1], [1, 0], color=MUTED, linestyle="--", linewidth=0.8, zorder=0)
    for place, pair in enumerate(zip(test, anomalies, strict=True)):
        kept, rejected = kept_and_rejected(*pair)
        step = max(1, math.ceil(len(kept) / _POINTS))
        shown = np.unique(np.r_[np.arange(0, len(kept), step), len(kept) - 1])
        colour = COMPONENT_COLOURS[place]
        axes.plot(kept[shown], rejected[shown], color=colour, linewidth=1.2)
        text = f"{area(kept, rejected):.3f}"
        if place == len(test) - 1 and published is not None:
            text += f" ({published.value:.3f})"
        down = 0.08 * (len(test) - place)
        axes.text(0.04, down - 0.02, text, color=colour, fontsize=8, transform=axes.transAxes)
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="inliers kept", ylabel="anomalies rejected")
