"""`plan` prints counts that add up, and planning stays free of what computes."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import pytest

from workflow_src.cluster.drivers import Driver, Sent
from workflow_src.commands import plan as command
from workflow_src.config.settings import Settings
from workflow_src.jobs.journal import Entry, State, entry_path, write_entry
from workflow_src.plan.packing import Spread
from workflow_src.plan.plan import build_plan


def configured(folder: Path, text: str) -> None:
    """A config.yaml there that asks for the first study, and says ``text``."""
    (folder / "config.yaml").write_text(f"studies: [spvae]\n{text}")


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, package: Path, root: Path, tmp_path: Path) -> Path:
    """The small package planned in a directory without results, on a machine without SLURM."""
    monkeypatch.chdir(root)
    configured(root, "device: cuda\n")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(
        command, "build_plan", lambda settings: build_plan(settings, package_root=package)
    )
    return root


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    parser = argparse.ArgumentParser()
    command.configure(parser)
    assert command.run(parser.parse_args(words)) == 0
    return capsys.readouterr().out


def fake_sinfo(tmp_path: Path) -> None:
    """One that never answers."""
    path = tmp_path / "bin" / "sinfo"
    path.parent.mkdir()
    path.write_text("#!/bin/sh\nexit 1\n")
    path.chmod(0o755)


def test_shared_runs_are_counted_once(
    capsys: pytest.CaptureFixture[str], here: Path, tmp_path: Path
) -> None:
    # Laid over config.yaml, as Snakemake does.
    configured(here, "seeds: [5]\nthreads: 2\nscale: paper\ndevice: cuda\n")
    config = tmp_path / "more.yaml"
    config.write_text(
        "seeds: [0]\nprotocols: [authors]\nstreams: [full]\n"
        "experiments: [table1, table2, figure2, figure3]\n"
    )
    lines = printed(capsys, "--configfile", str(config)).splitlines()
    assert lines[0].split() == list(command._HEADINGS)
    table = [line.removeprefix("all  each once").split() for line in lines[1:6]]
    rows = {row[1] if len(row) == 9 else "all": row[-7:] for row in table}
    # runs, done, missing, jobs, evaluated; times are 320 guessed seconds a run. In each of six
    # families, the text has 86 cells for Table 1 and 47 for Figure 2, at 13 fractions; and there
    # are 4 more of published winners.
    jobs = {name: row[3] for name, row in rows.items()}
    assert rows["table1"] == ["520", "0", "520", jobs["table1"], "0/24", "46.2", "h"]
    assert rows["table2"] == rows["table1"]
    assert rows["figure2"] == ["3718", "0", "3718", jobs["figure2"], "0/156", "330.5", "h"]
    assert rows["figure3"] == ["1", "0", "1", "1", "0/1", "5.3", "min"]
    assert rows["all"] == ["3952", "0", "3952", jobs["all"], "0/169", "351.3", "h"]
    told = "".join(lines)
    assert f"training in {jobs['all']} jobs of" in told
    assert "expected: 351.3 h of one device" in told
    assert "scale paper, seeds 0, protocols authors, streams full, device cuda" in told


def test_what_the_grids_leave_to_their_defaults_is_told(
    capsys: pytest.CaptureFixture[str], here: Path
) -> None:
    configured(here, "scale: paper\nexperiments: [figure3, unexplained_cells]\n")
    told = "scale paper, seeds 0, 1, 2, protocols authors, text, streams full, restart, device cpu"
    assert told in printed(capsys)


def test_what_is_left_out_is_noted(capsys: pytest.CaptureFixture[str], here: Path) -> None:
    configured(here, "scale: paper\ndata_sets: [fashion_mnist]\nseeds: [0]\n")
    lines = printed(capsys).splitlines()
    assert "cost: no cells for Fashion-MNIST" in lines
    assert "published_winners: no cells for Fashion-MNIST" in lines


def test_the_packing_of_a_program_adds_up(capsys: pytest.CaptureFixture[str], here: Path) -> None:
    configured(here, "device: cuda\nexperiments: [table1]\nseeds: [0, 1, 2, 3]\n")
    packed = json.loads(printed(capsys, "--json", "--limit-minutes", "1"))["packing"]
    runs = [name for shard in packed["shards"].values() for name in shard["runs"]]
    assert len(runs) == len(set(runs)) == 48
    assert packed["jobs"] == len(packed["shards"]) == 8
    assert packed["runs_per_job"] == {"least": 4, "median": 6, "most": 8}
    seconds = {digest: one["seconds"] for digest, one in packed["shards"].items()}
    assert packed["hours"] == pytest.approx(sum(seconds.values()) / 3600)
    assert seconds[packed["longest"]] == max(seconds.values())
    assert packed["sources"] == {"guessed": 48}
    assert packed["limit"] == {"minutes": 1, "place": "--limit-minutes"}
    # Four or eight runs of 640 guessed steps of 20 ms.
    assert packed["too_long"] == sorted(
        digest for digest, one in packed["shards"].items() if len(one["runs"]) == 8
    )


def test_what_is_too_long_is_said(capsys: pytest.CaptureFixture[str], here: Path) -> None:
    configured(here, "scale: paper\nseeds: [0]\ndevice: cuda\n")
    assert "set shard.target_hours to" in printed(capsys, "--limit-minutes", "60")
    assert "too long" not in printed(capsys)


def test_what_is_asked_for_is_told_where_there_is_a_limit_and_within_it(
    capsys: pytest.CaptureFixture[str], here: Path
) -> None:
    assert "asked for" not in printed(capsys)
    assert "asked for at the first attempt: 20 min a job" in printed(
        capsys, "--limit-minutes", "20"
    )
    packed = json.loads(printed(capsys, "--json", "--limit-minutes", "20"))["packing"]
    assert packed["minutes"] == {"least": 20, "median": 20, "most": 20}


def test_one_run_is_no_runs_and_halves_stay(
    capsys: pytest.CaptureFixture[str], here: Path, package: Path
) -> None:
    configured(here, "device: cuda\nshard: {maximum_runs: 1}\n")
    settings = Settings(studies=("spvae",), device="cuda")
    for run in list(build_plan(settings, package_root=package).runs.values())[1:]:
        (here / run.record).parent.mkdir(parents=True)
        (here / run.record).write_text("{}\n")
    told = printed(capsys)
    assert "training in 1 job of 1 run\n" in told
    assert "expected times of 1 run: a guess" in told
    assert command._spread(Spread(1, 2.5, 4), command._number) == "1 to 4 (median 2.5)"


@pytest.mark.parametrize(("device", "is_told"), [("cuda", True), ("cpu", False)])
def test_guesses_of_a_gpu_are_said_to_be_upper_ones(
    device: str, is_told: bool, capsys: pytest.CaptureFixture[str], here: Path
) -> None:
    configured(here, f"device: {device}\n")
    told = printed(capsys)
    assert "a guess, for want of earlier runs" in told
    assert ("an upper one" in told) is is_told


@pytest.mark.parametrize(
    ("state", "is_told"),
    [
        (None, True),
        (State.QUEUED, True),
        (State.RUNNING, True),
        (State.INTERRUPTED, True),
        (State.FINISHED, False),
        (State.FAILED, False),
    ],
)
def test_jobs_of_an_earlier_start_are_said_not_to_be_counted(
    state: State | None, is_told: bool, capsys: pytest.CaptureFixture[str], here: Path
) -> None:
    note = "jobs of an earlier start that are still in the queue are not counted"
    assert note not in printed(capsys)
    results, shard = here / "results", "0123456789abcdef"
    driver = Driver(results / "jobs" / "drivers" / "earlier.json")
    driver.path.parent.mkdir(parents=True)
    driver.path.write_text("{}\n")
    assert note not in printed(capsys)
    driver.note_sent(Sent("17", "train_shard", shard, "a run"))
    if state is not None:
        entry = Entry("train_shard", shard, state, "-", "-")
        write_entry(entry_path(results, "train_shard", shard), entry)
    assert (note in printed(capsys)) is is_told


def test_slurm_is_asked_for_the_limit_of_the_profile_s_partition(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    here: Path,
    tmp_path: Path,
) -> None:
    fake_sinfo(tmp_path)
    limits = {None: None, "gpu": 60}
    monkeypatch.setattr(command, "time_limit_minutes", lambda name, *, timeout: limits[name])
    assert "time limit" not in printed(capsys), "the default partition has none"
    profile = here / "profiles" / "slurm" / "profile.yaml"
    profile.parent.mkdir(parents=True)
    profile.write_text("default-resources:\n  slurm_partition: gpu\n")
    assert "fits into the time limit of 60 min (partition gpu)" in printed(capsys)
    assert "40 min (--limit-minutes)" in printed(capsys, "--limit-minutes", "40")


def test_a_slurm_that_does_not_answer_is_no_hindrance(
    capsys: pytest.CaptureFixture[str], here: Path, tmp_path: Path
) -> None:
    fake_sinfo(tmp_path)
    assert "time limit" not in printed(capsys)


@pytest.mark.parametrize("word", ["0", "-3", "x"])
def test_a_limit_is_a_number_of_minutes(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    command.configure(parser)
    with pytest.raises(SystemExit):
        parser.parse_args(["--limit-minutes", word])
    told = capsys.readouterr().err
    assert f"'{word}' is not a whole number of minutes, at least 1" in told


def test_when_all_is_there_no_packing_is_told(
    capsys: pytest.CaptureFixture[str], here: Path, package: Path
) -> None:
    for run in build_plan(Settings(studies=("spvae",)), package_root=package).runs.values():
        (here / run.record).parent.mkdir(parents=True)
        (here / run.record).write_text("{}\n")
    assert "jobs of" not in printed(capsys, "--limit-minutes", "1")


def test_planning_imports_nothing_that_computes() -> None:
    code = (
        "import sys, workflow_src.plan.workflow, workflow_src.commands.plan\n"
        "heavy = {'torch', 'numpy', 'pandas', 'scipy', 'matplotlib', 'sklearn', 'pyarrow'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
