"""The status in words: a page of lines and tables, for a terminal or for a file."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from workflow_src.jobs.journal import Entry
from workflow_src.status.expectation import Left
from workflow_src.status.scanning import Job
from workflow_src.status.standing import ShardStanding, Standing
from workflow_src.status.status import Status, counts

RUNNING = "running"
"""Title of the block of jobs at work."""

_RUNNING = ("shard", "runs", "step", "steps/s", "left", "where", "trains")
_TROUBLED = ("job", "stands", "where", "why")
_DIGITS = 8
"""Of a shard's digest, as much as tells it from others."""

_RECENTLY = 60.0
"""Seconds within which the next job may be on its way after the last."""

_STYLES = {"failed": "red", "silent": "yellow", "interrupted": "yellow"}


@dataclass(frozen=True)
class Block:
    """A table with its title.

    Attributes
    ----------
    more:
        Rows that were left out.
    is_folded:
        Whether a long last cell goes on in the next line of a window; else it is cut there. It may
        have several lines of its own.
    """

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    more: int = 0
    is_folded: bool = False


@dataclass(frozen=True)
class Page:
    """Everything that is told at once, from top to bottom."""

    lines: tuple[str, ...]
    blocks: tuple[Block, ...]


def page(status: Status, *, rows: int | None = None) -> Page:
    """The status in words; ``rows`` are as many lines as all tables together may have."""
    trouble = Block("not as it should be", _TROUBLED, tuple(_troubled(status)), is_folded=True)
    trouble = _cut(trouble, rows)
    rest = None if rows is None else max(rows - sum(map(_height, trouble.rows)), 0)
    running = _cut(Block(RUNNING, _RUNNING, tuple(_running(status))), rest)
    blocks = [one for one in (trouble, running) if one.rows or one.more]
    return Page(tuple(_lines(status)), tuple(blocks))


def show(told: Page, console: Console) -> None:
    """Print a page: tables with rules on a terminal, else plain lines."""
    if console.is_terminal and not console.is_dumb_terminal:
        console.print(rendered(told))
        return
    for line in told.lines:
        print(line)
    for block in told.blocks:
        print(f"\n{block.title}")
        for line in _plain(block):
            print(line)


def rendered(told: Page) -> RenderableType:
    """A page as rich draws it."""
    parts: list[RenderableType] = [Text(line) for line in told.lines]
    for block in told.blocks:
        parts += block_parts(block)
    return Group(*parts)


def block_parts(block: Block) -> list[RenderableType]:
    """A block as rich draws it: its table, and below what was left out."""
    table = Table(title=block.title, title_justify="left", box=box.SIMPLE_HEAD, expand=True)
    for heading in block.headings[:-1]:
        table.add_column(heading, no_wrap=True)
    table.add_column(block.headings[-1], ratio=1, no_wrap=not block.is_folded)
    for row in block.rows:
        style = next((_STYLES[word] for word in row if word in _STYLES), None)
        table.add_row(*map(Text, row), style=style)
    return [table, *_left_out(block)]


def duration(seconds: float) -> str:
    """Seconds in the unit that people would take."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def _lines(status: Status) -> list[str]:
    overview, progress = status.found.overview, status.progress
    shards = {shard.digest: shard.standing for shard in progress.shards}
    lines = [
        f"planned {overview.planned:%Y-%m-%d %H:%M} UTC: scale {overview.scale}, "
        f"device {overview.device}",
        f"runs         {_counted(progress.runs, _diverged(status))}",
        f"shards       {_counted(shards)}",
        f"evaluations  {_counted(progress.evaluations)}",
        f"report       {progress.report}",
    ]
    left = _hours(status.left)
    if progress.is_complete:
        return [*lines, "nothing is left to do"]
    if any(at is not Standing.DONE for at in progress.runs.values()):
        lines.append(f"training     {left}")
    if not progress.is_under_way:
        lines.append(f"{_standstill(status)}; {_how_to_go_on(status)}")
    return lines


def _standstill(status: Status) -> str:
    quiet = status.found.last_sign
    told = "no job gives a sign of life at the moment"
    # Between two short jobs there is none either.
    if quiet is None or quiet > _RECENTLY or status.progress.has_failures:
        return told
    return f"{told}; the last one gave one {duration(quiet)} ago"


def _how_to_go_on(status: Status) -> str:
    failed = [job for job, standing in _jobs(status) if standing is Standing.FAILED]
    if any(job.entry.worth_repeating is False for job in failed):
        return "mend what failed first, then start Snakemake again as before"
    return "if no Snakemake is running, start it again as before"


def _counted(standings: Mapping[str, Standing], done: str = "") -> str:
    found = counts(standings)
    parts = [f"{found[Standing.DONE]} of {found['all']} done{done}"]
    parts += [
        f"{found[one]} {one}" for one in Standing if one is not Standing.DONE and found[one] > 0
    ]
    return ", ".join(parts)


def _diverged(status: Status) -> str:
    found = status.found
    if not found.diverged and not found.unknown:
        return ""
    unknown = f"; {found.unknown} not looked at" if found.unknown else ""
    return f" ({len(found.diverged)} diverged{unknown})"


def _hours(left: Left) -> str:
    if left.device_seconds is None:
        return "no expectation of what is left"
    parts = [f"about {duration(left.device_seconds)} of one device left"]
    if left.wall_seconds is not None:
        devices = "the one device" if left.devices == 1 else f"the {left.devices} devices"
        parts.append(f"{duration(left.wall_seconds)} on {devices} at work")
    if left.factor is not None:
        runs = "1 finished run" if left.compared == 1 else f"{left.compared} finished runs"
        parts.append(f"{runs} took {left.factor:.2f} times as long as planned")
    return "; ".join(parts)


def running_jobs(status: Status) -> Iterator[tuple[ShardStanding | None, Entry]]:
    """The jobs at work: those that train, with their shard, before the others."""
    for shard in status.progress.shards:
        if shard.standing is Standing.RUNNING and shard.job is not None:
            yield shard, shard.job.entry
    for job, standing in status.progress.other_jobs:
        if standing is Standing.RUNNING:
            yield None, job.entry


def _running(status: Status) -> Iterable[tuple[str, ...]]:
    for shard, entry in running_jobs(status):
        if shard is None:
            yield name_of(entry), "", "", "", "", where(entry), ""
        else:
            yield _running_shard(shard, entry, status.left)


def _running_shard(shard: ShardStanding, entry: Entry, left: Left) -> tuple[str, ...]:
    progress = entry.progress
    step = _text(progress.get("step"))
    if step and progress.get("maximum_steps"):
        step += f"/{_text(progress['maximum_steps'])}"
    seconds = left.of_shards.get(shard.digest)
    return (
        shard.digest[:_DIGITS],
        f"{shard.runs - len(shard.unfinished)}/{shard.runs}",
        step,
        _text(progress.get("steps_per_second")),
        "" if seconds is None else duration(seconds),
        where(entry),
        _bank_and_bound(progress),
    )


def _bank_and_bound(progress: Mapping[str, Any]) -> str:
    best = progress.get("best_bound")
    bound = f"; best bound {best:.2f}" if isinstance(best, float) else ""
    return f"{bank_in_words(progress)}{bound}"


def bank_in_words(progress: Mapping[str, Any]) -> str:
    """What a shard trains at the moment, or what it waits for."""
    waiting = progress.get("waiting_for")
    if waiting:
        runs = "1 run" if waiting == 1 else f"{_text(waiting)} runs"
        return f"waits for {runs} that another job trains"
    active = progress.get("active_runs")
    bank = _text(progress.get("bank"))
    return f"{_text(active)} x {bank}" if bank and active is not None else bank


def _troubled(status: Status) -> Iterable[tuple[str, ...]]:
    """Failed, interrupted and silent jobs, the worst first; results that are there excuse them."""
    for wanted in (Standing.FAILED, Standing.SILENT, Standing.INTERRUPTED):
        for job, standing in _jobs(status):
            if standing is wanted:
                why = _why(job, standing) + (f"\nlog: {job.log}" if job.log else "")
                yield name_of(job.entry), standing.value, where(job.entry), why


def _jobs(status: Status) -> list[tuple[Job, Standing]]:
    """All jobs of which something is known, with the standing of what they make."""
    shards = [(s.job, s.standing) for s in status.progress.shards if s.job is not None]
    return [*shards, *status.progress.other_jobs]


def _why(job: Job, standing: Standing) -> str:
    if standing is Standing.SILENT:
        return f"no sign for {duration(job.quiet_seconds)}"
    parts = [job.entry.reason or "no reason known", f"{duration(job.quiet_seconds)} ago"]
    if standing is Standing.FAILED and job.entry.worth_repeating is False:
        parts.append("it would fail again")
    return "; ".join(parts)


def name_of(entry: Entry) -> str:
    """A job as people call it."""
    return f"{entry.rule} {entry.name}"


def where(entry: Entry) -> str:
    """Node, device and SLURM job, as far as they are known."""
    parts = [entry.host or ""]
    device = entry.progress.get("device")
    if entry.visible_devices:
        parts.append(f"GPU {entry.visible_devices}")
    elif device:
        parts.append(_text(device))
    if entry.slurm_job:
        parts.append(f"SLURM job {entry.slurm_job}")
    return ", ".join(part for part in parts if part)


def _text(value: Any) -> str:
    """A value of a journal as text, which anyone may have written."""
    if isinstance(value, float):
        return f"{value:.3g}"
    return "" if value is None else str(value)


def _cut(block: Block, lines: int | None) -> Block:
    """The block with the first rows that ``lines`` lines have room for, without folding."""
    if lines is None:
        return block
    ends = itertools.accumulate(map(_height, block.rows))
    rows = sum(end <= lines for end in ends)
    return replace(block, rows=block.rows[:rows], more=len(block.rows) - rows)


def _height(row: tuple[str, ...]) -> int:
    return 1 + row[-1].count("\n")


def _plain(block: Block) -> list[str]:
    """Its lines; further lines of a last cell stand below the row, where they are whole."""
    rows = [(*row[:-1], *row[-1].split("\n", 1)) for row in (block.headings, *block.rows)]
    number = len(block.headings)
    widths = [max(len(row[place]) for row in rows) for place in range(number)]
    told = []
    for row in rows:
        cells = zip(row[:number], widths, strict=True)
        told.append("  ".join(word.ljust(width) for word, width in cells).rstrip())
        told += [f"    {line}" for line in row[number:]]
    return told + [str(one) for one in _left_out(block)]


def _left_out(block: Block) -> list[str]:
    return [f"and {block.more} more"] if block.more else []
