"""What the leaves learn: decoded grids of two-dimensional codes, and test images as codes.

After Kingma and Welling (2014), for every leaf apart. Leaves stand where their region stands in
the image; every component of a region has a panel of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from workflow_src.report.evidence import Group
from workflow_src.report.figures.mosaics import Panel, enlarged, panels_png, tiled
from workflow_src.report.figures.style import LABEL_COLOURS, MUTED, RULE, Figure, canvas, look, png
from workflow_src.report.figures.winners import (
    Cell,
    Pictured,
    cell_title,
    evaluations_of,
    pictured,
    suffix_of,
    title_of,
    told_seeds,
)

_SIZE = 760
_GAP_SHARE = 30


def draw_leaves(prefix: str, groups: Sequence[Group]) -> list[Figure]:
    """Manifolds and embeddings of every group whose codes have two dimensions, first seed only."""
    manifolds, embeddings = (pictured(groups, name) for name in ("leaf_manifolds", "embeddings"))
    figures: list[Figure] = []
    for cell in {**manifolds, **embeddings}:
        figures += [_manifold_figure(prefix, cell, one) for one in manifolds.get(cell, [])]
        figures += [
            _embedding_figure(prefix, cell, one)
            for one in embeddings.get(cell, [])
            if one.arrays["codes"].shape[2] == 2
        ]
    return figures


def manifold_picture(manifold: NDArray[Any], rows: int, columns: int) -> NDArray[Any]:
    """One component's decoded grids [regions, g, g, h, w], each at its region's place."""
    _, steps, _, height, width = manifold.shape
    leaves = manifold.transpose(0, 1, 3, 2, 4).reshape(-1, steps * height, steps * width)
    return tiled(leaves, rows, columns, gap=max(1, steps * width // _GAP_SHARE))


def _manifold_figure(prefix: str, cell: Cell, one: Pictured) -> Figure:
    arrays = one.arrays
    rows, columns, components = _layout(arrays)
    panels = [
        Panel(
            _component_title(component, components),
            enlarged(
                manifold_picture(arrays["manifold"][component::components], rows, columns), _SIZE
            ),
        )
        for component in range(components)
    ]
    return Figure(
        name=f"{prefix}_leaf_manifolds-{suffix_of(one)}",
        title=f"Leaf manifolds, {_whose(cell, one)}",
        caption=(
            f"What every leaf decodes over a grid of its two latent dimensions, at equal steps of "
            f"the prior's quantiles; the {rows} x {columns} array is laid out as the super-pixels "
            f"are. Which component is the first is arbitrary ({told_seeds([one])})."
        ),
        images={".png": panels_png([panels])},
        evaluations=evaluations_of([one]),
    )


def _embedding_figure(prefix: str, cell: Cell, one: Pictured) -> Figure:
    arrays = one.arrays
    rows, columns, components = _layout(arrays)
    return Figure(
        name=f"{prefix}_embeddings-{suffix_of(one)}",
        title=f"Leaf embeddings, {_whose(cell, one)}",
        caption=(
            f"Posterior means of {len(arrays['codes']):,} test images in every leaf, coloured by "
            f"label, on the same axes throughout ({told_seeds([one])})."
        ),
        images={".png": _scatter(arrays, rows, columns, components)},
        evaluations=evaluations_of([one]),
    )


def _scatter(arrays: dict[str, Any], rows: int, columns: int, components: int) -> bytes:
    codes, labels = arrays["codes"], arrays["labels"]
    limit = float(np.quantile(np.abs(codes), 0.995)) * 1.1 or 1.0
    inches = 5.0 if rows * columns > 1 else 4.4
    with look():
        figure = canvas(inches * components + 0.75, inches * rows / columns + 0.35)
        halves = figure.subfigures(
            1, components + 1, width_ratios=[inches] * components + [0.75], squeeze=False
        )[0]
        names = np.unique(labels)
        colours = {n: LABEL_COLOURS[i % len(LABEL_COLOURS)] for i, n in enumerate(names)}
        paint = [colours[label] for label in labels]
        for component, half in enumerate(halves[:-1]):
            grid = half.subplots(
                rows,
                columns,
                squeeze=False,
                gridspec_kw={"wspace": 0.06, "hspace": 0.06, "left": 0.01, "right": 0.99}
                | {"bottom": 0.01, "top": 0.94},
            )
            half.suptitle(_component_title(component, components), fontweight="bold", y=0.99)
            for region, axes in enumerate(grid.flat):
                leaf = codes[:, region * components + component]
                axes.scatter(*leaf.T, c=paint, s=2.2, alpha=0.65, linewidths=0)
                axes.set(xlim=(-limit, limit), ylim=(-limit, limit), xticks=[], yticks=[])
                axes.grid(False)
                axes.spines[:].set(visible=True, color=RULE)
        marks = [
            Line2D([], [], color=colours[n], marker="o", linestyle="", label=str(n)) for n in names
        ]
        halves[-1].legend(handles=marks, title="label", loc="center", labelcolor=MUTED)
        return png(figure, palette=256)


def _layout(arrays: dict[str, Any]) -> tuple[int, int, int]:
    names = ("leaf_rows", "leaf_columns", "leaf_components")
    rows, columns, components = (int(arrays[name]) for name in names)
    return rows, columns, components


def _component_title(component: int, components: int) -> str:
    return f"Component {component + 1} of {components}" if components > 1 else ""


def _whose(cell: Cell, one: Pictured) -> str:
    return f"{title_of(one, [one])}, {cell_title(cell)}"
