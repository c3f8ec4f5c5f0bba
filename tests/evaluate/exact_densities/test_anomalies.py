"""Anomalies are told by low densities; the area itself is tested beside its own module."""

from __future__ import annotations

import numpy as np
import pytest

from workflow_src.evaluate.exact_densities.anomalies import anomaly_row


def test_low_densities_are_anomalies() -> None:
    row = anomaly_row(np.array([-1.0, -2.0, -3.0]), np.array([-10.0, -2.5]))
    assert row["value"] == pytest.approx(5 / 6)
    assert row["metric"] == "anomaly_auc"
    assert anomaly_row(np.zeros(3), np.full(2, -np.inf))["value"] == 1
