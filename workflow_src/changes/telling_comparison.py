"""What a change costs, as people read it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from rich.console import Console

from workflow_src.changes.comparison import Comparison, StepChange
from workflow_src.changes.telling import counted, hours, print_table, say
from workflow_src.plan.fingerprints import REPORT

LINES_SHOWN = 30

_HEADINGS = ("what", "unchanged", "of changed code or data", "added", "gone", "to be made", "hours")


def tell_comparison(comparison: Comparison, console: Console) -> None:
    """Print which code and settings changed, and what would be made for that."""
    since = comparison.since
    say(console, f"the change since {since.revision} ({since.commit[:12]})")
    _tell_steps(comparison.steps, console)
    _tell_lines("settings", comparison.settings, console)
    _tell_lines("values of runs", comparison.values, console)
    _tell_lines("data", comparison.recipes, console)
    print_table(_HEADINGS, list(_rows(comparison)), console, left=1)
    say(console, _verdict(comparison))


def _rows(comparison: Comparison) -> Iterator[tuple[str, ...]]:
    seconds = sum(comparison.seconds.values())
    for title, kind, fate in (
        ("runs", "runs", comparison.runs),
        ("evaluations", "evaluations", comparison.evaluations),
        ("prepared data", "prepared", comparison.prepared),
    ):
        missing = sum(not one["exists"] for one in comparison.now[kind].values())
        counts = (len(fate.same), len(fate.renamed), len(fate.added), len(fate.gone), missing)
        told = hours(seconds) if kind == "runs" and missing else "-"
        yield (title, *map(str, counts), told)
    before, now = comparison.since.before["report"], comparison.now["report"]
    same = before["fingerprint"] == now["fingerprint"]
    yield ("report", str(int(same)), str(int(not same)), "-", "-", str(int(not now["exists"])), "-")


def _verdict(comparison: Comparison) -> str:
    runs = comparison.runs.again
    parts = [
        counted(len(runs), "run"),
        counted(len(comparison.evaluations.again), "evaluation"),
        counted(len(comparison.prepared.again), "prepared data set"),
        "the report" if comparison.report_again else "",
    ]
    told = [part for part in parts if part]
    if not told:
        return "nothing that is there would be made again"
    listed = " and ".join(filter(None, (", ".join(told[:-1]), told[-1])))
    seconds = sum(comparison.seconds.get(name, 0.0) for name in runs)
    device = comparison.since.plan.settings.device
    cost = f": {hours(seconds)} device hours of training ({device})" if runs else ""
    return f"of what is there, {listed} would be made again{cost}"


def _tell_steps(steps: Iterable[StepChange], console: Console) -> None:
    groups: dict[tuple[tuple[str, ...], str], list[str]] = defaultdict(list)
    for change in steps:
        lines = tuple(module.line() for module in change.modules)
        groups[lines, _effect(change)].append(change.step)
    if not groups:
        say(console, "code: nothing changed")
        return
    for (lines, effect), names in groups.items():
        say(console, f"code of {', '.join(names)} ({effect})")
        for line in lines:
            say(console, f"  {line}")


def _effect(change: StepChange) -> str:
    if change.accepted:
        return "accepted, results stay"
    return "the report is made again" if change.step == REPORT else "results are made again"


def _tell_lines(title: str, lines: tuple[str, ...], console: Console) -> None:
    if not lines:
        return
    say(console, title)
    for line in lines[:LINES_SHOWN]:
        say(console, f"  {line}")
    if len(lines) > LINES_SHOWN:
        say(console, f"  and {len(lines) - LINES_SHOWN} more")
