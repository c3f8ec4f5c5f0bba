"""`plan --json` says everything that is planned, for programs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.world import World

from workflow_src import __main__ as command_line
from workflow_src.changes.description import described


def test_every_name_of_the_plan_is_there(world: World) -> None:
    plan = world.finish()
    found = json.loads(json.dumps(described(world.plan())))
    assert found["runs"].keys() == plan.runs.keys()
    assert found["evaluations"].keys() == {one.fingerprint for one in plan.evaluations}
    assert found["prepared"].keys() == {one.fingerprint for one in plan.prepared}
    assert found["report"] == {"fingerprint": plan.report, "exists": True}
    everything = [*found["runs"].values(), *found["evaluations"].values()]
    assert all(one["exists"] for one in [*everything, *found["prepared"].values()])
    group = {"study": "tiny", "experiment": "table1", "variant": {}}
    assert all(one["groups"] == [group] for one in found["evaluations"].values())


def test_what_is_compared_is_named(world: World) -> None:
    world.study["experiments"]["table1"]["compare"] = ["hidden_units"]
    found = described(world.plan())
    assert {
        (found["runs"][name]["spec"]["hidden_units"], group["variant"]["hidden_units"])
        for one in found["evaluations"].values()
        for name in one["runs"]
        for group in one["groups"]
    } == {(2, 2), (3, 3), (4, 4), (8, 8)}


def test_the_code_of_every_step_is_there(world: World) -> None:
    steps = described(world.plan())["closures"]
    assert {"preparation", "training of vae", "measurement of spvae", "report"} <= steps.keys()
    assert all(code.keys() == {"digest", "identity", "modules"} for code in steps.values())


def test_what_is_missing_is_said(world: World) -> None:
    found = described(world.plan())
    assert not any(one["exists"] for one in found["runs"].values())
    assert not found["report"]["exists"]


def test_the_command_prints_one_json_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yaml").write_text("seeds: [0]\n")
    assert command_line.main(["plan", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["settings"]["seeds"] == [0]
