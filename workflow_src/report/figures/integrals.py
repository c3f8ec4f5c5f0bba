"""Fast exact integrals against the paper's route over simplices: agreement and cost.

The reference is Delaunay triangulation with inclusion and exclusion of simplices' faces (Lemma 4
and Theorem 2 of the EM-DGN paper, with their slips mended).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from workflow_src.report.evidence import Group
from workflow_src.report.figures.axes_panels import Array, true_minus
from workflow_src.report.figures.style import COMPONENT_COLOURS, Figure, canvas, look, png, svg
from workflow_src.report.figures.winners import (
    Cell,
    Pictured,
    cell_title,
    evaluations_of,
    pictured,
    title_of,
    told_seeds,
)

_SMALLEST = 1e-17
"""What a difference of nothing is drawn as."""
_HIGH, _PER_WINNER, _LEAST = 3.0, 1.3, 4.0
_COMPARED = (
    ("log_likelihood", "log likelihood, nats"),
    ("mean", "posterior mean"),
    ("second", "posterior second moment"),
)
_OURS, _REFERENCE = "expectation_seconds", "reference_seconds"


def draw_integrals(prefix: str, groups: Sequence[Group]) -> list[Figure]:
    """One figure per data set and likelihood."""
    return [_figure(prefix, cell, drawn) for cell, drawn in pictured(groups, "integrals").items()]


def differences(arrays: dict[str, Array], name: str) -> Array:
    """The largest absolute difference of each point from the reference, [P]."""
    found = np.abs(arrays[name] - arrays[f"reference_{name}"])
    largest: Array = found.reshape(len(found), -1).max(axis=1)
    return largest


def costs_of(one: Pictured) -> tuple[float, float] | None:
    """Seconds of an expectation step, ours and the reference's; None where one was not timed."""
    found = [one.group.evaluation.metric(name) for name in (_OURS, _REFERENCE)]
    ours, reference = (None if metric is None else metric.value for metric in found)
    return None if ours is None or reference is None else (ours, reference)


def _figure(prefix: str, cell: Cell, drawn: Sequence[Pictured]) -> Figure:
    timed = [(one, costs) for one in drawn if (costs := costs_of(one)) is not None]
    with look():
        figure = _drawn(drawn, timed)
        images = {".png": png(figure, palette=256), ".svg": svg(figure)}
    ratios = ", ".join(f"{reference / ours:,.0f}" for _, (ours, reference) in timed if ours > 0)
    cost = (
        " Right: seconds of one expectation step on the same points, the reference's above; "
        f"ratios {ratios}."
        if timed
        else ""
    )
    return Figure(
        name=f"{prefix}_integrals-{'-'.join(cell)}",
        title=f"Integrals against the paper's simplices, {cell_title(cell)}",
        caption=(
            "Left: absolute differences from Delaunay triangulation with inclusion and exclusion, "
            "a mark per point and kind; differences of nothing stand at the bottom."
            f"{cost} ({told_seeds(drawn)})."
        ).replace(". (", " ("),
        images=images,
        evaluations=evaluations_of(drawn),
    )


def _drawn(
    drawn: Sequence[Pictured], timed: Sequence[tuple[Pictured, tuple[float, float]]]
) -> Canvas:
    width = max(_LEAST, 1.2 + _PER_WINNER * len(drawn))
    figure = canvas(width * (2 if timed else 1), _HIGH + 0.6)
    figure.set_layout_engine("constrained", h_pad=0.06, w_pad=0.06)
    grid = figure.subplots(1, 2 if timed else 1, squeeze=False)[0]
    _draw_agreement(grid[0], drawn)
    if timed:
        _draw_costs(grid[1], timed, drawn)
    return figure


def _draw_agreement(axes: Axes, drawn: Sequence[Pictured]) -> None:
    for kind, (name, words) in enumerate(_COMPARED):
        style: dict[str, Any] = {"color": COMPONENT_COLOURS[kind], "markersize": 3.5, "alpha": 0.6}
        for place, one in enumerate(drawn):
            values = np.maximum(differences(one.arrays, name), _SMALLEST)
            across = np.full(len(values), place + 0.22 * (kind - 1))
            label = words if place == 0 else None
            axes.plot(across, values, ".", label=label, **style)
    axes.set(yscale="log", ylabel="absolute difference")
    _name_winners(axes, drawn, drawn)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), fontsize=7, ncols=3, borderaxespad=0.2)


def _draw_costs(
    axes: Axes,
    timed: Sequence[tuple[Pictured, tuple[float, float]]],
    drawn: Sequence[Pictured],
) -> None:
    for place, (_, (ours, reference)) in enumerate(timed):
        axes.plot([place, place], [ours, reference], color=COMPONENT_COLOURS[1], linewidth=1)
        axes.plot(place, ours, "o", color=COMPONENT_COLOURS[1], markersize=5)
        axes.plot(place, reference, "s", color=COMPONENT_COLOURS[0], markersize=5)
        if ours > 0:
            middle = float(np.sqrt(ours * reference))
            axes.text(
                place + 0.06, middle, f"{reference / ours:,.0f}\N{MULTIPLICATION SIGN}", size=7
            )
    axes.set(yscale="log", ylabel="s")
    _name_winners(axes, [one for one, _ in timed], drawn)


def _name_winners(axes: Axes, shown: Sequence[Pictured], drawn: Sequence[Pictured]) -> None:
    true_minus(axes)
    axes.set_xticks(range(len(shown)), [title_of(one, drawn) for one in shown], fontsize=7)
    axes.set_xlim(-0.6, len(shown) - 0.4)
