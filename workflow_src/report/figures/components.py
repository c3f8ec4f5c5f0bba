"""A generator as a mixture of probabilistic PCA; Proposition 1 of the EM-DGN paper.

It has a component per region, whose latent variable is cut to the region.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from workflow_src.report.evidence import Group
from workflow_src.report.figures.axes_panels import (
    NOISELESS,
    NOISY,
    Array,
    Parts,
    as_plane,
    ellipse,
    in_parts,
    panel_rows,
    segments,
    true_minus,
)
from workflow_src.report.figures.style import MUTED, Figure
from workflow_src.report.figures.winners import (
    Cell,
    Pictured,
    cell_title,
    evaluations_of,
    pictured,
    told_seeds,
)

_SIZE = 2.7
_SHOWN = 0.999
"""Weight that the components which are drawn have together, the heaviest first."""
_MOST = 40


def draw_components(prefix: str, groups: Sequence[Group]) -> list[Figure]:
    """A row per winner, by data set and likelihood."""
    figures: list[Figure] = []
    for cell, drawn in pictured(groups, "components").items():
        figures += _figures(prefix, cell, drawn)
    return figures


def heaviest(log_weights: Array) -> Array:
    """The components, the heaviest first, that together have nearly all the weight."""
    order = np.argsort(-log_weights, kind="stable")
    before = np.concatenate([[0.0], np.cumsum(np.exp(log_weights[order]))[:-1]])
    chosen: Array = order[before < _SHOWN][:_MOST]
    return chosen


def principal_segment(arrays: dict[str, Array], region: int) -> Array:
    """The image [2, D] of two standard deviations about the mean latent point; S = 1."""
    mean = arrays["latent_means"][region, 0]
    deviation = np.sqrt(max(float(arrays["latent_covariances"][region, 0, 0]), 0.0))
    ends = np.array([mean - 2 * deviation, mean + 2 * deviation])
    image: Array = ends[:, None] * arrays["slopes"][region, :, 0] + arrays["offsets"][region]
    return image


def _figures(prefix: str, cell: Cell, drawn: Sequence[Pictured]) -> list[Figure]:
    figures = []
    for end, part in in_parts(drawn):
        images, across = panel_rows(part, drawn, _panels, _SIZE, _SIZE)
        plane = (
            "Left: each component at two standard deviations of its exact mean and covariance, "
            "the stronger the heavier; red is the part of its principal line that the region "
            f"allows. Drawn are the heaviest, up to {_SHOWN:.1%} of all weight or {_MOST}. "
        )
        figures.append(
            Figure(
                name=f"{prefix}_components-{'-'.join(cell)}{end}",
                title=f"The model as a mixture, {cell_title(cell)}",
                caption=(
                    "A component per region: probabilistic PCA whose latent variable is cut to "
                    f"the region. {plane if across > 1 else ''}Weights, which are the prior "
                    f"masses of the regions, from the heaviest on ({told_seeds(part)})."
                ),
                images=images,
                evaluations=evaluations_of(part),
            )
        )
    return figures


def _panels(one: Pictured) -> Parts:
    weights: Parts = [("weights", _draw_weights)]
    plane = "covariances" in one.arrays and one.arrays["means"].shape[1] == 2
    return [("components", _draw_ellipses), *weights] if plane else weights


def _draw_ellipses(axes: Axes, one: Pictured) -> None:
    arrays = one.arrays
    chosen = heaviest(arrays["log_weights"])
    weights = np.exp(arrays["log_weights"] - arrays["log_weights"].max())
    outlines = []
    for region in chosen[::-1]:
        outline = ellipse(arrays["means"][region], arrays["covariances"][region])
        outlines.append(outline)
        strength = 0.08 + 0.35 * float(weights[region])
        axes.fill(*outline.T, facecolor=(NOISY, strength), edgecolor=NOISY, linewidth=0.6)
    if arrays["slopes"].shape[2] == 1:
        lines = np.stack([principal_segment(arrays, region) for region in chosen])
        segments(axes, lines[:, 0], lines[:, 1], NOISELESS)
    points = np.concatenate(outlines)
    room = 0.05 * float(np.ptp(points, axis=0).max()) + 1e-6
    as_plane(axes, np.stack([points.min(axis=0) - room, points.max(axis=0) + room], axis=1))


def _draw_weights(axes: Axes, one: Pictured) -> None:
    weights = np.sort(np.exp(one.arrays["log_weights"]))[::-1]
    axes.fill_between(np.arange(1, len(weights) + 1), weights, color=NOISY, alpha=0.2, step="mid")
    axes.plot(np.arange(1, len(weights) + 1), weights, ".", color=MUTED, markersize=3)
    axes.set(xlabel="component", ylabel="weight", ylim=(0, None))
    true_minus(axes)
