"""Panels of gray or coloured images: every image pixel is a square of whole screen pixels."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from matplotlib.figure import Figure as Canvas
from numpy.typing import NDArray

from workflow_src.report.figures.style import DPI, INK, MUTED, canvas, look, png

Array = NDArray[Any]

_GRAYS = 64
_MARGIN = 10
_BETWEEN = 26
_TITLE = 34
_LINE = 26
_SIDE = 34
_CHARACTER = 14
_SIGNS = {" ": "\N{NO-BREAK SPACE}", "-": "\N{NON-BREAKING HYPHEN}"}
_TOGETHER = str.maketrans(_SIGNS)
_APART = str.maketrans({held: sign for sign, held in _SIGNS.items()})


@dataclass(frozen=True)
class Panel:
    """One picture, gray [h, w] or coloured [h, w, 3], in [0, 1] with NaN where nothing is."""

    title: str
    picture: Array


def tiled(images: Array, rows: int, columns: int, gap: int) -> Array:
    """Images [n, h, w] or [n, h, w, 3] in reading order, with ``gap`` empty pixels between them.

    Places beyond the last image stay empty (NaN), as gaps are.
    """
    _, height, width, *colours = images.shape
    shape = (rows * (height + gap) - gap, columns * (width + gap) - gap)
    picture = np.full((*shape, *colours), np.nan)
    for place, image in enumerate(images[: rows * columns]):
        top, left = (place // columns) * (height + gap), (place % columns) * (width + gap)
        picture[top : top + height, left : left + width] = image
    return picture


def square_tiling(images: Array, gap: int = 1) -> Array:
    """As many images as fill a square, tiled."""
    side = math.isqrt(len(images))
    return tiled(images, side, side, gap)


def enlarged(picture: Array, size: int) -> Array:
    """Every pixel as a square of whole pixels, as large as keeps the width within ``size``."""
    factor = max(1, size // picture.shape[1])
    return picture.repeat(factor, axis=0).repeat(factor, axis=1)


def coloured(images: Array) -> Array:
    """Gray images [..., h, w] as coloured ones [..., h, w, 3]."""
    return np.repeat(images[..., None], 3, axis=-1)


def panels_png(
    rows: Sequence[Sequence[Panel]], labels: Sequence[str] = (), palette: int = _GRAYS
) -> bytes:
    """Rows of panels of one size, with ``labels`` at the left of the rows, as PNG."""
    height, width, *_ = rows[0][0].picture.shape
    rows = [[replace(panel, title=_wrapped(panel.title, width)) for panel in row] for row in rows]
    across = max(len(row) for row in rows)
    side = _SIDE if labels else 0
    total_width = side + across * width + (across - 1) * _BETWEEN + 2 * _MARGIN
    total_height = sum(_title_height(row) + height for row in rows)
    total_height += (len(rows) - 1) * _BETWEEN // 2 + 2 * _MARGIN
    with look():
        figure = canvas(total_width / DPI, total_height / DPI)
        top = _MARGIN
        for place, row in enumerate(rows):
            top += _title_height(row)
            for number, panel in enumerate(row):
                left = _MARGIN + side + number * (width + _BETWEEN)
                _place(figure, panel, left, top, total_width, total_height)
            if labels:
                x, y = (_MARGIN + side / 3) / total_width, 1 - (top + height / 2) / total_height
                text = figure.text(x, y, labels[place], ha="center", va="center", color=MUTED)
                text.set_rotation(90)
            top += height + _BETWEEN // 2
        return png(figure, palette=palette)


def _wrapped(title: str, width: int) -> str:
    """The title in lines that are no longer than ``width`` pixels.

    Lines end after commas, so that a name stays with its number, and elsewhere only in what is
    longer than a line.
    """
    longest = max(10, (width + _BETWEEN) // _CHARACTER)
    lines = [textwrap.fill(_held_together(line, longest), longest) for line in title.split("\n")]
    return "\n".join(lines).translate(_APART)


def _held_together(line: str, longest: int) -> str:
    """The line with signs that are no place to break in every phrase that fits a line."""
    phrases = line.split(", ")
    return ", ".join(
        phrase.translate(_TOGETHER) if len(phrase) < longest else phrase for phrase in phrases
    )


def _title_height(row: Sequence[Panel]) -> int:
    lines = max((panel.title.count("\n") + 1 for panel in row if panel.title), default=0)
    return _TITLE + (lines - 1) * _LINE if lines else 0


def _place(figure: Canvas, panel: Panel, left: int, top: int, width: int, height: int) -> None:
    rows, columns, *colours = panel.picture.shape
    place = (left / width, 1 - (top + rows) / height, columns / width, rows / height)
    axes = figure.add_axes(place)
    axes.set_axis_off()
    # Colour by colour, so that gaps are the paper's white and no resampling happens.
    picture = np.clip(np.nan_to_num(panel.picture, nan=1.0), 0.0, 1.0)
    shown = picture if colours else coloured(picture)
    axes.imshow(shown, interpolation="none", aspect="auto")
    if panel.title:
        axes.set_title(panel.title, color=INK, pad=6)
