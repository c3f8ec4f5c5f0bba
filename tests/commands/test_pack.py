"""`pack` takes what the plan refers to; another process that works on the results keeps it out."""

from __future__ import annotations

from pathlib import Path

import pytest

from workflow_src import __main__ as command_line
from workflow_src.archive.packs import read_index
from workflow_src.config.loading import settings_from_mapping
from workflow_src.plan.plan import Plan, build_plan
from workflow_src.storage import digest, write_json

SETTINGS = {"seeds": [0], "experiments": ["table1"], "likelihoods": ["gaussian"]}


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """A plan in an empty directory that has its settings."""
    monkeypatch.chdir(tmp_path)
    write_json(tmp_path / "config.yaml", SETTINGS)
    return build_plan(settings_from_mapping(SETTINGS))


def finish(plan: Plan, fingerprint: str) -> Path:
    record = {"fingerprint": fingerprint, "content": {}, "outputs": {}}
    path = plan.runs[fingerprint].record
    write_json(path, record | {"record_digest": digest(record)})
    return path


def test_finished_runs_are_packed_before_they_are_evaluated(
    plan: Plan, capsys: pytest.CaptureFixture[str]
) -> None:
    path = finish(plan, plan.missing[0])
    assert command_line.main(["pack"]) == 0
    assert "1 directories in 1 packs" in capsys.readouterr().out
    directory = path.parent.relative_to("results").as_posix()
    assert set(read_index(Path("results")).directories) == {directory}


def test_loose_directories_go_when_asked_to(plan: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    path = finish(plan, plan.missing[0])
    assert command_line.main(["pack", "--remove-loose"]) == 0
    assert "removed 1 loose" in capsys.readouterr().out
    assert not path.exists()
    after = build_plan(plan.settings)
    assert set(after.missing) == set(plan.missing[1:])


def test_a_damaged_run_is_named_with_the_way_out(
    plan: Plan, capsys: pytest.CaptureFixture[str]
) -> None:
    path = finish(plan, plan.missing[0])
    path.write_text(path.read_text().replace('"content": {}', '"content": {"a": 1}'))
    assert command_line.main(["pack"]) == 2
    told = capsys.readouterr().err
    assert "the record was changed after it was written" in told
    assert path.parent.name in told


def test_a_forgotten_run_is_missing_again(plan: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    finish(plan, plan.missing[0])
    assert command_line.main(["pack"]) == 0
    assert command_line.main(["pack", "--forget", plan.missing[0]]) == 0
    assert f"dropped {plan.runs[plan.missing[0]].directory}" in capsys.readouterr().out
    assert set(build_plan(plan.settings).missing) == set(plan.missing)
    assert command_line.main(["pack", "--forget", plan.missing[0]]) == 2
