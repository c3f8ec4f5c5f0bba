"""Which leaf explains which part of an image: single test images, and means by label.

A leaf region has several components, and a sum node is a latent variable that picks one of them
(Tan and Peharz 2019, section 3.1). Colours are components'.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, LinearSegmentedColormap, to_rgb
from numpy.typing import NDArray

from workflow_src.report.evidence import Group
from workflow_src.report.figures.mosaics import Panel, coloured, enlarged, panels_png, tiled
from workflow_src.report.figures.style import COMPONENT_COLOURS, RULE, Figure, canvas, look, png
from workflow_src.report.figures.winners import (
    Pictured,
    cell_title,
    evaluations_of,
    pictured,
    suffix_of,
    title_of,
    told_seeds,
)
from workflow_src.report.wording import hyperparameter_text

_SIZE = 520
_ACROSS = 4
_IMAGES = 12
_PALETTE = 128
_INCHES = 0.95
_STRONGEST = 0.75
"""How much of a colour covers an image where one component explains all."""


def draw_posteriors(prefix: str, groups: Sequence[Group]) -> list[Figure]:
    """Two figures per winner that has several components in a leaf region, first seed only."""
    figures = []
    for drawn in pictured(groups, "leaf_posteriors").values():
        for one in drawn:
            if one.arrays["responsibilities"].shape[2] > 1:
                figures += [_image_figure(prefix, one), _label_figure(prefix, one)]
    return figures


def overlaid(
    images: NDArray[Any], responsibilities: NDArray[Any], rows: int, columns: int
) -> NDArray[Any]:
    """Images [n, h, w] under the colours of what explains them, [n, h, w, 3].

    Every super-pixel has the colour of its most responsible component, the stronger the more
    responsible that is, and none where all are equally so; ``responsibilities`` are
    [n, regions, components], regions in reading order.
    """
    count, height, width = images.shape
    components = responsibilities.shape[2]
    colours = np.array([to_rgb(name) for name in COMPONENT_COLOURS])
    first = responsibilities.argmax(axis=2)
    share = (responsibilities.max(axis=2) - 1 / components) / (1 - 1 / components)
    shape = (count, rows, columns)
    tint = colours[first % len(colours)].reshape(*shape, 3)
    strength = _STRONGEST * share.reshape(*shape, 1)
    across = (height // rows, width // columns)
    tint, strength = (
        part.repeat(across[0], axis=1).repeat(across[1], axis=2) for part in (tint, strength)
    )
    # The image stays visible: tinted paper is the colour, tinted ink stays dark.
    picture: NDArray[Any] = coloured(images) * (1 - strength) + strength * tint
    return picture


def _image_figure(prefix: str, one: Pictured) -> Figure:
    arrays = one.arrays
    images = arrays["images"][:_IMAGES]
    rows, columns = int(arrays["leaf_rows"]), int(arrays["leaf_columns"])
    explained = overlaid(images, arrays["responsibilities"][: len(images)], rows, columns)
    down = -(-len(images) // _ACROSS)
    panels = [
        Panel(title, enlarged(tiled(pictures, down, _ACROSS, gap=1), _SIZE))
        for title, pictures in (
            ("Test images", coloured(images)),
            ("What explains each part", explained),
        )
    ]
    components = arrays["responsibilities"].shape[2]
    return Figure(
        name=f"{prefix}_leaf_posteriors-{suffix_of(one)}",
        title=f"What explains test images, {_whose(one)}",
        caption=(
            f"Colours are the {components} components of each of the {rows} x {columns} leaf "
            "regions, the stronger the more probable it is that this component made the "
            "super-pixel, given the whole image. Which component of a region is the first is "
            f"arbitrary ({told_seeds([one])})."
        ),
        images={".png": panels_png([panels], palette=_PALETTE)},
        evaluations=evaluations_of([one]),
    )


def _label_figure(prefix: str, one: Pictured) -> Figure:
    arrays = one.arrays
    means, names = arrays["mean_responsibilities"], [str(n) for n in arrays["label_names"]]
    rows, columns = int(arrays["leaf_rows"]), int(arrays["leaf_columns"])
    shown = 1 if means.shape[2] == 2 else means.shape[2]
    second = " The second component has the rest." if shown == 1 else ""
    return Figure(
        name=f"{prefix}_leaf_posteriors_by_label-{suffix_of(one)}",
        title=f"What explains each label, {_whose(one)}",
        caption=(
            "Mean responsibility of the first component of every leaf region over the test "
            f"images of a label, each region at its place.{second} Where labels differ, the "
            f"circuit has told them apart without having seen them ({told_seeds([one])})."
        )
        if shown == 1
        else (
            "Mean responsibility of every component (one row each) of every leaf region over the "
            f"test images of a label, each region at its place ({told_seeds([one])})."
        ),
        images={".png": _heat_maps(means, names, rows, columns, shown)},
        evaluations=evaluations_of([one]),
    )


def _heat_maps(
    means: NDArray[Any], names: Sequence[str], rows: int, columns: int, shown: int
) -> bytes:
    """Labels across, ``shown`` components down; ``means`` are [labels, regions, components]."""
    across = len(names)
    with look():
        figure = canvas(_INCHES * across + 0.9, (_INCHES * rows / columns) * shown + 0.4)
        figure.set_layout_engine("constrained", h_pad=0.04, w_pad=0.04)
        grid = figure.subplots(shown, across, squeeze=False)
        for component, line in enumerate(grid):
            for label, axes in enumerate(line):
                values = means[label, :, component].reshape(rows, columns)
                axes.imshow(values, cmap=_colours(shown), vmin=0, vmax=1, interpolation="none")
                axes.set(xticks=[], yticks=[])
                axes.grid(False)
                axes.spines[:].set(visible=True, color=RULE)
                if component == 0:
                    axes.set_title(names[label])
        bar = ScalarMappable(cmap=_colours(shown))
        bar.set_clim(0, 1)
        figure.colorbar(bar, ax=grid[:, -1], ticks=[0, 0.5, 1], fraction=0.08, pad=0.12, shrink=0.9)
        return png(figure, palette=256)


def _colours(shown: int) -> Colormap:
    """From the second component over white to the first, or from white on where all are shown."""
    first, second = COMPONENT_COLOURS[:2]
    ends = [second, "white", first] if shown == 1 else ["white", second]
    return LinearSegmentedColormap.from_list("components", ends)


def _whose(one: Pictured) -> str:
    cell = (one.group.axes["data_set"], one.group.axes["likelihood"])
    return f"{title_of(one, [one], ', ')}, {cell_title(cell)}{_variant(one)}"


def _variant(one: Pictured) -> str:
    words = [hyperparameter_text(name, value) for name, value in one.group.variant.items()]
    return f" ({', '.join(words)})" if words else ""
