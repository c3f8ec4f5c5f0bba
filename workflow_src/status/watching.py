"""Telling the status again and again until nothing is left to do, or nobody will do it."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

from rich.console import Console
from rich.live import Live

from workflow_src.status.bars import Rate, done_runs, drawn
from workflow_src.status.scanning import Scanner
from workflow_src.status.status import Status, look
from workflow_src.status.telling import Page, page, show

LOOKS_AT_STANDSTILL = 3
"""One is not enough: between two jobs, and before a failed one is sent again, none is at work."""

_ROWS_AROUND_TABLES = 19
"""Lines of a page that are no rows of its tables."""


def watch(
    scanner: Scanner,
    seconds: float,
    console: Console,
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> Status:
    """Redraw the status every so many ``seconds``; return the last.

    That is the first that has nothing left to do; or, where something failed, that of the
    `LOOKS_AT_STANDSTILL`-th look in a row at which no job was at work or in a queue.

    On a terminal that can, the page is drawn in place with bars and cut to the window; elsewhere
    pages follow each other.
    """

    def print_below(status: Status) -> None:
        show(_dated(page(status)), console)
        print(flush=True)

    if not console.is_terminal or console.is_dumb_terminal:
        return _follow(scanner, seconds, print_below, sleep)
    rate = Rate()
    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:

        def draw(status: Status) -> None:
            told = page(status, rows=max(console.height - _ROWS_AROUND_TABLES, 1))
            shown = drawn(_dated(told), status, rate(done_runs(status)))
            live.update(shown, refresh=True)

        return _follow(scanner, seconds, draw, sleep)


def _follow(
    scanner: Scanner,
    seconds: float,
    tell: Callable[[Status], None],
    sleep: Callable[[float], None],
) -> Status:
    standstill = 0
    while True:
        status = look(scanner)
        tell(status)
        progress = status.progress
        stands_still = progress.has_failures and not progress.is_under_way
        standstill = standstill + 1 if stands_still else 0
        if progress.is_complete or standstill == LOOKS_AT_STANDSTILL:
            return status
        sleep(seconds)


def _dated(told: Page) -> Page:
    return Page((f"{datetime.now():%Y-%m-%d %H:%M:%S}", *told.lines), told.blocks)
