"""Inverse CDFs of smoothings against q(z = 1 | x); Figures 1(b) and 5 of the DVAE++ paper.

One panel per smoothing, one line per temperature that a winner was trained with. Winners with the
same smoothing share a line.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from matplotlib.axes import Axes
from numpy.typing import NDArray

from workflow_src.report.evidence import Group, read_arrays
from workflow_src.report.figures.style import (
    COMPONENT_COLOURS,
    MUTED,
    Figure,
    canvas,
    look,
    png,
    svg,
)
from workflow_src.report.wording import axis_value, counted, sentence

_FILE = "smoothing"
_CONCRETE = "concrete"
"""The one smoothing that people know by its temperature instead of by the inverse."""
_WIDE, _HIGH, _ACROSS = 3.0, 2.6, 4


@dataclass(frozen=True)
class Curve:
    """zeta against the probability that z is 1, both ``[P]``, at one value of the noise."""

    probabilities: NDArray[Any]
    inverse_cdf: NDArray[Any]


@dataclass
class Curves:
    """All curves at one value of the noise: by smoothing, then by inverse temperature."""

    panels: dict[str, dict[float, Curve]] = field(default_factory=dict)
    evaluations: dict[str, None] = field(default_factory=dict)


def draw_inverse_cdfs(prefix: str, groups: Sequence[Group]) -> list[Figure]:
    """One figure per value of the noise; groups without a smoothing are left out."""
    return [
        _figure(prefix, uniform, curves) for uniform, curves in sorted(curves_of(groups).items())
    ]


def curves_of(groups: Sequence[Group]) -> dict[float, Curves]:
    """The curves of all groups by the noise that they are at; equal ones once."""
    found: dict[float, Curves] = {}
    for group in groups:
        arrays = read_arrays(group.evaluation, _FILE)
        if arrays is None:
            continue
        for uniform, values in zip(arrays["uniforms"], arrays["inverse_cdf"], strict=True):
            curves = found.setdefault(float(uniform), Curves())
            panel = curves.panels.setdefault(str(arrays["smoothing"]), {})
            curve = Curve(arrays["probabilities"], values)
            panel.setdefault(float(arrays["inverse_temperature"]), curve)
            curves.evaluations[group.evaluation.fingerprint] = None
    return found


def temperature_text(smoothing: str, inverse_temperature: float) -> str:
    """How a line is called: by beta, or by the temperature where that is the custom."""
    if smoothing == _CONCRETE:
        return f"$\\lambda$ = {1 / inverse_temperature:.3g}"
    return f"$\\beta$ = {inverse_temperature:.3g}"


def _figure(prefix: str, uniform: float, curves: Curves) -> Figure:
    across = min(_ACROSS, len(curves.panels))
    down = math.ceil(len(curves.panels) / across)
    with look():
        figure = canvas(_WIDE * across + 0.4, _HIGH * down + 0.3)
        figure.set_layout_engine("constrained", h_pad=0.06, w_pad=0.06)
        grid = list(figure.subplots(down, across, squeeze=False).flat)
        for axes, (smoothing, lines) in zip(grid, curves.panels.items(), strict=False):
            _draw_panel(axes, smoothing, lines, uniform)
        for axes in grid[len(curves.panels) :]:
            axes.set_axis_off()
        images = {".png": png(figure, palette=256), ".svg": svg(figure)}
    return Figure(
        name=f"{prefix}_inverse_cdfs-{uniform:g}",
        title="Inverse CDFs of the smoothings",
        caption=(
            "What a smoothing makes of the same noise as the probability of z = 1 grows, at noise "
            f"{uniform:g} and the temperature at the end of training "
            f"({counted(len(curves.evaluations), 'winner')}); gray: the binary variable itself. "
            "Training gets a gradient where a line rises."
        ),
        images=images,
        evaluations=tuple(curves.evaluations),
    )


def _draw_panel(axes: Axes, smoothing: str, lines: dict[float, Curve], uniform: float) -> None:
    axes.plot([0, 1 - uniform, 1 - uniform, 1], [0, 0, 1, 1], color=MUTED, linewidth=0.9)
    for place, (inverse_temperature, curve) in enumerate(sorted(lines.items())):
        axes.plot(
            curve.probabilities,
            curve.inverse_cdf,
            color=COMPONENT_COLOURS[place % len(COMPONENT_COLOURS)],
            linewidth=1.5,
            label=temperature_text(smoothing, inverse_temperature),
        )
    axes.set_title(sentence(axis_value("smoothing", smoothing)), loc="left")
    axes.set(xlabel="q(z = 1 | x)", ylabel=r"$\zeta$", xlim=(0, 1))
    axes.legend(loc="upper left")
