"""Whether the bounds that a measurement tells follow from the bounds of single images beside it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from workflow_src.audit.exact_densities import test_images
from workflow_src.audit.findings import Notes
from workflow_src.audit.numbers import arrays_of, is_near, mean_of, room_of
from workflow_src.config.models import model_declarations

BOUNDS = "bounds.npz"
SMOOTHED_BOUNDS = "smoothed_bounds.npz"

_BITS = ("bernoulli", "discretised_logistic")
"""Likelihoods of integers: their bounds are told as lengths of a code, too."""

_OF_BOUNDS = (
    "test_bound",
    "test_bound_per_dimension",
    "test_bits_per_dimension",
    "test_bound_gain",
)
# What the metrics of bounds are called that are told at the temperature of training, too.
_OF_SMOOTHED = {
    "test_bound": "test_smoothed_bound",
    "test_bits_per_dimension": "test_smoothed_bits_per_dimension",
}
_OF_PARTITION = ("log_partition", "log_partition_standard_error")

_Numbers = tuple[float, float]
_Expected = dict[tuple[str, int], tuple[_Numbers, float]]
"""Mean, standard error, and room for rounding, by metric and number of samples."""


def check_bounds(place: str, record: Mapping[str, Any], data: bytes, notes: Notes) -> None:
    """A measurement's test bounds and what is made of them, from the bounds of single images."""
    _check_bounds(place, record, data, notes, BOUNDS, {name: name for name in _OF_BOUNDS})


def check_smoothed_bounds(place: str, record: Mapping[str, Any], data: bytes, notes: Notes) -> None:
    """The same of bounds at the temperature of training."""
    _check_bounds(place, record, data, notes, SMOOTHED_BOUNDS, _OF_SMOOTHED)


def _check_bounds(
    place: str,
    record: Mapping[str, Any],
    data: bytes,
    notes: Notes,
    file: str,
    metrics: Mapping[str, str],
) -> None:
    """That bounds in a file are what is told under the names that ``metrics`` has for theirs."""
    content = record["content"]
    names = ("importance_samples", "bounds")
    arrays = arrays_of(place, file, data, names, notes, if_there=_OF_PARTITION)
    if arrays is None or not _have_shape(place, content, arrays, file, notes):
        return
    counts = [int(one) for one in arrays["importance_samples"]]
    if counts != list(content["measures"].get("importance_samples", ())):
        notes.find("number", place, f"{file} is of {counts} samples; expected those measured")
    rows = [row for row in content["metrics"] if row["metric"] in metrics.values()]
    claimed = {
        (row["metric"], row["importance_samples"]): (row["value"], row["standard_error"])
        for row in rows
    }
    error = _partition_error(place, content, arrays, file, notes)
    # Records of older versions hold neither this nor what follows from it.
    whole = content.get("dimensions") is not None or any(
        name != "test_bound" for name, _ in claimed
    )
    expected = {
        (metrics[metric], count): one
        for (metric, count), one in _expected(content, arrays, error, whole=whole).items()
        if metric in metrics
    }
    for (metric, count), (found, room) in expected.items():
        if not is_near(claimed.get((metric, count)), found, room):
            notes.find(
                "number",
                place,
                f"the {metric.replace('_', ' ')} of {count} samples is said to be "
                f"{claimed.get((metric, count))} (mean, standard error); expected {found}, as "
                f"{file} has it",
            )
    if set(claimed) != set(expected) or len(rows) != len(claimed):
        said = ", ".join(f"{row['metric']} of {row['importance_samples']}" for row in rows)
        notes.find("number", place, f"bounds of {said} samples; expected those of {counts}")


def _have_shape(
    place: str, content: Mapping[str, Any], arrays: Mapping[str, Any], file: str, notes: Notes
) -> bool:
    """Whether bounds are of every number of samples and every image."""
    shape = (len(arrays["importance_samples"]), _images(content))
    if arrays["bounds"].shape != shape:
        found = arrays["bounds"].shape
        notes.find("number", place, f"{file} has shape {found}; expected {shape}")
    return bool(arrays["bounds"].shape == shape)


def _images(content: Mapping[str, Any]) -> int:
    """Images that bounds are of: all test images, but for anomalies where these are told apart."""
    known = model_declarations().get(content.get("spec", {}).get("model"))
    apart = known is not None and known.evaluation == "leaf_models"
    return test_images(content) if apart else int(content["images"])


def _expected(
    content: Mapping[str, Any], arrays: Mapping[str, Any], error: float, *, whole: bool
) -> _Expected:
    """What follows from bounds, by the names that it has in the binary limit."""
    import numpy as np

    counts = [int(one) for one in arrays["importance_samples"]]
    bounds = arrays["bounds"].astype(np.float64)
    dimensions = content.get("dimensions") or math.nan
    expected = _of_bounds(counts, bounds, dimensions, error, whole=whole)
    if whole and content.get("spec", {}).get("likelihood") in _BITS:
        expected |= _bits(counts, expected)
    return expected


def _partition_error(
    place: str, content: Mapping[str, Any], arrays: Mapping[str, Any], file: str, notes: Notes
) -> float:
    """The standard error of log Z in the bounds, which must be of the log Z that is told."""
    kept = tuple(float(arrays.get(name, 0.0)) for name in _OF_PARTITION)
    rows = [row for row in content["metrics"] if row["metric"] == "log_partition_function"]
    told = [(row["value"], row["standard_error"]) for row in rows] or [(0.0, 0.0)]
    if told != [kept]:
        notes.find(
            "number",
            place,
            f"the log partition function is said to be {', '.join(map(str, told))} (value, "
            f"standard error); expected {kept}, as {file} is made with",
        )
    return kept[1]


def _of_bounds(
    counts: Sequence[int], bounds: Any, dimensions: float, error: float, *, whole: bool
) -> _Expected:
    """What follows from bounds [S, N]: mean, standard error and room for rounding, by metric.

    ``error`` is one that all images share, of their prior's log partition function.
    """
    import numpy as np

    expected: _Expected = {}
    rooms = [room_of(values) for values in bounds]
    for count, values, room in zip(counts, bounds, rooms, strict=True):
        mean, of_images = mean_of(values)
        numbers = (mean, math.hypot(of_images, error))
        expected["test_bound", count] = (numbers, room)
        if whole:
            share = (numbers[0] / dimensions, numbers[1] / dimensions)
            expected["test_bound_per_dimension", count] = (share, room / dimensions)
    if whole and len(counts) > 1:
        with np.errstate(invalid="ignore"):
            gained = bounds[-1] - bounds[-2]
        expected["test_bound_gain", counts[-1]] = (mean_of(gained), rooms[-1] + rooms[-2])
    return expected


def _bits(counts: Sequence[int], expected: _Expected) -> _Expected:
    """The same as the length of a code."""
    found: _Expected = {}
    for count in counts:
        (mean, error), room = expected["test_bound_per_dimension", count]
        bit = math.log(2)
        found["test_bits_per_dimension", count] = ((-mean / bit, error / bit), room / bit)
    return found
