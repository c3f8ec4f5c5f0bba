"""The running job's side of the journal: it keeps its entry alive and writes its last word.

Used by the command line for ``--journal FILE``. No job fails for its journal: one that cannot be
written is told once.
"""

from __future__ import annotations

import dataclasses
import logging
import math
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from workflow_src.errors import UserError
from workflow_src.exit_codes import ExitCode
from workflow_src.jobs import slurm
from workflow_src.jobs.failures import is_infrastructure
from workflow_src.jobs.journal import (
    HEARTBEAT,
    Entry,
    State,
    driver_token,
    now,
    read_entry,
    write_entry,
)

log = logging.getLogger(__name__)

_LONGEST_REASON = 500


class StoppedError(BaseException):
    """A signal ends a command that has no handler of its own for it."""


class Journal:
    """The entry of this process's job, from its start to its last word.

    Parameters
    ----------
    path:
        ``results/jobs/<rule>-<name>.json``; None keeps no journal.
    attempt:
        Which time Snakemake sends the job.
    seconds:
        Between two signs of life.
    """

    def __init__(
        self, path: Path | None, *, attempt: int | None = None, seconds: float = HEARTBEAT
    ) -> None:
        self._path = path
        self._attempt = attempt
        self._seconds = seconds
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._has_warned = False
        self._started = now()
        self._entry = _first_entry(path, attempt, self._started) if path is not None else None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Journal:
        global _current
        if self._entry is not None:
            # Whatever an earlier job wrote under this name is past.
            self._write(self._entry)
            _current = self
            self._start_beating()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        global _current
        if error is not None:
            self._end_with(error)
        elif not self._over.is_set():
            self.end(State.FINISHED)
        if self._thread is not None:
            self._thread.join()
        if self._entry is not None:
            _current = _NONE

    @property
    def is_kept(self) -> bool:
        """Whether there is an entry; then this process is a job that Snakemake sent."""
        return self._entry is not None

    def progress(self, **facts: Any) -> None:
        """Say how far the job is; what was said before under other names stays."""
        if self._entry is not None:
            finite = {name: _finite(value) for name, value in facts.items()}
            with self._lock:
                known = self._entry.progress
                self._entry = dataclasses.replace(self._entry, progress=known | finite)

    def end_with_code(self, code: int) -> None:
        """Write the last word of a command that ended with that exit code."""
        if code == ExitCode.FINE:
            self.end(State.FINISHED)
        elif code == ExitCode.INTERRUPTED:
            self.end(State.INTERRUPTED, "stopped by a signal", worth_repeating=True)
        else:
            self.end(State.FAILED, f"exit code {int(code)}", worth_repeating=False)

    def end(
        self, state: State, reason: str | None = None, *, worth_repeating: bool | None = None
    ) -> None:
        """Write the last word; only the first one counts."""
        if self._over.is_set():
            return
        self._over.set()
        if self._entry is None:
            return
        with self._lock:
            short = reason and " ".join(reason.split())[:_LONGEST_REASON]
            self._entry = dataclasses.replace(
                self._entry,
                state=state,
                since=now(),
                reason=short,
                worth_repeating=worth_repeating,
            )
        self._write_if_ours()

    def _end_with(self, error: BaseException) -> None:
        if isinstance(error, KeyboardInterrupt):
            self.end(State.INTERRUPTED, "cancelled by Ctrl-C", worth_repeating=True)
        elif isinstance(error, StoppedError):
            self.end(State.INTERRUPTED, f"stopped by {error}", worth_repeating=True)
        else:
            told = isinstance(error, (UserError, OSError))
            reason = str(error) if told else f"{type(error).__name__}: {error}"
            self.end(State.FAILED, reason, worth_repeating=is_infrastructure(error))

    def _start_beating(self) -> None:
        thread = threading.Thread(target=self._beat, name="journal", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            log.warning("the journal gives no signs of life, the job goes on: %s", error)
        else:
            self._thread = thread

    def _beat(self) -> None:
        while not self._over.wait(self._seconds):
            self._write_if_ours()

    def _write_if_ours(self) -> None:
        """Write, unless the name belongs to a later start of the job by now."""
        assert self._path is not None
        with self._lock:
            entry = self._entry
            assert entry is not None
            known = read_entry(self._path)
            if known is None or _may_follow(entry, known, self._started):
                self._write(dataclasses.replace(entry, updated=now()))

    def _write(self, entry: Entry) -> None:
        assert self._path is not None
        try:
            write_entry(self._path, entry)
        except (UserError, OSError) as error:
            if not self._has_warned:
                log.warning("the journal cannot be written, the job goes on: %s", error)
            self._has_warned = True


def current() -> Journal:
    """The journal of this process's job; where there is none, one that keeps nothing."""
    return _current


@contextmanager
def stopping_on_signals() -> Iterator[None]:
    """Let SIGTERM and SIGUSR1 raise `StoppedError`, until a command sets handlers of its own."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGTERM, signal.SIGUSR1)
    before = {number: signal.signal(number, _stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            if signal.getsignal(number) is _stop:
                signal.signal(number, handler)


def _stop(number: int, frame: FrameType | None) -> None:
    raise StoppedError(signal.Signals(number).name)


def _first_entry(path: Path, attempt: int | None, moment: str) -> Entry:
    rule, _, name = path.stem.rpartition("-")
    return Entry(
        rule=rule,
        name=name,
        state=State.RUNNING,
        since=moment,
        updated=moment,
        driver=driver_token(),
        attempt=attempt,
        host=socket.gethostname(),
        pid=os.getpid(),
        slurm_job=slurm.job(),
        slurm_restarts=slurm.restarts(),
        slurm_nodes=slurm.nodes(),
        visible_devices=os.environ.get("CUDA_VISIBLE_DEVICES"),
    )


def _may_follow(ours: Entry, known: Entry, started: str) -> bool:
    """Whether this process, that started then, may replace what the file says now."""
    if known.state == State.QUEUED:
        # Written in the moment in which the job started.
        return known.slurm_job is not None and known.slurm_job == ours.slurm_job
    if _identity(known) != _identity(ours):
        # The later start has the word; an earlier one may have written in the same moment.
        return _is_later(ours, known, started)
    # Where SLURM said meanwhile that the job has ended, and why, only a real end says more.
    return known.state == State.RUNNING or ours.state in (State.FINISHED, State.FAILED)


def _is_later(ours: Entry, known: Entry, started: str) -> bool:
    """Whether our start is the later one; clocks of two nodes are asked where nothing else tells.

    ``since`` of what has ended is its end, so that an end after our start is left alone then.
    """
    of_one_job = ours.slurm_job is not None and ours.slurm_job == known.slurm_job
    if of_one_job and ours.slurm_restarts != known.slurm_restarts:
        return ours.slurm_restarts > known.slurm_restarts
    of_one_driver = ours.driver is not None and ours.driver == known.driver
    if of_one_driver and ours.attempt and known.attempt and ours.attempt != known.attempt:
        return ours.attempt > known.attempt
    return known.since < started


def _identity(entry: Entry) -> tuple[object, ...]:
    return entry.host, entry.pid, entry.slurm_job, entry.slurm_restarts


def _finite(value: Any) -> Any:
    """JSON knows no infinities."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


_NONE = Journal(None)
_current = _NONE
