"""What jobs may be writing now: states and half written files that changed a while ago.

And what jobs say themselves, by entries of the journal that are kept alive: a job that outlived its
Snakemake holds no lock.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

from workflow_src.errors import UserError
from workflow_src.jobs.journal import FOLDER, State, read_entry

HOUR = 3600.0
"""Seconds in which a job that is at work changes something."""

SIGN_OF_LIFE = 600.0
"""Seconds in which a job that keeps a journal surely renews its entry."""

_STATES = "states"
_HALF_WRITTEN = ".partial-"
_SHOWN = 3


def changed_within(path: Path, seconds: float, now: float) -> bool:
    """Whether a file, or anything in a directory, changed in the ``seconds`` before ``now``."""
    return now - max(_times(path), default=0.0) < seconds


def in_use(root: Path, *, now: float | None = None) -> list[Path]:
    """States and half written files that changed within an hour, and entries of living jobs."""
    moment = time.time() if now is None else now
    written = [path for path in _candidates(root) if changed_within(path, HOUR, moment)]
    return written + [path for path in _running(root) if changed_within(path, SIGN_OF_LIFE, moment)]


def refuse_while_writing(root: Path) -> None:
    """Raise a `UserError` where jobs may be at work on the results in ``root``."""
    found = in_use(root)
    if found:
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise UserError(
            "jobs may be writing: "
            f"{', '.join(str(path) for path in found[:_SHOWN])}{more} changed within the last hour",
            place=str(root),
            remedy="wait until all jobs have ended; where you know that none is at work, add "
            "--force",
        )


def _candidates(root: Path) -> Iterator[Path]:
    for place, names, files in os.walk(root):
        if Path(place) == root / _STATES:
            yield from (Path(place, name) for name in sorted([*names, *files]))
            names.clear()
            continue
        if Path(place) == root / FOLDER:
            # Entries tell more than the rests of those that were being written.
            names.clear()
            continue
        for name in sorted([*names, *files]):
            if name.startswith(".") and _HALF_WRITTEN in name:
                yield Path(place, name)
        names[:] = [name for name in names if not name.startswith(".")]


def _running(root: Path) -> Iterator[Path]:
    """Entries of jobs that have not said that they ended."""
    for path in sorted((root / FOLDER).glob("*.json")):
        entry = read_entry(path)
        if entry is not None and entry.state is State.RUNNING:
            yield path


def _times(path: Path) -> Iterator[float]:
    """When the path and everything in it changed last; what goes meanwhile is passed over."""
    for one in [path, *(path.rglob("*") if path.is_dir() and not path.is_symlink() else ())]:
        try:
            yield one.lstat().st_mtime
        except FileNotFoundError:
            continue
