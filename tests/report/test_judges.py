"""What a report says where judges could not judge."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from pathlib import Path

from support.judged_world import JudgedWorld, judged_world

from workflow_src.config.metrics import METRICS
from workflow_src.plan.memberships import write_memberships
from workflow_src.report.cells import cell_of, remarks
from workflow_src.report.evidence import Evidence, read_evidence
from workflow_src.report.metrics import run_rows
from workflow_src.storage import digest

WHY = "the training bound was nan at step 1"


def evidence_of(world: JudgedWorld) -> Evidence:
    plan = world.plan()
    with contextlib.chdir(world.root):
        return read_evidence(plan.layout.report_membership(plan.report))


def let_diverge(world: JudgedWorld, count: int) -> None:
    """The evaluation's record says so of its first judges; of all, it has no accuracy then."""
    path = world.root / world.judged(world.plan()).path
    record = json.loads(path.read_text())
    for judge in record["content"]["judges"][:count]:
        judge |= {"state": "diverged", "reason": WHY}
    if count == len(record["content"]["judges"]):
        rows = record["content"]["metrics"]
        record["content"]["metrics"] = [one for one in rows if "accuracy" not in one["metric"]]
    rest = {name: value for name, value in record.items() if name != "record_digest"}
    path.write_text(json.dumps(rest | {"record_digest": digest(rest)}))


def test_judges_are_no_candidates(finished_judged: JudgedWorld) -> None:
    evidence = evidence_of(finished_judged)
    (one,) = (each for each in evidence.evaluations if each.judges)
    assert one.judges == 2
    assert {run.spec["model"] for run in one.runs} == {"vae"}
    assert one.metric("judged_accuracy") is not None
    assert one.left_out_judges == ()


def test_with_no_judge_left_the_cell_says_why(judged: JudgedWorld) -> None:
    let_diverge(judged, 2)
    (group,) = evidence_of(judged).experiment_groups("tiny", "table1")
    cell = cell_of([group], METRICS["judged_accuracy"], (), ())
    assert cell.ours is None
    assert cell.reason == f"none of 2 judges was trained: {WHY}"


def test_a_judge_that_is_left_out_is_named_in_a_note(judged: JudgedWorld) -> None:
    let_diverge(judged, 1)
    (group,) = evidence_of(judged).experiment_groups("tiny", "table1")
    cell = cell_of([group], METRICS["judged_accuracy"], (), ())
    assert cell.ours is not None
    assert f"Without 1 of 2 judges: {WHY}." in remarks(cell, (), None)


def test_judges_are_runs_with_what_their_training_took(finished_judged: JudgedWorld) -> None:
    plan = finished_judged.plan()
    evidence = evidence_of(finished_judged)
    assert {run.fingerprint for run in evidence.runs} == set(plan.runs)
    # As if the judges were no candidates of an experiment of their own.
    judged = tuple(one for one in evidence.groups if one.experiment == "table1")
    alone = dataclasses.replace(evidence, groups=judged)
    judges = [run for run in alone.runs if run.spec["model"] == "convolutional_classifier"]
    assert len(judges) == 2
    for run in judges:
        path = finished_judged.root / run.directory / "run.json"
        result = json.loads(path.read_text())["content"]["result"]
        assert run.device_seconds == result["device_seconds"]
        assert run.steps == result["steps"]
        assert run.state == "completed"
    rows = {row["fingerprint"]: row for row in run_rows(alone)}
    assert all(not rows[run.fingerprint]["chosen"] for run in judges)


def test_judges_are_planned_runs_before_the_evaluation(tmp_path: Path) -> None:
    world = judged_world(tmp_path)
    plan = world.plan()
    with contextlib.chdir(world.root):
        write_memberships(plan)
    evidence = evidence_of(world)
    judged = tuple(one for one in evidence.groups if one.experiment == "table1")
    alone = dataclasses.replace(evidence, groups=judged)
    assert len(alone.runs) == len(judged[0].evaluation.runs) + 2
    assert {run.state for run in alone.runs} == {"missing"}
