"""Numbers on exact densities follow from the arrays beside them, or are found."""

from __future__ import annotations

import copy
import functools
import io
import math
from typing import Any

import numpy as np
import pytest
from support.exact_densities import SPEC, density, points, subject

from workflow_src.audit.exact_densities import CHECKS, METRICS, are_told, wanted_files
from workflow_src.audit.findings import Notes
from workflow_src.audit.recompute import _is_within
from workflow_src.config.models import evaluation_declarations
from workflow_src.evaluate.exact_densities.measurement import measure
from workflow_src.evaluate.measurement import Arrays

MEASURES = dict.fromkeys(evaluation_declarations()["exact_densities"].measures, True) | {
    "posteriors": 0,
    "point_samples": 3,
    "gaps": 4,
    "reference": 2,
}


@functools.cache
def _measured(encoder: bool) -> tuple[dict[str, Any], dict[str, Arrays]]:
    model = density(hidden=3)
    one = subject(model, (np.array([[0.7, 0.2]]), 0.3) if encoder else None)
    size = sum(array.size for array in (*model.network.weights, *model.network.biases)) + 1
    found = measure(one, points(), MEASURES, size)
    content = {
        "spec": SPEC,
        "measures": MEASURES,
        "metrics": found.metrics,
        "images": found.images,
        "dimensions": found.dimensions,
    }
    return {"content": content}, found.arrays


def measured(encoder: bool = True) -> tuple[dict[str, Any], dict[str, Arrays]]:
    """The record and arrays of a measurement, to do with as one likes."""
    return copy.deepcopy(_measured(encoder))


def said(record: dict[str, Any], arrays: dict[str, Arrays]) -> list[str]:
    notes = Notes()
    for file, check in CHECKS.items():
        stream = io.BytesIO()
        np.savez_compressed(stream, allow_pickle=False, **arrays[file.removesuffix(".npz")])
        with notes.reading("measurement.json"):
            check("measurement.json", record, stream.getvalue(), notes)
    return [finding.text for finding in notes.findings]


@pytest.mark.parametrize("encoder", [False, True])
def test_what_was_measured_stands(encoder: bool) -> None:
    record, arrays = measured(encoder)
    assert said(record, arrays) == []
    assert are_told(record["content"])
    assert wanted_files(record["content"]) == set(CHECKS)


_ELSEWHERE = {"isotropic_gaussian_log_likelihood", "noise_standard_deviation"}
TOLD = sorted(METRICS - _ELSEWHERE)
"""What follows from arrays; the others are only measured again."""


@pytest.mark.parametrize("metric", TOLD)
def test_a_number_that_is_a_little_off_is_found(metric: str) -> None:
    record, arrays = measured()
    row = next(row for row in record["content"]["metrics"] if row["metric"] == metric)
    row["value"] += 1e-6 * max(1, abs(row["value"]))
    told = said(record, arrays)
    assert any(text.startswith(f"the {metric.replace('_', ' ')} is") for text in told)


@pytest.mark.parametrize("metric", TOLD)
def test_another_standard_error_is_found(metric: str) -> None:
    record, arrays = measured()
    row = next(row for row in record["content"]["metrics"] if row["metric"] == metric)
    row["standard_error"] = (row["standard_error"] or 0.0) + 1e-5
    told = said(record, arrays)
    assert [text for text in told if text.startswith(f"the {metric.replace('_', ' ')} is")] == told
    assert len(told) == 1


@pytest.mark.parametrize("metric", TOLD)
def test_a_number_that_was_taken_out_is_found(metric: str) -> None:
    record, arrays = measured()
    rows = record["content"]["metrics"]
    rows.remove(next(row for row in rows if row["metric"] == metric))
    assert said(record, arrays) != []


def test_an_encoders_number_without_an_encoder_is_found() -> None:
    record, arrays = measured(encoder=False)
    other, _ = measured(encoder=True)
    for metric in ("test_elbo", "amortisation_gap", "encoder_imputation_error"):
        rows = other["content"]["metrics"]
        record["content"]["metrics"].append(next(row for row in rows if row["metric"] == metric))
    told = said(record, arrays)
    assert len(told) == 3
    assert all("expected None" in text for text in told)


@pytest.mark.parametrize(
    ("file", "name", "words"),
    [
        ("log_likelihoods", "encoder_divergence", "do not add up"),
        ("gaps", "best_elbo", "that is not what is lost"),
        ("imputation", "expected", "where none were hidden"),
        ("model_selection", "train_log_likelihood", "another likelihood or size"),
    ],
)
def test_arrays_that_contradict_each_other_are_found(file: str, name: str, words: str) -> None:
    record, arrays = measured()
    arrays[file][name] = arrays[file][name] + 0.01
    assert any(words in text for text in said(record, arrays))


def test_arrays_of_other_points_are_found() -> None:
    record, arrays = measured()
    record["content"]["images"] += 1
    assert any("is not of 10 test points" in text for text in said(record, arrays))
    record, arrays = measured()
    record["content"]["measures"]["gaps"] = 3
    assert any("gaps.npz is not of 3 points" in text for text in said(record, arrays))
    arrays["point_samples"]["noisy"] = arrays["point_samples"]["noisy"][:2]
    assert any("noisy of shape (2, 2); expected (3, 2)" in text for text in said(record, arrays))


def test_estimates_have_their_own_errors_in_the_standard_error() -> None:
    record, arrays = measured()
    errors = np.full(9, 0.3)
    arrays["log_likelihoods"]["standard_errors"] = errors
    rows = record["content"]["metrics"]
    row = next(row for row in rows if row["metric"] == "test_log_likelihood")
    assert any("test log likelihood" in text for text in said(record, arrays))
    row["standard_error"] = math.hypot(row["standard_error"], 0.3 / 3)
    assert said(record, arrays) == []


def test_measured_again_times_may_differ_and_densities_hardly() -> None:
    rows = measured()[0]["content"]["metrics"]
    again = copy.deepcopy(rows)
    for row in again:
        if row["unit"] == "s":
            row["value"] *= 7
        if row["metric"] in METRICS:
            row["value"] += 5e-5
    assert _is_within(again, rows, device=True)
    assert _is_within(again, rows, device=False)
    for metric in ("test_log_likelihood", "region_count"):
        wrong = copy.deepcopy(rows)
        next(row for row in wrong if row["metric"] == metric)["value"] += 0.1
        assert not _is_within(wrong, rows, device=False)
