"""The common look of figures, and their way to bytes.

Light background, quiet axes, one colour per model in every figure of a study. Equal input gives
equal bytes: nothing of the day or the machine is written into a file.
"""

from __future__ import annotations

import io
import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Canvas
from PIL import Image

INK = "#1c2430"
MUTED = "#66707d"
RULE = "#d9dee5"

# Distinct for colour-blind readers and of similar weight on white.
MODEL_COLOURS = ("#0b6e99", "#d1602c", "#3f8f4f", "#8a4fa3", "#b08900", "#b23a62", "#4f5d75")
DASHES = ("-", "--", ":", "-.")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
LABEL_COLOURS = (
    *("#1f77b4", "#e6862a", "#2f9e44", "#c92a2a", "#7b4fb3"),
    *("#8c5a3c", "#d6569f", "#6b7280", "#a3a500", "#17a2b8"),
)
COMPONENT_COLOURS = ("#d1602c", "#0b6e99", "#3f8f4f", "#8a4fa3", "#b08900", "#b23a62", "#4f5d75")
"""Of the components of a leaf region; the first two are told apart by every eye."""

_LEGEND_CHARACTER, _LEGEND_HANDLE, _LEGEND_ROW = 0.075, 0.65, 0.2
"""Inches that a legend needs per character, per line's sign with the space around it, per row."""

_FONT = "font-family: 'DejaVu Sans'"
_OTHER_FONTS = "Verdana, 'Bitstream Vera Sans', sans-serif"

_RC: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.labelsize": 9,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "svg.hashsalt": "density-bench",
    # Letters, not outlines of them: a third of the size, and text that can be searched and edited.
    "svg.fonttype": "none",
}

DPI = 160


@dataclass(frozen=True)
class Figure:
    """One drawn figure.

    Attributes
    ----------
    name:
        File name without suffix.
    title, caption:
        What it shows, in a few words and in a sentence.
    images:
        Suffix with its dot -> bytes; ``.png`` always, ``.svg`` where lines are drawn.
    evaluations:
        Fingerprints of what it is drawn from.
    """

    name: str
    title: str
    caption: str
    images: Mapping[str, bytes]
    evaluations: tuple[str, ...]


@dataclass(frozen=True)
class LineStyle:
    """Colour, dashes and marker of one line."""

    color: str
    linestyle: str
    marker: str


class Styles:
    """One colour per model, one dash per way of training, the same in all figures of a study."""

    def __init__(self, axes: Iterable[Mapping[str, Any]]) -> None:
        rows = list(axes)
        self._models = list(dict.fromkeys(row["model"] for row in rows))
        self._ways = list(dict.fromkeys((row["protocol"], row["stream"]) for row in rows))

    def of(self, axes: Mapping[str, Any], place: int | None = None) -> LineStyle:
        """The style of a line with these axes; ``place`` takes the place of its way's."""
        way = self._ways.index((axes["protocol"], axes["stream"])) if place is None else place
        return self.numbered(self._models.index(axes["model"]), way)

    def numbered(self, colour: int, place: int) -> LineStyle:
        """The style of that colour, with the dashes and marks of that place."""
        return LineStyle(
            color=MODEL_COLOURS[colour % len(MODEL_COLOURS)],
            linestyle=DASHES[place % len(DASHES)],
            marker=_MARKERS[place % len(_MARKERS)],
        )


def look() -> Any:
    """A context in which figures have the common look."""
    return mpl.rc_context({**_RC})


def canvas(width: float, height: float) -> Canvas:
    """An empty figure of that size in inches, apart from pyplot's global state."""
    figure = Canvas(figsize=(width, height), dpi=DPI)
    FigureCanvasAgg(figure)
    return figure


def legend_entry(titles: Iterable[str]) -> float:
    """Inches across that the longest of a legend's titles needs, with its sign."""
    return _LEGEND_CHARACTER * max(map(len, titles)) + _LEGEND_HANDLE


def legend_columns(titles: Collection[str], width: float) -> int:
    """How many columns of a legend fit into a figure of that many inches."""
    return max(1, min(len(titles), int(width / legend_entry(titles))))


def panel_grid(
    count: int,
    across: int,
    panel_height: float,
    width: float,
    margin: float,
    titles: Collection[str],
) -> tuple[Canvas, list[Axes]]:
    """An empty figure of so many panels in rows of ``across``, and their axes.

    All sizes are inches; ``margin`` is the room above the panels beside that of a legend with
    these titles.
    """
    down = math.ceil(count / across)
    legend_rows = math.ceil(len(titles) / legend_columns(titles, width))
    figure = canvas(width, panel_height * down + margin + _LEGEND_ROW * legend_rows)
    figure.set_layout_engine("constrained", h_pad=0.06, w_pad=0.06)
    grid = list(figure.subplots(down, across, squeeze=False).flat)
    for axes in grid[count:]:
        axes.set_axis_off()
    return figure, grid[:count]


def png(figure: Canvas, *, palette: int | None = None) -> bytes:
    """The figure as PNG; with ``palette`` colours, which makes gray images a third of the size."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=DPI, metadata={"Software": None})
    if palette is None:
        return stream.getvalue()
    image = Image.open(stream).convert("RGB").quantize(palette, dither=Image.Dither.NONE)
    smaller = io.BytesIO()
    image.save(smaller, format="png", optimize=True)
    return smaller.getvalue()


def svg(figure: Canvas) -> bytes:
    """The figure as SVG, with text as text and fonts of like widths where its own is not there."""
    stream = io.BytesIO()
    figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    return stream.getvalue().replace(_FONT.encode(), f"{_FONT}, {_OTHER_FONTS}".encode())
