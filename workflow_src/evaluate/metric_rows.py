"""The rows that a record, and then every table, shows of what was measured.

Each is a metric of `workflow_src.config.metrics` with its value, its standard error over test
images, and the number of importance samples, where it has any.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from workflow_src.evaluate.bounds import Bounds
from workflow_src.evaluate.inpainting import Inpainting

Row = dict[str, Any]


def bound_rows(bounds: Bounds, dimensions: int) -> list[Row]:
    """The bound for every number of samples, in nats and nats per dimension, and what samples gain.

    ``dimensions`` are the pixels of an image.
    """
    counts = [int(count) for count in bounds.sample_counts]
    rows = [
        _mean_row("test_bound", values, "nats", count)
        for count, values in zip(counts, bounds.bounds, strict=True)
    ]
    rows += [
        _mean_row("test_bound_per_dimension", values / dimensions, "nats per dimension", count)
        for count, values in zip(counts, bounds.bounds, strict=True)
    ]
    if len(counts) > 1:
        with np.errstate(invalid="ignore"):
            gained = bounds.bounds[-1] - bounds.bounds[-2]
        rows.append(_mean_row("test_bound_gain", gained, "nats", counts[-1]))
    sizes = bounds.effective_sample_size
    return [*rows, _mean_row("effective_sample_size", sizes, "samples", counts[-1])]


def size_row(parameters: int) -> Row:
    """The number of trained parameters."""
    return _row("parameter_count", parameters, None, "parameters", None)


def inpainting_rows(found: Inpainting, samples: int) -> list[Row]:
    """Means over masks, and then over images, of the missing pixels' density and error."""
    unit = "nats per missing dimension"
    return [
        _mean_row("inpainting_log_density", found.log_density.mean(axis=0), unit, samples),
        _mean_row("inpainting_error", found.error.mean(axis=0), "share of full range", samples),
    ]


def _mean_row(metric: str, values: NDArray[np.float64], unit: str, samples: int) -> Row:
    """The mean over images, and its standard error."""
    with np.errstate(invalid="ignore"):
        error = float(values.std(ddof=1) / np.sqrt(len(values)))
    return _row(metric, values.mean(), error, unit, samples)


def _row(
    metric: str, value: float, standard_error: float | None, unit: str, samples: int | None
) -> Row:
    return {
        "metric": metric,
        "value": float(value),
        "standard_error": standard_error,
        "unit": unit,
        "importance_samples": samples,
    }
