"""The validation bound of every run of a study against its steps: winners strong, others thin.

A panel per data set and likelihood, a colour per model. Every run that was trained has its line, so
that what diverged, stuck or never converged is seen. Of long histories points are left out at equal
distances, which no eye sees. Classifiers are not drawn, as their loss is no bound.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from workflow_src.config.models import model_declaration
from workflow_src.report.evaluations import Evaluation, Run
from workflow_src.report.evidence import Evidence, read_history, runs_of
from workflow_src.report.figures.learning_curves import variant_style
from workflow_src.report.figures.run_curves import RunCurve
from workflow_src.report.figures.style import (
    Figure,
    legend_columns,
    legend_entry,
    look,
    panel_grid,
    png,
    svg,
)
from workflow_src.report.impossible import NO_DENSITY, cannot_have
from workflow_src.report.wording import MINUS, axis_value, counted, listed

_COLUMN = "validation_bound"
_CLASSIFICATION = "classification"
_ACROSS = 2
_DOWN = 4
"""Panels in a figure at most; a study of more data has more figures."""
_WIDE, _HIGH = 4.6, 2.9
_POINTS = 120
"""Points of one line at most; a panel is no more than three times as many screen points wide."""
_DRAWN = 12_000
"""Points of all lines up to which a figure is a drawing; one of more is a picture."""
_TALLEST = 3.0
"""Height of a panel, in distances from its top down to the tenth percentile of later bounds."""
_UNEQUAL = 25
"""How many times more steps one run has than another before steps are on a scale of logarithms."""

Place = tuple[str, str]


@dataclass(frozen=True)
class _Line:
    """One run's curve, and whether an evaluation chose it."""

    model: str
    curve: RunCurve
    chosen: bool
    is_density: bool = True
    """Whether its bound is one on the log likelihood of images."""


def draw_training_curves(prefix: str, evidence: Evidence, study: str) -> list[Figure]:
    """Figures of at most `_ACROSS` x `_DOWN` panels, in the order of the plan.

    Every figure has one image: ``.svg`` where points are few, else ``.png``.

    Raises
    ------
    UserError
        A history that is not the one that its run's record vouches for.
    """
    panels, absent = training_lines(evidence, study)
    models = list(dict.fromkeys(line.model for lines in panels.values() for line in lines))
    places = list(panels)
    parts = [places[at : at + _ACROSS * _DOWN] for at in range(0, len(places), _ACROSS * _DOWN)]
    return [
        _figure(
            prefix if number == 1 else f"{prefix}_{number}",
            {place: panels[place] for place in part},
            models,
            # What is not here has no panel, so that it is told once.
            absent if number == 1 else 0,
        )
        for number, part in enumerate(parts, start=1)
    ]


def training_lines(evidence: Evidence, study: str) -> tuple[dict[Place, list[_Line]], int]:
    """The lines by data set and likelihood; and how many trained runs have no history here."""
    groups = evidence.study_groups(study)
    evaluations = {group.evaluation.fingerprint: group.evaluation for group in groups}.values()
    chosen = {one.winner.fingerprint for one in evaluations if one.winner}
    known_to = {run.fingerprint: one for one in evaluations for run in one.runs}
    panels: dict[Place, list[_Line]] = {}
    absent = 0
    for run in runs_of(tuple(evaluations)):
        if run.fingerprint not in known_to or _classifies(run):
            continue
        curve, trained = _curve(known_to[run.fingerprint], run)
        absent += trained and curve is None
        if curve is not None and len(curve.x):
            place = run.spec["data_set"], run.spec["likelihood"]
            is_density = cannot_have(run.spec, "test_log_likelihood") != NO_DENSITY
            line = _Line(run.spec["model"], curve, run.fingerprint in chosen, is_density)
            panels.setdefault(place, []).append(line)
    return panels, absent


def thinned(count: int, most: int = _POINTS) -> NDArray[np.intp]:
    """Which of so many points are drawn: all, or ``most`` at equal distances with both ends."""
    if count <= most:
        return np.arange(count)
    return np.unique(np.linspace(0, count - 1, most).round().astype(np.intp))


def _classifies(run: Run) -> bool:
    return model_declaration(run.spec["model"]).evaluation == _CLASSIFICATION


def _curve(evaluation: Evaluation, run: Run) -> tuple[RunCurve | None, bool]:
    """A run's curve, without points where there is none to see; and whether it was trained."""
    history = read_history(evaluation, run)
    if history is None:
        return None, run.steps is not None
    steps = np.asarray(history["step"], float)
    bounds = np.asarray(history.get(_COLUMN, np.full(len(steps), math.nan)), float)
    bounds = np.where(np.isfinite(bounds), bounds, math.nan)
    if np.isfinite(bounds).any():
        # A run that diverged is shown up to its last number.
        last = int(np.flatnonzero(np.isfinite(bounds))[-1]) + 1
        points = thinned(last)
    else:
        points = thinned(0)
    curve = RunCurve(
        (("model", run.spec["model"]),),
        steps[points],
        bounds[points],
        run.state == "diverged",
        evaluation.fingerprint,
    )
    return curve, True


def _figure(
    name: str, panels: Mapping[Place, Sequence[_Line]], models: Sequence[str], absent: int
) -> Figure:
    every = [line for lines in panels.values() for line in lines]
    limits = {place: _limits([line.curve for line in lines]) for place, lines in panels.items()}
    few = sum(len(line.curve.x) for line in every) <= _DRAWN
    with look():
        figure = _drawn(panels, limits, models)
        images = {".svg": svg(figure)} if few else {".png": png(figure, palette=64)}
    return Figure(
        name=f"{name}_training_curves",
        title="Validation bound of every run while training",
        caption=_caption(panels, limits, absent),
        images=images,
        evaluations=tuple(dict.fromkeys(line.curve.evaluation for line in every)),
    )


def _drawn(
    panels: Mapping[Place, Sequence[_Line]],
    limits: Mapping[Place, tuple[float, float]],
    models: Sequence[str],
) -> Canvas:
    titles = [axis_value("model", model) for model in models]
    across = min(_ACROSS, len(panels))
    width = max(_WIDE * across, legend_entry(titles))
    figure, grid = panel_grid(len(panels), across, _HIGH, width, 0.2, titles)
    for axes, (place, lines) in zip(grid, panels.items(), strict=True):
        _draw_panel(axes, lines, models)
        bottom, top = limits[place]
        margin = 0.05 * (top - bottom)
        axes.set_ylim(bottom - margin, top + margin)
        data_set, likelihood = place
        words = axis_value("data_set", data_set), axis_value("likelihood", likelihood)
        axes.set_title(", ".join(words), loc="left")
    handles = [
        Line2D([], [], label=title, **variant_style(place)) for place, title in enumerate(titles)
    ]
    columns = legend_columns(titles, width)
    figure.legend(handles=handles, loc="outside upper left", ncols=columns)
    return figure


def _draw_panel(axes: Axes, lines: Sequence[_Line], models: Sequence[str]) -> None:
    for line in sorted(lines, key=lambda one: one.chosen):
        curve, style = line.curve, variant_style(models.index(line.model))
        width, alpha = (1.4, 0.9) if line.chosen else (0.6, 0.45)
        if len(curve.x) == 1:
            axes.plot(curve.x, curve.y, ".", color=style["color"], markersize=3, alpha=alpha)
        axes.plot(curve.x, curve.y, linewidth=width, alpha=alpha, **style)
        if curve.diverged:
            axes.plot(curve.x[-1], curve.y[-1], "x", color=style["color"], markersize=4)
    logarithmic = _by_logarithms(lines)
    if logarithmic:
        axes.set_xscale("log")
    label = "steps (logarithms)" if logarithmic else "steps"
    axes.set(xlabel=label, ylabel="nats")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.10g}")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}".replace("-", MINUS))


def _limits(curves: Sequence[RunCurve]) -> tuple[float, float]:
    """Where a panel begins and ends: what lies far below the later halves of most is left out."""
    values = np.concatenate([curve.y for curve in curves])
    later = np.concatenate([curve.y[len(curve.y) // 2 :] for curve in curves])
    low, top = float(np.nanmin(values)), float(np.nanmax(values))
    usual = top - float(np.nanquantile(later, 0.1))
    if usual > 0:
        low = max(low, top - _TALLEST * usual)
    return (low, top) if low < top else (top - 1.0, top + 1.0)


def _by_logarithms(lines: Sequence[_Line]) -> bool:
    """Whether runs of so unequal lengths share a panel that the short ones would be a dash."""
    lengths = [line.curve.x[-1] for line in lines]
    return bool(min(lengths) > 0 and max(lengths) > _UNEQUAL * min(lengths))


def _caption(
    panels: Mapping[Place, Sequence[_Line]],
    limits: Mapping[Place, tuple[float, float]],
    absent: int,
) -> str:
    every = [line for lines in panels.values() for line in lines]
    parts = [
        f"A line for each of {counted(len(every), 'run')}, against the steps that its trainer "
        "counts, batches or epochs; strong where an evaluation chose it."
    ]
    if diverged := sum(line.curve.diverged for line in every):
        parts.append(f"{counted(diverged, 'run')} diverged (crosses where the numbers end).")
    below = [
        line
        for place, lines in panels.items()
        for line in lines
        if np.nanmin(line.curve.y) < limits[place][0]
    ]
    if below:
        leave = "1 line leaves its" if len(below) == 1 else f"{len(below):,} lines leave their"
        parts.append(f"{leave} panel at the bottom.")
    if absent:
        parts.append(f"Histories of {counted(absent, 'run')} are not here.")
    if scored := _without_density(every):
        names = listed(axis_value("model", name) for name in scored)
        parts.append(f"Those of {names} are scores of layers and no log likelihoods of images.")
    return " ".join(parts)


def _without_density(lines: Sequence[_Line]) -> list[str]:
    """Models that have runs without a density of images, whose bounds compare with no other's."""
    return list(dict.fromkeys(line.model for line in lines if not line.is_density))
