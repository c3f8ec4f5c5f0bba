"""Images drawn from the winners, model beside model, with the expected pixels below.

Of a collection every data set has a row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workflow_src.report.evidence import Group
from workflow_src.report.figures.mosaics import (
    Panel,
    enlarged,
    panels_png,
    square_tiling,
    tiled,
)
from workflow_src.report.figures.style import Figure
from workflow_src.report.figures.winners import (
    Cell,
    Pictured,
    by_collection,
    cell_title,
    evaluations_of,
    models_of,
    pictured,
    title_of,
    told_seeds,
)
from workflow_src.report.wording import axis_value, listed

_SIZE = 420
_ACROSS = 4
_IMAGES = 64
_OF_EACH = 10
"""Images of every data set of a collection."""


def draw_samples(prefix: str, groups: Sequence[Group]) -> list[Figure]:
    """One figure per data set or collection and likelihood; groups without samples are left out."""
    cells = by_collection(pictured(groups, "samples"))
    return [
        _figure(prefix, cell, [_together(one) for one in kinds]) for cell, kinds in cells.items()
    ]


def drawn_images(arrays: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
    """Images drawn [n, h, w] or [n, h, w, 3], from the arrays of any evaluation."""
    return arrays["samples"] if "samples" in arrays else arrays["images"]


def _together(parts: Sequence[Pictured]) -> Pictured:
    """One winner with its tilings, or those on a collection's data sets with a row of each."""
    first, *others = parts
    kinds = [{"drawn": drawn_images(one.arrays)} for one in parts]
    if all("means" in one.arrays for one in parts):
        kinds = [
            kind | {"expected": one.arrays["means"]} for kind, one in zip(kinds, parts, strict=True)
        ]
    if first.group.collection is None:
        return Pictured(
            first.group,
            {name: square_tiling(images[:_IMAGES]) for name, images in kinds[0].items()},
        )
    across = min(_OF_EACH, *(len(kind["drawn"]) for kind in kinds))
    tilings = {
        name: tiled(np.concatenate([kind[name][:across] for kind in kinds]), len(kinds), across, 1)
        for name in kinds[0]
    }
    return Pictured(first.group, tilings, tuple(one.group for one in others))


def _figure(prefix: str, cell: Cell, drawn: Sequence[Pictured]) -> Figure:
    rows: list[list[Panel]] = []
    labels: list[str] = []
    expects = all("expected" in one.arrays for one in drawn)
    for start in range(0, len(drawn), _ACROSS):
        part = drawn[start : start + _ACROSS]
        titles = [title_of(one, drawn) for one in part]
        for label in ("drawn", "expected") if expects else ("drawn",):
            rows.append(
                [
                    Panel(title if label == "drawn" else "", enlarged(one.arrays[label], _SIZE))
                    for one, title in zip(part, titles, strict=True)
                ]
            )
            labels.append(label)
    below = (
        ", and below them the pixels expected given the same latent codes and components"
        if expects
        else ""
    )
    return Figure(
        name=f"{prefix}_samples-{'-'.join(cell)}",
        title=f"Samples, {cell_title(cell)}",
        caption=(
            f"Images drawn from the winners ({listed(models_of(drawn))}){below}{_rows_told(drawn)} "
            f"({told_seeds(drawn)})."
        ),
        images={".png": panels_png(rows, labels if expects else ())},
        evaluations=evaluations_of(drawn),
    )


def _rows_told(drawn: Sequence[Pictured]) -> str:
    """What the rows of a collection are, model by model where they have other ones."""
    if drawn[0].group.collection is None:
        return ""
    rows: dict[str, list[str]] = {}
    for one in drawn:
        groups = (one.group, *one.others)
        names = listed(axis_value("data_set", group.axes["data_set"]) for group in groups)
        rows.setdefault(names, []).append(title_of(one, drawn, ", "))
    told = "; ".join(
        f"{names} of {listed(titles)}" if len(rows) > 1 else names for names, titles in rows.items()
    )
    return f"; a row for each model's data set, from top to bottom {told}"
