"""Watching on a terminal: bars for all runs and for every shard at work."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console
from support.progress import RUNS, SHARDS, Folder

from workflow_src.status.bars import Rate, drawn
from workflow_src.status.scanning import Scanner
from workflow_src.status.status import look
from workflow_src.status.telling import page
from workflow_src.status.watching import watch

PROGRESS = {
    "step": 250,
    "maximum_steps": 1000,
    "active_runs": 2,
    "bank": "vae (hidden_units 4)",
    "steps_per_second": 12.345,
    "best_bound": -96.1234,
}


def told(folder: Folder, rate: float | None = None, rows: int | None = None) -> list[str]:
    status = look(Scanner(folder.results))
    drawing = io.StringIO()
    console = Console(file=drawing, force_terminal=True, color_system=None, width=160, height=60)
    console.print(drawn(page(status, rows=rows), status, rate))
    return [line.rstrip() for line in drawing.getvalue().splitlines()]


def cells(line: str) -> list[str]:
    return re.split(r"\s{2,}", line.strip())


def test_all_runs_with_rate_and_time_left(folder: Folder) -> None:
    folder.finish_shard(SHARDS[0])
    folder.say(SHARDS[1], "running", progress=PROGRESS)
    (line,) = [line for line in told(folder, rate=0.05) if "━" in line and "2/6 runs" in line]
    # 400 of 600 expected seconds are left on one device; 250 steps at 12.345 a second are done.
    assert "3 runs/min" in line
    assert re.search(r"0:06:20 left$", line)


def test_without_an_expectation_the_rate_tells_the_time_left(folder: Folder) -> None:
    folder.finish_runs(RUNS[0])
    (line,) = [line for line in told(folder, rate=0.5) if "1/6 runs" in line]
    assert re.search(r"30 runs/min\s+0:00:10 left$", line)


def test_a_shard_has_steps_rate_time_left_and_its_best_bound(folder: Folder) -> None:
    folder.say(SHARDS[1], "running", host="node7", progress=PROGRESS)
    (line,) = [
        line for line in told(folder) if line.strip().startswith(SHARDS[1][:8]) and "━" in line
    ]
    words = cells(line)
    assert words[:2] == [SHARDS[1][:8], "0/2"]
    assert words[2].count("━") >= 4, "a bar"
    assert words[3:] == [
        "250/1,000",
        "12.3",
        "0:03:00",
        "-96.12",
        "node7",
        "2 x vae (hidden_units 4)",
    ]


def test_other_jobs_at_work_stand_below(folder: Folder) -> None:
    folder.say("0" * 15 + "9", "running", rule="fetch", host="login")
    assert any(line.strip().startswith("fetch 0000000000000009") for line in told(folder))


@pytest.mark.parametrize(
    "progress",
    [
        {},
        {"step": "many", "maximum_steps": True, "best_bound": [1], "steps_per_second": "x"},
        {"step": 5, "maximum_steps": None, "best_bound": None},
        {"step": 50, "maximum_steps": 10, "bank": "[red]odd[/nothing]"},
    ],
)
def test_journals_of_any_content_can_be_drawn(progress: dict[str, object], folder: Folder) -> None:
    folder.say(SHARDS[0], "running", progress=progress, host="[bold]")
    lines = told(folder)
    assert any(line.strip().startswith(SHARDS[0][:8]) and "[bold]" in line for line in lines)
    assert not any("nan" in line for line in lines)


def test_a_small_window_says_what_is_left_out(folder: Folder) -> None:
    for shard in SHARDS:
        folder.say(shard, "running", progress=PROGRESS)
    lines = told(folder, rows=2)
    assert sum("250/1,000" in line for line in lines) == 2
    assert lines[-1] == "and 1 more"


def test_trouble_stays_a_table(folder: Folder) -> None:
    folder.say(SHARDS[0], "failed", reason="no memory")
    assert any("no memory" in line and "failed" in line for line in told(folder))


def test_the_rate_is_that_since_the_first_look() -> None:
    moments = iter([100.0, 110.0, 120.0, 130.0, 140.0])
    rate = Rate(lambda: next(moments))
    assert rate(4) is None
    assert rate(4) == 0.0
    assert rate(8) == 0.2
    # Results were removed: a new beginning.
    assert rate(2) is None
    assert rate(3) == 0.1


def test_watching_draws_bars_on_a_terminal(folder: Folder) -> None:
    folder.say(SHARDS[0], "running", progress=PROGRESS)
    drawing = io.StringIO()
    console = Console(file=drawing, force_terminal=True, width=160, height=60)
    watch(Scanner(folder.results), 7.0, console, sleep=lambda seconds: folder.finish_everything())
    assert "-96.12" in drawing.getvalue()
    assert "6/6 runs" in drawing.getvalue()


def test_a_dumb_terminal_gets_pages_in_lines(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TERM", "dumb")
    folder.say(SHARDS[0], "running", progress=PROGRESS)
    console = Console(file=io.StringIO(), force_terminal=True, width=160)
    watch(Scanner(folder.results), 7.0, console, sleep=lambda seconds: folder.finish_everything())
    said = capsys.readouterr().out
    assert "\x1b" not in said
    assert "━" not in said
    assert "best bound -96.12" in said
