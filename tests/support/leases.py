"""Leases as other processes and other nodes hold them, and a clock for those who watch them."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from workflow_src.jobs.holders import Holder, this_process
from workflow_src.jobs.leases import LEASE_FILE, Lease, acquire

ROOT = Path(__file__).parents[2]

# Takes a lease, says whether it has it, and holds it until it is told to go or to look.
HOLDER = """
import json, sys, time
from pathlib import Path
from workflow_src.jobs.leases import acquire
from workflow_src.jobs.holders import this_process

folder, expires_after = Path(sys.argv[1]), float(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
lease = acquire(folder, this_process(), expires_after=expires_after)
print("held" if lease else "refused", flush=True)
for line in sys.stdin:
    if line.strip() == "look":
        print("held" if lease and lease.is_held() else "lost", flush=True)
    else:
        lease.release()
        print("released", flush=True)
"""


class Other:
    """Another process that takes a lease when it is told to."""

    def __init__(self, folder: Path, expires_after: float = 3600.0, **variables: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(folder), str(expires_after)],
            cwd=ROOT,
            env=os.environ | variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.heard() == "ready"

    def say(self, word: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()

    def heard(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def ask(self, word: str) -> str:
        self.say(word)
        return self.heard()

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


Start = Callable[..., Other]


class Clock:
    """Stands still but when it is told how much time passes."""

    def __init__(self) -> None:
        self.moment = 0.0

    def __call__(self) -> float:
        return self.moment

    def passes(self, seconds: float) -> None:
        self.moment += seconds


def age(folder: Path, seconds: float) -> None:
    """Make a lease older by so many seconds."""
    path = folder / LEASE_FILE
    moment = path.stat().st_mtime - seconds
    os.utime(path, (moment, moment))


def elsewhere(**changes: Any) -> Holder:
    """A holder on another node: nobody here can see whether it lives."""
    return dataclasses.replace(this_process(), boot="another boot", **changes)


def taken(folder: Path, holder: Holder | None = None, expires_after: float = 120.0) -> Lease | None:
    return acquire(
        folder, this_process() if holder is None else holder, expires_after=expires_after
    )


def left_over(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != LEASE_FILE)
