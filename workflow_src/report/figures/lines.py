"""A metric against something it depends on: importance samples, or part of the training images.

Small multiples, one panel per data set and likelihood; lines are means over seeds, bands their
spread.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator

from workflow_src.config.metrics import metric
from workflow_src.report.evidence import Group
from workflow_src.report.figures.style import Figure, Styles, canvas, look, png, svg
from workflow_src.report.wording import MINUS, axis_value

_ACROSS = 3
_BOUND = "test_bound"


@dataclass(frozen=True)
class Point:
    """One value of one seed, and how uncertain it is by itself."""

    x: float
    y: float
    error: float | None


@dataclass(frozen=True)
class Line:
    """Points of one model trained in one way; several per x where there are seeds."""

    axes: Mapping[str, Any]
    points: tuple[Point, ...]

    def summary(self) -> list[tuple[float, float, float]]:
        """Per x, ascending: mean over seeds, and its spread as tables give it."""
        rows = []
        for x in sorted({point.x for point in self.points}):
            here = [point for point in self.points if point.x == x]
            values = [point.y for point in here]
            many = len(values) > 1
            spread = statistics.stdev(values) if many else (here[0].error or 0.0)
            rows.append((x, statistics.fmean(values), spread))
        return rows


@dataclass(frozen=True)
class Labels:
    """What the axes are called, and how ticks across are written."""

    across: str
    across_format: str
    up: str


Panels = dict[tuple[str, str], list[Line]]


def draw_importance_samples(prefix: str, groups: Sequence[Group], styles: Styles) -> list[Figure]:
    """The test bound against the number of importance samples it was estimated with."""

    def points(group: Group) -> Iterable[Point]:
        for one in group.evaluation.metrics:
            if one.name == _BOUND and one.importance_samples and math.isfinite(one.value):
                yield Point(one.importance_samples, one.value, one.standard_error)

    panels = _panels(groups, points)
    if not any(len(line.summary()) > 1 for lines in panels.values() for line in lines):
        return []
    return [
        _figure(
            f"{prefix}_importance_samples",
            "Bound against importance samples",
            "Test bound of the winners by the number of importance samples per image and leaf that "
            "it is estimated with; where lines still rise, the bound is not tight.",
            panels,
            styles,
            groups,
            Labels("importance samples", "{:,.0f}", metric(_BOUND).unit),
        )
    ]


def draw_curve(
    prefix: str, groups: Sequence[Group], styles: Styles, metric_name: str
) -> list[Figure]:
    """A metric against the part of the training images that was trained on."""

    def points(group: Group) -> Iterable[Point]:
        one = group.evaluation.metric(metric_name)
        if one is not None and math.isfinite(one.value):
            yield Point(group.axes["fraction"] * 100, one.value, one.standard_error)

    panels = _panels(groups, points)
    if not panels:
        return []
    title = metric(metric_name).title
    return [
        _figure(
            f"{prefix}_curve",
            "Test performance against training images",
            f"{title[:1].upper()}{title[1:]}, as the training set shrinks.",
            panels,
            styles,
            groups,
            Labels("training images, % of all", "{:g}", metric(metric_name).unit),
        )
    ]


def _panels(groups: Sequence[Group], points: Callable[[Group], Iterable[Point]]) -> Panels:
    found: dict[tuple[str, str], dict[tuple[Any, ...], list[Point]]] = {}
    for group in groups:
        axes = group.axes
        values = list(points(group))
        if values:
            panel = found.setdefault((axes["data_set"], axes["likelihood"]), {})
            way = (axes["model"], axes["protocol"], axes["stream"])
            panel.setdefault(way, []).extend(values)
    names = ("model", "protocol", "stream")
    return {
        key: [Line(dict(zip(names, way, strict=True)), tuple(p)) for way, p in lines.items()]
        for key, lines in found.items()
    }


def _figure(
    name: str,
    title: str,
    caption: str,
    panels: Panels,
    styles: Styles,
    groups: Sequence[Group],
    labels: Labels,
) -> Figure:
    across = min(_ACROSS, len(panels))
    down = math.ceil(len(panels) / across)
    with look():
        figure = canvas(max(3.4 * across, 4.6), 2.6 * down + 0.55)
        figure.set_layout_engine("constrained", h_pad=0.06, w_pad=0.06)
        grid = list(figure.subplots(down, across, squeeze=False).flat)
        for axes, (key, lines) in zip(grid, panels.items(), strict=False):
            _draw_panel(axes, lines, styles, labels.across_format)
            data_set, likelihood = key
            axes.set_title(
                f"{axis_value('data_set', data_set)}, {axis_value('likelihood', likelihood)}",
                loc="left",
            )
            axes.set(xlabel=labels.across, ylabel=labels.up)
        for axes in grid[len(panels) :]:
            axes.set_axis_off()
        every = {_label(line, panels): line for lines in panels.values() for line in lines}
        figure.legend(
            handles=[
                Line2D([], [], markersize=4, label=label, **vars(styles.of(line.axes)))
                for label, line in every.items()
            ],
            loc="outside upper left",
            ncols=min(len(every), 2 * across),
        )
        images = {".png": png(figure, palette=256), ".svg": svg(figure)}
    evaluations = dict.fromkeys(group.evaluation.fingerprint for group in groups)
    return Figure(name, title, f"{caption} {_how(panels)}", images, tuple(evaluations))


def _draw_panel(axes: Axes, lines: Sequence[Line], styles: Styles, x_format: str) -> None:
    axes.set_xscale("log")
    ticks: set[float] = set()
    for line in lines:
        x, y, spread = zip(*line.summary(), strict=True)
        style = styles.of(line.axes)
        lower = [value - s for value, s in zip(y, spread, strict=True)]
        upper = [value + s for value, s in zip(y, spread, strict=True)]
        axes.fill_between(x, lower, upper, color=style.color, alpha=0.16, linewidth=0)
        axes.plot(x, y, markersize=3.6, linewidth=1.5, **vars(style))
        ticks.update(x)
    axes.set_xticks(_apart(sorted(ticks)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: x_format.format(value)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}".replace("-", MINUS)))


def _apart(ticks: Sequence[float]) -> list[float]:
    """The ticks without those whose labels would run into the next larger one's."""
    kept: list[float] = []
    span = math.log(ticks[-1] / ticks[0]) or 1.0
    for tick in reversed(ticks):
        if not kept or math.log(kept[-1] / tick) > 0.11 * span:
            kept.append(tick)
    return kept[::-1]


def _label(line: Line, panels: Panels) -> str:
    title = axis_value("model", line.axes["model"])
    if len(_ways(panels)) == 1:
        return title
    return f"{title}, {line.axes['protocol']}, {line.axes['stream']}"


def _ways(panels: Panels) -> list[tuple[str, str]]:
    return list(
        dict.fromkeys(
            (line.axes["protocol"], line.axes["stream"])
            for lines in panels.values()
            for line in lines
        )
    )


def _how(panels: Panels) -> str:
    ways = "; ".join(f"protocol {p}, stream {s}" for p, s in _ways(panels))
    seeds = max(
        sum(point.x == line.points[0].x for point in line.points)
        for lines in panels.values()
        for line in lines
    )
    band = "standard deviation over seeds" if seeds > 1 else "standard error over test images"
    return f"Bands: {band} ({ways})."
