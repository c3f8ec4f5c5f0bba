"""What a pack holds is there: it is neither trained nor evaluated, and is no file to wait for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from workflow_src.archive.packs import Index, PackedDirectory, PackedFile, index_content
from workflow_src.config.settings import Settings
from workflow_src.errors import UserError
from workflow_src.plan.costs import expected_costs
from workflow_src.plan.plan import Plan, build_plan
from workflow_src.plan.workflow import WorkflowPlan, workflow_plan, workflow_plan_of_job
from workflow_src.storage import write_json

Planner = Callable[..., Plan]
FILE = PackedFile("0" * 64, 1)


@pytest.fixture
def plan(package: Path, root: Path, settings: Callable[..., Settings]) -> Planner:
    return lambda **keys: build_plan(settings(**keys), package_root=package, root=root)


@pytest.fixture
def main(package: Path, root: Path) -> Callable[[], WorkflowPlan]:
    return lambda: workflow_plan({}, package_root=package, root=root)


def pretend_packed(root: Path, directories: Iterable[Path]) -> None:
    """An index that names these directories, and an empty file in place of their pack."""
    names = [path.relative_to("results").as_posix() for path in directories]
    one = PackedDirectory("all.zip", {"record": FILE}, {})
    index = Index(dict.fromkeys(names, one), {"all.zip": FILE})
    write_json(root / "results" / "packed" / "index.json", index_content(index))
    (root / "results" / "packed" / "all.zip").touch()


def everything(plan: Plan) -> list[Path]:
    return [
        *(run.directory for run in plan.runs.values()),
        *(one.directory for one in plan.evaluations),
    ]


def test_packed_runs_are_not_missing(plan: Planner, root: Path) -> None:
    before = plan()
    packed = before.missing[::3]
    pretend_packed(root, [before.runs[name].directory for name in packed])
    assert set(plan().missing) == set(before.missing) - set(packed)


def test_packed_evaluations_exist_and_are_no_files(plan: Planner, root: Path) -> None:
    pretend_packed(root, everything(plan()))
    assert all(one.exists and one.archived for one in plan().evaluations)


def test_an_evaluation_that_lies_loose_as_well_is_a_file(plan: Planner, root: Path) -> None:
    before = plan()
    pretend_packed(root, everything(before))
    first = before.evaluations[0]
    write_json(root / first.path, {})
    assert [one.fingerprint for one in plan().evaluations if not one.archived] == [
        first.fingerprint
    ]


def test_with_everything_packed_only_the_report_is_asked_for(
    main: Callable[[], WorkflowPlan], root: Path
) -> None:
    before = main().plan
    assert before is not None
    pretend_packed(root, everything(before))
    after = main()
    assert after.shard_targets() == []
    assert after.evaluation_targets() == []
    assert after.report_inputs(before.report) == [after.report_membership(before.report)]


def test_a_job_waits_for_no_packed_evaluation_either(
    main: Callable[[], WorkflowPlan], root: Path
) -> None:
    before = main().plan
    assert before is not None
    evaluations = [one.directory for one in before.evaluations]
    pretend_packed(root, evaluations[1:])
    job = workflow_plan_of_job({}, root=root)
    inputs = job.report_inputs(before.report)
    assert inputs == [job.report_membership(before.report), before.evaluations[0].path.as_posix()]


def test_packs_that_were_not_fetched_are_named(plan: Planner, root: Path) -> None:
    pretend_packed(root, everything(plan()))
    (root / "results" / "packed" / "all.zip").unlink()
    with pytest.raises(UserError, match=r"all\.zip.*dvc pull"):
        plan()


def test_a_changed_index_is_refused(plan: Planner, root: Path) -> None:
    pretend_packed(root, everything(plan()))
    path = root / "results" / "packed" / "index.json"
    path.write_text(path.read_text().replace("all.zip", "any.zip"))
    with pytest.raises(UserError, match="was changed"):
        plan()


def test_a_pack_that_cannot_be_read_only_fails_to_inform_about_costs(
    plan: Planner, root: Path
) -> None:
    new = plan()
    pretend_packed(root, everything(new))
    specs = [run.spec for run in new.runs.values()]
    costs = expected_costs(specs, new.layout, root, device="cpu")
    assert {cost.source for cost in costs.values()} == {"guessed"}
