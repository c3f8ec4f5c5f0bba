"""Whether a measurement's probabilities of leaves are probabilities, and fit each other."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from workflow_src.audit.findings import Notes
from workflow_src.audit.numbers import arrays_of

LEAF_POSTERIORS = "leaf_posteriors.npz"

# They are single precision, and come through as many sums as a circuit is deep.
_ROUNDING = 1e-3

_PROBABILITIES = ("responsibilities", "mean_responsibilities")


def check_leaf_posteriors(place: str, record: Mapping[str, Any], data: bytes, notes: Notes) -> None:
    """A measurement's probabilities of leaves: of one shape, and probabilities."""
    content = record["content"]
    shape = ("leaf_rows", "leaf_columns", "leaf_components")
    names = ("images", "labels", "label_names", *_PROBABILITIES, *shape)
    arrays = arrays_of(place, LEAF_POSTERIORS, data, names, notes)
    if arrays is None:
        return
    problem = _misshapen(arrays, [int(arrays[name]) for name in shape], content)
    if problem is not None:
        notes.find("number", place, f"{LEAF_POSTERIORS} {problem}")
        return
    # Only where all images have a density is the mean of their bounds finite.
    possible = all(
        math.isfinite(row["value"]) for row in content["metrics"] if row["metric"] == "test_bound"
    )
    for name in _PROBABILITIES:
        if not _are_probabilities(arrays[name], possible, whole=name == "responsibilities"):
            notes.find(
                "number",
                place,
                f"{LEAF_POSTERIORS} has {name} that are no probabilities; expected values from 0 "
                "to 1 whose sum over the components of a leaf is 1",
            )


def _misshapen(
    arrays: Mapping[str, Any], layout: Sequence[int], content: Mapping[str, Any]
) -> str | None:
    """What of the arrays does not fit leaves in (rows, columns, components), in words."""
    rows, columns, components = layout
    count, (_, *sides) = len(arrays["labels"]), arrays["images"].shape
    kinds = len(arrays["label_names"])
    wanted = {
        "images": (count, *sides),
        "labels": (count,),
        "label_names": (kinds,),
        "responsibilities": (count, rows * columns, components),
        "mean_responsibilities": (kinds, rows * columns, components),
    }
    for name, shape in wanted.items():
        if arrays[name].shape != shape:
            return f"has {name} of shape {arrays[name].shape}; expected {shape}"
    if len(sides) != 2 or math.prod(sides) != content.get("dimensions"):
        return f"has images of {sides} pixels; expected {content.get('dimensions')} in all"
    if not 0 < count <= content["images"]:
        return f"is of {count} images; expected 1 to {content['images']}"
    names = arrays["label_names"].tolist()
    if len(set(names)) != kinds or set(map(str, arrays["labels"].tolist())) - set(names):
        return f"names the labels {names}; expected each of its images' once"
    return None


def _are_probabilities(values: Any, possible: bool, *, whole: bool) -> bool:
    """Whether values [images or labels, regions, components] sum to 1 over the components.

    Unless all images are ``possible``: those of density 0 have zeros, and the means over them sum
    to less (``whole`` is False of means), to the same for all regions.
    """
    import numpy as np

    room = _ROUNDING
    sums = values.sum(axis=2, dtype=np.float64)
    if possible:
        right = np.abs(sums - 1) <= room
    elif whole:
        none = np.all(values == 0, axis=(1, 2))
        right = (np.abs(sums - 1) <= room) | none[:, None]
    else:
        right = (np.abs(sums - sums[:, :1]) <= room) & (sums <= 1 + room)
    known = np.isfinite(values).all(axis=(1, 2))
    within = (values >= 0) & (values <= 1 + room)
    if possible and not known.all():
        return False
    return bool(right[known].all() and within[known].all())
