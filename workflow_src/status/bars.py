"""The status with bars, as ``--watch`` draws it: all runs, and every shard that is being trained.

Steps are as fresh as the job's last sign of life, which it gives every few seconds. Bars count to
the most steps that a run may take; many stop earlier, and the time left takes that into account.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from workflow_src.jobs.bar_columns import clock, rate_in_words
from workflow_src.jobs.journal import Entry
from workflow_src.status.standing import Standing
from workflow_src.status.status import Status
from workflow_src.status.telling import (
    RUNNING,
    Page,
    bank_in_words,
    block_parts,
    name_of,
    running_jobs,
    where,
)

_WIDTH = 20
_DIGITS = 8
_HEADINGS = ("shard", "runs", "", "steps", "steps/s", "left", "best bound", "where", "trains")


class Rate:
    """Runs that were finished per second since the first look; None before the second."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._first: tuple[float, int] | None = None

    def __call__(self, done: int) -> float | None:
        """The rate, with ``done`` runs at this moment."""
        moment = self._now()
        if self._first is None or done < self._first[1]:
            self._first = moment, done
            return None
        seconds = moment - self._first[0]
        return (done - self._first[1]) / seconds if seconds > 0 else None


def done_runs(status: Status) -> int:
    """How many of the plan's runs are there."""
    return sum(at is Standing.DONE for at in status.progress.runs.values())


def drawn(told: Page, status: Status, rate: float | None) -> RenderableType:
    """A page with bars; the jobs at work are as many as the page has room for."""
    parts: list[RenderableType] = [*map(Text, told.lines), _all_runs(status, rate)]
    for block in told.blocks:
        if block.title == RUNNING and block.rows:
            more = [Text(f"and {block.more} more")] if block.more else []
            parts += [_running(status, len(block.rows)), *more]
        else:
            parts += block_parts(block)
    return Group(*parts)


def _all_runs(status: Status, rate: float | None) -> RenderableType:
    done, total = done_runs(status), len(status.progress.runs)
    left = status.left.wall_seconds
    if left is None and rate:
        left = (total - done) / rate
    words = [f"{done}/{total} runs"]
    if done < total:
        words += [rate_in_words(rate, "runs")] if rate else []
        words += [f"{clock(left)} left"] if left is not None else []
    grid = Table.grid(padding=(0, 1))
    grid.add_row(_bar(done, total, 2 * _WIDTH), Text("  ".join(words)))
    return grid


def _running(status: Status, rows: int) -> RenderableType:
    table = Table(title=RUNNING, title_justify="left", box=box.SIMPLE_HEAD, expand=True)
    for heading in _HEADINGS[:-1]:
        table.add_column(heading, no_wrap=True)
    table.add_column(_HEADINGS[-1], ratio=1, no_wrap=True)
    for shard, entry in list(running_jobs(status))[:rows]:
        if shard is None:
            table.add_row(Text(name_of(entry)), *[""] * 6, Text(where(entry)), "")
            continue
        seconds = status.left.of_shards.get(shard.digest)
        step, most = (_number(entry, name) for name in ("step", "maximum_steps"))
        rate, bound = (_number(entry, name) for name in ("steps_per_second", "best_bound"))
        table.add_row(
            shard.digest[:_DIGITS],
            f"{shard.runs - len(shard.unfinished)}/{shard.runs}",
            "" if step is None else _bar(step, most, _WIDTH),
            "" if step is None else f"{step:,.0f}" + (f"/{most:,.0f}" if most else ""),
            "" if rate is None else f"{rate:.3g}",
            "" if seconds is None else clock(seconds),
            "" if bound is None else f"{bound:.2f}",
            Text(where(entry)),
            Text(bank_in_words(entry.progress)),
        )
    return table


def _bar(done: float, total: float | None, width: int) -> ProgressBar:
    """A bar that fits; where nobody knows the end, an empty one."""
    if not total:
        return ProgressBar(total=1.0, completed=0.0, width=width)
    return ProgressBar(total=total, completed=min(done, total), width=width)


def _number(entry: Entry, name: str) -> float | None:
    """A number of a journal, which anyone may have written."""
    value: Any = entry.progress.get(name)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and math.isfinite(value) else None
