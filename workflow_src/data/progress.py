"""How far a long transfer has come: a bar on a terminal, a line per tenth in a log file.

Transfers below ten megabytes go unmentioned in a log file.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator

from workflow_src.jobs.bars import are_wanted

Advance = Callable[[int], None]

_WORTH_A_LINE = 10_000_000


@contextlib.contextmanager
def transfer_progress(name: str, total: int | None, already: int = 0) -> Iterator[Advance]:
    """Yield a function to be told of every further number of bytes; writes to standard error."""
    if are_wanted():
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=Console(stderr=True)) as bar:
            task = bar.add_task(name, total=total, completed=already)
            yield lambda count: bar.advance(task, count)
    elif total is not None and total < _WORTH_A_LINE:
        yield lambda count: None
    else:
        yield _Lines(name, total, already)


class _Lines:
    """One line whenever another tenth (or, the total unknown, another 100 MB) is there."""

    def __init__(self, name: str, total: int | None, already: int) -> None:
        self._name = name
        self._total = total
        self._done = already
        self._step = max(1, total // 10) if total else 100_000_000
        self._shown = already // self._step

    def __call__(self, count: int) -> None:
        self._done += count
        if self._done // self._step <= self._shown:
            return
        self._shown = self._done // self._step
        share = f" of {self._total / 1e6:.1f}" if self._total else ""
        print(f"{self._name}: {self._done / 1e6:.1f}{share} MB", file=sys.stderr, flush=True)
