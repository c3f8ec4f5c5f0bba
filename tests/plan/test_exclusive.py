"""One process holds the results; the kernel takes the lock back; the message names the holder."""

from __future__ import annotations

import errno
import logging
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.checkout import ROOT

from workflow_src.errors import UserError
from workflow_src.plan import exclusive
from workflow_src.plan.exclusive import (
    LOCK_FILE,
    hold,
    refuse_for_slurm,
    runs_jobs,
    sends_to_slurm,
)

HOLDER = """
import subprocess, sys
from pathlib import Path
from workflow_src.plan.exclusive import hold
hold(Path(sys.argv[1]))
child = subprocess.Popen(["sleep", "600"], stdout=subprocess.DEVNULL)
print(child.pid, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Another process that holds the lock of ``tmp_path``, and the number of a child of its."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        text=True,
    )
    assert process.stdout is not None
    child = int(process.stdout.readline())
    yield process, child
    process.kill()
    process.communicate()
    os.kill(child, signal.SIGKILL)


def test_a_second_process_is_told_who_holds_the_results(
    holder: tuple[subprocess.Popen[str], int], tmp_path: Path
) -> None:
    with pytest.raises(UserError) as caught:
        hold(tmp_path)
    told = str(caught.value)
    assert re.search(rf"process {holder[0].pid} on \S+ since \d{{4}}-\d\d-\d\dT[\d:]+\+00:00", told)
    assert "wait until it ends" in told
    assert "\n" not in told


def test_a_killed_process_leaves_no_lock_though_its_children_live(
    holder: tuple[subprocess.Popen[str], int], tmp_path: Path
) -> None:
    process, child = holder
    process.kill()
    process.wait()
    os.kill(child, 0)
    hold(tmp_path)
    assert f'"pid": {os.getpid()}' in (tmp_path / LOCK_FILE).read_text()


def test_the_same_process_may_ask_again(tmp_path: Path) -> None:
    hold(tmp_path / "results")
    hold(tmp_path / "results")


def test_a_file_system_without_locks_is_told_and_not_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def no_locks(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(exclusive.fcntl, "flock", no_locks)
    with caplog.at_level(logging.WARNING):
        hold(tmp_path)
    assert "has no locks" in caplog.text
    assert "one at a time" in caplog.text


def test_a_lock_that_says_nothing_readable_still_holds(
    holder: tuple[subprocess.Popen[str], int], tmp_path: Path
) -> None:
    (tmp_path / LOCK_FILE).write_bytes(b"\xff")
    with pytest.raises(UserError, match="another Snakemake works on these results"):
        hold(tmp_path)


def test_a_file_in_the_place_of_the_results_is_named(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("a file\n")
    with pytest.raises(UserError, match="remove or rename the file"):
        hold(tmp_path / "results")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("--profile local", True),
        ("--profile local train", True),
        ("--report-after-run --report page.html", True),
        ("--profile local --summary", False),
        ("-S", False),
        ("--lint", False),
        ("--unlock", False),
        ("--rulegraph=mermaid-js", False),
    ],
)
def test_only_what_runs_jobs_needs_the_lock(words: str, expected: bool) -> None:
    assert runs_jobs(words.split(), dry_run=False) is expected
    assert runs_jobs(words.split(), dry_run=True) is False


@pytest.mark.parametrize(
    ("words", "nodes", "expected"),
    [
        ("--profile slurm", 100, True),
        ("--profile slurm -e slurm", 100, True),
        ("--profile slurm --executor=slurm", 100, True),
        ("--profile slurm --executor cluster-generic", 100, False),
        ("--profile slurm -e local", None, False),
        ("--profile local", None, False),
    ],
)
def test_jobs_go_to_slurm_where_they_leave_this_process(
    words: str, nodes: int | None, expected: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sbatch").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert sends_to_slurm(words.split(), nodes) is expected


def test_without_sbatch_nothing_goes_to_slurm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not sends_to_slurm(["--profile", "slurm"], 100)


@pytest.mark.parametrize("name", ["a$b", "a`b"])
def test_a_path_that_the_shell_of_a_job_would_change_is_refused(tmp_path: Path, name: str) -> None:
    refuse_for_slurm(tmp_path, tmp_path / "it's a (plain) one")
    with pytest.raises(UserError, match=re.escape(str(tmp_path / name))) as caught:
        refuse_for_slurm(tmp_path, tmp_path / name)
    assert "without such a character" in str(caught.value)
