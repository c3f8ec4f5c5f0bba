"""Numbers on densities of images follow from the arrays beside them, or are found."""

from __future__ import annotations

import copy
import functools
import io
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from support.image_densities import ANOMALIES, EVERYTHING, MODELS, real_measurement

from workflow_src.audit import image_densities
from workflow_src.audit.findings import Notes
from workflow_src.audit.image_densities import CHECKS, PICTURES, one_flip, wanted_files
from workflow_src.audit.numbers import INPAINTING
from workflow_src.audit.recompute import _is_within
from workflow_src.audit.records import _check_claims
from workflow_src.audit.scores import AREAS, MEANS
from workflow_src.config.models import measures_of
from workflow_src.evaluate.measurement import Arrays

Record = dict[str, Any]
Files = dict[str, Arrays]


@functools.cache
def _measured(name: str) -> tuple[Record, Files]:
    spec, found = real_measurement(name)
    content = {
        "spec": spec,
        "measures": {one: EVERYTHING[one] for one in measures_of(spec["model"])},
        "metrics": found.metrics,
        "images": found.images,
        "dimensions": found.dimensions,
    }
    return {"content": content}, found.arrays


def measured(name: str = "deep") -> tuple[Record, Files]:
    """The record and arrays of a measurement, to do with as one likes."""
    return copy.deepcopy(_measured(name))


def said(record: Record, arrays: Files) -> list[str]:
    notes = Notes()
    for file, kept in arrays.items():
        stream = io.BytesIO()
        np.savez_compressed(stream, allow_pickle=False, **kept)
        with notes.reading("measurement.json"):
            CHECKS[f"{file}.npz"]("measurement.json", record, stream.getvalue(), notes)
    return [finding.text for finding in notes.findings]


def row_of(record: Record, metric: str) -> dict[str, Any]:
    rows: list[dict[str, Any]] = record["content"]["metrics"]
    (row,) = (row for row in rows if row["metric"] == metric)
    return row


@pytest.mark.parametrize("name", list(MODELS))
def test_what_was_measured_stands(name: str) -> None:
    record, arrays = measured(name)
    assert said(record, arrays) == []
    assert wanted_files(record["content"]) == {f"{file}.npz" for file in arrays}


TOLD = [
    (name, metric)
    for name in MODELS
    for metric in (*AREAS, *MEANS, *sorted(image_densities.METRICS), "centroid_count")
    if any(row["metric"] == metric for row in _measured(name)[0]["content"]["metrics"])
]


def test_every_metric_but_sizes_and_what_judges_say_follows_from_arrays() -> None:
    every = {row["metric"] for name in MODELS for row in _measured(name)[0]["content"]["metrics"]}
    assert every - {metric for _, metric in TOLD} == {"parameter_count"}


@pytest.mark.parametrize(("name", "metric"), TOLD)
def test_a_number_that_is_a_little_off_is_found(name: str, metric: str) -> None:
    record, arrays = measured(name)
    row = row_of(record, metric)
    row["value"] += 1e-6 * max(1, abs(row["value"]))
    told = said(record, arrays)
    assert any(text.startswith(f"the {metric.replace('_', ' ')} is") for text in told)
    assert len(told) == 1


@pytest.mark.parametrize(("name", "metric"), TOLD)
def test_another_standard_error_is_found(name: str, metric: str) -> None:
    record, arrays = measured(name)
    row = row_of(record, metric)
    row["standard_error"] = (row["standard_error"] or 0.0) + 1e-5
    (told,) = said(record, arrays)
    assert told.startswith(f"the {metric.replace('_', ' ')} is")


@pytest.mark.parametrize(("name", "metric"), TOLD)
def test_a_number_that_was_taken_out_or_told_twice_is_found(name: str, metric: str) -> None:
    for change in (
        lambda rows, row: rows.remove(row),
        lambda rows, row: rows.append(dict(row)),
    ):
        record, arrays = measured(name)
        change(record["content"]["metrics"], row_of(record, metric))
        assert said(record, arrays) != []


@pytest.mark.parametrize("measure", ["anomalies", "layer_scores"])
def test_numbers_that_nobody_asked_for_are_found(measure: str) -> None:
    record, arrays = measured()
    record["content"]["measures"][measure] = False
    told = said(record, arrays)
    assert told
    assert all("expected None" in text for text in told)


def test_a_likelihood_of_what_is_no_density_is_found() -> None:
    record, arrays = measured("deep")
    arrays["scores"]["log_likelihood"] = arrays["scores"]["test"][-1]
    assert "of several layers" in said(record, arrays)[0]
    record, arrays = measured("rat_spn")
    del arrays["scores"]["log_likelihood"]
    assert "expected those of a circuit" in said(record, arrays)[0]
    record, arrays = measured("rat_spn")
    arrays["scores"]["log_likelihood"][3] += 0.5
    assert "not the circuit's scores" in said(record, arrays)[0]


@pytest.mark.parametrize(
    ("file", "name", "change", "words"),
    [
        ("scores", "test", lambda a: a[:, 1:], "scores.npz has test of shape (2, 29)"),
        ("scores", "anomalies", lambda a: a[:1], "scores.npz has anomalies of shape (1, 19)"),
        ("inpainting", "expected", lambda a: a + np.float32(0.01), "other pixels than the images'"),
        ("inpainting", "completions", lambda a: a * 0.5, "other pixels than the images'"),
        ("inpainting", "zeroed_expected", lambda a: a * 0.5, "other pixels than the images'"),
        ("inpainting", "observed", lambda a: ~a, "hides something else than right says"),
        ("inpainting", "masks", lambda a: a[::-1], "is of the masks"),
        ("inpainting", "error", lambda a: a[:, 1:], "has error of shape (2, 29)"),
        ("samples", "images", lambda a: a[1:], "has images of shape (4, 8, 8)"),
        ("samples", "images", lambda a: a + 1, "no shares from 0 to 1"),
        ("samples", "means", lambda a: a[1:], "has means of shape (4, 8, 8)"),
        ("samples", "means", lambda a: a + 1, "means that are no shares from 0 to 1"),
        ("samples", "images", lambda a: a * np.nan, "no shares from 0 to 1"),
        ("sharpened_samples", "sharpened", lambda a: a[:, 1:], "sharpened of shape (4, 7, 8)"),
        ("sharpened_samples", "plain", lambda a: a - 1, "plain that are no shares"),
        ("variants", "originals", lambda a: a[1:], "originals of shape (2, 8, 8)"),
        ("variants", "variants", lambda a: a[1:], "variants of shape (2, 8, 8, 8)"),
        ("side_by_side", "filled", lambda a: a * 0.5, "other pixels where none are hidden"),
        ("side_by_side", "zeroed_filled", lambda a: a * 0.5, "other pixels where none are hidden"),
        ("side_by_side", "hidden", lambda a: a + np.float32(0.001), "no shares|shows what"),
        ("side_by_side", "observed", lambda a: ~a, "something else than the right half"),
        ("centroids", "images", lambda a: a[1:], "expected 4 of (3, 3)"),
        ("centroids", "images", lambda a: a[:, 1:], "expected 4 of (3, 3)"),
        ("classification", "labels", lambda a: a[1:], "is not of 30 test images"),
        ("classification", "log_probabilities", lambda a: a + 0.1, "do not sum to 1"),
    ],
)
def test_arrays_that_are_not_what_they_should_be_are_found(
    file: str, name: str, change: Callable[[Any], Any], words: str
) -> None:
    record, arrays = measured()
    arrays[file][name] = change(arrays[file][name])
    told = said(record, arrays)
    assert any(one in text for text in told for one in words.split("|")), told


def test_errors_that_pixels_do_not_have_are_found() -> None:
    record, arrays = measured()
    kept = arrays["inpainting"]
    kept["error"][:, 2] += 0.1
    row = row_of(record, "inpainting_error")
    values = kept["error"].mean(axis=0)
    error = values.std(ddof=1) / math.sqrt(len(values))
    row |= {"value": values.mean(), "standard_error": error}
    told = said(record, arrays)
    assert len(told) == 2
    assert all("that its pixels do not have" in text for text in told)


def test_arrays_that_are_lacking_are_found() -> None:
    record, arrays = measured()
    del arrays["inpainting"]["zeroed_error"]
    assert "pixels without errors" in said(record, arrays)[0]
    del arrays["scores"]["test"]
    assert any("scores.npz has no test; expected it to" in text for text in said(record, arrays))


def test_files_of_another_measurement_that_are_called_the_same_are_no_concern() -> None:
    record, arrays = measured()
    record["content"]["spec"]["model"] = "deep_generative_network"
    assert said(record, {"samples": {"anything": np.zeros(3)}}) == []
    assert wanted_files(record["content"]) == set()
    assert said(record, {"inpainting": arrays["inpainting"]}) != []


def test_the_files_that_must_be_there_follow_from_what_was_asked_for() -> None:
    record, _ = measured()
    content = record["content"]
    everything = wanted_files(content)
    assert everything == set(CHECKS)
    assert everything - PICTURES == {"scores.npz", "classification.npz", INPAINTING}
    content["spec"] |= {"classifier": "none", "sharpening_steps": 0}
    lacking = everything - wanted_files(content)
    assert lacking == {"classification.npz", "sharpened_samples.npz"}
    for layout, can_sharpen in (
        ("F(8,1)-G(4)", False),
        ("F(2,2)-G(4)-F(4,1)-G(4)", False),
        ("F(2,2)-G(4)-P(2,2)-F(2,1)-G(4)", True),
        ("F(4,2)-G(4)-F(3,1)-G(4)", True),
    ):
        content["spec"] |= {"layout": layout, "sharpening_steps": 3}
        assert ("sharpened_samples.npz" in wanted_files(content)) == can_sharpen, layout
    content["measures"] = dict.fromkeys(content["measures"], 0)
    assert wanted_files(content) == {"scores.npz"}


def test_shares_and_areas_may_move_by_one_entry() -> None:
    record, arrays = measured()
    rows = record["content"]["metrics"]
    flips = one_flip(arrays)
    pairs = 30 * ANOMALIES
    wanted = {
        "anomaly_auc": 1 / pairs,
        "layer_1_anomaly_auc": 1 / pairs,
        "top_layer_anomaly_auc_gain": 2 / pairs,
        "published_anomaly_auc": 1 / 30 + 1 / ANOMALIES,
    }
    assert flips["test_accuracy"] == 1 / 30
    for metric, step in wanted.items():
        assert flips[metric] == pytest.approx(step)
        again = copy.deepcopy(rows)
        row = next(row for row in again if row["metric"] == metric)
        row["value"] += step
        assert _is_within(again, rows, device=True, flips=flips), metric
        row["value"] += 0.01
        assert not _is_within(again, rows, device=True, flips=flips), metric


def test_scores_measured_again_may_differ_by_rounding() -> None:
    rows = measured()[0]["content"]["metrics"]
    for metric in ("layer_1_loss", "zeroed_inpainting_error", "mean_image_inpainting_error"):
        again = copy.deepcopy(rows)
        row = next(row for row in again if row["metric"] == metric)
        row["value"] += 5e-5
        assert _is_within(again, rows, device=False), metric
        row["value"] += 1.0
        assert not _is_within(again, rows, device=True), metric


def test_a_record_must_vouch_for_what_was_asked_for() -> None:
    record, arrays = measured()
    whole = {"kind": "measurement", **record}
    for lacking in ("scores", "inpainting", "variants", "classification"):
        outputs = {f"{file}.npz": {} for file in arrays if file != lacking}
        notes = Notes()
        _check_claims("measurement.json", whole, outputs, notes)
        (finding,) = notes.findings
        assert finding.kind == "lacking"
        assert f"it vouches for no {lacking}.npz" in finding.text
