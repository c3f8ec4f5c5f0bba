"""Whether the mixture layers of a winner had come to the end of their annealing.

A layer whose neighbourhood is still wide has components that learn together: its centroids are
means over neighbours, and so are its samples. Training does not stop for that, as its length is
fixed; histories tell the widths, and notes of tables those that were left.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from workflow_src.report.wording import axis_value, listed

NARROW = 0.25
"""Width in grid steps at which components learn alone: a neighbour's weight is exp(-8)."""
FINAL_WIDTH = "final_sigma"
"""The hyperparameter that says where annealing ends; models without it do not anneal so."""

_WIDTH = re.compile(r"layer_(\d+)_sigma")
_NAMED = 3
"""Layers of trainings that a note tells one by one; of more it tells the extremes."""


@dataclass(frozen=True)
class Unfinished:
    """The layers of one training that were not annealed.

    ``training`` is its seed, and of a collection its data set, in words; ``spec`` is its winner's;
    ``widths`` has the last width of every such layer by its number from the image up.
    """

    training: str
    spec: Mapping[str, Any]
    widths: Mapping[int, float]

    @property
    def layout(self) -> str | None:
        """The layout by its name, where it has a layout."""
        return axis_value("layout", self.spec["layout"]) if "layout" in self.spec else None


def widths_left(history: Mapping[str, NDArray[Any]], final_width: float) -> dict[int, float]:
    """The last width of every layer that is wide still, by layer.

    Wide is above both `NARROW` and where annealing was to end, ``final_width``. Empty for a history
    without such columns.
    """
    found = {
        int(match[1]): float(values[-1])
        for name, values in history.items()
        if (match := _WIDTH.fullmatch(name)) and len(values)
    }
    enough = max(NARROW, final_width)
    return {layer: width for layer, width in sorted(found.items()) if width > enough}


def annealing_remark(unfinished: Sequence[Unfinished], trainings: int) -> str:
    """What a note says of a cell's trainings, of which there are so many in all."""
    layers = [(layer, width, one) for one in unfinished for layer, width in one.widths.items()]
    if len(layers) <= _NAMED:
        told = [
            f"of layer {layer} still has width {_number(width)} ({_place(one)})"
            for layer, width, one in layers
        ]
        return f"Annealing unfinished: the neighbourhood {listed(told)}."
    numbers = listed(str(layer) for layer in sorted({layer for layer, _, _ in layers}))
    which = f"layers {numbers}" if " " in numbers else f"layer {numbers}"
    widths = [width for _, width, _ in layers]
    extremes = list(dict.fromkeys(_number(one) for one in (min(widths), max(widths))))
    range_of = "width " if len(extremes) == 1 else "widths from "
    layouts = list(dict.fromkeys(one.layout for one in unfinished if one.layout))
    of = f" of {listed(layouts)}" if layouts else ""
    return (
        f"Annealing unfinished in {len(unfinished)} of {trainings} trainings{of}: neighbourhoods "
        f"of {which} still have {range_of}{' to '.join(extremes)}."
    )


def _place(one: Unfinished) -> str:
    seed = f"seed {one.training}"
    return f"{one.layout}, {seed}" if one.layout else seed


def _number(width: float) -> str:
    return f"{width:.2g}"
