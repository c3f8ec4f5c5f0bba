"""The loss of every mixture layer over the steps of a training, a column of panels per winner.

Figure 4 of Gepperth, "A new perspective on probabilistic image modeling". Losses are maximised;
dotted lines stand where a layer ends its waiting. Beside it the widths of the layers' annealing.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Sequence
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
    Figure,
    legend_columns,
    look,
    panel_grid,
    png,
    svg,
)
from workflow_src.report.wording import MINUS, axis_value, counted, hyperparameter_text

_ACROSS = 3
_WIDE, _HIGH, _HIGH_APART = 3.6, 2.8, 1.9
_DELAY = "delay"


@dataclass(frozen=True)
class Quantity:
    """What is drawn: columns of histories, named after their layer, and words for it.

    Where layers are ``apart``, each has a panel with an axis of its own.
    """

    column: str
    name: str
    title: str
    words: str
    unit: str
    logarithmic: bool = False
    apart: bool = False
    remark: str = ""


LOSSES = Quantity(
    "layer_{}_loss",
    "layer_losses",
    "Losses of mixture layers while training",
    "Mean loss of the validation images by training step, of every mixture layer",
    "nats",
    apart=True,
    remark=(
        " Losses are maximised. They are log scores without smoothing over the neighbourhood: the "
        "highest layer's may fall while its neighbourhood shrinks and the layers below it move."
    ),
)
WIDTHS = Quantity(
    "layer_{}_sigma",
    "layer_annealing",
    "Annealing of mixture layers",
    "Width of the neighbourhood on the grid of components by training step, of every mixture layer",
    "grid steps",
    logarithmic=True,
)


@dataclass(frozen=True)
class Course:
    """One winner's history: steps [validations], and by layer its values [validations]."""

    group: Group
    steps: NDArray[Any]
    layers: dict[int, NDArray[Any]]

    @property
    def starts(self) -> dict[int, float]:
        """The step at which every layer that waits begins; the lowest never waits."""
        spec = self.group.evaluation.winner.spec if self.group.evaluation.winner else {}
        delay = float(spec.get(_DELAY, 0.0))
        return {layer: delay * (layer - 1) * float(self.steps[-1]) for layer in self.layers}


def draw_layer_curves(prefix: str, groups: Sequence[Group]) -> list[Figure]:
    """Losses, and widths of annealing; none where no history has columns of layers."""
    figures = []
    for quantity in (LOSSES, WIDTHS):
        courses = list(_courses(groups, quantity))
        if courses:
            figures.append(_figure(prefix, quantity, courses))
    return figures


def _courses(groups: Sequence[Group], quantity: Quantity) -> Iterator[Course]:
    pattern = re.compile(re.escape(quantity.column).replace(r"\{\}", r"(\d+)"))
    for group in groups:
        winner = group.evaluation.winner
        history = None if winner is None else read_history(group.evaluation, winner)
        if history is None:
            continue
        found = {name: pattern.fullmatch(name) for name in history}
        layers = {
            int(match[1]): history[name]
            for name, match in found.items()
            if match and np.isfinite(history[name]).any()
        }
        if layers:
            yield Course(group, history["step"], dict(sorted(layers.items())))


def _figure(prefix: str, quantity: Quantity, courses: Sequence[Course]) -> Figure:
    panels: dict[tuple[Any, ...], list[Course]] = {}
    for course in courses:
        fixed = {name: one for name, one in course.group.axes.items() if name != "seed"}
        key = (*fixed.items(), *course.group.variant.items())
        panels.setdefault(key, []).append(course)
    layers = sorted(set(itertools.chain.from_iterable(course.layers for course in courses)))
    titles = [f"layer {layer}" for layer in layers]
    with look():
        figure = _panels(list(panels.values()), quantity, layers, titles)
        handles = [
            Line2D([], [], color=_colour(layer), label=title)
            for layer, title in zip(layers, titles, strict=True)
        ]
        columns = legend_columns(titles, figure.get_figwidth())
        figure.legend(handles=handles, loc="outside upper left", ncols=columns)
        images = {".png": png(figure, palette=256), ".svg": svg(figure)}
    evaluations = dict.fromkeys(course.group.evaluation.fingerprint for course in courses)
    return Figure(
        name=f"{prefix}_{quantity.name}",
        title=quantity.title,
        caption=(
            f"{quantity.words}, of {counted(len(courses), 'training')}. Layers are counted from "
            "the image up. Dotted: where a layer stops waiting for the layers below it."
            f"{quantity.remark}"
        ),
        images=images,
        evaluations=tuple(evaluations),
    )


def _panels(
    columns: Sequence[Sequence[Course]],
    quantity: Quantity,
    layers: Sequence[int],
    titles: Sequence[str],
) -> Canvas:
    """A panel per list of trainings, or a column of them with a panel per layer.

    ``titles`` are those of the legend to come.
    """
    across = min(_ACROSS, len(columns))
    parts = [[layer] for layer in layers] if quantity.apart else [list(layers)]
    down = math.ceil(len(columns) / across) * len(parts)
    high = _HIGH_APART if quantity.apart else _HIGH
    figure, grid = panel_grid(down * across, across, high, _WIDE * across, 0.3, titles)
    free = set(grid)
    every = [course.group for course in itertools.chain.from_iterable(columns)]
    for place, courses in enumerate(columns):
        here = [part for part in parts if any(set(part) & set(one.layers) for one in courses)]
        for row, part in enumerate(here):
            block, column = divmod(place, across)
            axes = grid[(block * len(parts) + row) * across + column]
            free.discard(axes)
            _draw_panel(axes, courses, quantity, part)
            if row == 0:
                axes.set_title(_title(courses[0].group, every), loc="left")
            if row == len(here) - 1:
                axes.set_xlabel("steps")
            if quantity.apart:
                axes.set_ylabel(f"layer {part[0]}, {quantity.unit}")
    for axes in free:
        axes.set_axis_off()
    return figure


def _title(group: Group, every: Sequence[Group]) -> str:
    """The model where there are several, the data set and what is compared, a line each."""
    words = []
    if len({one.axes["model"] for one in every}) > 1:
        words.append(axis_value("model", group.axes["model"]))
    words.append(axis_value("data_set", group.axes["data_set"]))
    words += [hyperparameter_text(name, value) for name, value in group.variant.items()]
    return "\n".join(words)


def _draw_panel(
    axes: Axes, courses: Sequence[Course], quantity: Quantity, layers: Sequence[int]
) -> None:
    for course in courses:
        for layer in layers:
            if layer not in course.layers:
                continue
            values, start = course.layers[layer], course.starts[layer]
            known = np.where(np.isfinite(values), values, np.nan)
            axes.plot(course.steps, known, color=_colour(layer), linewidth=1.0, alpha=0.85)
            if start > 0:
                axes.axvline(start, color=_colour(layer), linestyle=":", linewidth=0.8, zorder=0)
    if quantity.logarithmic:
        axes.set_yscale("log")
    else:
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}".replace("-", MINUS))
    axes.set_ylabel(quantity.unit)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.10g}")


def _colour(layer: int) -> str:
    return COMPONENT_COLOURS[(layer - 1) % len(COMPONENT_COLOURS)]
