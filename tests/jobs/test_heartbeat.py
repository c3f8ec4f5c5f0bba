"""A running job keeps its entry alive, says how it ended, and never fails for its journal."""

from __future__ import annotations

import dataclasses
import errno
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from workflow_src.errors import UserError
from workflow_src.jobs import heartbeat
from workflow_src.jobs.heartbeat import Journal, StoppedError, current, stopping_on_signals
from workflow_src.jobs.journal import DRIVER_VARIABLE, Entry, State, read_entry, write_entry

VARIABLES = {
    "SLURM_JOB_ID": "41",
    "SLURM_RESTART_COUNT": "2",
    "SLURM_JOB_NODELIST": "node[1-2]",
    "CUDA_VISIBLE_DEVICES": "1",
    DRIVER_VARIABLE: "/somewhere/d7.json",
}


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "jobs" / "train_shard-0123456789abcdef.json"


def said(path: Path) -> Entry:
    entry = read_entry(path)
    assert entry is not None
    return entry


def until(happened: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.01)


def test_a_job_says_at_once_where_and_for_whom_it_runs(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    with Journal(path, attempt=3):
        entry = said(path)
    assert (entry.rule, entry.name, entry.state) == (
        "train_shard",
        "0123456789abcdef",
        State.RUNNING,
    )
    assert (entry.host, entry.pid, entry.attempt) == (socket.gethostname(), os.getpid(), 3)
    assert (entry.slurm_job, entry.slurm_restarts, entry.slurm_nodes) == ("41", 2, "node[1-2]")
    assert (entry.visible_devices, entry.driver) == ("1", "d7")


def test_a_job_that_ends_well_is_finished(path: Path) -> None:
    with Journal(path) as journal:
        journal.progress(runs=4)
        journal.progress(step=10)
    entry = said(path)
    assert (entry.state, entry.reason, entry.worth_repeating) == (State.FINISHED, None, None)
    assert entry.progress == {"runs": 4, "step": 10}


@pytest.mark.parametrize(
    ("error", "state", "reason", "worth"),
    [
        (UserError("it is\n gone", place="a"), State.FAILED, "a: it is gone", False),
        (ZeroDivisionError("ours"), State.FAILED, "ZeroDivisionError: ours", False),
        (OSError(errno.ENOSPC, "full", "a"), State.FAILED, "[Errno 28] full: 'a'", True),
        (MemoryError(), State.FAILED, "MemoryError: ", True),
        (KeyboardInterrupt(), State.INTERRUPTED, "cancelled by Ctrl-C", True),
        (StoppedError("SIGTERM"), State.INTERRUPTED, "stopped by SIGTERM", True),
    ],
)
def test_a_job_that_fails_says_why_and_whether_that_may_pass(
    path: Path, error: BaseException, state: State, reason: str, worth: bool
) -> None:
    with pytest.raises(type(error)), Journal(path):
        raise error
    entry = said(path)
    assert (entry.state, entry.reason, entry.worth_repeating) == (state, reason.strip(), worth)


@pytest.mark.parametrize(
    ("code", "state", "worth"),
    [(0, State.FINISHED, None), (75, State.INTERRUPTED, True), (2, State.FAILED, False)],
)
def test_an_exit_code_is_a_last_word_too(
    path: Path, code: int, state: State, worth: bool | None
) -> None:
    with Journal(path) as journal:
        journal.end_with_code(code)
    assert (said(path).state, said(path).worth_repeating) == (state, worth)


def test_the_first_last_word_counts(path: Path) -> None:
    with Journal(path) as journal:
        journal.end(State.INTERRUPTED, "stopped by SIGUSR1", worth_repeating=True)
        journal.end_with_code(75)
    assert said(path).reason == "stopped by SIGUSR1"


def test_the_entry_is_kept_alive_with_the_progress(path: Path) -> None:
    with Journal(path, seconds=0.01):
        current().progress(step=1)
        until(lambda: said(path).progress == {"step": 1})
        os.utime(path, (0, 0))
        until(lambda: path.stat().st_mtime > 0)
        current().progress(step=2, best_bound=float("-inf"))
        until(lambda: said(path).progress == {"step": 2, "best_bound": None})


def test_without_a_journal_nothing_is_kept(tmp_path: Path) -> None:
    assert current() is current()
    with Journal(None) as journal:
        journal.progress(step=1)
        current().progress(step=1)
        journal.end_with_code(0)
    assert list(tmp_path.iterdir()) == []


def test_after_a_journal_there_is_none(path: Path) -> None:
    before = current()
    with Journal(path) as journal:
        assert current() is journal
    assert current() is before


def later_start(entry: Entry) -> Entry:
    return dataclasses.replace(entry, slurm_restarts=entry.slurm_restarts + 1, pid=1)


def another_job(entry: Entry) -> Entry:
    return dataclasses.replace(entry, slurm_job="99")


def queued_anew(entry: Entry) -> Entry:
    return dataclasses.replace(entry, slurm_job="99", state=State.QUEUED)


@pytest.mark.parametrize("successor", [later_start, another_job, queued_anew])
def test_a_job_that_outlived_its_time_leaves_its_successors_entry_alone(
    path: Path, monkeypatch: pytest.MonkeyPatch, successor: Callable[[Entry], Entry]
) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "41")
    with Journal(path, seconds=0.01) as journal:
        theirs = successor(said(path))
        # Between the read and the write of a beat ours may still win, so it is written again.
        for _ in range(3):
            write_entry(path, theirs)
            journal.progress(step=5)
            time.sleep(0.05)
        write_entry(path, theirs)
    assert said(path) == theirs


def test_the_later_start_takes_its_entry_back(path: Path) -> None:
    with Journal(path, seconds=0.01) as journal:
        mine = said(path)
        write_entry(path, dataclasses.replace(mine, pid=1, since="2001-01-01T00:00:00+00:00"))
        until(lambda: said(path).pid == mine.pid)
        journal.end_with_code(0)
    assert said(path).state is State.FINISHED


def start(restarts: int, attempt: int, job: str) -> dict[str, Any]:
    return {"slurm_restarts": restarts, "attempt": attempt, "slurm_job": job}


MOMENTS = ("2001-01-01T00:00:00+00:00", "2101-01-01T00:00:00+00:00")


@pytest.mark.parametrize("since", MOMENTS)
@pytest.mark.parametrize("state", [State.RUNNING, State.FAILED, State.INTERRUPTED])
@pytest.mark.parametrize(
    "start", [start(*numbers) for numbers in [(1, 9, "41"), (2, 1, "40"), (3, 1, "40")]]
)
def test_numbers_of_starts_and_not_clocks_say_which_start_is_the_later_one(
    path: Path, monkeypatch: pytest.MonkeyPatch, since: str, state: State, start: dict[str, Any]
) -> None:
    """An earlier start, whose node's clock may be wrong, wrote behind our back."""
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    with Journal(path, attempt=2, seconds=1e6) as journal:
        earlier = dataclasses.replace(said(path), **start, since=since, state=state, host="far")
        write_entry(path, earlier)
        journal._write_if_ours()
        assert said(path).host == socket.gethostname()
        write_entry(path, earlier)
    assert (said(path).host, said(path).state) == (socket.gethostname(), State.FINISHED)


@pytest.mark.parametrize("since", MOMENTS)
@pytest.mark.parametrize("state", [State.RUNNING, State.FINISHED])
@pytest.mark.parametrize("start", [start(*numbers) for numbers in [(3, 1, "41"), (0, 3, "42")]])
def test_an_earlier_start_leaves_a_later_ones_entry_alone_whatever_the_clocks_say(
    path: Path, monkeypatch: pytest.MonkeyPatch, since: str, state: State, start: dict[str, Any]
) -> None:
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    with Journal(path, attempt=2, seconds=1e6) as journal:
        later = dataclasses.replace(said(path), **start, since=since, state=state, host="far")
        write_entry(path, later)
        journal._write_if_ours()
        assert said(path) == later
    assert said(path) == later


def test_a_later_start_replaces_what_an_earlier_one_ended_with(path: Path) -> None:
    with Journal(path, seconds=1e6) as journal:
        ended = dataclasses.replace(said(path), pid=1, since=MOMENTS[0], state=State.FAILED)
        write_entry(path, ended)
        journal._write_if_ours()
        assert said(path).state is State.RUNNING


def test_without_a_thread_for_its_beats_a_job_goes_on(
    path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    before = current()
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", none_left)
        with Journal(path):
            current().progress(step=1)
            assert said(path).state is State.RUNNING
    assert current() is before
    assert (said(path).state, said(path).progress) == (State.FINISHED, {"step": 1})
    assert "no signs of life" in caplog.text


def test_a_driver_that_says_queued_too_late_is_put_right(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "41")
    with Journal(path, seconds=0.01):
        write_entry(path, dataclasses.replace(said(path), state=State.QUEUED, pid=None))
        until(lambda: said(path).state is State.RUNNING)


def test_what_slurm_said_of_our_end_stays_until_we_finish(path: Path) -> None:
    with Journal(path, seconds=0.01):
        gone = dataclasses.replace(said(path), state=State.FAILED, reason="SLURM: NODE_FAIL")
        for _ in range(3):
            write_entry(path, gone)
            time.sleep(0.05)
        assert said(path).reason == "SLURM: NODE_FAIL"
    assert said(path).state is State.FINISHED


def test_a_journal_that_cannot_be_written_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = []

    def full(path: Path, entry: Entry) -> None:
        tries.append(entry.state)
        raise UserError("cannot be used (No space left on device)")

    monkeypatch.setattr(heartbeat, "write_entry", full)
    with Journal(tmp_path / "jobs" / "a-b.json", seconds=0.01):
        until(lambda: len(tries) > 3)
    assert tries[-1] is State.FINISHED
    assert caplog.text.count("the journal cannot be written") == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_stops_a_command_in_an_orderly_way(number: signal.Signals) -> None:
    def command() -> None:
        with stopping_on_signals():
            os.kill(os.getpid(), number)
            time.sleep(60)

    before = signal.getsignal(number)
    with pytest.raises(StoppedError, match=number.name):
        command()
    assert signal.getsignal(number) is before


def test_a_commands_own_handler_stays() -> None:
    before = signal.getsignal(signal.SIGTERM)
    heard = []
    try:
        with stopping_on_signals():
            signal.signal(signal.SIGTERM, lambda *words: heard.append(words))
        os.kill(os.getpid(), signal.SIGTERM)
        assert len(heard) == 1
    finally:
        signal.signal(signal.SIGTERM, before)
