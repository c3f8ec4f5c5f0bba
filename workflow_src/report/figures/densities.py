"""Exact densities of points in the plane, and posteriors; Figures 3 and 6 of the EM-DGN paper.

Samples without noise are red and with noise blue, as in the paper; of a posterior the density is
blue, the expectation green, and regions meet at the black lines.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from matplotlib.axes import Axes

from workflow_src.report.evidence import Group, read_arrays
from workflow_src.report.figures.axes_panels import (
    DENSITY,
    MEAN,
    NOISELESS,
    NOISY,
    Array,
    Parts,
    as_plane,
    ellipse,
    in_parts,
    panel_rows,
    true_minus,
)
from workflow_src.report.figures.style import INK, MODEL_COLOURS, MUTED, Figure
from workflow_src.report.figures.winners import (
    Cell,
    Pictured,
    cell_title,
    evaluations_of,
    pictured,
    told_seeds,
)
from workflow_src.report.wording import counted

_SIZE = 2.6
_WIDE, _HIGH = 2.5, 1.7
_MOST_POINTS = 4
_KINDS = {"noiseless": "$x = g(z_0)$", "noisy": "$x = g(z_0) + \\epsilon_0$", "test": "test point"}
_MOST_BOUNDARIES = 200
_ENCODER = MODEL_COLOURS[1]


def draw_densities(prefix: str, groups: Sequence[Group]) -> list[Figure]:
    """Samples beside densities by data set and likelihood; then posteriors, where measured."""
    figures: list[Figure] = []
    for cell, drawn in pictured(groups, "marginal").items():
        figures += _density_figures(prefix, cell, drawn)
    return figures + draw_point_posteriors(prefix, groups)


def draw_point_posteriors(prefix: str, groups: Sequence[Group]) -> list[Figure]:
    """Posteriors of the first points, a row per winner."""
    figures: list[Figure] = []
    for cell, drawn in pictured(groups, "posteriors").items():
        figures += _posterior_figures(prefix, cell, drawn)
    return figures


def normal_density(x: Array, mean: float, variance: float) -> Array:
    """The density of a Gaussian at ``x`` [G]."""
    density: Array = np.exp(-((x - mean) ** 2) / (2 * variance)) / np.sqrt(2 * np.pi * variance)
    return density


def _density_figures(prefix: str, cell: Cell, drawn: Sequence[Pictured]) -> list[Figure]:
    figures = []
    for end, part in in_parts(drawn):
        images, _ = panel_rows(part, drawn, _density_panels, _SIZE, _SIZE)
        figures.append(
            Figure(
                name=f"{prefix}_marginal-{'-'.join(cell)}{end}",
                title=f"Exact density, {cell_title(cell)}",
                caption=(
                    "Left: test points (gray), the generator's outputs without noise (red) and, "
                    "where drawn, with it (blue), and points whose posteriors are shown (black). "
                    "Right: the exact density p(x), the darker the higher, on a scale of its own "
                    f"per panel ({told_seeds(part)})."
                ),
                images=images,
                evaluations=evaluations_of(part),
            )
        )
    return figures


def _density_panels(one: Pictured) -> Parts:
    samples, posteriors = (
        read_arrays(one.group.evaluation, name) for name in ("point_samples", "posteriors")
    )
    draw = partial(_draw_points, samples=samples, posteriors=posteriors)
    return [("samples", draw), ("p(x)", _draw_density)]


def _draw_points(
    axes: Axes,
    one: Pictured,
    samples: dict[str, Array] | None,
    posteriors: dict[str, Array] | None,
) -> None:
    arrays = one.arrays
    axes.plot(*arrays["test"].T, ".", color=MUTED, markersize=1.5, alpha=0.6)
    if samples is not None:
        axes.plot(*samples["noisy"].T, ".", color=NOISY, markersize=1.5, alpha=0.6)
    if "curve" in arrays:
        axes.plot(*arrays["curve"].T, color=NOISELESS, linewidth=1.2)
    elif samples is not None:
        axes.plot(*samples["noiseless"].T, ".", color=NOISELESS, markersize=1.2)
    if posteriors is not None:
        shown = posteriors["points"][shown_points(posteriors["kinds"])]
        axes.plot(*shown.T, "o", color=INK, markersize=3)
    as_plane(axes, _window(arrays))


def _draw_density(axes: Axes, one: Pictured) -> None:
    arrays = one.arrays
    first, second = arrays["first"], arrays["second"]
    density = np.exp(arrays["log_density"] - arrays["log_density"].max())
    axes.pcolormesh(first, second, density, cmap=DENSITY, shading="nearest", rasterized=True)
    as_plane(axes, _window(arrays))


def _window(arrays: dict[str, Array]) -> Array:
    return np.array([[axis.min(), axis.max()] for axis in (arrays["first"], arrays["second"])])


def _posterior_figures(prefix: str, cell: Cell, drawn: Sequence[Pictured]) -> list[Figure]:
    plane = drawn[0].arrays["log_density"].ndim == 3
    encoder = any("encoder_mean" in one.arrays for one in drawn)
    if plane:
        how = "the darker the denser; the cross is the expectation"
        told = ", the dashed ellipse its encoder's Gaussian at two standard deviations"
    else:
        how = "blue; the expectation is green, and regions meet at the thin black lines"
        told = ", dashed the encoder's Gaussian"
    figures = []
    for end, part in in_parts(drawn):
        images, across = panel_rows(
            part, drawn, _posterior_panels, _WIDE, _WIDE if plane else _HIGH
        )
        figures.append(
            Figure(
                name=f"{prefix}_posteriors-{'-'.join(cell)}{end}",
                title=f"Exact posteriors, {cell_title(cell)}",
                caption=(
                    f"p(z | x) of {counted(across, 'point')} per winner: {how}"
                    f"{told if encoder else ''}. Red triangles are the latent points that x was "
                    f"made from, where it was drawn ({told_seeds(part)})."
                ),
                images=images,
                evaluations=evaluations_of(part),
            )
        )
    return figures


def _posterior_panels(one: Pictured) -> Parts:
    arrays = one.arrays
    draw = _draw_plane if arrays["log_density"].ndim == 3 else _draw_line
    return [
        (_KINDS[str(arrays["kinds"][place])], partial(draw, place=place))
        for place in shown_points(arrays["kinds"])
    ]


def shown_points(kinds: Array) -> list[int]:
    """Places of the points that are shown: the first of every kind, then the second, as room is."""
    nth: dict[str, int] = {}
    ranks = []
    for place, kind in enumerate(map(str, kinds)):
        nth[kind] = nth.get(kind, 0) + 1
        ranks.append((nth[kind], list(_KINDS).index(kind), place))
    return [place for _, _, place in sorted(ranks)[:_MOST_POINTS]]


def _draw_line(axes: Axes, one: Pictured, place: int) -> None:
    arrays, z = one.arrays, one.arrays["latents"]
    if len(arrays["boundaries"]) <= _MOST_BOUNDARIES:
        for boundary in arrays["boundaries"]:
            axes.axvline(boundary, color=INK, linewidth=0.4)
    density = np.exp(arrays["log_density"][place])
    axes.fill_between(z, density, color=NOISY, alpha=0.2, linewidth=0)
    axes.plot(z, density, color=NOISY, linewidth=1.2)
    axes.axvline(float(arrays["mean"][place, 0]), color=MEAN, linewidth=1.4)
    axes.plot(arrays["drawn_latents"][place, 0], 0, "^", color=NOISELESS, clip_on=False)
    if "encoder_mean" in arrays:
        mean, variance = arrays["encoder_mean"][place, 0], arrays["encoder_covariance"][place, 0, 0]
        encoder = normal_density(z, float(mean), float(variance))
        axes.plot(z, encoder, color=_ENCODER, linestyle="--", linewidth=1.2)
        density = np.maximum(density, encoder)
    axes.grid(False)
    axes.set(xlim=_about(z, density), xlabel="z", ylim=(0, None))
    true_minus(axes)


def _about(z: Array, density: Array) -> tuple[float, float]:
    """The part of the grid where the density is a hundredth of its highest or more, with room."""
    dense = z[density >= 0.01 * density.max()]
    room = 0.15 * (dense[-1] - dense[0]) + 2 * (z[1] - z[0])
    return float(max(z[0], dense[0] - room)), float(min(z[-1], dense[-1] + room))


def _draw_plane(axes: Axes, one: Pictured, place: int) -> None:
    arrays = one.arrays
    first, second = arrays["latents"]
    log_density = arrays["log_density"][place]
    density = np.exp(log_density - log_density.max())
    axes.pcolormesh(first, second, density, cmap=DENSITY, shading="nearest", rasterized=True)
    axes.plot(*arrays["drawn_latents"][place], "^", color=NOISELESS, markersize=5)
    axes.plot(*arrays["mean"][place], "+", color=MEAN, markersize=9, markeredgewidth=1.8)
    if "encoder_mean" in arrays:
        outline = ellipse(arrays["encoder_mean"][place], arrays["encoder_covariance"][place])
        axes.plot(*outline.T, color=_ENCODER, linestyle="--", linewidth=1.2)
    dense = [_about(first, density.max(axis=0)), _about(second, density.max(axis=1))]
    side = max(high - low for low, high in dense)
    middles = [(low + high) / 2 for low, high in dense]
    as_plane(axes, np.array([[middle - side / 2, middle + side / 2] for middle in middles]))
    axes.set(xlabel="$z_1$", ylabel="$z_2$")
