"""An explanation as people read it: a table on a terminal, plain columns elsewhere."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table

from workflow_src.changes.reasons import KINDS, Explanation, Reasons

LINES_SHOWN = 12
"""Lines of one reason, where all reasons are told."""

GROUPS_SHOWN = 40

_HEADINGS = ("reason", "what", "of", "runs", "evaluations", "hours")
_LEFT = 3


@dataclass
class _Counts:
    """What has the same reasons; ``of`` are models, data sets and the report."""

    of: set[str] = field(default_factory=set)
    runs: int = 0
    evaluations: int = 0
    seconds: float = 0.0


def tell(explanation: Explanation, console: Console, *, detailed: bool = False) -> None:
    """Print why everything that is missing would be made; ``detailed`` leaves nothing out."""
    if explanation.nothing:
        say(console, "nothing to run: everything that the settings ask for is there")
        return
    say(console, f"would be made: {total(explanation)}")
    groups = _grouped(explanation)
    rows: list[Sequence[str]] = []
    shown = groups if detailed else groups[:GROUPS_SHOWN]
    for reasons, counts in shown:
        rows.extend(_rows(reasons, counts, None if detailed else LINES_SHOWN))
    print_table(_HEADINGS, rows, console, left=_LEFT)
    if len(shown) < len(groups):
        say(console, f"and {len(groups) - len(shown)} more reasons; name an experiment to see all")
    for note in (*explanation.notes, *source_of_hours(explanation)):
        say(console, note)


def total(explanation: Explanation) -> str:
    """All that is missing, counted, in one line."""
    parts = [
        counted(len(explanation.runs), "run"),
        counted(len(explanation.evaluations), "evaluation"),
        counted(len(explanation.prepared), "data set", "data sets") + " to prepare"
        if explanation.prepared
        else "",
        "the report" if explanation.report is not None else "",
    ]
    seconds = sum(explanation.seconds(name) for name in explanation.runs)
    told = ", ".join(part for part in parts if part)
    device = explanation.plan.settings.device
    return f"{told}; {hours(seconds)} device hours of training ({device})"


def hours(seconds: float) -> str:
    """Seconds in hours, with the digits that say something."""
    value = seconds / 3600
    if 0 < value < 0.01:
        return "<0.01"
    return f"{value:.1f}" if value >= 1 else f"{value:.2f}"


def counted(number: int, word: str, plural: str | None = None) -> str:
    """``1 run``, ``2 runs``; empty for none."""
    if not number:
        return ""
    return f"{number} {word if number == 1 else plural or word + 's'}"


def source_of_hours(explanation: Explanation) -> list[str]:
    """Where the hours come from, as far as they are not from runs of the same cells."""
    specs = [explanation.plan.runs[name].spec for name in explanation.runs]
    sources = [explanation.costs[spec].source for spec in specs]
    meanings = {
        "scaled": "scaled from other cells of the same model and data",
        "guessed": "a guess, for want of earlier runs",
    }
    return [
        f"device hours of {sources.count(source)} runs: {meaning}"
        for source, meaning in meanings.items()
        if source in sources
    ]


def print_table(
    headings: Sequence[str], rows: Iterable[Sequence[str]], console: Console, *, left: int
) -> None:
    """Rows under headings; the first ``left`` columns hold words, the others numbers."""
    lines = [tuple(headings), *(tuple(row) for row in rows)]
    if console.is_terminal:
        table = Table()
        for place, heading in enumerate(headings):
            table.add_column(heading, justify="left" if place < left else "right")
        for line in lines[1:]:
            table.add_row(*(cell.replace("[", r"\[") for cell in line))
        console.print(table)
        return
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = (
            word.ljust(width) if place < left else word.rjust(width)
            for place, (word, width) in enumerate(zip(line, widths, strict=True))
        )
        say(console, "  ".join(cells).rstrip())


def say(console: Console, text: str) -> None:
    """One line, whatever the width, without markup."""
    console.print(text, highlight=False, soft_wrap=True, markup=False)


def _grouped(explanation: Explanation) -> list[tuple[Reasons, _Counts]]:
    plan = explanation.plan
    groups: dict[Reasons, _Counts] = defaultdict(_Counts)
    for name, reasons in explanation.runs.items():
        groups[reasons].of.add(plan.runs[name].spec.model)
        groups[reasons].runs += 1
        groups[reasons].seconds += explanation.seconds(name)
    for one in plan.evaluations:
        if one.fingerprint in explanation.evaluations:
            counts = groups[explanation.evaluations[one.fingerprint]]
            counts.of.add(str(one.axes["model"]))
            counts.evaluations += 1
    for data in plan.prepared:
        if data.fingerprint in explanation.prepared:
            groups[explanation.prepared[data.fingerprint]].of.add("data")
    if explanation.report is not None and explanation.report[0].kind != "evaluations":
        groups[explanation.report].of.add("report")
    order = list(KINDS)
    return sorted(groups.items(), key=lambda item: (order.index(item[0][0].kind), -item[1].runs))


def _rows(reasons: Reasons, counts: _Counts, limit: int | None) -> list[tuple[str, ...]]:
    lines = [(reason.kind, line) for reason in reasons for line in reason.lines]
    if limit is not None and len(lines) > limit:
        lines = [*lines[:limit], ("", f"and {len(lines) - limit} lines more")]
    numbers = (
        ", ".join(sorted(counts.of)),
        str(counts.runs) if counts.runs else "-",
        str(counts.evaluations) if counts.evaluations else "-",
        hours(counts.seconds) if counts.runs else "-",
    )
    rows: list[tuple[str, ...]] = []
    kind_before = ""
    for place, (kind, line) in enumerate(lines):
        told = kind if kind != kind_before else ""
        rows.append((told, line, *(numbers if place == 0 else ("",) * len(numbers))))
        kind_before = kind or kind_before
    return rows
