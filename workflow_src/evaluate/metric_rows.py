"""The rows that a record, and then every table, shows of what was measured.

Each is a metric of `workflow_src.config.metrics` with its value, its standard error over test
images, and the number of importance samples, where it has any.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Row = dict[str, Any]


def size_row(parameters: int) -> Row:
    """The number of trained parameters."""
    return row("parameter_count", parameters, None, "parameters", None)


def mean_row(metric: str, values: NDArray[np.float64], unit: str, samples: int) -> Row:
    """The mean over images, and its standard error."""
    with np.errstate(invalid="ignore"):
        error = float(values.std(ddof=1) / np.sqrt(len(values)))
    return row(metric, values.mean(), error, unit, samples)


def row(
    metric: str, value: float, standard_error: float | None, unit: str, samples: int | None
) -> Row:
    """One number, with its standard error where it has one."""
    return {
        "metric": metric,
        "value": float(value),
        "standard_error": standard_error,
        "unit": unit,
        "importance_samples": samples,
    }
