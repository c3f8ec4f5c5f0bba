"""Measures one trained model on the test set: bounds, size, samples, codes, manifolds.

Pure computation: arrays in, arrays and numbers out. Files and records belong to `job`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workflow_src.data.arrays import PreparedData
from workflow_src.evaluate.bounds import Bounds, importance_weighted_bounds
from workflow_src.evaluate.pictures import (
    EMBEDDED_IMAGES,
    leaf_manifolds,
    posterior_means,
    sample_images,
)
from workflow_src.models.banks import Parameters
from workflow_src.models.building import build_model, drawing_of
from workflow_src.models.leaf_models import LeafModel
from workflow_src.models.random_streams import run_stream

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Measurement:
    """What was measured.

    Attributes
    ----------
    metrics:
        Rows with metric, value, standard_error, unit and importance_samples.
    arrays:
        Files to write: name without suffix to named arrays.
    images:
        Test images that the bounds are means over.
    seconds:
        Wall time of the bounds.
    """

    metrics: list[dict[str, Any]]
    arrays: dict[str, Arrays]
    images: int
    seconds: float


def measure_run(
    spec: Mapping[str, Any],
    parameters: Parameters,
    data: PreparedData,
    measures: Mapping[str, Any],
    device: torch.device,
    memory_bytes: int,
) -> Measurement:
    """As `measure`, for a run's parameters on the test images of its data."""
    return measure(
        build_model(spec, data.shape, data.levels),
        {name: value.to(device) for name, value in parameters.items()},
        spec,
        torch.tensor(data.test).to(device),
        data.labels["test"],
        measures,
        memory_bytes,
    )


def measure(
    model: LeafModel,
    parameters: Parameters,
    spec: Mapping[str, Any],
    test_images: Tensor,
    test_labels: NDArray[Any],
    measures: Mapping[str, Any],
    memory_bytes: int,
) -> Measurement:
    """Everything that ``measures`` asks for.

    Parameters
    ----------
    model, parameters:
        Structure and one run's parameters, on the device of the images.
    spec:
        The run's canonical spec, which its random streams are derived from.
    test_images:
        ``[N, D]``.
    test_labels:
        ``[N]``.
    measures:
        ``importance_samples`` (ascending), ``samples`` and ``leaf_manifolds``, as a study says.
    memory_bytes:
        Budget of the bounds.

    Raises
    ------
    MemoryBudgetError
        If the budget is too small.
    """
    device = test_images.device
    drawing = drawing_of(spec)
    started = time.perf_counter()
    bounds = importance_weighted_bounds(
        model,
        parameters,
        test_images,
        measures["importance_samples"],
        lambda block: run_stream("test noise", spec, device, block=block),
        memory_bytes,
    )
    seconds = time.perf_counter() - started
    arrays: dict[str, Arrays] = {
        "bounds": {
            "importance_samples": bounds.sample_counts,
            "bounds": bounds.bounds.astype(np.float32),
        }
    }
    if measures["samples"]:
        generator = run_stream("samples", spec, device)
        drawn, means = sample_images(model, drawing, parameters, measures["samples"], generator)
        arrays["samples"] = {"samples": drawn, "means": means}
    layout = dict(
        zip(
            ("leaf_rows", "leaf_columns", "leaf_components"),
            drawing.leaf_layout(model),
            strict=True,
        )
    )
    scalars = {name: np.array(value) for name, value in layout.items()}
    first = test_images[:EMBEDDED_IMAGES]
    arrays["embeddings"] = {
        "codes": posterior_means(model, parameters, first),
        "labels": np.asarray(test_labels[: len(first)]),
        **scalars,
    }
    if measures["leaf_manifolds"] and model.leaves.latent_dimensions == 2:
        arrays["leaf_manifolds"] = {
            "manifold": leaf_manifolds(model, drawing, parameters),
            **scalars,
        }
    return Measurement(_metrics(model, bounds), arrays, len(test_images), seconds)


def _metrics(model: LeafModel, bounds: Bounds) -> list[dict[str, Any]]:
    rows = [
        _row("test_bound", values.mean(), _standard_error(values), "nats", int(count))
        for count, values in zip(bounds.sample_counts, bounds.bounds, strict=True)
    ]
    sizes = bounds.effective_sample_size
    largest = int(bounds.sample_counts[-1])
    rows.append(
        _row("effective_sample_size", sizes.mean(), _standard_error(sizes), "samples", largest)
    )
    rows.append(_row("parameter_count", model.parameter_count(), None, "parameters", None))
    return rows


def _standard_error(values: NDArray[np.float64]) -> float:
    """Of the mean over images."""
    return float(values.std(ddof=1) / np.sqrt(len(values)))


def _row(
    metric: str, value: float, standard_error: float | None, unit: str, samples: int | None
) -> dict[str, Any]:
    return {
        "metric": metric,
        "value": float(value),
        "standard_error": standard_error,
        "unit": unit,
        "importance_samples": samples,
    }
