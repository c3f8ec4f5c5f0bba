"""Measures one way of doing a thing in a process of its own: its processor time and peak memory.

A program that uses this starts itself again for every way (`in_own_process`), which then does its
work under `measured` and prints what it took.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Taken:
    """Processor seconds of the work, and megabytes that its process held beyond its start at most.

    Processor time adds up over threads; others on the machine lengthen it less than the time on
    the clock.
    """

    seconds: float
    megabytes: float


def measured(work: Callable[[], object]) -> None:
    """Do the work and print what it took as one line of JSON, the last of this process."""
    before = _peak_kilobytes()
    started = time.process_time()
    work()
    seconds = time.process_time() - started
    megabytes = (_peak_kilobytes() - before) / 1024
    print(json.dumps({"seconds": seconds, "megabytes": megabytes}))


def in_own_process(program: str, arguments: Sequence[str]) -> Taken:
    """Run ``program``, which ends with `measured`, and read what it took."""
    command = [sys.executable, program, *arguments]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return Taken(**json.loads(done.stdout.splitlines()[-1]))


def _peak_kilobytes() -> int:
    """This program's own mark; ru_maxrss begins at that of the program that started it."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
