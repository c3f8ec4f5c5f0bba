"""What people read: counts, hours, what runs and what went wrong."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console
from support.progress import EVALUATIONS, RUNS, SHARDS, Folder

from workflow_src.status.scanning import Scanner
from workflow_src.status.status import Status, look
from workflow_src.status.telling import duration, page, show


def status_of(folder: Folder) -> Status:
    return look(Scanner(folder.results))


def told(folder: Folder, capsys: pytest.CaptureFixture[str]) -> list[str]:
    show(page(status_of(folder)), Console(file=io.StringIO()))
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (89, "89 s"),
        (90, "2 min"),
        (5399, "90 min"),
        (5400, "1.5 h"),
        (360_000, "100.0 h"),
    ],
)
def test_durations_are_told_in_the_unit_that_fits(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_a_page_of_work_under_way(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    folder.finish_shard(SHARDS[0], diverged=[RUNS[1]])
    progress = {
        "step": 100,
        "maximum_steps": 1000,
        "active_runs": 2,
        "bank": "vae (hidden_units 4)",
        "steps_per_second": 12.345,
    }
    folder.say(
        SHARDS[1], "running", host="node7", slurm_job="42", visible_devices="3", progress=progress
    )
    folder.say(SHARDS[2], "queued", slurm_job="43")
    assert told(folder, capsys) == [
        "planned 2026-01-02 03:04 UTC: scale demo, device cpu",
        "runs         2 of 6 done (1 diverged), 2 running, 2 queued",
        "shards       1 of 3 done, 1 running, 1 queued",
        "evaluations  0 of 2 done, 2 missing",
        "report       missing",
        "training     about 7 min of one device left; 7 min on the one device at work; "
        "2 finished runs took 1.00 times as long as planned",
        "",
        "running",
        "shard     runs  step      steps/s  left   where                       trains",
        "00000000  0/2   100/1000  12.3     3 min  node7, GPU 3, SLURM job 42  "
        "2 x vae (hidden_units 4)",
    ]


def test_trouble_is_told_with_its_reason_the_worst_first(
    folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    folder.say(SHARDS[0], "interrupted", reason="stopped by SIGTERM")
    folder.say(SHARDS[1], "running", quiet=7200, host="node9")
    folder.say(EVALUATIONS[0], "failed", rule="evaluate_group", quiet=120, reason="too small")
    lines = told(folder, capsys)
    rows = lines[lines.index("not as it should be") + 2 :]
    assert [re.split(r"\s{2,}", row) for row in rows] == [
        [f"evaluate_group {EVALUATIONS[0]}", "failed", "too small; 2 min ago"],
        [f"train_shard {SHARDS[1]}", "silent", "node9", "no sign for 2.0 h"],
        [f"train_shard {SHARDS[0]}", "interrupted", "stopped by SIGTERM; 0 s ago"],
    ]


@pytest.mark.parametrize(("worth", "is_told"), [(False, True), (True, False), (None, False)])
def test_a_failure_that_would_come_again_is_told_as_such(
    worth: bool | None, is_told: bool, folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    folder.say(SHARDS[0], "failed", reason="a bug", worth_repeating=worth)
    assert ("it would fail again" in "\n".join(told(folder, capsys))) is is_told


def test_a_result_that_is_there_excuses_a_failure(
    folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    folder.say(SHARDS[0], "failed", reason="a lost node")
    folder.finish_shard(SHARDS[0])
    assert "a lost node" not in "\n".join(told(folder, capsys))


def test_when_all_is_done_it_says_so(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    folder.finish_everything()
    assert told(folder, capsys)[1:] == [
        "runs         6 of 6 done",
        "shards       3 of 3 done",
        "evaluations  2 of 2 done",
        "report       done",
        "nothing is left to do",
    ]


def test_between_two_jobs_it_says_when_the_last_one_was_at_work(
    folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    # The result of the job is there, and the next job has not begun.
    folder.finish_shard(SHARDS[0])
    folder.say(SHARDS[0], "finished")
    go_on = "if no Snakemake is running, start it again as before"
    still = "no job gives a sign of life at the moment; the last one gave one "
    assert told(folder, capsys)[-1].startswith(still)
    assert told(folder, capsys)[-1].endswith(f" ago; {go_on}")
    folder.say(SHARDS[0], "finished", quiet=100)
    assert told(folder, capsys)[-1] == f"no job gives a sign of life at the moment; {go_on}"


def test_where_nothing_is_at_work_it_says_how_to_go_on(
    folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    still = "no job gives a sign of life at the moment; "
    assert told(folder, capsys)[-1] == (
        f"{still}if no Snakemake is running, start it again as before"
    )
    folder.say(SHARDS[0], "failed", reason="a lost node", worth_repeating=True)
    assert f"{still}if no Snakemake is running" in "\n".join(told(folder, capsys))
    folder.say(SHARDS[1], "failed", reason="a bug", worth_repeating=False)
    assert f"{still}mend what failed first" in "\n".join(told(folder, capsys))
    folder.say(SHARDS[2], "queued")
    assert still not in "\n".join(told(folder, capsys))


def test_below_a_failure_stands_where_its_log_is(
    folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    folder.say(SHARDS[0], "failed", reason="a bug")
    log = folder.write(f"logs/train/{SHARDS[0]}.log", "what it said")
    lines = told(folder, capsys)
    row = next(place for place, line in enumerate(lines) if line.startswith("train_shard"))
    assert lines[row].endswith("a bug; 0 s ago")
    assert lines[row + 1] == f"    log: {log}"
    drawn = io.StringIO()
    show(page(status_of(folder)), Console(file=drawn, force_terminal=True, width=300))
    assert f"log: {log}" in drawn.getvalue()
    (trouble,) = page(status_of(folder), rows=1).blocks
    assert (trouble.rows, trouble.more) == ((), 1), "a row with its log is two lines"


def test_journals_of_any_content_are_told_as_they_are(
    folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    progress = {"step": [1], "bank": "[red]odd[/nothing]", "device": 3, "active_runs": "x"}
    folder.say(SHARDS[0], "running", progress=progress, host="[bold]")
    assert "[red]odd[/nothing]" in "\n".join(told(folder, capsys))
    drawn = io.StringIO()
    show(page(status_of(folder)), Console(file=drawn, force_terminal=True, width=200))
    assert "[red]odd[/nothing]" in drawn.getvalue()
    assert "[bold]" in drawn.getvalue()


def test_a_page_for_a_small_window_says_what_it_leaves_out(folder: Folder) -> None:
    folder.say(SHARDS[0], "failed", reason="-")
    folder.say(SHARDS[1], "running")
    folder.say(SHARDS[2], "running")
    status = status_of(folder)
    trouble, running = page(status, rows=2).blocks
    assert (len(trouble.rows), trouble.more) == (1, 0)
    assert (len(running.rows), running.more) == (1, 1)
    assert [len(block.rows) for block in page(status).blocks] == [1, 2]
