"""Forged words on judges are found: who judged, what they said, and what is made of it."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.judged_world import JudgedWorld

from workflow_src.audit.audit import audit, audit_results
from workflow_src.audit.findings import Finding
from workflow_src.audit.judged import one_answer
from workflow_src.audit.recompute import recompute
from workflow_src.provenance.record import result_digest
from workflow_src.storage import digest, write_json

Arrays = dict[str, Any]


def findings(world: JudgedWorld) -> list[Finding]:
    """What the audit finds of results, but for the report, which was not made."""
    with contextlib.chdir(world.root):
        found = audit_results(world.plan(), jobs=1).findings
    return [one for one in found if "report" not in str(one.place)]


def told(world: JudgedWorld) -> str:
    return "\n".join(f"{one.place}: {one}" for one in findings(world))


def measurement_of(world: JudgedWorld, model: str) -> Path:
    (path,) = world.root.glob(f"results/measurements/{model}/*/*/measurement.json")
    return path


def rewritten(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """A record changed as its writer would have written it."""
    record = json.loads(path.read_text())
    change(record)
    record["result_digest"] = result_digest(record)
    rest = {name: value for name, value in record.items() if name != "record_digest"}
    write_json(path, rest | {"record_digest": digest(rest)})


def rewritten_arrays(path: Path, name: str, change: Callable[[Arrays], None]) -> None:
    """Arrays changed, and the digest that the record has of them."""
    file = path.with_name(name)
    with np.load(file) as arrays:
        values = dict(arrays)
    change(values)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **values)
    data = buffer.getvalue()
    file.write_bytes(data)

    def vouch(record: dict[str, Any]) -> None:
        facts = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
        record["outputs"][name] = facts

    rewritten(path, vouch)


def row_of(record: dict[str, Any], metric: str) -> dict[str, Any]:
    (row,) = (row for row in record["content"]["metrics"] if row["metric"] == metric)
    found: dict[str, Any] = row
    return found


def test_of_an_honest_world_nothing_is_found(finished_judged: JudgedWorld) -> None:
    assert told(finished_judged) == ""


def test_everything_can_be_measured_again_bit_for_bit(finished_judged: JudgedWorld) -> None:
    with contextlib.chdir(finished_judged.root):
        plan = finished_judged.plan()
        repeated = recompute(plan, audit(plan, jobs=1), 9, seed=0)
    again = [line for line in repeated.lines if "measurement.json" in line]
    assert len(again) == 2
    assert all(line.endswith("equal bit for bit") for line in again)


def test_test_images_of_a_class_that_are_trained_on_are_found(judged: JudgedWorld) -> None:
    (path,) = judged.root.glob("data/prepared/digits_class_3-*/split_indices.npz")
    for number in (None, 5000):
        with np.load(path) as arrays:
            splits = dict(arrays)
        splits["test"][0] = splits["train"][0] if number is None else number
        np.savez(path, allow_pickle=False, **splits)
        found = told(judged)
        assert "overlap or are of no whole; expected different numbers from 0 to 1796" in found


@pytest.mark.parametrize(
    "metric",
    [
        "judged_accuracy",
        "noiseless_judged_accuracy",
        "judge_accuracy",
        "overall_judge_accuracy",
        "judge_count",
    ],
)
@pytest.mark.parametrize("key", ["value", "standard_error"])
def test_a_forged_number_is_found(judged: JudgedWorld, metric: str, key: str) -> None:
    def forge(record: dict[str, Any]) -> None:
        row = row_of(record, metric)
        row[key] = (row[key] or 0.0) + 0.01

    rewritten(measurement_of(judged, "vae"), forge)
    assert f"the {metric.replace('_', ' ')} is said to be" in told(judged)


@pytest.mark.parametrize("metric", ["test_accuracy", "test_cross_entropy"])
def test_a_forged_number_of_a_classifier_is_found(judged: JudgedWorld, metric: str) -> None:
    def forge(record: dict[str, Any]) -> None:
        row_of(record, metric)["value"] += 0.01

    rewritten(measurement_of(judged, "convolutional_classifier"), forge)
    assert f"the {metric.replace('_', ' ')} is said to be" in told(judged)


@pytest.mark.parametrize("way", ["judged", "noiseless_judged"])
def test_forged_answers_are_found(judged: JudgedWorld, way: str) -> None:
    def forge(arrays: Arrays) -> None:
        arrays["judge_probabilities"] = np.roll(arrays["judge_probabilities"], 1, axis=-1)
        arrays["judge_probabilities"][0, 0] = np.eye(10, dtype=np.float32)[3]

    rewritten_arrays(measurement_of(judged, "vae"), f"{way}.npz", forge)
    assert f"the {way.replace('_', ' ')} accuracy is said to be" in told(judged)


@pytest.mark.parametrize("way", ["judged", "noiseless_judged"])
def test_fewer_images_than_were_asked_for_are_found(judged: JudgedWorld, way: str) -> None:
    def forge(arrays: Arrays) -> None:
        arrays["labels"] = arrays["labels"][:-1]
        arrays["judge_probabilities"] = arrays["judge_probabilities"][:, :-1]

    rewritten_arrays(measurement_of(judged, "vae"), f"{way}.npz", forge)
    found = told(judged)
    assert f"{way}.npz has answers of shape" in found
    assert "expected 2 judges and 12 images of each label" in found


def test_answers_of_fewer_judges_are_found(judged: JudgedWorld) -> None:
    def forge(arrays: Arrays) -> None:
        arrays["judge_probabilities"] = arrays["judge_probabilities"][:1]

    rewritten_arrays(measurement_of(judged, "vae"), "noiseless_judged.npz", forge)
    assert "noiseless_judged.npz has answers of shape (1, 12, 10) to 12 images" in told(judged)


@pytest.mark.parametrize("way", ["judged", "noiseless_judged"])
def test_errors_that_are_kept_apart_are_checked(judged: JudgedWorld, way: str) -> None:
    def forge(arrays: Arrays) -> None:
        arrays["judge_error"] = arrays["judge_error"] + 0.1

    rewritten_arrays(measurement_of(judged, "vae"), f"{way}.npz", forge)
    assert f"{way}.npz has a judge_error of" in told(judged)


def test_a_judge_that_is_not_the_plans_is_found(judged: JudgedWorld) -> None:
    plan = judged.plan()
    path = judged.root / judged.judged(plan).path

    def forge(record: dict[str, Any]) -> None:
        record["content"]["judges"].pop()

    rewritten(path, forge)
    assert "judges: [" in told(judged)
    assert "(the plan's)" in told(judged)


def test_a_judge_said_to_have_diverged_is_found(judged: JudgedWorld) -> None:
    def forge(record: dict[str, Any]) -> None:
        record["content"]["judges"][0]["state"] = "diverged"

    rewritten(measurement_of(judged, "vae"), forge)
    found = told(judged)
    assert "state of judge" in found
    assert "expected those that completed their training" in found


def test_a_judge_named_as_a_candidate_is_found(judged: JudgedWorld) -> None:
    plan = judged.plan()
    path = judged.root / judged.judged(plan).path

    def forge(record: dict[str, Any]) -> None:
        del record["parents"][-1]["role"]

    rewritten(path, forge)
    assert "has the role None; expected judge" in told(judged)


@pytest.mark.parametrize("file", ["judged.npz", "noiseless_judged.npz"])
def test_numbers_without_the_answers_are_found(judged: JudgedWorld, file: str) -> None:
    path = measurement_of(judged, "vae")
    path.with_name(file).unlink()
    rewritten(path, lambda record: record["outputs"].pop(file))
    assert f"it vouches for no {file}" in told(judged)


def test_a_judge_that_is_gone_is_told(judged: JudgedWorld) -> None:
    plan = judged.plan()
    for path in (judged.root / judged.judged(plan).judges[1].directory).iterdir():
        path.unlink()
    (judged.root / judged.judged(plan).judges[1].directory).rmdir()
    assert f"its run {judged.judged(plan).judges[1].fingerprint} is not here" in told(judged)


def test_one_other_answer_changes_a_share_by_its_part() -> None:
    judged = {"labels": np.zeros(4), "test_labels": np.array([0, 0, 1, 2, 3])}
    clean = {"labels": np.zeros(8)}
    predictions = {"labels": np.zeros(10)}
    found = one_answer({"judged": judged, "noiseless_judged": clean, "predictions": predictions})
    assert found == {
        "judged_accuracy": 0.25,
        "noiseless_judged_accuracy": 0.125,
        "judge_accuracy": 0.5,
        "overall_judge_accuracy": 0.2,
        "test_accuracy": 0.1,
    }
