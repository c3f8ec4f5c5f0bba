"""Ctrl-C in the Snakemake that starts the jobs: nothing is lost, and its last line says so.

The first one lets jobs save what they have; Snakemake's reports of jobs that ended by it are left
out of the terminal and stay in its log. The second one ends everything at once.
"""

from __future__ import annotations

import atexit
import importlib
import logging
import os
import shlex
import signal
import sys
import threading
from collections.abc import Sequence
from types import FrameType, TracebackType
from typing import Any

from workflow_src.exit_codes import ExitCode

_SECONDS_FOR_JOBS = 2.0
"""Jobs were told as well; what has not ended by itself then is killed."""


def end_in_order(words: Sequence[str]) -> None:
    """From now on, let Ctrl-C end this Snakemake in order; ``words`` are its command line's."""
    if threading.current_thread() is threading.main_thread() and _is_untouched():
        signal.signal(signal.SIGINT, _Cancelling(_how_to_go_on(words)))


def _is_untouched() -> bool:
    return signal.getsignal(signal.SIGINT) is signal.default_int_handler


class _Cancelling:
    """The handler of SIGINT."""

    def __init__(self, last_line: str) -> None:
        self._last_line = last_line
        self._has_come = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self._has_come:
            _end_jobs()
            self._say_last_line()
            os._exit(ExitCode.CANCELLED)
        self._has_come = True
        atexit.register(self._say_last_line)
        _say("\nstopping: jobs save what they have; Ctrl-C again ends them at once")
        _quieten()
        # Where it comes while Snakemake plans, nobody catches it.
        sys.excepthook = _tell_others
        raise KeyboardInterrupt

    def _say_last_line(self) -> None:
        _say(self._last_line)


def _how_to_go_on(words: Sequence[str]) -> str:
    again = shlex.join(["snakemake", *words])
    by_make = ", or the same make command" if "MAKELEVEL" in os.environ else ""
    return (
        "stopped by Ctrl-C: what is finished stays, and trainings go on from the states that they "
        f"saved; to go on, start it again: {again}{by_make}"
    )


def _say(line: str) -> None:
    # Not by print, which a signal may have come into the middle of.
    os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, f"{line}\n".encode())


def _quieten() -> None:
    """Keep what Snakemake says from now on off the terminal: of every job, that it failed."""
    for handler in logging.getLogger("snakemake.logging").handlers:
        if handler.name == "DefaultStreamHandler":
            handler.addFilter(lambda record: False)


def _tell_others(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    if not issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, traceback)


def _end_jobs() -> None:
    """Wait a moment for the processes that this one started, and kill the rest."""
    # Snakemake needs it, so that it is here wherever Snakemake is.
    processes: Any = importlib.import_module("psutil")
    started = processes.Process().children(recursive=True)
    _, left = processes.wait_procs(started, timeout=_SECONDS_FOR_JOBS)
    for process in left:
        try:
            process.kill()
        except processes.NoSuchProcess:
            continue
