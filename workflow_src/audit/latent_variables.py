"""Whether what was measured on models with latent variables follows from the arrays beside it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from workflow_src.audit.bounds import SMOOTHED_BOUNDS
from workflow_src.audit.findings import Notes
from workflow_src.audit.numbers import arrays_of, is_near, mean_of, room_of

DIVERGENCES = "kl_divergences.npz"
GLOBAL_SAMPLES = "global_samples.npz"
LOG_PARTITION = "log_partition.npz"
SMOOTHING = "smoothing.npz"
TRAINING_BOUNDS = "training_bounds.npz"

_Rows = Sequence[Mapping[str, Any]]

# Numbers that are kept as they were computed, and are put together in another order here.
_SUMMING = 1e-10
_BOUNDS = ("joint_bound", "marginal_bound")
_GAIN = "marginal_bound_gain"


def wanted_files(content: Mapping[str, Any]) -> set[str]:
    """Of these files, those that a measurement's numbers and measures need."""
    metrics = {row["metric"] for row in content["metrics"]}
    needs = {
        DIVERGENCES: {"kl_divergence"},
        LOG_PARTITION: {"log_partition_function"},
        SMOOTHED_BOUNDS: {"test_smoothed_bound", "test_smoothed_bits_per_dimension"},
        TRAINING_BOUNDS: {_GAIN, *(f"test_{name}" for name in _BOUNDS)},
    }
    wanted = {file for file, names in needs.items() if names & metrics}
    return wanted | ({GLOBAL_SAMPLES} if content["measures"].get("global_samples") else set())


def check_log_partition(place: str, record: Mapping[str, Any], data: bytes, notes: Notes) -> None:
    """The log partition function: the estimate of the smallest error, which covers the others."""
    names = ("names", "values", "standard_errors")
    arrays = arrays_of(place, LOG_PARTITION, data, names, notes)
    if arrays is None:
        return
    columns = [arrays[name].tolist() for name in names]
    estimates = {name: (value, error) for name, value, error in zip(*columns, strict=True)}
    if not estimates or any(not error >= 0 for _, error in estimates.values()):
        _tell(place, f"{LOG_PARTITION} has no estimates with their errors", notes)
        return
    chosen = min(estimates, key=lambda name: estimates[name][1])
    value, error = estimates[chosen]
    # What the errors of two estimates do not explain of their difference, in squares.
    unexplained = [
        (value - other) ** 2 - error**2 - its_error**2
        for name, (other, its_error) in estimates.items()
        if name != chosen
    ]
    expected = (value, math.sqrt(error**2 + max([0.0, *unexplained])))
    room = _SUMMING * abs(value)
    rows = _rows(record, "log_partition_function")
    _compare(place, rows, "log_partition_function", expected, room, LOG_PARTITION, notes)


def check_divergences(place: str, record: Mapping[str, Any], data: bytes, notes: Notes) -> None:
    """The divergence: the sum over groups of means over blocks of images."""
    import numpy as np

    names = ("groups", "block_divergences", "block_images")
    arrays = arrays_of(place, DIVERGENCES, data, names, notes)
    if arrays is None:
        return
    groups, blocks, images = (arrays[name].astype(np.float64) for name in names)
    if blocks.shape != (len(images), len(groups)):
        _tell(place, f"{DIVERGENCES} has blocks of shape {blocks.shape}", notes)
        return
    if images.sum() != record["content"]["images"] or np.any(images < 1):
        _tell(place, f"{DIVERGENCES} is of {images.sum():g} images", notes)
        return
    shares = images / images.sum()
    totals, count = blocks.sum(axis=1), len(images)
    room = _SUMMING * float(np.abs(blocks[np.isfinite(blocks)]).sum())
    if not np.allclose(groups, shares @ blocks, rtol=0, atol=room, equal_nan=True):
        _tell(place, f"{DIVERGENCES} has groups that are not the means of its blocks", notes)
    with np.errstate(invalid="ignore"):
        mean = float(shares @ totals)
        off = float(((shares * (totals - mean)) ** 2).sum())
    error = math.sqrt(off * count / (count - 1)) if count > 1 else math.nan
    # One of the groups is from a prior with a log partition function, which all images share.
    shared = [row["standard_error"] for row in _rows(record, "log_partition_function")]
    expected = (mean, math.hypot(error, *shared))
    rows = _rows(record, "kl_divergence")
    _compare(place, rows, "kl_divergence", expected, room, DIVERGENCES, notes)


def check_training_bounds(place: str, record: Mapping[str, Any], data: bytes, notes: Notes) -> None:
    """The bounds of the smoothed model, and by how much the marginal one is higher."""
    import numpy as np

    files = [f"{name}s" for name in _BOUNDS]
    arrays = arrays_of(place, TRAINING_BOUNDS, data, ("draws",), notes, if_there=files)
    if arrays is None:
        return
    values = {
        f"test_{name}": arrays[file].astype(np.float64)
        for name, file in zip(_BOUNDS, files, strict=True)
        if file in arrays
    }
    images = record["content"]["images"]
    if any(one.shape != (images,) for one in values.values()):
        _tell(place, f"{TRAINING_BOUNDS} is not of {images} images", notes)
        return
    rooms = {name: room_of(one) for name, one in values.items()}
    if len(values) == len(_BOUNDS):
        joint, marginal = values.values()
        with np.errstate(invalid="ignore"):
            values[_GAIN] = marginal - joint
        rooms[_GAIN] = sum(rooms.values())
    for metric in (*(f"test_{name}" for name in _BOUNDS), _GAIN):
        expected = mean_of(values[metric]) if metric in values else None
        rows = _rows(record, metric)
        _compare(place, rows, metric, expected, rooms.get(metric, 0.0), TRAINING_BOUNDS, notes)


def check_global_samples(place: str, record: Mapping[str, Any], data: bytes, notes: Notes) -> None:
    """Drawn images: as many as were asked for, of the data's size, and shares of the full range."""
    arrays = arrays_of(place, GLOBAL_SAMPLES, data, ("samples", "means"), notes)
    if arrays is None:
        return
    content = record["content"]
    for name, images in arrays.items():
        states, _, *sides = images.shape
        if states != content["measures"]["global_samples"] or images.shape != arrays["means"].shape:
            _tell(place, f"{GLOBAL_SAMPLES} has {name} of shape {images.shape}", notes)
        elif math.prod(sides) != content["dimensions"]:
            _tell(place, f"{GLOBAL_SAMPLES} has images of {sides} values", notes)
        elif not ((images >= 0) & (images <= 1)).all():
            _tell(place, f"{GLOBAL_SAMPLES} has {name} that are no shares from 0 to 1", notes)
    binary = content["spec"]["likelihood"] == "bernoulli"
    if binary and not ((arrays["samples"] == 0) | (arrays["samples"] == 1)).all():
        _tell(place, f"{GLOBAL_SAMPLES} has drawn pixels that are neither 0 nor 1", notes)


def check_smoothing(place: str, record: Mapping[str, Any], data: bytes, notes: Notes) -> None:
    """An inverse CDF: that of the run's smoothing, rising with the probability and the noise."""
    import numpy as np

    names = ("probabilities", "inverse_cdf", "uniforms", "smoothing", "inverse_temperature")
    arrays = arrays_of(place, SMOOTHING, data, names, notes)
    if arrays is None:
        return
    probabilities, values = arrays["probabilities"], arrays["inverse_cdf"]
    rising = (*arrays["uniforms"].shape, *probabilities.shape) == values.shape
    rising = rising and (np.diff(probabilities) > 0).all()
    rising = rising and all((np.diff(values, axis=axis) >= -1e-9).all() for axis in (0, 1))
    if not rising or not np.isfinite(values).all():
        _tell(place, f"{SMOOTHING} has values that do not rise with probability and noise", notes)
    spec = record["content"]["spec"]
    # Where training ends with another temperature than it starts with, that is the one.
    temperature = spec.get("final_inverse_temperature", spec.get("inverse_temperature"))
    said = (str(arrays["smoothing"]), float(arrays["inverse_temperature"]))
    if said != (spec.get("smoothing"), temperature):
        _tell(place, f"{SMOOTHING} is of {said}; expected the run's", notes)


def _rows(record: Mapping[str, Any], metric: str) -> _Rows:
    return [row for row in record["content"]["metrics"] if row["metric"] == metric]


def _compare(
    place: str,
    rows: _Rows,
    metric: str,
    expected: tuple[float, float] | None,
    room: float,
    file: str,
    notes: Notes,
) -> None:
    """That the rows of a metric are one with these numbers, or none where there are none."""
    told = [(row["value"], row["standard_error"]) for row in rows]
    right = not told if expected is None else len(told) == 1 and is_near(told[0], expected, room)
    if not right:
        _tell(
            place,
            f"the {metric.replace('_', ' ')} is said to be {told[0] if told else None} (mean, "
            f"standard error); expected {expected}, as {file} has it",
            notes,
        )


def _tell(place: str, text: str, notes: Notes) -> None:
    notes.find("number", place, text)
