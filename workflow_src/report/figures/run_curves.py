"""A column of the histories of every run, so that none is left out; Figures 4, 5, 8 and 10 of the
EM-DGN paper.

One thin line per run and seed, winner or not, one colour per way of training. Runs that diverged
end in a cross, and the caption counts what cannot be seen: lines that leave their panel, and runs
whose history is not here. Log likelihoods have a dashed line to be read by: that of an isotropic
Gaussian, to which a model collapses that learns nothing but the noise.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from workflow_src.report.evidence import Group, read_history
from workflow_src.report.figures.curves import is_numeric
from workflow_src.report.figures.learning_curves import (
    Place,
    Variant,
    panel_axes,
    place_and_variant,
    place_title,
    variant_style,
    variant_titles,
)
from workflow_src.report.figures.style import (
    MUTED,
    Figure,
    legend_columns,
    legend_entry,
    look,
    panel_grid,
    png,
    svg,
)
from workflow_src.report.wording import MINUS, counted, listed

_ACROSS = 2
_WIDE, _HIGH = 4.6, 3.1
_GAUSSIAN = "isotropic_gaussian_validation_log_likelihood"
_SETTLED = 0.1
"""Share of a run's history after which its values are to be within the panel."""
_TALLEST = 6.0
"""Height of a panel, as a multiple of the distance from its top down to the tenth percentile."""


@dataclass(frozen=True)
class RunCurve:
    """One run's history of one quantity, both [validations]."""

    variant: Variant
    x: NDArray[Any]
    y: NDArray[Any]
    diverged: bool
    evaluation: str
    gaussian: float | None = None
    """Log likelihood of an isotropic Gaussian on the run's validation points, where measured."""


@dataclass(frozen=True)
class Quantity:
    """What is drawn: a column of the histories in nats, its words, and what stands across.

    ``floor`` is a value that it cannot fall below, at which panels start; None where there is none.
    ``is_likelihood``: whether it compares with the isotropic Gaussian's.
    """

    column: str
    name: str
    title: str
    words: str
    across: str = "step"
    floor: float | None = None
    is_likelihood: bool = True


TRAINING = Quantity(
    "training_bound",
    "likelihood",
    "Log likelihood while training, training set",
    "Exact mean log likelihood of the training set after every validated epoch",
)
VALIDATION = Quantity(
    "validation_bound",
    "validation_likelihood",
    "Log likelihood while training, validation set",
    "Exact mean log likelihood of the validation set after every validated epoch",
)
SECONDS = Quantity(
    "training_bound",
    "likelihood_by_seconds",
    "Log likelihood by seconds of training",
    "Exact mean log likelihood of the training set by device seconds of training, of each run "
    "alone and without its validations",
    across="device_seconds",
)
DIVERGENCE = Quantity(
    "kl_divergence",
    "divergence",
    "Divergence of the encoder from the exact posterior",
    "Kullback-Leibler divergence of q(z | x) from p(z | x), mean over the training set, exact; "
    "runs without an encoder have none",
    floor=0.0,
    is_likelihood=False,
)

Panels = dict[Place, list[RunCurve]]


def draw_likelihood_curves(prefix: str, groups: Sequence[Group], rows: str) -> list[Figure]:
    """Likelihoods by epoch and by seconds, and divergences where runs have an encoder.

    ``rows`` is what the table has in its rows; where its values are numbers, each has a panel.
    """
    return _figures(prefix, groups, rows, (TRAINING, VALIDATION, SECONDS, DIVERGENCE))


def draw_divergence_curves(prefix: str, groups: Sequence[Group], rows: str) -> list[Figure]:
    """Divergences by epoch; none where no run has an encoder. ``rows`` as for likelihoods."""
    return _figures(prefix, groups, rows, (DIVERGENCE,))


def run_curves(
    groups: Sequence[Group], names: Sequence[str], quantity: Quantity
) -> tuple[Panels, int]:
    """Every run's curve by data, way of training and values of ``names``; and how many lack one.

    A run that several groups have among their candidates is drawn once. Runs whose history has
    no finite value of that quantity are left out; those whose history is not here are counted.
    """
    panels: Panels = {}
    absent = 0
    seen: set[tuple[Place, str]] = set()
    for group in groups:
        place, variant = place_and_variant(group, names)
        gaussian = group.evaluation.metric(_GAUSSIAN) if quantity.is_likelihood else None
        for run in group.evaluation.runs:
            if (place, run.fingerprint) in seen:
                continue
            seen.add((place, run.fingerprint))
            history = read_history(group.evaluation, run)
            if history is None:
                absent += 1
                continue
            values = history.get(quantity.column)
            if values is None or not np.isfinite(values).any():
                continue
            curve = RunCurve(
                variant,
                # What is validated before the first step took no seconds of training.
                np.where(history["step"] > 0, history[quantity.across], 0.0),
                np.where(np.isfinite(values), values, np.nan),
                run.state == "diverged",
                group.evaluation.fingerprint,
                gaussian.value if gaussian else None,
            )
            panels.setdefault(place, []).append(curve)
    return panels, absent


def bottom_and_top(curves: Sequence[RunCurve], floor: float | None = None) -> tuple[float, float]:
    """Limits of a panel: those of the settled parts of all curves, unless a few lie far below.

    A run that falls without end would else flatten all others. The Gaussian is always within.
    """
    parts = [settled(curve) for curve in curves]
    values = np.concatenate([part[np.isfinite(part)] for part in parts])
    if not len(values):
        values = np.concatenate([curve.y[np.isfinite(curve.y)] for curve in curves])
    top, low = float(values.max()), float(values.min())
    if floor is not None:
        return floor, max(top, floor + 1e-9)
    usual = top - float(np.quantile(values, 0.1))
    if usual > 0:
        low = max(low, top - _TALLEST * usual)
    low, top = min([low, *gaussians(curves)]), max([top, *gaussians(curves)])
    return (low, top) if low < top else (top - 1.0, top + 1.0)


def gaussians(curves: Sequence[RunCurve]) -> list[float]:
    """The isotropic Gaussian's log likelihoods, each once; one where all have the same data."""
    return sorted({curve.gaussian for curve in curves if curve.gaussian is not None})


def settled(curve: RunCurve) -> NDArray[Any]:
    """The values after the first tenth of the way."""
    start = curve.x[0] + _SETTLED * (curve.x[-1] - curve.x[0])
    after: NDArray[Any] = curve.y[curve.x > start]
    return after


def _figures(
    prefix: str,
    groups: Sequence[Group],
    rows: str,
    quantities: Sequence[Quantity],
) -> list[Figure]:
    names = panel_axes(groups, [rows] if is_numeric(groups, rows) else [], (int, float))
    # Of all groups, so that a colour has one meaning in all figures of an experiment.
    variants = list(dict.fromkeys(place_and_variant(group, names)[1] for group in groups))
    figures = []
    for quantity in quantities:
        panels, absent = run_curves(groups, names, quantity)
        if panels:
            figures.append(_figure(prefix, quantity, panels, names, variants, absent))
    return figures


def _figure(
    prefix: str,
    quantity: Quantity,
    panels: Panels,
    names: Sequence[str],
    variants: Sequence[Variant],
    absent: int,
) -> Figure:
    every = list(itertools.chain.from_iterable(panels.values()))
    limits = {place: bottom_and_top(curves, quantity.floor) for place, curves in panels.items()}
    with look():
        figure = _drawn(panels, limits, names, variants, quantity)
        images = {".png": png(figure, palette=256), ".svg": svg(figure)}
    return Figure(
        name=f"{prefix}_{quantity.name}",
        title=quantity.title,
        caption=_caption(quantity, panels, limits, absent),
        images=images,
        evaluations=tuple(dict.fromkeys(curve.evaluation for curve in every)),
    )


def _caption(
    quantity: Quantity,
    panels: Panels,
    limits: Mapping[Place, tuple[float, float]],
    absent: int,
) -> str:
    every = list(itertools.chain.from_iterable(panels.values()))
    parts = [f"{quantity.words}; a thin line for each of {counted(len(every), 'run')}."]
    if told := sorted({f"{one:.2f}" for one in gaussians(every)}, key=float):
        values = listed(told).replace("-", MINUS)
        parts.append(
            "Dashed: an isotropic Gaussian fitted to the training set, on the validation set "
            f"({values} nats)."
        )
    if diverged := sum(curve.diverged for curve in every):
        parts.append(f"{counted(diverged, 'run')} diverged (crosses where the numbers end).")
    below = sum(
        bool(np.nanmin(settled(curve), initial=math.inf) < limits[place][0])
        for place, curves in panels.items()
        for curve in curves
    )
    if below:
        leave = "1 line leaves its" if below == 1 else f"{below:,} lines leave their"
        parts.append(f"{leave} panel at the bottom.")
    if absent:
        parts.append(f"Histories of {counted(absent, 'run')} are not here.")
    return " ".join(parts)


def _drawn(
    panels: Panels,
    limits: Mapping[Place, tuple[float, float]],
    names: Sequence[str],
    variants: Sequence[Variant],
    quantity: Quantity,
) -> Canvas:
    drawn = {curve.variant for curves in panels.values() for curve in curves}
    titles = {
        place: title
        for place, title in enumerate(variant_titles(variants))
        if variants[place] in drawn
    }
    texts = list(titles.values())
    across = min(_ACROSS, len(panels))
    width = max(_WIDE * across, legend_entry(texts))
    figure, grid = panel_grid(len(panels), across, _HIGH, width, 0.2, texts)
    for axes, (place, curves) in zip(grid, panels.items(), strict=True):
        _draw_panel(axes, curves, variants, quantity)
        bottom, top = limits[place]
        margin = 0.05 * (top - bottom)
        axes.set_ylim(bottom if quantity.floor is not None else bottom - margin, top + margin)
        axes.set_title(place_title(place, names, panels), loc="left")
    handles = [
        Line2D([], [], label=title, **variant_style(place)) for place, title in titles.items()
    ]
    columns = legend_columns(texts, width)
    figure.legend(handles=handles, loc="outside upper left", ncols=columns)
    return figure


def _draw_panel(
    axes: Axes, curves: Sequence[RunCurve], variants: Sequence[Variant], quantity: Quantity
) -> None:
    seconds = quantity.across == "device_seconds"
    for curve in curves:
        style = variant_style(variants.index(curve.variant))
        # An axis of logarithms has no zero.
        x = np.where(curve.x > 0, curve.x, np.nan) if seconds else curve.x
        axes.plot(x, curve.y, linewidth=0.8, alpha=0.65, **style)
        if curve.diverged:
            last = np.flatnonzero(np.isfinite(curve.y))[-1]
            axes.plot(x[last], curve.y[last], "x", color=style["color"], markersize=4)
    for value in gaussians(curves):
        axes.axhline(value, color=MUTED, linestyle="--", linewidth=0.8, zorder=0)
    if seconds and any((curve.x > 0).any() for curve in curves):
        axes.set_xscale("log")
    axes.set(xlabel="device seconds" if seconds else "epochs", ylabel="nats")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.10g}")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}".replace("-", MINUS))
