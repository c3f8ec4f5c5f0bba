"""An evaluation that depends on judges: what it reads, writes, leaves out and makes anew."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.judged_world import SAMPLES, SEEDS, JudgedWorld

from workflow_src.archive.references import follow
from workflow_src.archive.results import Results
from workflow_src.archive.writing import write_packs
from workflow_src.errors import UserError
from workflow_src.plan.planned import PlannedEvaluation
from workflow_src.provenance.record import verify_outputs
from workflow_src.storage import digest
from workflow_src.train.checkpoints import tensors_of, write_tensors


def measurement_of(world: JudgedWorld, one: PlannedEvaluation) -> Path:
    record = world.record(one.path)
    return Path(record["content"]["measurement"]["directory"])


def measured(world: JudgedWorld, one: PlannedEvaluation) -> dict[str, Any]:
    return world.record(measurement_of(world, one) / "measurement.json")


def rows_of(record: dict[str, Any]) -> dict[str, float]:
    return {row["metric"]: row["value"] for row in record["content"]["metrics"]}


def rewrite(path: Path, record: dict[str, Any]) -> None:
    """A record changed as its writer would have written it."""
    rest = {name: value for name, value in record.items() if name != "record_digest"}
    path.write_text(json.dumps(rest | {"record_digest": digest(rest)}))


def let_diverge(world: JudgedWorld, directory: Path) -> None:
    """A run's record says that it diverged."""
    path = world.root / directory / "run.json"
    record = json.loads(path.read_text())
    record["content"]["status"] = {"state": "diverged", "reason": "the training bound was nan"}
    record["result_digest"] = "other"
    rewrite(path, record)


def remove_evaluation(world: JudgedWorld, one: PlannedEvaluation, *, measurement: bool) -> None:
    if measurement:
        shutil.rmtree(world.root / measurement_of(world, one))
    shutil.rmtree(world.root / one.directory)


@pytest.fixture(scope="module")
def one(finished_judged: JudgedWorld) -> PlannedEvaluation:
    return finished_judged.judged(finished_judged.plan())


def test_records_name_judges_with_their_role(
    finished_judged: JudgedWorld, one: PlannedEvaluation
) -> None:
    record = finished_judged.record(one.path)
    judges = [judge.fingerprint for judge in one.judges]
    parents = [(p["kind"], p["fingerprint"], p.get("role")) for p in record["parents"]]
    named = record["content"]["measurement"]["fingerprint"]
    assert parents == [
        ("run", one.runs[0], None),
        ("measurement", named, None),
        *(("run", name, "judge") for name in judges),
    ]
    measurement = measured(finished_judged, one)
    parents = [(p["kind"], p["fingerprint"], p.get("role")) for p in measurement["parents"]]
    (whole,) = {judge.prepared.fingerprint for judge in one.judges}
    assert parents == [
        ("run", one.runs[0], None),
        ("prepared", one.prepared.fingerprint, None),
        *(("run", name, "judge") for name in judges),
        ("prepared", whole, "judge"),
    ]
    for content in (record["content"], measurement["content"]):
        assert [judge["fingerprint"] for judge in content["judges"]] == judges
        assert {judge["state"] for judge in content["judges"]} == {"completed"}


def test_what_is_drawn_is_judged(finished_judged: JudgedWorld, one: PlannedEvaluation) -> None:
    record = measured(finished_judged, one)
    rows = rows_of(record)
    assert rows["judge_count"] == len(SEEDS)
    told = {"judged_accuracy", "noiseless_judged_accuracy", "judge_accuracy"}
    assert {*told, "overall_judge_accuracy"} <= rows.keys()
    directory = finished_judged.root / measurement_of(finished_judged, one)
    with np.load(directory / "judged.npz") as arrays:
        assert arrays["labels"].tolist() == [3] * SAMPLES
        assert arrays["judge_probabilities"].shape == (len(SEEDS), SAMPLES, 10)
        right = arrays["judge_probabilities"].argmax(axis=-1) == 3
        assert rows["judged_accuracy"] == pytest.approx(right.mean())
    with np.load(directory / "noiseless_judged.npz") as clean:
        assert clean["labels"].tolist() == [3] * SAMPLES
        right = clean["judge_probabilities"].argmax(axis=-1) == 3
        assert rows["noiseless_judged_accuracy"] == pytest.approx(right.mean())
        with np.load(directory / "judged.npz") as arrays:
            assert (clean["judge_probabilities"] != arrays["judge_probabilities"]).any()
    assert "sharpening_gain" not in rows


def test_what_is_there_is_up_to_date(finished_judged: JudgedWorld) -> None:
    plan = finished_judged.plan()
    assert plan.missing == ()
    assert all(evaluation.exists for evaluation in plan.evaluations)


def test_the_judges_own_accuracy_is_that_of_their_experiment(
    finished_judged: JudgedWorld, one: PlannedEvaluation
) -> None:
    plan = finished_judged.plan()
    own = next(e for e in plan.evaluations if e.axes["model"] == "convolutional_classifier")
    accuracy = rows_of(finished_judged.record(own.path))["test_accuracy"]
    directory = finished_judged.root / measurement_of(finished_judged, one)
    with np.load(directory / "judged.npz") as arrays:
        judge = arrays["judges"].tolist().index(own.runs[0])
        right = arrays["test_predictions"][judge] == arrays["test_labels"]
    assert right.mean() == pytest.approx(accuracy)


def test_a_diverged_judge_is_left_out_and_counted(
    judged: JudgedWorld, one: PlannedEvaluation
) -> None:
    remove_evaluation(judged, one, measurement=True)
    let_diverge(judged, one.judges[0].directory)
    judged.evaluate(judged.plan(), one)
    record = measured(judged, one)
    assert rows_of(record)["judge_count"] == 1
    states = [(judge["state"], judge["reason"]) for judge in record["content"]["judges"]]
    assert states[0] == ("diverged", "the training bound was nan")
    directory = judged.root / measurement_of(judged, one)
    with np.load(directory / "judged.npz") as arrays:
        assert arrays["judges"].tolist() == [one.judges[1].fingerprint]


def test_with_no_judge_left_there_is_no_accuracy_and_the_record_says_why(
    judged: JudgedWorld, one: PlannedEvaluation
) -> None:
    remove_evaluation(judged, one, measurement=True)
    for judge in one.judges:
        let_diverge(judged, judge.directory)
    judged.evaluate(judged.plan(), one)
    record = measured(judged, one)
    assert rows_of(record)["judge_count"] == 0
    assert "judged_accuracy" not in rows_of(record)
    assert {judge["state"] for judge in record["content"]["judges"]} == {"diverged"}
    assert not (judged.root / measurement_of(judged, one) / "judged.npz").exists()


def test_a_judge_that_came_out_otherwise_has_the_winner_measured_anew(
    judged: JudgedWorld, one: PlannedEvaluation
) -> None:
    before = measured(judged, one)
    remove_evaluation(judged, one, measurement=False)
    judged.evaluate(judged.plan(), one)
    assert measured(judged, one) == before
    remove_evaluation(judged, one, measurement=False)
    directory = judged.root / one.judges[0].directory
    checkpoint = directory / "checkpoint.safetensors"
    tensors = tensors_of(checkpoint.read_bytes())
    write_tensors(checkpoint, {name: -value for name, value in tensors.items()})
    record = json.loads((directory / "run.json").read_text())
    data = checkpoint.read_bytes()
    facts = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    record["outputs"]["checkpoint.safetensors"] = facts
    record["result_digest"] = "other"
    rewrite(directory / "run.json", record)
    judged.evaluate(judged.plan(), one)
    after = measured(judged, one)
    assert after["outputs"]["judged.npz"] != before["outputs"]["judged.npz"]
    assert after["outputs"]["bounds.npz"] == before["outputs"]["bounds.npz"]


def test_a_damaged_judge_is_refused(judged: JudgedWorld, one: PlannedEvaluation) -> None:
    remove_evaluation(judged, one, measurement=True)
    path = judged.root / one.judges[0].directory / "checkpoint.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(UserError, match="the run is damaged"):
        judged.evaluate(judged.plan(), one)


def test_packed_judges_keep_their_checkpoints_and_are_taken_out(
    judged: JudgedWorld, one: PlannedEvaluation
) -> None:
    results = judged.root / "results"
    plan = judged.plan()
    with contextlib.chdir(judged.root):
        names = [e.directory.relative_to("results").as_posix() for e in plan.evaluations]
        # The judges' own experiment, where they win, does not count here.
        wanted = follow(Results(results), [n for n in names if "/vae/" in n])
        write_packs(results, wanted, verify_outputs)
        for folder in ("runs", "measurements", "evaluations"):
            shutil.rmtree(results / folder)
    packed = judged.plan()
    assert not set(one.needed).intersection(packed.missing)
    for judge in one.judges:
        directory = judge.directory.relative_to("results").as_posix()
        assert "checkpoint.safetensors" in Results(results).names(directory)
    expected = Results(results).record(one.directory.relative_to("results").as_posix())
    assert expected["content"]["judges"]
    judged.evaluate(packed, one)
    assert (judged.root / one.judges[0].directory / "checkpoint.safetensors").is_file()
    assert rows_of(measured(judged, one))["judge_count"] == len(SEEDS)
