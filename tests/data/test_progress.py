"""A long transfer has a bar on a terminal, and lines elsewhere."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from support.terminals import ROOT, seen

PROGRAM = """
import time
from workflow_src.data.progress import transfer_progress
with transfer_progress("images.gz", 40_000_000, 10_000_000) as advance:
    for _ in range(6):
        advance(5_000_000)
        time.sleep(0.15)
"""


def test_a_terminal_shows_how_much_of_the_file_is_there(tmp_path: Path) -> None:
    told = seen(["-c", PROGRAM], tmp_path)
    assert told.code == 0, told.text
    bars = [line for line in told.lines if line.startswith("images.gz") and "━" in line]
    assert any("/40.0 MB" in line and "MB/s" in line and ":" in line for line in bars), told.text
    assert "40.0/40.0 MB" in bars[-1]


def test_a_file_gets_a_line_per_tenth(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    shares = ("15.0", "20.0", "25.0", "30.0", "35.0", "40.0")
    assert done.stderr.splitlines() == [f"images.gz: {share} of 40.0 MB" for share in shares]


def test_a_dumb_terminal_gets_lines_too(tmp_path: Path) -> None:
    told = seen(["-c", PROGRAM], tmp_path, environment={"TERM": "dumb"})
    assert told.lines[-1] == "images.gz: 40.0 of 40.0 MB"
    assert "\x1b" not in told.raw
