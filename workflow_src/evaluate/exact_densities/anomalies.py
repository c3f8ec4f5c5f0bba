"""Anomalies told apart by low exact density: the area under the ROC curve and its error."""

from __future__ import annotations

from workflow_src.evaluate.anomalies import area_under_curve
from workflow_src.evaluate.exact_densities.subject import Array
from workflow_src.evaluate.metric_rows import Row, row


def anomaly_row(usual: Array, anomalies: Array) -> Row:
    """From log densities of usual test points [N] and of anomalies [M]."""
    area, error = area_under_curve(usual, anomalies)
    return row("anomaly_auc", area, error, "share", None)
