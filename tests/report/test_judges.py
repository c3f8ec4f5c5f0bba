"""What a report says where judges could not judge."""

from __future__ import annotations

import contextlib
import json

from support.judged_world import JudgedWorld

from workflow_src.config.metrics import METRICS
from workflow_src.report.cells import cell_of, remarks
from workflow_src.report.evidence import Evidence, read_evidence
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
