"""Bounds against training steps: panels as a table has its columns, one colour per kind of winner.

A colour has one meaning in all panels, and panels on the same data have one vertical axis. Solid
lines are on the validation set, by which the best point is kept, dashed ones on the training
batches. The two are other estimates of the same likelihood, so that they need not meet.
"""

from __future__ import annotations

import itertools
import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from workflow_src.report.evidence import Group, read_history
from workflow_src.report.figures.style import (
    COMPONENT_COLOURS,
    DASHES,
    Figure,
    legend_columns,
    legend_entry,
    look,
    panel_grid,
    png,
    svg,
)
from workflow_src.report.wording import MINUS, NOTHING, axis_value, hyperparameter_text

_ACROSS = 2
_WIDE, _HIGH = 4.6, 3.1
_TITLE = 50  # characters that fit over a panel
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


def draw_learning_curves(
    prefix: str, groups: Sequence[Group], columns: Sequence[str]
) -> list[Figure]:
    """One figure of all winners whose histories are there; ``columns`` are the table's."""
    names = panel_axes(groups, columns)
    panels = curves_of(groups, names)
    if not panels:
        return []
    every = list(itertools.chain.from_iterable(panels.values()))
    variants = list(dict.fromkeys(curve.variant for curve in every))
    with look():
        figure = _drawn(panels, names, variants)
        images = {".png": png(figure, palette=256), ".svg": svg(figure)}
    return [
        Figure(
            name=f"{prefix}_learning_curves",
            title="Learning curves",
            caption=_caption(variants),
            images=images,
            evaluations=tuple(dict.fromkeys(curve.evaluation for curve in every)),
        )
    ]


def panel_axes(
    groups: Sequence[Group],
    columns: Sequence[str],
    numbers: type | tuple[type, ...] = int,
) -> tuple[str, ...]:
    """The hyperparameters that panels are told apart by, beside data and way of training.

    Those of the table's columns; and where more kinds of winners would be left in a panel than
    there are colours, those whose values are all of the types ``numbers``, as far as that takes.
    """
    variants = [group.variant for group in groups]
    names = [name for name in columns if all(name in variant for variant in variants)]
    for name in dict.fromkeys(name for variant in variants for name in variant):
        kinds = {
            tuple((one, value) for one, value in variant.items() if one not in names)
            for variant in variants
        }
        if len(kinds) <= len(COMPONENT_COLOURS):
            break
        values = [variant.get(name) for variant in variants]
        if name not in names and all(isinstance(value, numbers) for value in values):
            names.append(name)
    return tuple(names)


def curves_of(groups: Sequence[Group], names: Sequence[str]) -> dict[Place, list[Curve]]:
    """The winners' histories by data set, likelihood, protocol, stream and values of ``names``."""
    panels: dict[Place, list[Curve]] = {}
    for group in groups:
        winner = group.evaluation.winner
        history = None if winner is None else read_history(group.evaluation, winner)
        if history is None or not len(history["step"]):
            continue
        place, variant = place_and_variant(group, names)
        bounds = {name: history[name] for name, _ in _BOUNDS}
        curve = Curve(variant, history["step"], bounds, group.evaluation.fingerprint)
        panels.setdefault(place, []).append(curve)
    return panels


def place_and_variant(group: Group, names: Sequence[str]) -> tuple[Place, Variant]:
    """Which panel a group is in, if ``names`` tell panels apart, and what kind of winner it has."""
    axes = group.axes
    fixed = (axes[name] for name in ("data_set", "likelihood", "protocol", "stream"))
    rest = (("model", axes["model"]), *group.variant.items())
    return (
        (*fixed, *(group.variant[name] for name in names)),
        tuple((name, one) for name, one in rest if name not in names),
    )


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


def _drawn(
    panels: Mapping[Place, Sequence[Curve]], names: Sequence[str], variants: Sequence[Variant]
) -> Canvas:
    titles = variant_titles(variants)
    across = min(_ACROSS, len(panels))
    width = max(_WIDE * across, legend_entry(titles))
    figure, grid = panel_grid(len(panels), across, _HIGH, width, 0.2, titles)
    data: dict[Place, list[Axes]] = {}
    for axes, (place, here) in zip(grid, panels.items(), strict=True):
        _draw_panel(axes, here, variants)
        axes.set_title(place_title(place, names, panels), loc="left")
        data.setdefault(place[:2], []).append(axes)
    for alike, beside in data.items():
        _share(beside, [one for place in panels if place[:2] == alike for one in panels[place]])
    handles = [
        Line2D([], [], label=title, **variant_style(place)) for place, title in enumerate(titles)
    ]
    columns = legend_columns(titles, width)
    figure.legend(handles=handles, loc="outside upper left", ncols=columns)
    return figure


def _caption(variants: Sequence[Variant]) -> str:
    training = (
        "dashed in training, which is another bound, of one sample per image"
        if len(variants) <= len(COMPONENT_COLOURS)
        else "in training not drawn, for the number of lines"
    )
    return (
        "Bounds of the winners against training steps, one line per seed: strong on the "
        f"validation set, by which the best point is kept, {training}. Panels on the same data "
        "have the same vertical axis. They start above the lowest bounds of the first "
        f"{_SETTLED:.0%} of the steps."
    )


def _draw_panel(axes: Axes, curves: Sequence[Curve], variants: Sequence[Variant]) -> None:
    crowded = len(variants) > len(COMPONENT_COLOURS)
    for curve in curves:
        style = variant_style(variants.index(curve.variant))
        for name, dash in _BOUNDS[:1] if crowded else _BOUNDS:
            look = {"linewidth": 1.3, "alpha": 0.85} | style
            if dash == "--":
                look |= {"linewidth": 0.8, "alpha": 0.6, "linestyle": dash}
            bound = np.where(np.isfinite(curve.bounds[name]), curve.bounds[name], np.nan)
            axes.plot(curve.steps, bound, **look)
    axes.set(xlabel="steps", ylabel="nats")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}".replace("-", MINUS))


def _share(panels: Sequence[Axes], curves: Sequence[Curve]) -> None:
    """Give panels one vertical axis, from the lowest bound of all curves after the first steps."""
    bottom, top = lowest(curves), max(axes.get_ylim()[1] for axes in panels)
    if not (math.isfinite(bottom) and bottom < top):
        bottom = min(axes.get_ylim()[0] for axes in panels)
    for axes in panels:
        axes.set_ylim(bottom - 0.05 * (top - bottom), top)


def variant_style(place: int) -> dict[str, Any]:
    """Colour, and where there are more lines than colours, dashes beside it."""
    times, colour = divmod(place, len(COMPONENT_COLOURS))
    return {"color": COMPONENT_COLOURS[colour], "linestyle": DASHES[times % len(DASHES)]}


def variant_titles(variants: Sequence[Variant]) -> list[str]:
    """Of each the values that are not those of all: choices, which have names, before numbers."""
    differing = {
        name
        for name in dict.fromkeys(name for variant in variants for name, _ in variant)
        if len({dict(variant).get(name) for variant in variants}) > 1
    }
    titles = []
    for variant in variants:
        words = [
            axis_value(name, value) if name == "model" else hyperparameter_text(name, value)
            for name, value in sorted(variant, key=lambda one: not isinstance(one[1], str))
            if name in differing or (name == "model" and not differing)
        ]
        titles.append(", ".join(words) or NOTHING)
    return titles


def place_title(place: Place, names: Sequence[str], places: Iterable[Place]) -> str:
    """What differs between panels, the data set always, in lines that fit over a panel."""
    every = list(places)
    data_set, likelihood, protocol, stream, *values = place
    words = [axis_value("data_set", data_set)]
    if len({one[1] for one in every}) > 1:
        words.append(axis_value("likelihood", likelihood))
    words += [hyperparameter_text(*pair) for pair in zip(names, values, strict=True)]
    if len({one[2:4] for one in every}) > 1:
        words += [protocol, stream]
    return textwrap.fill(", ".join(words), _TITLE)
