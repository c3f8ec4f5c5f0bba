"""`--journal` keeps an entry of any command, true however the command ends."""

from __future__ import annotations

import errno
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from workflow_src import __main__ as command_line
from workflow_src.commands import report
from workflow_src.errors import UserError
from workflow_src.jobs.journal import Entry, State, read_entry

FULL = OSError(errno.ENOSPC, "No space left on device", "results/a.csv")


def raising(error: BaseException) -> Callable[[], int]:
    def action() -> int:
        raise error

    return action


def stopped() -> int:
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(60)
    return 0


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[[Callable[[], int]], tuple[int, Entry]]:
    """Run the command `report`, doing something else, with a journal: exit code and entry."""

    def with_journal(action: Callable[[], int]) -> tuple[int, Entry]:
        monkeypatch.setattr(report, "run", lambda arguments: action())
        path = tmp_path / "results" / "jobs" / "report-0123456789abcdef.json"
        words = ["report", "--report", "membership.json", "--journal", str(path), "--attempt", "2"]
        code = command_line.main(words)
        entry = read_entry(path)
        assert entry is not None
        assert (entry.rule, entry.name, entry.attempt) == ("report", "0123456789abcdef", 2)
        return code, entry

    return with_journal


@pytest.mark.parametrize(
    ("action", "code", "state", "reason", "worth"),
    [
        (lambda: 0, 0, State.FINISHED, None, None),
        (lambda: 1, 1, State.FAILED, "exit code 1", False),
        (raising(UserError("gone", place="a")), 2, State.FAILED, "a: gone", False),
        (raising(FULL), 2, State.FAILED, "No space left", True),
        (raising(KeyboardInterrupt()), 130, State.INTERRUPTED, "cancelled by Ctrl-C", True),
        (stopped, 75, State.INTERRUPTED, "stopped by SIGTERM", True),
    ],
)
def test_the_entry_says_how_the_command_ended(
    action: Callable[[], int],
    code: int,
    state: State,
    reason: str | None,
    worth: bool | None,
    run: Callable[..., tuple[int, Entry]],
) -> None:
    found, entry = run(action)
    assert found == code
    assert (entry.state, entry.worth_repeating) == (state, worth)
    assert entry.reason is None if reason is None else reason in (entry.reason or "")


def test_a_fault_of_the_program_is_in_the_entry_and_on_the_terminal(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(report, "run", lambda arguments: raising(ZeroDivisionError("ours"))())
    path = tmp_path / "report-0123456789abcdef.json"
    with pytest.raises(ZeroDivisionError):
        command_line.main(["--journal", str(path), "report", "--report", "a.json"])
    entry = read_entry(path)
    assert entry is not None
    assert (entry.state, entry.worth_repeating) == (State.FAILED, False)
    assert entry.reason == "ZeroDivisionError: ours"


def test_a_stopped_command_says_how_to_go_on(
    run: Callable[..., tuple[int, Entry]], capsys: pytest.CaptureFixture[str]
) -> None:
    run(stopped)
    assert "stopped by SIGTERM; start snakemake again" in capsys.readouterr().err


def test_a_journal_on_a_full_disk_does_not_stop_the_command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(report, "run", lambda arguments: 0)
    (tmp_path / "jobs").write_text("a file where the folder should be")
    words = ["report", "--report", "a.json", "--journal", str(tmp_path / "jobs" / "report-0.json")]
    assert command_line.main(words) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert "the journal cannot be written, the job goes on" in line
