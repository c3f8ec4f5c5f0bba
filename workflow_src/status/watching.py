"""Telling the status again and again until nothing is left to do."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

from rich.console import Console
from rich.live import Live

from workflow_src.status.scanning import Scanner
from workflow_src.status.status import Status, look
from workflow_src.status.telling import Page, page, rendered, show

_ROWS_AROUND_TABLES = 18
"""Lines of a page that are no rows of its tables."""


def watch(
    scanner: Scanner,
    seconds: float,
    console: Console,
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> Status:
    """Redraw the status every so many ``seconds``; return the first that has nothing left to do.

    On a terminal the page is drawn in place and cut to the window; elsewhere pages follow each
    other.
    """
    if not console.is_terminal:
        return _follow(scanner, seconds, console, sleep)
    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
        while True:
            status = look(scanner)
            told = page(status, rows=max(console.height - _ROWS_AROUND_TABLES, 1))
            live.update(rendered(_dated(told)), refresh=True)
            if status.progress.is_complete:
                return status
            sleep(seconds)


def _follow(
    scanner: Scanner, seconds: float, console: Console, sleep: Callable[[float], None]
) -> Status:
    while True:
        status = look(scanner)
        show(_dated(page(status)), console)
        print(flush=True)
        if status.progress.is_complete:
            return status
        sleep(seconds)


def _dated(told: Page) -> Page:
    return Page((f"{datetime.now():%Y-%m-%d %H:%M:%S}", *told.lines), told.blocks)
