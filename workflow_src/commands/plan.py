"""`python -m workflow_src plan`: what would run, what is there, and how long the rest may take."""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Iterable

from rich.console import Console
from rich.table import Table

from workflow_src.changes.description import described
from workflow_src.config.command_line import add_configfile, settings_files
from workflow_src.config.loading import load_layered
from workflow_src.plan.costs import Cost, expected_costs
from workflow_src.plan.plan import Plan, build_plan
from workflow_src.plan.specs import RunSpec

_HEADINGS = ("study", "experiment", "runs", "done", "missing", "shards", "evaluated", "hours")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare this command's arguments."""
    add_configfile(parser)
    parser.add_argument(
        "--json", action="store_true", help="everything that is planned, for programs, as JSON"
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the plan of a settings file; nothing is written."""
    plan = build_plan(load_layered(settings_files(arguments)))
    if arguments.json:
        print(json.dumps(described(plan), sort_keys=True))
        return 0
    specs = [plan.runs[name].spec for name in plan.missing]
    costs = expected_costs(specs, plan.layout, plan.root, device=plan.settings.device)
    _print(_rows(plan, costs), _notes(plan, costs), Console())
    return 0


def _rows(plan: Plan, costs: dict[RunSpec, Cost]) -> list[tuple[str, ...]]:
    """One row per experiment, and one of all, where what experiments share counts once."""
    runs: dict[tuple[str, str], dict[str, None]] = defaultdict(dict)
    evaluations: dict[tuple[str, str], dict[str, bool]] = defaultdict(dict)
    for one in plan.evaluations:
        for group in one.groups:
            key = group.study, group.experiment
            runs[key].update(dict.fromkeys(one.runs))
            evaluations[key][one.fingerprint] = one.exists
    order = dict.fromkeys((group.study, group.experiment) for group in plan.groups)
    rows = [_row(plan, costs, key, runs[key], evaluations[key].values()) for key in order]
    exist = [one.exists for one in plan.evaluations]
    return [*rows, _row(plan, costs, ("all", "each once"), plan.runs, exist)]


def _row(
    plan: Plan,
    costs: dict[RunSpec, Cost],
    title: tuple[str, str],
    runs: Iterable[str],
    evaluated: Iterable[bool],
) -> tuple[str, ...]:
    chosen = set(runs)
    missing = chosen.intersection(plan.missing)
    shards = sum(not missing.isdisjoint(shard.runs) for shard in plan.shards)
    exist = list(evaluated)
    hours = sum(costs[plan.runs[name].spec].seconds for name in missing) / 3600
    counts = (len(chosen), len(chosen) - len(missing), len(missing), shards)
    return *title, *map(str, counts), f"{sum(exist)}/{len(exist)}", f"{hours:.1f}"


def _notes(plan: Plan, costs: dict[RunSpec, Cost]) -> list[str]:
    settings = plan.settings
    notes = [
        f"scale {settings.scale}, seeds {', '.join(map(str, settings.seeds))}, "
        f"protocols {', '.join(settings.protocols)}, streams {', '.join(settings.streams)}, "
        f"device {settings.device}"
    ]
    meanings = {
        "measured": "from earlier runs of the same cell",
        "scaled": "scaled from other cells of the same model and data",
        "guessed": "a guess, for want of earlier runs",
    }
    for source, meaning in meanings.items():
        count = sum(cost.source == source for cost in costs.values())
        if count:
            notes.append(f"device hours of {count} runs: {meaning}")
    return notes


def _print(rows: list[tuple[str, ...]], notes: list[str], console: Console) -> None:
    if console.is_terminal:
        table = Table()
        for place, heading in enumerate(_HEADINGS):
            table.add_column(heading, justify="left" if place < 2 else "right")
        for row in rows[:-1]:
            table.add_row(*row)
        table.add_section()
        table.add_row(*rows[-1])
        console.print(table)
    else:
        lines = [_HEADINGS, *rows]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        for line in lines:
            cells = (
                word.ljust(width) if place < 2 else word.rjust(width)
                for place, (word, width) in enumerate(zip(line, widths, strict=True))
            )
            print("  ".join(cells).rstrip())
    for note in notes:
        console.print(note, highlight=False, soft_wrap=True)
