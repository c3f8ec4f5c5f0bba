"""`pack` takes what the plan refers to; another process that works on the results keeps it out."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.terminals import Seen, seen

from workflow_src import __main__ as command_line
from workflow_src.archive.packs import read_index
from workflow_src.archive.results import Results
from workflow_src.config.loading import settings_from_mapping
from workflow_src.plan.plan import Plan, build_plan
from workflow_src.storage import digest, write_json, write_text

SETTINGS = {
    "studies": ["spvae"],
    "seeds": [0],
    "experiments": ["table1"],
    "likelihoods": ["gaussian"],
}


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """A plan in an empty directory that has its settings."""
    monkeypatch.chdir(tmp_path)
    write_json(tmp_path / "config.yaml", SETTINGS)
    return build_plan(settings_from_mapping(SETTINGS))


def finish(plan: Plan, fingerprint: str) -> Path:
    """A record of a run, as if it was trained."""
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


def test_an_empty_name_is_none_to_forget(plan: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    path = finish(plan, plan.missing[0])
    assert command_line.main(["pack", "--forget", ""]) == 2
    assert "there is no run" in capsys.readouterr().err
    assert path.exists()
    assert not Path("results/packed").exists()


@pytest.mark.parametrize("words", [["--remove-loose"], ["--forget"]])
def test_nothing_goes_where_jobs_may_be_writing(
    plan: Plan, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    path = finish(plan, plan.missing[0])
    state = plan.layout.state(plan.missing[1])
    state.mkdir(parents=True)
    words = ["pack", *words, *([plan.missing[0]] if words == ["--forget"] else [])]
    assert command_line.main(words) == 2
    assert state.name in capsys.readouterr().err
    assert path.exists()
    assert command_line.main([*words, "--force"]) == 0
    assert not path.exists()


def test_a_released_run_is_not_forgotten(plan: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    path = finish(plan, plan.missing[0])
    release = {"directories": [path.parent.as_posix()]}
    write_json(Path("releases/first/release.json"), release)
    assert command_line.main(["pack", "--forget", plan.missing[0]]) == 2
    assert "a release refers to" in capsys.readouterr().err
    assert path.exists()


def test_an_index_is_made_anew_from_the_packs(
    plan: Plan, capsys: pytest.CaptureFixture[str]
) -> None:
    finish(plan, plan.missing[0])
    assert command_line.main(["pack", "--remove-loose"]) == 0
    index = Path("results/packed/index.json")
    before = index.read_text()
    index.write_text(before[: len(before) // 2])
    assert command_line.main(["pack"]) == 2
    assert "pack --rebuild-index" in capsys.readouterr().err
    assert command_line.main(["pack", "--rebuild-index"]) == 0
    assert index.read_text() == before
    assert "1 directories in 1 packs" in capsys.readouterr().out


def test_an_evaluation_without_its_runs_is_not_packed(
    plan: Plan, capsys: pytest.CaptureFixture[str]
) -> None:
    one = plan.evaluations[0]
    candidates = [
        {"fingerprint": name, "directory": plan.runs[name].directory.as_posix()}
        for name in one.runs
    ]
    for name in one.runs[1:]:
        finish(plan, name)
    content = {"candidates": candidates, "winner": None, "measurement": None}
    record = {"fingerprint": one.fingerprint, "content": content, "outputs": {}}
    write_json(one.path, record | {"record_digest": digest(record)})
    assert command_line.main(["pack"]) == 2
    assert f"pack --forget {one.runs[0]}" in capsys.readouterr().err
    assert command_line.main(["pack", "--forget", one.runs[0]]) == 0
    assert command_line.main(["pack"]) == 0


def test_the_code_of_all_prepared_data_is_packed(plan: Plan) -> None:
    finish(plan, plan.missing[0])
    code = {"modules": {"workflow_src.data": "0" * 64}}
    write_json(Path("data/prepared/earlier/record.json"), {"content": {"code": code}})
    write_text(Path(f"results/sources/{'0' * 64}.py"), "FACTOR = 2\n")
    assert command_line.main(["pack"]) == 0
    shutil.rmtree("results/sources")
    assert Results(Path("results")).source("0" * 64) == "FACTOR = 2\n"


def test_damaged_prepared_data_are_named(plan: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    finish(plan, plan.missing[0])
    write_json(Path("data/prepared/earlier/record.json"), {"content": []})
    assert command_line.main(["pack"]) == 2
    assert "data/prepared/earlier/record.json" in capsys.readouterr().err


def test_a_run_trained_elsewhere_is_told(plan: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    path = finish(plan, plan.missing[0])
    assert command_line.main(["pack"]) == 0
    before = read_index(Path("results"))
    record = {"fingerprint": plan.missing[0], "content": {"by": "others"}, "outputs": {}}
    write_json(path, record | {"record_digest": digest(record)})
    assert command_line.main(["pack"]) == 0
    assert f"remove {path.parent}" in capsys.readouterr().out
    assert read_index(Path("results")) == before


def on_terminal(*words: str, term: str = "xterm") -> Seen:
    return seen(["-m", "workflow_src", *words], Path.cwd(), environment={"TERM": term})


def test_a_person_sees_how_far_packing_and_the_audit_are(plan: Plan) -> None:
    for name in plan.missing[:3]:
        finish(plan, name)
    told = on_terminal("pack", "--remove-loose")
    assert told.code == 0, told.text
    for beginning, end in (
        ("verifying", "3/3 directories"),
        ("packing", "3/3 files"),
        ("reading packs back", "3/3 directories"),
        ("removing", "3/3 directories"),
    ):
        assert any(one.startswith(beginning) and end in one for one in told.lines), beginning
    assert told.lines[-1] == "removed 3 loose directories that are packed"
    told = on_terminal("audit")
    assert any("reading and hashing" in one and " directories" in one for one in told.lines)
    assert told.lines[-1].startswith("verdict: ")


def test_a_dumb_terminal_gets_the_results_alone(plan: Plan) -> None:
    finish(plan, plan.missing[0])
    told = on_terminal("pack", term="dumb")
    assert told.code == 0, told.text
    assert "━" not in told.text
    assert "\x1b" not in told.raw
