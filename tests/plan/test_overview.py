"""The overview says what there will be, for whoever watches, and changes with the plan alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from workflow_src.config.settings import Settings
from workflow_src.plan.overview import write_overview
from workflow_src.plan.packing import minutes
from workflow_src.plan.plan import Plan, build_plan
from workflow_src.plan.workflow import workflow_plan

Planner = Callable[..., Plan]


@pytest.fixture
def plan(package: Path, root: Path, settings: Callable[..., Settings]) -> Planner:
    return lambda **keys: build_plan(settings(**keys), package_root=package, root=root)


def read(root: Path, results: str = "results") -> Any:
    return json.loads((root / results / "plan" / "overview.json").read_text())


def test_it_names_everything_that_there_will_be(plan: Planner, root: Path) -> None:
    new = plan()
    write_overview(new)
    content = read(root)
    assert content["schema_version"] == 1
    assert (content["scale"], content["device"], content["report"]) == ("demo", "cpu", new.report)
    assert {name: f"results/{place}" for name, (place, _) in content["runs"].items()} == {
        name: run.directory.as_posix() for name, run in new.runs.items()
    }
    assert {name: f"results/{place}" for name, place in content["evaluations"].items()} == {
        one.fingerprint: one.directory.as_posix() for one in new.evaluations
    }
    assert set(content["prepared"]) == {data.fingerprint for data in new.prepared}


def test_a_shard_s_time_is_that_of_its_runs(plan: Planner, root: Path) -> None:
    new = plan()
    write_overview(new)
    content = read(root)
    assert {name: tuple(one["runs"]) for name, one in content["shards"].items()} == {
        shard.digest: shard.runs for shard in new.shards
    }
    for one in content["shards"].values():
        seconds = sum(content["runs"][name][1] for name in one["runs"])
        assert one["seconds"] == pytest.approx(seconds, abs=0.001 * len(one["runs"]))
        assert one["source"] == "guessed"
        assert one["minutes"] == minutes(one["seconds"], "guessed")


def test_runs_that_are_there_are_in_it_too(plan: Planner, root: Path) -> None:
    for run in plan().runs.values():
        (root / run.record).parent.mkdir(parents=True)
        (root / run.record).write_text("{}\n")
    done = plan()
    write_overview(done)
    content = read(root)
    assert set(content["runs"]) == set(done.runs)
    assert content["shards"] == {}
    assert {seconds for _, seconds in content["runs"].values()} == {None}


@pytest.mark.parametrize("results", [".", "results/deep", "{root}/results"])
def test_no_path_depends_on_where_the_results_lie(plan: Planner, root: Path, results: str) -> None:
    folder = results.format(root=root)
    write_overview(plan(directories={"results": folder}))
    places = [place for place, _ in read(root, folder)["runs"].values()]
    assert all(place.startswith("runs/") for place in places)
    assert str(root) not in json.dumps(read(root, folder))


def test_it_is_written_when_it_changes_and_only_then(plan: Planner, root: Path) -> None:
    write_overview(plan())
    path = root / "results" / "plan" / "overview.json"
    old = json.loads(path.read_text()) | {"planned": "2001-01-01T00:00:00+00:00"}
    path.write_text(json.dumps(old))
    write_overview(plan())
    assert read(root) == old
    write_overview(plan(seeds=[5]))
    assert read(root)["planned"] > old["planned"]
    assert set(read(root)["runs"]) == set(plan(seeds=[5]).runs)


@pytest.mark.parametrize("damage", ["", "{", "[]", "{}"])
def test_a_damaged_one_is_written_again(plan: Planner, root: Path, damage: str) -> None:
    write_overview(plan())
    before = read(root)
    (root / "results" / "plan" / "overview.json").write_text(damage)
    write_overview(plan())
    assert read(root) | {"planned": ""} == before | {"planned": ""}


def test_whoever_only_looks_leaves_it_as_it_is(package: Path, root: Path) -> None:
    workflow_plan({}, package_root=package, root=root)
    assert not (root / "results" / "plan" / "overview.json").exists()
    workflow_plan({}, package_root=package, root=root, alone=True)
    before = read(root)
    workflow_plan({"seeds": [9]}, package_root=package, root=root)
    assert read(root) == before
