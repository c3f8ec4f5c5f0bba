"""Bars for people: how far something long has come, on a terminal and nowhere else.

A bar is drawn on stderr where that is a terminal that can, and where the process is no job of
Snakemake (those share one screen). Elsewhere a bar does nothing, and what is logged says how it
goes. Bars that are open at the same time stand below each other.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from workflow_src.jobs.heartbeat import current

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_PLAIN = ("dumb", "unknown")
"""Terminals that cannot go back in a line."""

_screen: _Screen | None = None


class Bar:
    """One bar; this one is for nobody to see."""

    def advance(self, count: float = 1) -> None:
        """So much more is done."""

    def tell(
        self,
        *,
        words: str | None = None,
        done: float | None = None,
        total: float | None = None,
        rate: float | None = None,
        note: str | None = None,
    ) -> None:
        """Say what it is, how much of it is done, how much per second, and a word beside; or not.

        What is left out stays. Without a ``rate`` it is that of the last half minute.
        """


class _DrawnBar(Bar):
    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    def advance(self, count: float = 1) -> None:
        self._progress.advance(self._task, count)

    def tell(
        self,
        *,
        words: str | None = None,
        done: float | None = None,
        total: float | None = None,
        rate: float | None = None,
        note: str | None = None,
    ) -> None:
        if rate is not None:
            self._progress.update(self._task, rate=rate)
        if note is not None:
            self._progress.update(self._task, note=note)
        self._progress.update(self._task, description=words, completed=done, total=total)


class _Screen:
    """The bars that are open; rich draws one such display at a time."""

    def __init__(self) -> None:
        from rich.console import Console

        from workflow_src.jobs.bar_columns import progress_of

        self.progress = progress_of(Console(stderr=True))
        self.open = 0


def are_wanted() -> bool:
    """Whether somebody watches who can see bars."""
    if _screen is not None:
        # Its display stands in for stderr.
        return True
    if os.environ.get("TERM", "") in _PLAIN or current().is_kept:
        return False
    return sys.stderr.isatty()


@contextmanager
def bar(words: str, total: float | None = None, unit: str = "") -> Iterator[Bar]:
    """A bar that stands while the block runs; without a ``total``, one that only moves.

    Parameters
    ----------
    words:
        What is under way.
    total:
        How much there is to do, in ``unit``.
    unit:
        What is counted, such as ``runs``.
    """
    global _screen
    if not are_wanted():
        yield Bar()
        return
    if _screen is None:
        _screen = _Screen()
        _screen.progress.start()
    screen = _screen
    screen.open += 1
    task = screen.progress.add_task(words, total=total, unit=unit, rate=None, note="")
    try:
        yield _DrawnBar(screen.progress, task)
    finally:
        # Also where it was quicker than the eye.
        screen.progress.refresh()
        screen.progress.remove_task(task)
        screen.open -= 1
        if not screen.open:
            screen.progress.stop()
            _screen = None
