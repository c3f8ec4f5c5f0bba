"""Small multiples of lines: one panel per data set and likelihood, one line per way of training.

Lines are means over seeds, bands their spread, where the lines are few. Where a seed has no number,
a cross at the bottom says so.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullFormatter

from workflow_src.report.evidence import Group
from workflow_src.report.figures.style import (
    MODEL_COLOURS,
    Figure,
    LineStyle,
    Styles,
    legend_columns,
    legend_entry,
    look,
    panel_grid,
    png,
    svg,
)
from workflow_src.report.wording import MINUS, axis_value, hyperparameter_text

_ACROSS = 3
_MANY_VALUES = 8
_LOGARITHMIC = 4.0
"""From this ratio of the largest to the smallest value on, an axis is logarithmic."""
_WIDEST = 9.6
"""Inches that a figure is widened to, so that a long legend has two columns."""
_MOST_BANDS = 6
"""Lines in a panel up to which their bands can be told apart."""
_LEAST_HEIGHT = 1 / 3
"""Of a panel, for its lines, where panels have one vertical axis."""


@dataclass(frozen=True)
class Point:
    """One value of one seed, and how uncertain it is by itself."""

    x: float
    y: float
    error: float | None


@dataclass(frozen=True)
class Gap:
    """A seed that has no number at ``x``, and why."""

    x: float
    reason: str


Mark = Point | Gap
Way = tuple[Any, ...]


@dataclass(frozen=True)
class Line:
    """Marks of one model trained in one way; several per x where there are seeds.

    ``variant`` holds the compared hyperparameters that its values are told apart by.
    """

    axes: Mapping[str, Any]
    variant: tuple[tuple[str, Any], ...]
    marks: tuple[Mark, ...]

    @property
    def points(self) -> tuple[Point, ...]:
        """The marks that are numbers."""
        return tuple(mark for mark in self.marks if isinstance(mark, Point))

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """The marks that are none."""
        return tuple(mark for mark in self.marks if isinstance(mark, Gap))

    @property
    def way(self) -> Way:
        """Protocol and stream."""
        return self.axes["protocol"], self.axes["stream"]

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
    """What the axes are called, how ticks across are written, and whether the one up is in logs."""

    across: str
    across_format: str
    up: str
    logarithmic: bool = False


Panels = dict[tuple[str, str], list[Line]]


def panels_of(
    groups: Sequence[Group], marks: Callable[[Group], Iterable[Mark]], across: str | None = None
) -> Panels:
    """The lines by data set and likelihood; ``across`` is the hyperparameter on the x axis."""
    found: dict[tuple[str, str], dict[tuple[Any, ...], list[Mark]]] = {}
    told_apart = sorted({name for group in groups for name in group.variant} - {across})
    for group in groups:
        axes = group.axes
        values = list(marks(group))
        if values:
            panel = found.setdefault((axes["data_set"], axes["likelihood"]), {})
            variant = tuple((name, group.variant.get(name)) for name in told_apart)
            key = (axes["model"], axes["protocol"], axes["stream"], variant)
            panel.setdefault(key, []).extend(values)
    names = ("model", "protocol", "stream")
    return {
        place: [
            Line(dict(zip(names, key, strict=False)), key[-1], tuple(marks))
            for key, marks in lines.items()
        ]
        for place, lines in found.items()
    }


def draw_panels(
    name: str,
    title: str,
    caption: str,
    panels: Panels,
    styles: Styles,
    evaluations: Sequence[str],
    labels: Labels,
    hollow: Callable[[Line], bool] = lambda line: False,
) -> Figure:
    """The figure, as PNG and SVG; ``hollow`` says which lines end in an empty mark."""
    with look():
        figure = _drawn(panels, _styles(every_line(panels), styles), labels, hollow)
        images = {".png": png(figure, palette=256), ".svg": svg(figure)}
    parts = [caption, *_told_gaps(panels, labels), _how(panels)]
    return Figure(name, title, " ".join(parts), images, tuple(dict.fromkeys(evaluations)))


def _drawn(
    panels: Panels,
    styles: Mapping[Way, LineStyle],
    labels: Labels,
    hollow: Callable[[Line], bool],
) -> Canvas:
    lines = every_line(panels)
    titles = {_key(line): line_title(line, panels) for line in lines}
    texts = list(titles.values())
    many = len({mark.x for line in lines for mark in line.marks}) > _MANY_VALUES
    wide, high = (4.6, 3.1) if many else (3.4, 2.6)
    across = min(_ACROSS, len(panels))
    entry, crowded = legend_entry(texts), len(texts) > len(MODEL_COLOURS)
    width = max(wide * across, 4.6, entry, min(2.01 * entry, _WIDEST) if crowded else 0)
    figure, grid = panel_grid(len(panels), across, high, width, 0.35, texts)
    for axes, (place, here) in zip(grid, panels.items(), strict=True):
        _draw_panel(axes, here, styles, labels, hollow)
        axes.set_title(panel_title(place), loc="left")
        axes.set(xlabel=labels.across, ylabel=labels.up)
    if labels.logarithmic or share_the_vertical_axis([axes.get_ylim() for axes in grid]):
        limits = [limit for axes in grid for limit in axes.get_ylim()]
        for axes in grid:
            axes.set_ylim(min(limits), max(limits))
    handles = [
        Line2D([], [], markersize=4, label=title, **vars(styles[key]))
        for key, title in titles.items()
    ]
    columns = legend_columns(texts, width)
    figure.legend(handles=handles, loc="outside upper left", ncols=columns)
    return figure


def share_the_vertical_axis(limits: Sequence[tuple[float, float]]) -> bool:
    """Whether panels of these limits can have one axis: none would be left with too little of it.

    All panels of a figure have one metric, but data sets may lie far apart.
    """
    whole = max(top for _, top in limits) - min(bottom for bottom, _ in limits)
    return all(top - bottom >= _LEAST_HEIGHT * whole for bottom, top in limits)


def every_line(panels: Panels) -> list[Line]:
    """The lines of all panels."""
    return list(itertools.chain.from_iterable(panels.values()))


def panel_title(place: tuple[str, str]) -> str:
    """Data set and likelihood."""
    data_set, likelihood = place
    return f"{axis_value('data_set', data_set)}, {axis_value('likelihood', likelihood)}"


def line_title(line: Line, panels: Panels) -> str:
    """What of model, hyperparameters and way of training differs in the figure; or the model."""
    lines = every_line(panels)
    parts = []
    if len({other.axes["model"] for other in lines}) > 1:
        parts.append(axis_value("model", line.axes["model"]))
    for place, (name, value) in enumerate(line.variant):
        if value is not None and len({other.variant[place] for other in lines}) > 1:
            parts.append(hyperparameter_text(name, value))
    if len(_ways(lines)) > 1:
        parts += line.way
    return ", ".join(parts) or axis_value("model", line.axes["model"])


def _draw_panel(
    axes: Axes,
    lines: Sequence[Line],
    styles: Mapping[Way, LineStyle],
    labels: Labels,
    hollow: Callable[[Line], bool],
) -> None:
    for height, line in enumerate(lines):
        style = styles[_key(line)]
        if line.points:
            _draw_line(axes, line, style, hollow=hollow(line), band=len(lines) <= _MOST_BANDS)
        for x in {gap.x for gap in line.gaps}:
            # One above the other, where several models have no number.
            bottom = axes.get_xaxis_transform()
            axes.plot(x, 0.05 + 0.06 * height, "x", color=style.color, transform=bottom)
    if labels.logarithmic:
        axes.set_yscale("log")
    elif any(line.gaps for line in lines):
        # Room for the crosses below the lines.
        bottom_value, top = axes.get_ylim()
        axes.set_ylim(bottom_value - 0.07 * len(lines) * (top - bottom_value), top)
    values = sorted({mark.x for line in lines for mark in line.marks})
    logarithmic = values[0] > 0 and values[-1] >= _LOGARITHMIC * values[0]
    axes.set_xscale("log" if logarithmic else "linear")
    axes.set_xticks(_apart(values, logarithmic=logarithmic))
    axes.set_xticks(values, minor=True)
    axes.xaxis.set_major_formatter(
        FuncFormatter(lambda value, _: labels.across_format.format(value))
    )
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}".replace("-", MINUS)))
    if labels.logarithmic:
        axes.yaxis.set_minor_formatter(NullFormatter())


def _draw_line(axes: Axes, line: Line, style: LineStyle, *, hollow: bool, band: bool) -> None:
    x, y, spread = zip(*line.summary(), strict=True)
    if band:
        lower = [value - s for value, s in zip(y, spread, strict=True)]
        upper = [value + s for value, s in zip(y, spread, strict=True)]
        axes.fill_between(x, lower, upper, color=style.color, alpha=0.16, linewidth=0)
    axes.plot(x, y, markersize=3.6, linewidth=1.5, **vars(style))
    if hollow:
        end = {"markersize": 6.5, "markerfacecolor": "white", "linestyle": ""}
        axes.plot(x[-1], y[-1], **{**vars(style), **end})


def _apart(ticks: Sequence[float], *, logarithmic: bool) -> list[float]:
    """The ticks without those whose labels would run into the next larger one's."""
    places = [math.log(tick) if logarithmic else tick for tick in ticks]
    span = (places[-1] - places[0]) or 1.0
    kept: list[int] = []
    for place in reversed(range(len(ticks))):
        if not kept or places[kept[-1]] - places[place] > 0.11 * span:
            kept.append(place)
    return [ticks[place] for place in reversed(kept)]


def _styles(lines: Sequence[Line], styles: Styles) -> dict[Way, LineStyle]:
    """One style per line: colours are models', or variants' where there is one model alone.

    Variants beyond the colours have dashes and marks beside them.
    """
    variants = list(dict.fromkeys(line.variant for line in lines))
    if len(variants) == 1:
        return {_key(line): styles.of(line.axes) for line in lines}
    if len({line.axes["model"] for line in lines}) == 1:
        ways = _ways(lines)

        def style(line: Line) -> LineStyle:
            times, colour = divmod(variants.index(line.variant), len(MODEL_COLOURS))
            return styles.numbered(colour, ways.index(line.way) + times * len(ways))

        return {_key(line): style(line) for line in lines}
    places = list(dict.fromkeys((line.way, line.variant) for line in lines))
    return {
        _key(line): styles.of(line.axes, places.index((line.way, line.variant))) for line in lines
    }


def _key(line: Line) -> Way:
    return line.axes["model"], line.way, line.variant


def _ways(lines: Sequence[Line]) -> list[Way]:
    return list(dict.fromkeys(line.way for line in lines))


def _told_gaps(panels: Panels, labels: Labels) -> list[str]:
    """A sentence on the crosses; none where there are none."""
    places: dict[str, dict[str, None]] = {}
    for place, lines in panels.items():
        for line in lines:
            for gap in line.gaps:
                title = f"{line_title(line, panels)} on {panel_title(place)}"
                where = f"{title} at {labels.across_format.format(gap.x)}"
                places.setdefault(gap.reason, {})[where] = None
    if not places:
        return []
    told = [f"{_shortened(list(where))}: {reason}" for reason, where in places.items()]
    return [f"Crosses at the bottom are seeds without a number. {'; '.join(told)}."]


def _shortened(texts: Sequence[str], most: int = 4) -> str:
    rest = len(texts) - most
    return "; ".join(texts[:most]) + (f" and {rest} more" if rest > 0 else "")


def _how(panels: Panels) -> str:
    lines = every_line(panels)
    ways = "; ".join(f"protocol {p}, stream {s}" for p, s in _ways(lines))
    seeds = max(
        (sum(p.x == line.points[0].x for p in line.points) for line in lines if line.points),
        default=0,
    )
    if all(len(here) > _MOST_BANDS for here in panels.values()):
        return f"Lines are too many for bands ({ways})."
    if seeds <= 1 and not any(point.error for line in lines for point in line.points):
        return f"One seed, so that there are no bands ({ways})."
    band = "standard deviation over seeds" if seeds > 1 else "standard error over the test set"
    few = any(len(here) > _MOST_BANDS for here in panels.values())
    where = f", in panels of up to {_MOST_BANDS} lines" if few else ""
    return f"Bands: {band}{where} ({ways})."
