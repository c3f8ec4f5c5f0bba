"""Bars are drawn for people on terminals that can, and for nobody else."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.terminals import ROOT, seen

from workflow_src.jobs.bar_columns import clock, rate_in_words

PROGRAM = """
import logging, sys, time
from pathlib import Path
from workflow_src.__main__ import _open_log
from workflow_src.jobs.bars import bar
from workflow_src.jobs.heartbeat import Journal
_open_log(None)
with Journal(Path({journal!r}) if {journal!r} else None):
    with bar("outer things", 3, "things") as outer:
        for number in range(3):
            with bar("inner", unit="steps") as inner:
                inner.tell(total=10, done=4, rate=2.0, note=f"best bound {{-number}}")
                logging.getLogger("workflow_src").info("line %d", number)
                time.sleep(0.3)
            outer.advance()
            time.sleep(0.3)
print("the end")
"""


def program(journal: str = "") -> list[str]:
    return ["-c", PROGRAM.format(journal=journal)]


def test_a_terminal_shows_bars_with_rate_time_left_and_note(tmp_path: Path) -> None:
    told = seen(program(), tmp_path)
    assert told.code == 0
    inner = [line for line in told.lines if line.startswith("inner") and "4/10 steps" in line]
    assert inner, told.text
    assert re.search(r"━.* 4/10 steps\s+2 steps/s\s+0:00:03 left\s+best bound 0", inner[0])
    assert any(re.match(r"outer things\s+━+.* 2/3 things", line) for line in told.lines)
    # Lines stand above the bars and are whole.
    assert {"line 0", "line 1", "line 2", "the end"} <= set(told.lines)
    assert told.colours
    assert told.lines[-1] == "the end"
    assert told.raw.count("\x1b[?25l") == told.raw.count("\x1b[?25h"), "the cursor is back"


def test_no_colour_where_none_is_wanted(tmp_path: Path) -> None:
    told = seen(program(), tmp_path, environment={"NO_COLOR": "1"})
    assert "4/10 steps" in told.text
    assert told.colours == set()


LINES = ["line 0", "line 1", "line 2", "the end"]


def test_a_dumb_terminal_gets_lines(tmp_path: Path) -> None:
    told = seen(program(), tmp_path, environment={"TERM": "dumb"})
    assert told.lines == LINES
    assert "\x1b" not in told.raw


def test_a_job_of_snakemake_gets_lines(tmp_path: Path) -> None:
    told = seen(program(str(tmp_path / "report-0123456789abcdef.json")), tmp_path)
    assert told.lines == LINES
    assert "\x1b" not in told.raw


def test_a_pipe_gets_lines(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, *program()],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "TERM": "xterm"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "the end\n"
    assert done.stderr.splitlines() == LINES[:3]


def test_rich_is_not_loaded_where_nobody_watches(tmp_path: Path) -> None:
    watched = f"{PROGRAM.format(journal='')}\nprint('rich' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", watched],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "False"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0:00:00"), (61.4, "0:01:01"), (3600, "1:00:00"), (90061, "1 d 1:01:01"), (-3, "0:00:00")],
)
def test_times_left(seconds: float, words: str) -> None:
    assert clock(seconds) == words


@pytest.mark.parametrize(
    ("rate", "words"), [(2.0, "2 runs/s"), (0.5, "30 runs/min"), (0.0, "0 runs/s")]
)
def test_slow_rates_are_told_per_minute(rate: float, words: str) -> None:
    assert rate_in_words(rate, "runs") == words
