"""`status` from the results folder alone: exit codes, JSON, another folder, light imports."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.checkout import Checkout
from support.processes import nothing_left_in, start, until
from support.progress import RUNS, SHARDS, Folder

from workflow_src import __main__ as command_line
from workflow_src.jobs.journal import State, read_entry
from workflow_src.status import watching


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yaml").write_text("directories: {results: elsewhere}\n")
    made = Folder(tmp_path / "elsewhere")
    made.plan()
    return made


def status(*words: str) -> int:
    return command_line.main(["status", *words])


def test_it_finds_the_results_of_the_settings(
    folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    folder.finish_runs(RUNS[0])
    assert status() == 0
    assert "1 of 6 done" in capsys.readouterr().out


def test_without_a_plan_it_says_what_to_do(
    folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(folder.results)
    assert status() == 2
    told = capsys.readouterr().err
    assert "elsewhere/plan/overview.json" in told
    assert "snakemake --profile" in told
    assert not folder.results.exists()


def test_a_failure_is_exit_code_1(folder: Folder) -> None:
    folder.say(SHARDS[0], "failed", reason="-")
    assert status() == 1
    assert status("--json") == 1
    folder.say(SHARDS[0], "interrupted", reason="-")
    assert status() == 0


def test_json_says_the_same_as_the_page(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    folder.finish_shard(SHARDS[0], diverged=[RUNS[1]])
    folder.say(SHARDS[1], "failed", reason="no memory", worth_repeating=True, slurm_job="42")
    log = folder.write(f"logs/train/{SHARDS[1]}.log", "what it said")
    status("--json")
    told = json.loads(capsys.readouterr().out)
    assert told["runs"]["all"] == 6
    assert told["runs"]["done"] == 2
    assert told["runs"]["failed"] == 2
    assert told["runs"]["diverged"] == {RUNS[1]: "diverged for a reason"}
    assert told["shards"]["done"] == 1
    failed, missing = told["shards"]["jobs"]
    assert failed["unfinished"] == list(RUNS[2:4])
    assert failed["job"]["reason"] == "no memory"
    assert failed["job"]["slurm_job"] == "42"
    assert (folder.results.parent / failed["job"]["log"]) == log
    assert missing["job"] is None
    assert told["left"]["device_seconds"] == pytest.approx(400)
    assert told["failures"] is True
    assert told["complete"] is False


def test_results_can_be_named_from_anywhere(
    folder: Folder,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("without settings"))
    assert status("--results", str(folder.results)) == 0
    assert "0 of 6 done" in capsys.readouterr().out


def test_watching_ends_when_all_is_done(folder: Folder) -> None:
    folder.finish_everything()
    assert status("--watch") == 0
    assert status("--watch", "0.5") == 0


def test_watching_ends_with_1_where_nobody_goes_on_after_a_failure(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = iter([watching.look] * 9)
    monkeypatch.setattr(watching, "look", lambda scanner: next(looks)(scanner))
    folder.say(SHARDS[0], "failed", reason="-")
    assert status("--watch", "0.01") == 1


def test_watching_ends_by_ctrl_c(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*anything: object, **more: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(watching, "look", interrupt)
    assert status("--watch") == 130


@pytest.mark.parametrize("seconds", ["0", "-1", "soon", "nan", "inf"])
def test_an_odd_interval_is_refused(
    seconds: str, folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        status("--watch", seconds)
    assert caught.value.code == 2
    told = capsys.readouterr().err
    assert f"argument --watch: '{seconds}' is not a number of seconds above 0" in told


def test_watching_as_json_is_refused(folder: Folder) -> None:
    with pytest.raises(SystemExit) as caught:
        status("--watch", "--json")
    assert caught.value.code == 2


def test_looking_changes_nothing(folder: Folder) -> None:
    folder.finish_runs(RUNS[0])
    folder.say(SHARDS[0], "running")
    before = {p: p.read_bytes() for p in folder.results.rglob("*") if p.is_file()}
    status()
    status("--json")
    assert {p: p.read_bytes() for p in folder.results.rglob("*") if p.is_file()} == before


def test_no_numerical_library_is_loaded(folder: Folder) -> None:
    program = """
import json, sys
from workflow_src.__main__ import main
main(["status"])
heavy = {"torch", "numpy", "pandas", "pyarrow", "scipy", "sklearn", "matplotlib", "snakemake"}
print(json.dumps(sorted(heavy & {name.partition(".")[0] for name in sys.modules})))
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": str(Path(__file__).parents[2])},
        check=True,
        capture_output=True,
        text=True,
    )
    assert json.loads(done.stdout.splitlines()[-1]) == []


@pytest.mark.workflow
def test_a_workflow_that_has_ended_has_nothing_left(copy_of_finished: Checkout) -> None:
    told = copy_of_finished.must("python -m workflow_src status")
    assert "nothing is left to do" in told
    runs = sorted((copy_of_finished.folder / "results" / "runs").glob("*/*/*/run.json"))
    assert f"{len(runs)} of {len(runs)} done" in told
    assert copy_of_finished.must("python -m workflow_src status --watch 1")


@pytest.mark.workflow
def test_a_lost_run_is_missing(copy_of_finished: Checkout) -> None:
    runs = sorted((copy_of_finished.folder / "results" / "runs").glob("*/*/*/run.json"))
    shutil.rmtree(runs[0].parent)
    told = copy_of_finished.must("python -m workflow_src status")
    assert re.search(rf"{len(runs) - 1} of {len(runs)} done, 1 missing", told)


@pytest.mark.workflow
def test_work_under_way_is_told_and_so_is_its_silence(copy_of_finished: Checkout) -> None:
    study = copy_of_finished.folder / "tiny.yaml"
    study.write_text(study.read_text().replace("maximum_steps: 16", "maximum_steps: 100000"))
    before = json.loads(copy_of_finished.must("python -m workflow_src status --json"))
    assert before["complete"]
    runs = copy_of_finished.folder / "results" / "runs"
    earlier = set(runs.glob("*/*/*/run.json"))
    with nothing_left_in(copy_of_finished.folder):
        process = start(copy_of_finished, "snakemake --profile local --cores 1")
        entries = copy_of_finished.folder / "results" / "jobs"
        until(lambda: any(_steps(path) for path in entries.glob("train_shard-*.json")), process)
        # Standing still, it finishes nothing while it is looked at.
        os.killpg(process.pid, signal.SIGSTOP)
        finished = set(runs.glob("*/*/*/run.json")) - earlier
        told = json.loads(copy_of_finished.must("python -m workflow_src status --json"))
    assert told["runs"]["all"] == 6
    assert told["runs"]["done"] == len(finished)
    assert told["shards"]["running"] == 1
    (shard,) = [one for one in told["shards"]["jobs"] if one["standing"] == "running"]
    assert shard["job"]["host"]
    assert shard["job"]["progress"]["maximum_steps"] == 100_000
    assert told["left"]["devices"] == 1
    assert told["left"]["wall_seconds"] >= shard["device_seconds_left"] > 0
    # Nobody could say goodbye; an hour later that shows.
    running = told["runs"]["running"]
    assert running > 0
    (path,) = entries.glob(f"train_shard-{shard['digest']}.json")
    os.utime(path, (path.stat().st_mtime - 3600, path.stat().st_mtime - 3600))
    told = json.loads(copy_of_finished.must("python -m workflow_src status --json"))
    assert told["shards"]["silent"] == 1
    assert told["runs"]["silent"] == running


def _steps(path: Path) -> int:
    entry = read_entry(path)
    running = entry is not None and entry.state is State.RUNNING
    return entry.progress.get("step", 0) if entry is not None and running else 0
