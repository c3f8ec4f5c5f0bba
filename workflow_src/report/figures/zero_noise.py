"""The limit of no noise: posteriors close in on one latent point; Lemma 2 of the EM-DGN paper.

That is the one of the nearest output, as generative latent optimisation finds it without a prior;
beside it the ones with the prior and within a box (Proposition 3).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from workflow_src.report.evidence import Group
from workflow_src.report.figures.axes_panels import (
    MEAN,
    NOISELESS,
    NOISY,
    Array,
    Parts,
    as_plane,
    in_parts,
    panel_rows,
    segments,
    true_minus,
)
from workflow_src.report.figures.style import INK, MODEL_COLOURS, RULE, Figure
from workflow_src.report.figures.winners import (
    Cell,
    Pictured,
    cell_title,
    evaluations_of,
    pictured,
    told_seeds,
)

_SIZE = 2.7
_OTHER = MODEL_COLOURS[1]
_SMALLEST = 1e-16
"""What a distance of nothing is drawn as."""


def draw_zero_noise(prefix: str, groups: Sequence[Group]) -> list[Figure]:
    """A row per winner, by data set and likelihood."""
    figures: list[Figure] = []
    for cell, drawn in pictured(groups, "zero_noise").items():
        figures += _figures(prefix, cell, drawn)
    return figures


def distances(means: Array, latents: Array) -> Array:
    """How far posterior means [V, P, S] are from the latents [P, S] at each noise, [V, P]."""
    found: Array = np.linalg.norm(means - latents, axis=-1)
    return found


def _figures(prefix: str, cell: Cell, drawn: Sequence[Pictured]) -> list[Figure]:
    figures = []
    for end, part in in_parts(drawn):
        images, across = panel_rows(part, drawn, _panels, _SIZE, _SIZE)
        first = (
            "Left: points (black) with the nearest outputs of the generator (green) on its image "
            "(red). "
        )
        figures.append(
            Figure(
                name=f"{prefix}_zero_noise-{'-'.join(cell)}{end}",
                title=f"The limit of no noise, {cell_title(cell)}",
                caption=(
                    f"{first if across > 2 else ''}Posteriors as the noise falls: how far the "
                    "exact mean is from the latent point of the nearest output (blue), and the "
                    "standard deviation (orange); thin lines are points, strong ones medians. A "
                    "point with two nearest outputs, or in a region where the generator is flat, "
                    "has no single limit. Right: latent points of the nearest outputs against "
                    "the most probable ones at the model's own noise (blue) and the nearest "
                    f"within a box (orange; {_boxes(part)}), all their dimensions "
                    f"({told_seeds(part)})."
                ),
                images=images,
                evaluations=evaluations_of(part),
            )
        )
    return figures


def _boxes(drawn: Sequence[Pictured]) -> str:
    clips = sorted({float(one.arrays["clip"]) for one in drawn})
    return ", ".join(f"up to {clip:g}" for clip in clips)


def _panels(one: Pictured) -> Parts:
    limits: Parts = [("as the noise falls", _draw_limit), ("latent points", _draw_latents)]
    return [("points", _draw_points), *limits] if "curve" in one.arrays else limits


def _draw_points(axes: Axes, one: Pictured) -> None:
    arrays = one.arrays
    segments(axes, arrays["points"], arrays["reconstructions"], INK)
    axes.plot(*arrays["curve"].T, color=NOISELESS, linewidth=1.2)
    axes.plot(*arrays["points"].T, ".", color=INK, markersize=3)
    axes.plot(*arrays["reconstructions"].T, ".", color=MEAN, markersize=3)
    shown = np.concatenate([arrays["points"], arrays["reconstructions"]])
    room = 0.2 * float(np.ptp(shown, axis=0).max()) + 1e-6
    as_plane(axes, np.stack([shown.min(axis=0) - room, shown.max(axis=0) + room], axis=1))


def _draw_limit(axes: Axes, one: Pictured) -> None:
    arrays, noise = one.arrays, one.arrays["noise_standard_deviations"]
    deviations = np.linalg.norm(arrays["standard_deviations"], axis=-1)
    lines = ((distances(arrays["means"], arrays["latents"]), NOISY), (deviations, _OTHER))
    for values, colour in lines:
        shown = np.maximum(values, _SMALLEST)
        axes.plot(noise, shown, color=colour, linewidth=0.5, alpha=0.35)
        axes.plot(noise, np.median(shown, axis=1), color=colour, linewidth=1.8)
    axes.set(xscale="log", yscale="log", xlabel="noise, standard deviation")
    axes.set_xlim(noise.max(), noise.min())


def _draw_latents(axes: Axes, one: Pictured) -> None:
    nearest = one.arrays["latents"]
    axes.axline((0, 0), slope=1, color=RULE, linewidth=0.8)
    for name, colour in (("penalised_latents", NOISY), ("clipped_latents", _OTHER)):
        axes.plot(nearest.ravel(), one.arrays[name].ravel(), ".", color=colour, markersize=4)
    axes.set(xlabel="nearest output", ylabel="with prior, in a box")
    true_minus(axes)
