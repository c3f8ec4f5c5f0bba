"""Areas by bounds follow from the bounds, which are of all test images but the anomalies."""

from __future__ import annotations

import copy
import functools
import io
from typing import Any

import numpy as np
import pytest
import torch
from support.image_densities import ANOMALIES, DIGITS, SPEC, prepared

from workflow_src.audit.bounds import check_bounds
from workflow_src.audit.findings import Notes
from workflow_src.audit.image_densities import CHECKS, wanted_files
from workflow_src.audit.recompute import _is_within
from workflow_src.evaluate.leaf_models.measurement import measure_run
from workflow_src.evaluate.measurement import Arrays
from workflow_src.models.building import build_model

LEAVES: dict[str, Any] = {
    "model": "vae",
    "latent_dimensions": 2,
    "hidden_units": 3,
    "hidden_layers": 1,
}
MEASURES: dict[str, Any] = {
    "importance_samples": [2, 6],
    "samples": 0,
    "leaf_manifolds": False,
    "leaf_posteriors": False,
    "inpainting": [],
    "anomalies": True,
    "side_by_side": 9,
}


@functools.cache
def _measured() -> tuple[dict[str, Any], dict[str, Arrays]]:
    spec = SPEC | LEAVES
    labels = {"train": [1, 2] * 6, "validation": [1, 2], "test": [1, 2] * 11 + [0] * ANOMALIES}
    data = prepared(DIGITS, labels)
    parameters = build_model(spec, (8, 8), 16).initial_parameters(torch.Generator().manual_seed(0))
    found = measure_run(spec, parameters, data, MEASURES, torch.device("cpu"), 1 << 30)
    content = {
        "spec": spec,
        "measures": MEASURES,
        "metrics": found.metrics,
        "images": found.images,
        "dimensions": found.dimensions,
    }
    return {"content": content}, found.arrays


def measured() -> tuple[dict[str, Any], dict[str, Arrays]]:
    return copy.deepcopy(_measured())


def said(record: dict[str, Any], arrays: dict[str, Arrays]) -> list[str]:
    notes = Notes()
    for file in ("bounds", "scores", "side_by_side"):
        stream = io.BytesIO()
        np.savez_compressed(stream, allow_pickle=False, **arrays[file])
        check = CHECKS.get(f"{file}.npz", check_bounds)
        with notes.reading("measurement.json"):
            check("measurement.json", record, stream.getvalue(), notes)
    return [finding.text for finding in notes.findings]


def test_what_was_measured_stands() -> None:
    record, arrays = measured()
    assert record["content"]["images"] == 22 + ANOMALIES
    assert said(record, arrays) == []
    assert wanted_files(record["content"]) == {"scores.npz", "side_by_side.npz"}
    record["content"]["measures"] = MEASURES | {"anomalies": False, "side_by_side": 0}
    assert wanted_files(record["content"]) == set()


@pytest.mark.parametrize("metric", ["anomaly_auc", "published_anomaly_auc"])
@pytest.mark.parametrize("number", ["value", "standard_error"])
def test_a_number_that_is_a_little_off_is_found(metric: str, number: str) -> None:
    record, arrays = measured()
    row = next(row for row in record["content"]["metrics"] if row["metric"] == metric)
    row[number] = (row[number] or 0.0) + 1e-5
    (told,) = said(record, arrays)
    assert told.startswith(f"the {metric.replace('_', ' ')} is")


def test_scores_that_are_not_the_bounds_are_found() -> None:
    record, arrays = measured()
    # Of all images alike, so that no pair of them changes its order.
    for name in ("test", "anomalies"):
        arrays["scores"][name] = arrays["scores"][name] + 1.0
    (told,) = said(record, arrays)
    assert "expected" in told
    assert "that of 6 samples" in told


def test_bounds_of_anomalies_among_the_others_are_found() -> None:
    record, arrays = measured()
    kept = arrays["bounds"]
    kept["bounds"] = np.concatenate([kept["bounds"], kept["bounds"][:, :1]], axis=1)
    assert any("expected (2, 22)" in text for text in said(record, arrays))


def test_on_another_kind_of_device_the_noise_is_another() -> None:
    rows = measured()[0]["content"]["metrics"]
    again = copy.deepcopy(rows)
    row = next(row for row in again if row["metric"] == "anomaly_auc")
    row["value"] -= 3 * row["standard_error"]
    assert _is_within(again, rows, device=False)
    assert not _is_within(again, rows, device=True)
