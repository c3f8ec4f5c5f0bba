"""What is measured on densities of images, as rows of a record."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from workflow_src.evaluate.metric_rows import Row, row


def mean_of_images(metric: str, values: NDArray[np.floating], unit: str) -> Row:
    """The mean over images, and its standard error; NaN of a single image."""
    doubles = values.astype(np.float64)
    with np.errstate(invalid="ignore"):
        spread = float(doubles.std(ddof=1)) if len(doubles) > 1 else math.nan
    return row(metric, doubles.mean(), spread / math.sqrt(len(doubles)), unit, None)
