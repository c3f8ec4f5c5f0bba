"""Regions of latent space with a colour per affine map, how they are found, and their simplices.

Figures 1 and 2 of the EM-DGN paper. With one latent dimension regions are intervals, over which the
generator's outputs are drawn.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import LinearSegmentedColormap

from workflow_src.report.evidence import Group
from workflow_src.report.figures.axes_panels import (
    Array,
    Draw,
    Parts,
    as_plane,
    in_parts,
    panel_each,
    panel_rows,
    true_minus,
)
from workflow_src.report.figures.style import COMPONENT_COLOURS, INK, MUTED, Figure
from workflow_src.report.figures.winners import (
    Cell,
    Pictured,
    cell_title,
    evaluations_of,
    pictured,
    told_seeds,
)
from workflow_src.report.wording import counted

_SIZE = 2.9
_SMALL = 2.0
_MOST_SIMPLICES = 4
_MOST_STEPS = 5
"""Panels of a discovery; where there are more steps, the last panel is of the last step."""
_STEP_COLOURS = LinearSegmentedColormap.from_list("steps", ["#12263a", "#0b6e99", "#cfe3ec"])
_MOST_OUTPUTS = 7
"""Outputs of the generator whose lines can be told apart."""


def draw_partitions(prefix: str, groups: Sequence[Group]) -> list[Figure]:
    """Partitions by data set and likelihood; in the plane their discovery and triangulations."""
    figures = []
    for cell, drawn in pictured(groups, "partition").items():
        figures.append(_partition_figure(prefix, cell, drawn))
        figures += _discovery_figures(prefix, cell, drawn)
    for cell, drawn in pictured(groups, "triangulation").items():
        figures += _triangulation_figures(prefix, cell, drawn)
    return figures


def polygons(arrays: dict[str, Array]) -> list[Array]:
    """The corners [corners, 2] of every region, of those off the window none."""
    starts = arrays["starts"]
    return [arrays["vertices"][first:last] for first, last in itertools.pairwise(starts)]


def shown_region(region: Array) -> int:
    """The region whose simplices are shown: with most of them, but not more than have room.

    ``region`` [T] are the regions of the simplices; of equals the first counts.
    """
    counts = np.bincount(region)
    fitting = np.where(counts <= _MOST_SIMPLICES, counts, 0)
    return int((fitting if fitting.any() else counts).argmax())


def _partition_figure(prefix: str, cell: Cell, drawn: Sequence[Pictured]) -> Figure:
    plane = "vertices" in drawn[0].arrays
    regions = ", ".join(str(len(one.arrays["offsets"])) for one in drawn)
    what = (
        "Latent space, cut at the window"
        if plane
        else "The generator's outputs against the latent variable, cut at the window; vertical "
        "lines are where regions meet"
    )
    return Figure(
        name=f"{prefix}_partition-{'-'.join(cell)}",
        title=f"Regions of the generator, {cell_title(cell)}",
        caption=(
            f"{what}. Every colour is an affine map, alike where maps are alike; outermost "
            f"regions go on without end. Regions: {regions} ({told_seeds(drawn)})."
        ),
        images=panel_each(drawn, _draw_partition, _SIZE),
        evaluations=evaluations_of(drawn),
    )


def _draw_partition(axes: Axes, one: Pictured) -> None:
    if "vertices" in one.arrays:
        _draw_polygons(axes, one.arrays)
    else:
        _draw_intervals(axes, one.arrays)


def _draw_polygons(axes: Axes, arrays: dict[str, Array]) -> None:
    shown = [
        (corners, colour)
        for corners, colour in zip(polygons(arrays), arrays["colours"], strict=True)
        if len(corners)
    ]
    axes.add_collection(
        PolyCollection(
            [corners for corners, _ in shown],
            facecolors=[tuple(colour) for _, colour in shown],
            edgecolors=INK,
            linewidths=0.5,
        )
    )
    as_plane(axes, arrays["window"])
    axes.set(xlabel="$z_1$", ylabel="$z_2$")


def _draw_intervals(axes: Axes, arrays: dict[str, Array]) -> None:
    (low, high), outputs = arrays["window"][0], min(arrays["offsets"].shape[1], _MOST_OUTPUTS)
    inside = arrays["lower"] < arrays["upper"]
    parts = (arrays[name][inside] for name in ("lower", "upper", "colours", "slopes", "offsets"))
    for lower, upper, colour, slopes, offsets in zip(*parts, strict=True):
        axes.axvspan(lower, upper, color=tuple(colour), alpha=0.45, linewidth=0)
        ends = np.array([lower, upper])
        for output in range(outputs):
            values = slopes[output, 0] * ends + offsets[output]
            axes.plot(ends, values, color=COMPONENT_COLOURS[output], linewidth=1.3)
        if lower > low:
            axes.axvline(lower, color=INK, linewidth=0.5)
    axes.grid(False)
    axes.set(xlim=(low, high), xlabel="z", ylabel="g(z)")
    true_minus(axes)


def shown_steps(last: int) -> list[int]:
    """The steps of a discovery that have a panel, from 0 to the last."""
    return [*range(min(last, _MOST_STEPS - 1)), last]


def _discovery_figures(prefix: str, cell: Cell, drawn: Sequence[Pictured]) -> list[Figure]:
    figures = []
    plane = [one for one in drawn if "vertices" in one.arrays]
    for end, part in in_parts(plane):
        images, _ = panel_rows(part, drawn, _discovery_panels, _SMALL, _SMALL)
        steps = ", ".join(
            f"{one.arrays['discovery_steps'].max()} to "
            f"{counted(len(one.arrays['discovery_steps']), 'region')}"
            for one in part
        )
        figures.append(
            Figure(
                name=f"{prefix}_discovery-{'-'.join(cell)}{end}",
                title=f"Discovery of regions, {cell_title(cell)}",
                caption=(
                    "The initial region is that of a latent vector drawn from the prior; each step "
                    "finds all regions across a face of one found before, until there is no new "
                    "one. The lighter, the later; n counts what is found, that off the window, "
                    f"too. Steps: {steps} ({told_seeds(part)})."
                ),
                images=images,
                evaluations=evaluations_of(part),
            )
        )
    return figures


def _discovery_panels(one: Pictured) -> Parts:
    steps = one.arrays["discovery_steps"]

    def draw(step: int) -> Draw:
        return lambda axes, pictured_one: _draw_found(axes, pictured_one.arrays, step)

    def words(step: int) -> str:
        name = f"step {step}" if step else "initial region"
        return f"{name}, n = {(steps <= step).sum()}"

    return [(words(step), draw(step)) for step in shown_steps(int(steps.max()))]


def _draw_found(axes: Axes, arrays: dict[str, Array], step: int) -> None:
    """The regions that were found in so many steps."""
    steps = arrays["discovery_steps"]
    shown = [
        (corners, _STEP_COLOURS(own / max(steps.max(), 1)))
        for corners, own in zip(polygons(arrays), steps, strict=True)
        if len(corners) and own <= step
    ]
    axes.add_collection(
        PolyCollection(
            [corners for corners, _ in shown],
            facecolors=[colour for _, colour in shown],
            edgecolors=INK,
            linewidths=0.5,
        )
    )
    as_plane(axes, arrays["window"])
    axes.tick_params(labelsize=6)


def _triangulation_figures(prefix: str, cell: Cell, drawn: Sequence[Pictured]) -> list[Figure]:
    figures = []
    for end, part in in_parts(drawn):
        images, _ = panel_rows(part, drawn, _triangulation_panels, _SMALL, _SMALL)
        triangles = ", ".join(map(_told, part))
        figures.append(
            Figure(
                name=f"{prefix}_triangulation-{'-'.join(cell)}{end}",
                title=f"Simplices of regions, {cell_title(cell)}",
                caption=(
                    "Delaunay triangulation of every region within the window, then one region "
                    "and each of its simplices, over which the paper's integrals go. Simplices: "
                    f"{triangles} ({told_seeds(part)})."
                ),
                images=images,
                evaluations=evaluations_of(part),
            )
        )
    return figures


def _told(one: Pictured) -> str:
    regions = counted(len(np.unique(one.arrays["region"])), "region")
    return f"{len(one.arrays['triangles']):,} of {regions}"


def _triangulation_panels(one: Pictured) -> Parts:
    triangles, region = one.arrays["triangles"], one.arrays["region"]
    chosen = triangles[region == shown_region(region)]

    def draw(faces: Array, lit: Array) -> Draw:
        return lambda axes, pictured_one: _draw_triangles(axes, pictured_one, faces, lit)

    nothing = triangles[:0]
    singles = [
        (f"simplex {place + 1}", draw(chosen, chosen[place : place + 1]))
        for place in range(min(len(chosen), _MOST_SIMPLICES))
    ]
    whole = ("all regions", draw(triangles, nothing))
    return [whole, ("one region", draw(chosen, chosen)), *singles]


def _draw_triangles(axes: Axes, one: Pictured, triangles: Array, lit: Array) -> None:
    whole = len(triangles) == len(one.arrays["triangles"])
    axes.add_collection(
        PolyCollection(list(triangles), facecolors="none", edgecolors=MUTED, linewidths=0.5)
    )
    axes.add_collection(
        PolyCollection(
            list(lit),
            facecolors=COMPONENT_COLOURS[1],
            edgecolors=INK,
            linewidths=0.6,
            alpha=0.5,
        )
    )
    if whole:
        as_plane(axes, one.arrays["window"])
    else:
        corners = triangles.reshape(-1, 2)
        room = 0.08 * float(np.ptp(corners, axis=0).max())
        low, high = corners.min(axis=0) - room, corners.max(axis=0) + room
        as_plane(axes, np.stack([low, high], axis=1))
    axes.tick_params(labelsize=6)
