"""Snakemake is told the right inputs, in the main process and in a job far from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from workflow_src.errors import UserError
from workflow_src.plan.workflow import WorkflowPlan, workflow_plan, workflow_plan_of_job
from workflow_src.storage import read_json_object


@pytest.fixture
def main(package: Path, root: Path) -> WorkflowPlan:
    return workflow_plan({}, package_root=package, root=root)


def touch(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("{}\n")


def again(main: WorkflowPlan) -> WorkflowPlan:
    assert main.plan is not None
    return workflow_plan({}, package_root=main.plan.closures.package_root, root=main.root)


def finish_runs(main: WorkflowPlan) -> None:
    assert main.plan is not None
    touch(main.root, *(run.record.as_posix() for run in main.plan.runs.values()))


def test_the_target_leads_to_every_step(main: WorkflowPlan) -> None:
    (report,) = main.targets()
    name = Path(report).stem.removeprefix("manifest-")
    inputs = main.report_inputs(name)
    assert set(main.evaluation_targets()) < set(inputs)
    manifests = {i for e in main.evaluations for i in main.evaluation_inputs(e) if "shards" in i}
    assert manifests == set(main.shard_targets())
    prepared = {i for s in main.shards for i in main.shard_inputs(s) if "prepared" in i}
    assert prepared == set(main.prepared_targets())


def test_files_that_two_data_sets_share_are_fetched_once(package: Path, root: Path) -> None:
    asked = {"studies": ["emdgn"], "scale": "paper", "experiments": ["figure10"]}
    fours = workflow_plan(asked, package_root=package, root=root)
    assert fours.plan is not None
    assert {data.data_set for data in fours.plan.prepared} == {"mnist_fours"}
    assert fours.raw_targets() == ["data/raw/mnist/record.json"]
    assert fours.raw_record("mnist_fours") == fours.raw_record("mnist")
    assert fours.raw_record("circle") == "data/raw/circle/record.json"
    (data,) = fours.plan.prepared
    membership = read_json_object(root / fours.prepared_membership(data.fingerprint))
    assert membership["raw"] == "data/raw/mnist"


def test_an_evaluation_waits_for_the_shards_of_its_missing_runs_alone(main: WorkflowPlan) -> None:
    assert main.plan is not None
    for name, one in main.evaluations.items():
        expected = {
            main.layout.shard_manifest(shard.digest).as_posix()
            for shard in main.plan.shards
            if set(shard.runs) & {*one.runs, *(judge.fingerprint for judge in one.judges)}
        }
        assert {i for i in main.evaluation_inputs(name) if "/shards/" in i} == expected


def test_every_membership_that_is_an_input_exists(main: WorkflowPlan) -> None:
    inputs = [main.shard_inputs(name)[0] for name in main.shards]
    inputs += [main.evaluation_inputs(name)[0] for name in main.evaluations]
    assert main.plan is not None
    inputs += [main.prepared_membership(data.fingerprint) for data in main.plan.prepared]
    inputs += [main.report_inputs(main.plan.report)[0]]
    assert all((main.root / path).is_file() for path in inputs)


def test_when_the_runs_are_there_an_evaluation_needs_data_alone(main: WorkflowPlan) -> None:
    finish_runs(main)
    after = again(main)
    for name, one in after.evaluations.items():
        prepared = {one.prepared.record, *(judge.prepared.record for judge in one.judges)}
        first, *others = after.evaluation_inputs(name)
        assert first == after.evaluation_membership(name)
        assert sorted(others) == sorted(path.as_posix() for path in prepared)


def test_results_without_data_are_enough(main: WorkflowPlan) -> None:
    finish_runs(main)
    touch(main.root, *main.evaluation_targets())
    after = again(main)
    for name in after.evaluations:
        assert after.evaluation_inputs(name) == [after.evaluation_membership(name)]


def test_a_job_knows_its_shard_without_planning(main: WorkflowPlan) -> None:
    job = workflow_plan_of_job({}, root=main.root)
    assert job.targets() == []
    for name in main.shards:
        assert job.shard_inputs(name) == main.shard_inputs(name)


def test_a_job_knows_its_evaluation_and_report_without_planning(main: WorkflowPlan) -> None:
    finish_runs(main)
    after = again(main)
    job = workflow_plan_of_job({}, root=main.root)
    for name in after.evaluations:
        assert job.evaluation_inputs(name) == after.evaluation_inputs(name)
    assert after.plan is not None
    assert job.report_inputs(after.plan.report) == after.report_inputs(after.plan.report)


def test_a_plan_that_has_moved_on_still_knows_an_earlier_shard(main: WorkflowPlan) -> None:
    expected = {name: main.shard_inputs(name) for name in main.shards}
    finish_runs(main)
    after = again(main)
    assert not after.shards
    assert {name: after.shard_inputs(name) for name in expected} == expected


@pytest.mark.parametrize("ask", ["shard_inputs", "evaluation_inputs", "report_inputs"])
def test_a_name_that_nobody_planned_is_refused(main: WorkflowPlan, ask: str) -> None:
    with pytest.raises(UserError, match="0123456789abcdef"):
        getattr(main, ask)("0123456789abcdef")
