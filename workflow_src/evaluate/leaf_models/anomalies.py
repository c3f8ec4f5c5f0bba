"""Anomalies told apart by low bounds of the log density, with as many samples as bounds have."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workflow_src.evaluate.anomalies import area_under_curve, published_area
from workflow_src.evaluate.measurement import Arrays
from workflow_src.evaluate.metric_rows import Row, row


def told_anomalies(
    test: NDArray[np.float64], anomalies: NDArray[np.float64], samples: int
) -> tuple[list[Row], Arrays]:
    """Rows and arrays from the bounds of usual test images [N] and of anomalies [M].

    ``samples`` are the importance samples of each bound, which the row names; what they do not tell
    of the log density is noise in the order of images and no part of the standard error.
    """
    rows = [
        row("anomaly_auc", *area_under_curve(test, anomalies), "share", samples),
        row("published_anomaly_auc", published_area(test, anomalies), None, "share", samples),
    ]
    return rows, {"test": test[None], "anomalies": anomalies[None]}
