"""Programs that a test starts in a checkout, watches by their files, and kills."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

from support.checkout import Checkout

PATIENCE = 240.0
"""Seconds after which a condition that is waited for counts as never coming."""


def start(checkout: Checkout, command: str) -> subprocess.Popen[bytes]:
    """Start a command that leads a process group of its own; what it says goes to said.txt."""
    with (checkout.folder / "said.txt").open("ab") as said:
        return subprocess.Popen(
            command.split(),
            cwd=checkout.folder,
            env=checkout.environment,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            # What a shell started in the background ignores Ctrl-C, and all below it.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )


def until(
    happened: Callable[[], object],
    process: subprocess.Popen[bytes] | None = None,
    *,
    pause: float = 0.02,
) -> None:
    """Wait until something has happened; fail if ``process`` ends before, or patience does.

    ``pause`` is the time between two looks, in seconds.
    """
    end = time.monotonic() + PATIENCE
    while not happened():
        assert process is None or process.poll() is None, "it ended too early"
        assert time.monotonic() < end, "it never happened"
        time.sleep(pause)


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill a process that `start` gave with all that it started and that stayed in its group."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def alive_in(folder: Path) -> list[psutil.Process]:
    """The processes that work in a folder or below, whoever started them."""
    return [process for process in psutil.process_iter() if _works_in(process, folder)]


@contextlib.contextmanager
def nothing_left_in(folder: Path) -> Iterator[None]:
    """Kill on leaving what still works in ``folder``."""
    try:
        yield
    finally:
        for process in alive_in(folder):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()


def _works_in(process: psutil.Process, folder: Path) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE and Path(process.cwd()).is_relative_to(
            folder
        )
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False
