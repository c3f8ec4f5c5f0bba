"""What a change costs, as people read it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from rich.console import Console

from workflow_src.changes.comparison import Comparison, StepChange
from workflow_src.changes.telling import hours, print_table, say

LINES_SHOWN = 30


def tell_comparison(comparison: Comparison, console: Console) -> None:
    """Print which code and settings changed, and what would be made for that."""
    since = comparison.since
    say(console, f"the change since {since.revision} ({since.commit[:12]})")
    _tell_steps(comparison.steps, console)
    _tell_lines("settings", comparison.settings, console)
    _tell_lines("values of runs", comparison.values, console)
    _tell_lines("data", comparison.recipes, console)
    runs, evaluations = comparison.runs, comparison.evaluations
    rows = [
        ("unchanged", str(len(runs.same)), "-", "-", str(len(evaluations.same)), "-"),
        _row(comparison, "of changed code or data", runs.renamed, evaluations.renamed),
        _row(comparison, "added", runs.added, evaluations.added),
        ("gone", str(len(runs.gone)), "-", "-", str(len(evaluations.gone)), "-"),
    ]
    headings = ("what", "runs", "to be made", "hours", "evaluations", "to be made")
    print_table(headings, rows, console, left=1)
    say(console, _verdict(comparison))


def _row(
    comparison: Comparison, title: str, runs: Iterable[object], evaluations: Iterable[object]
) -> tuple[str, ...]:
    names, groups = _new_names(runs), _new_names(evaluations)
    missing = [name for name in names if name in comparison.seconds]
    absent = [name for name in groups if not comparison.now["evaluations"][name]["exists"]]
    seconds = sum(comparison.seconds[name] for name in missing)
    numbers = (len(names), len(missing))
    return (
        title,
        *map(str, numbers),
        hours(seconds) if missing else "-",
        str(len(groups)),
        str(len(absent)),
    )


def _new_names(pairs: Iterable[object]) -> list[str]:
    return [str(one[1]) if isinstance(one, tuple) else str(one) for one in pairs]


def _verdict(comparison: Comparison) -> str:
    runs, evaluations = comparison.runs, comparison.evaluations
    seconds = sum(comparison.seconds.get(name, 0.0) for name in runs.again)
    if not (runs.again or evaluations.again):
        return "nothing that is there would be made again"
    return (
        f"{len(runs.again)} runs and {len(evaluations.again)} evaluations that are there would be "
        f"made again: {hours(seconds)} device hours of training "
        f"({comparison.since.plan.settings.device})"
    )


def _tell_steps(steps: Iterable[StepChange], console: Console) -> None:
    groups: dict[tuple[tuple[str, ...], bool], list[str]] = defaultdict(list)
    for change in steps:
        lines = tuple(module.line() for module in change.modules)
        groups[lines, change.accepted].append(change.step)
    if not groups:
        say(console, "code: nothing changed")
        return
    for (lines, accepted), names in groups.items():
        effect = "accepted, results stay" if accepted else "results are made again"
        say(console, f"code of {', '.join(names)} ({effect})")
        for line in lines:
            say(console, f"  {line}")


def _tell_lines(title: str, lines: tuple[str, ...], console: Console) -> None:
    if not lines:
        return
    say(console, title)
    for line in lines[:LINES_SHOWN]:
        say(console, f"  {line}")
    if len(lines) > LINES_SHOWN:
        say(console, f"  and {len(lines) - LINES_SHOWN} more")
