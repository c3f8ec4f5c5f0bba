"""Whether areas under ROC curves and mean scores follow from the scores of single images."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from workflow_src.audit.exact_densities import area, compare, placements, test_images
from workflow_src.audit.findings import Notes
from workflow_src.audit.numbers import arrays_of, is_near, mean_of
from workflow_src.config.data_sets import data_set
from workflow_src.config.models import metrics_of
from workflow_src.layouts import Mixture, Shape, centroid_count, parse

SCORES = "scores.npz"

_LAYERS = 4
"""Layers, the lowest ones, that have rows of their own."""

_THRESHOLDS = 100
# Bounds are kept as single precision beside these scores.
_BOUND_ROUNDING = 1e-6

AREAS = (
    "anomaly_auc",
    "published_anomaly_auc",
    *(f"layer_{layer}_anomaly_auc" for layer in range(1, _LAYERS + 1)),
    "top_layer_anomaly_auc_gain",
)
"""Metrics of how well anomalies are told."""

MEANS = ("test_log_likelihood", *(f"layer_{layer}_loss" for layer in range(1, _LAYERS + 1)))
"""Metrics that are means of scores."""

_Row = tuple[float, float | None]


def check_scores(place: str, record: Mapping[str, Any], data: bytes, notes: Notes) -> None:
    """Means over test images and areas under curves, from every image's scores."""
    arrays = arrays_of(
        place, SCORES, data, ("test", "anomalies"), notes, if_there=("log_likelihood",)
    )
    if arrays is None:
        return
    content = record["content"]
    problem = _misshapen(arrays, content)
    if problem is not None:
        notes.find("number", place, f"{SCORES} {problem}")
        return
    expected: dict[str, _Row | None] = dict.fromkeys((*AREAS, *MEANS))
    expected |= _areas(arrays, content) | _means(arrays, content)
    known = metrics_of(content["spec"]["model"])
    compare(
        place,
        record,
        {metric: one for metric, one in expected.items() if metric in known},
        SCORES,
        notes,
    )
    _check_bound(place, record, arrays, notes)
    _check_centroids(place, record, notes)


def _misshapen(arrays: Mapping[str, Any], content: Mapping[str, Any]) -> str | None:
    """What of the arrays does not fit the model and its data, in words."""
    usual, layers = test_images(content), _layers(content)
    wanted: dict[str, tuple[int, ...]] = {
        "test": (layers, usual),
        "anomalies": (layers, content["images"] - usual),
    }
    if "log_likelihood" in arrays:
        wanted["log_likelihood"] = (usual,)
    for name, shape in wanted.items():
        if arrays[name].shape != shape:
            return f"has {name} of shape {arrays[name].shape}; expected {shape}"
    whole = "log_likelihood" in arrays
    if whole and "test_log_likelihood" not in metrics_of(content["spec"]["model"]):
        return "has log likelihoods of a model that has none"
    if not whole and _is_circuit(content):
        return "has no log likelihoods; expected those of a circuit"
    if whole and _is_circuit(content) and (arrays["log_likelihood"] != arrays["test"][-1]).any():
        return "has log likelihoods that are not the circuit's scores"
    if whole and layers > 1:
        return "has log likelihoods of several layers, which are no density of images"
    return None


def _layers(content: Mapping[str, Any]) -> int:
    """Layers that have a score: the mixture layers of a layout, or one."""
    layout = content["spec"].get("layout")
    if layout is None:
        return 1
    return sum(isinstance(block, Mixture) for block in parse(str(layout)))


def _is_circuit(content: Mapping[str, Any]) -> bool:
    """Whether the score is of an image as a whole, and its density."""
    return "layout" not in content["spec"] and "test_log_likelihood" in metrics_of(
        content["spec"]["model"]
    )


def _means(arrays: Mapping[str, Any], content: Mapping[str, Any]) -> dict[str, _Row | None]:
    found: dict[str, _Row | None] = {}
    if "log_likelihood" in arrays:
        found["test_log_likelihood"] = mean_of(arrays["log_likelihood"])
    if content["measures"].get("layer_scores"):
        for layer, values in enumerate(arrays["test"][:_LAYERS], 1):
            found[f"layer_{layer}_loss"] = mean_of(values)
    return found


def _areas(arrays: Mapping[str, Any], content: Mapping[str, Any]) -> dict[str, _Row | None]:
    if not content["measures"].get("anomalies") or not arrays["anomalies"].shape[-1]:
        return {}
    pairs = list(zip(arrays["test"], arrays["anomalies"], strict=True))
    found: dict[str, _Row | None] = {
        f"layer_{layer}_anomaly_auc": area(*pair) for layer, pair in enumerate(pairs[:_LAYERS], 1)
    }
    found["anomaly_auc"] = area(*pairs[-1])
    found["published_anomaly_auc"] = (_published(*pairs[-1]), None)
    if len(pairs) > 1:
        areas = [area(*pair)[0] for pair in pairs[:-1]]
        found["top_layer_anomaly_auc_gain"] = _gain(pairs[-1], pairs[areas.index(max(areas))])
    return found


def _gain(first: tuple[Any, Any], second: tuple[Any, Any]) -> tuple[float, float]:
    """The difference of two areas of the same images, and its paired error, by ranks."""
    off = [one - other for one, other in zip(placements(*first), placements(*second), strict=True)]
    return float(off[0].mean()), math.hypot(*(mean_of(one)[1] for one in off))


def _published(usual: Any, anomalies: Any) -> float:
    """The paper's area: trapezoids between the points of a hundred thresholds, by counting."""
    import numpy as np

    lowest, highest = (
        float(function([function(usual), function(anomalies)])) for function in (np.min, np.max)
    )
    if not math.isfinite(highest - lowest):
        return math.nan
    total, last = 0.0, None
    for step in reversed(range(_THRESHOLDS)):
        threshold = lowest + step * (highest - lowest) / _THRESHOLDS
        point = float((usual > threshold).mean()), float((anomalies < threshold).mean())
        if last is not None:
            total += (point[0] - last[0]) * (point[1] + last[1]) / 2
        last = point
    return total


def _check_bound(
    place: str, record: Mapping[str, Any], arrays: Mapping[str, Any], notes: Notes
) -> None:
    """That scores which are bounds have the mean that is told of the most samples."""
    rows = [row for row in record["content"]["metrics"] if row["metric"] == "test_bound"]
    if not rows:
        return
    most = max(rows, key=lambda row: row["importance_samples"])
    mean, error = mean_of(arrays["test"][-1])
    room = _BOUND_ROUNDING * max(1.0, abs(mean)) if math.isfinite(mean) else 0.0
    if not is_near((most["value"], most["standard_error"]), (mean, error), room):
        notes.find(
            "number",
            place,
            f"{SCORES} has test images of the mean bound {mean}; expected {most['value']}, that of "
            f"{most['importance_samples']} samples",
        )


def _check_centroids(place: str, record: Mapping[str, Any], notes: Notes) -> None:
    """The number of centroids' parameters, which the layout and the size of images tell."""
    content = record["content"]
    layout = content["spec"].get("layout")
    if layout is None or "centroid_count" not in metrics_of(content["spec"]["model"]):
        return
    facts = data_set(content["spec"]["data_set"])
    images = Shape(*facts.shape, facts.channels)
    count = float(centroid_count(parse(str(layout)), images))
    compare(place, record, {"centroid_count": (count, None)}, "the layout", notes)
