"""Measures one trained classifier on the test images.

Pure computation: arrays in, arrays and numbers out. Files and records belong to `job`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workflow_src.data.arrays import PreparedData
from workflow_src.evaluate.measurement import Arrays, Measurement, MemoryBudgetError
from workflow_src.evaluate.metric_rows import Row, row, size_row
from workflow_src.models.building import build_model

_BYTES_PER_VALUE = 4
_MAPS = 6
"""Maps of the size of an image that are held at once, for each channel of a convolution."""


def measure_run(
    spec: Mapping[str, Any],
    parameters: Mapping[str, Tensor],
    data: PreparedData,
    measures: Mapping[str, Any],
    device: torch.device,
    memory_bytes: int,
) -> Measurement:
    """Accuracy and cross-entropy on the test images, and every prediction.

    Nothing has to be asked for in ``measures``.

    Raises
    ------
    MemoryBudgetError
        If the budget is too small for a single image.
    """
    started = time.perf_counter()
    predictions = log_probabilities(
        spec, parameters, data, torch.tensor(data.test), device, memory_bytes
    )
    seconds = time.perf_counter() - started
    labels = np.asarray(data.labels["test"])
    model = build_model(spec, data.shape, data.levels, data.channels)
    rows = [*classification_rows(predictions, labels), size_row(model.parameter_count())]
    arrays: dict[str, Arrays] = {
        "predictions": {"labels": labels, "log_probabilities": predictions}
    }
    return Measurement(rows, model.images.pixels, arrays, len(labels), seconds)


@torch.no_grad()
def log_probabilities(
    spec: Mapping[str, Any],
    parameters: Mapping[str, Tensor],
    data: PreparedData,
    pixels: Tensor,
    device: torch.device,
    memory_bytes: int,
) -> NDArray[np.float32]:
    """The logarithm of each class's probability in nats, ``[N, S]``, by a classifier's run.

    Parameters
    ----------
    spec, parameters:
        The run's.
    data:
        What it was trained on, for the shape of images.
    pixels:
        ``[N, D]`` in the data's units, on any device.
    device, memory_bytes:
        Where to compute, and what maps may take there.

    Raises
    ------
    MemoryBudgetError
        If the budget is too small for a single image.
    """
    model = build_model(spec, data.shape, data.levels, data.channels)
    bytes_per_image = _MAPS * spec["filters"] * math.prod(data.shape) * _BYTES_PER_VALUE
    chunk = memory_bytes // bytes_per_image
    if chunk < 1:
        raise MemoryBudgetError(
            f"classifying one image takes {bytes_per_image / 2**20:.1f} MiB, more than the budget"
        )
    placed = {name: value.to(device) for name, value in parameters.items()}
    found = [
        model.class_log_probabilities(placed, part.to(device)).cpu()
        for part in torch.split(pixels, min(chunk, _LARGEST_CHUNK))
    ]
    values: NDArray[np.float32] = torch.cat(found).numpy()
    return values


_LARGEST_CHUNK = 500
"""Images; larger ones are no faster."""


def classification_rows(log_probabilities: NDArray[np.float32], labels: NDArray[Any]) -> list[Row]:
    """The share of images whose label is the likeliest class, and the cross-entropy of labels.

    The accuracy's standard error is that of a binomial share.
    """
    right = log_probabilities.argmax(axis=1) == labels
    share = float(right.mean())
    error = math.sqrt(share * (1 - share) / len(right))
    losses = -log_probabilities[np.arange(len(labels)), labels].astype(np.float64)
    spread = float(losses.std(ddof=1) / math.sqrt(len(losses)))
    return [
        row("test_accuracy", share, error, "share", None),
        row("test_cross_entropy", float(losses.mean()), spread, "nats", None),
    ]
