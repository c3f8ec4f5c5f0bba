"""Bounds against training steps: one panel per table row, one colour per winner, all seeds.

Solid lines are on the validation set, by which the best point is kept, dashed ones on the training
batches. The two are other estimates of the same likelihood, so that they need not meet.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from workflow_src.report.evidence import Group, read_history
from workflow_src.report.figures.style import COMPONENT_COLOURS, Figure, canvas, look, png, svg
from workflow_src.report.wording import MINUS, axis_value, hyperparameter_text

_ACROSS = 2
_WIDE, _HIGH = 4.6, 3.1
_CHARACTER, _HANDLE = 0.075, 0.65
"""Inches that a legend needs per character, and per line's sign with the space around it."""
_SETTLED = 0.1
"""Share of the steps after which bounds are within the panel; the first ones fall far below it."""
_BOUNDS = (("validation_bound", "-"), ("training_bound", "--"))

Variant = tuple[tuple[str, Any], ...]
Place = tuple[Any, ...]


@dataclass(frozen=True)
class Curve:
    """One winner's history: steps and bounds in nats, [validations]."""

    variant: Variant
    steps: NDArray[Any]
    bounds: dict[str, NDArray[Any]]
    evaluation: str


def draw_learning_curves(prefix: str, groups: Sequence[Group], rows: str) -> list[Figure]:
    """One figure of all winners whose histories are there; ``rows`` is the axis of the panels."""
    panels = curves_of(groups, rows)
    if not panels:
        return []
    variants = list(dict.fromkeys(curve.variant for here in panels.values() for curve in here))
    titles = _titles(variants)
    longest = _CHARACTER * max(map(len, titles)) + _HANDLE
    across = min(_ACROSS, len(panels))
    down = math.ceil(len(panels) / across)
    width = max(_WIDE * across, longest)
    columns = max(1, min(len(titles), int(width / longest)))
    with look():
        figure = canvas(width, _HIGH * down + 0.2 + 0.2 * math.ceil(len(titles) / columns))
        figure.set_layout_engine("constrained", h_pad=0.06, w_pad=0.06)
        grid = list(figure.subplots(down, across, squeeze=False).flat)
        for axes, (place, here) in zip(grid, panels.items(), strict=False):
            _draw_panel(axes, here, variants)
            axes.set_title(_panel_title(place, rows, panels), loc="left")
        for axes in grid[len(panels) :]:
            axes.set_axis_off()
        handles = [
            Line2D([], [], label=title, color=_colour(place)) for place, title in enumerate(titles)
        ]
        figure.legend(handles=handles, loc="outside upper left", ncols=columns)
        images = {".png": png(figure, palette=256), ".svg": svg(figure)}
    every = list(itertools.chain.from_iterable(panels.values()))
    return [
        Figure(
            name=f"{prefix}_learning_curves",
            title="Learning curves",
            caption=(
                "Bounds of the winners against training steps, one line per seed: solid on the "
                "validation set, by which the best point is kept, dashed in training, which is "
                "another bound, of one sample per image. Panels start above the lowest bounds of "
                f"the first {_SETTLED:.0%} of the steps."
            ),
            images=images,
            evaluations=tuple(dict.fromkeys(curve.evaluation for curve in every)),
        )
    ]


def curves_of(groups: Sequence[Group], rows: str) -> dict[Place, list[Curve]]:
    """The winners' histories by data set, likelihood, protocol, stream and value of ``rows``."""
    panels: dict[Place, list[Curve]] = {}
    for group in groups:
        winner = group.evaluation.winner
        history = None if winner is None else read_history(group.evaluation, winner)
        if history is None or not len(history["step"]):
            continue
        axes = group.axes
        value = group.value_of(rows) if rows in group.variant else None
        place = (*(axes[n] for n in ("data_set", "likelihood", "protocol", "stream")), value)
        rest = (("model", axes["model"]), *group.variant.items())
        variant = tuple((name, one) for name, one in rest if name != rows or value is None)
        bounds = {name: history[name] for name, _ in _BOUNDS}
        curve = Curve(variant, history["step"], bounds, group.evaluation.fingerprint)
        panels.setdefault(place, []).append(curve)
    return panels


def lowest(curves: Sequence[Curve]) -> float:
    """The lowest finite bound after the first steps, or of all where there is none."""
    for share in (_SETTLED, 0.0):
        values = [
            bound[(curve.steps > share * curve.steps[-1]) & np.isfinite(bound)]
            for curve in curves
            for bound in curve.bounds.values()
        ]
        found = np.concatenate(values)
        if len(found):
            return float(found.min())
    return -math.inf


def _draw_panel(axes: Axes, curves: Sequence[Curve], variants: Sequence[Variant]) -> None:
    for curve in curves:
        colour = _colour(variants.index(curve.variant))
        for name, dash in _BOUNDS:
            wide, alpha = (1.3, 0.85) if dash == "-" else (0.8, 0.6)
            bound = np.where(np.isfinite(curve.bounds[name]), curve.bounds[name], np.nan)
            axes.plot(curve.steps, bound, color=colour, linestyle=dash, linewidth=wide, alpha=alpha)
    bottom, top = lowest(curves), axes.get_ylim()[1]
    if math.isfinite(bottom) and bottom < top:
        axes.set_ylim(bottom - 0.05 * (top - bottom), top)
    axes.set(xlabel="steps", ylabel="nats")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}".replace("-", MINUS))


def _colour(place: int) -> str:
    return COMPONENT_COLOURS[place % len(COMPONENT_COLOURS)]


def _titles(variants: Sequence[Variant]) -> list[str]:
    """Of each the values that are not those of all."""
    differing = {
        name
        for name in dict.fromkeys(name for variant in variants for name, _ in variant)
        if len({dict(variant).get(name) for variant in variants}) > 1
    }
    titles = []
    for variant in variants:
        words = [
            axis_value(name, value) if name == "model" else hyperparameter_text(name, value)
            for name, value in variant
            if name in differing or (name == "model" and not differing)
        ]
        titles.append(", ".join(words))
    return titles


def _panel_title(place: Place, rows: str, panels: dict[Place, list[Curve]]) -> str:
    """What differs between panels, the data set always."""
    data_set, likelihood, protocol, stream, value = place
    words = [axis_value("data_set", data_set)]
    if len({one[1] for one in panels}) > 1:
        words.append(axis_value("likelihood", likelihood))
    if value is not None:
        words.append(hyperparameter_text(rows, value))
    if len({one[2:4] for one in panels}) > 1:
        words += [protocol, stream]
    return ", ".join(words)
