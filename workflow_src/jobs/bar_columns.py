"""How a bar looks: what, how much of it, how fast, the time left, and a word beside.

Apart from bars.py, as rich is loaded only where somebody sees a bar.
"""

from __future__ import annotations

import sys

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text


def progress_of(console: Console) -> Progress:
    """A display of bars that leaves no trace when it ends."""
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        _Amount(),
        _Rate(),
        _Left(),
        TextColumn("{task.fields[note]}", markup=False, style="bold"),
        console=console,
        transient=True,
        # Into a pipe goes what was meant for it.
        redirect_stdout=sys.stdout.isatty(),
    )


def clock(seconds: float) -> str:
    """A time left as ``0:04:10``; days are told as such."""
    minutes, rest = divmod(max(round(seconds), 0), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return f"{f'{days} d ' if days else ''}{hours}:{minutes:02}:{rest:02}"


def rate_in_words(rate: float, unit: str) -> str:
    """A rate per second, or per minute where it is below one a second."""
    return f"{rate:.3g} {unit}/s" if rate >= 1 or not rate else f"{rate * 60:.3g} {unit}/min"


class _Amount(ProgressColumn):
    def render(self, task: Task) -> Text:
        unit = task.fields["unit"]
        if task.total is None:
            return Text(f"{task.completed:,.0f} {unit}" if unit else "")
        return Text(f"{task.completed:,.0f}/{task.total:,.0f} {unit}", style="progress.download")


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        rate, unit = _rate_of(task), task.fields["unit"]
        return Text("" if rate is None or not unit else rate_in_words(rate, unit), style="cyan")


class _Left(ProgressColumn):
    def __init__(self) -> None:
        super().__init__()
        self._elapsed = TimeElapsedColumn()

    def render(self, task: Task) -> Text:
        rate = _rate_of(task)
        if task.total is None:
            return self._elapsed.render(task)
        if not rate or task.remaining is None:
            return Text("-:--:--", style="progress.remaining")
        return Text(f"{clock(task.remaining / rate)} left", style="progress.remaining")


def _rate_of(task: Task) -> float | None:
    told: float | None = task.fields["rate"]
    return task.speed if told is None else told
