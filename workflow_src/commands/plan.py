"""`python -m workflow_src plan`: what would run, what is there, and how the rest is packed."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from rich.table import Table

from workflow_src.changes.description import described
from workflow_src.cluster.drivers import earlier_drivers
from workflow_src.cluster.profile import partition_of
from workflow_src.cluster.queue import time_limit_minutes
from workflow_src.command_line.consoles import OutputConsole
from workflow_src.config.command_line import add_configfile, settings_files
from workflow_src.config.loading import load_layered
from workflow_src.jobs.journal import State, entry_path, read_entry
from workflow_src.plan.cut_cells import notes as cut_cell_notes
from workflow_src.plan.judges import unjudged
from workflow_src.plan.omissions import omissions
from workflow_src.plan.packing import Packing, Spread, packing
from workflow_src.plan.plan import Plan, build_plan
from workflow_src.plan.time_limit import TimeLimit, complaints

GROUP = "plan"
EXAMPLES = (
    ("what config.yaml asks for, what is there, how long the rest takes", "plan"),
    ("the same of the settings of another file", "plan --configfile paper.yaml"),
    ("for programs", "plan --json"),
)

_HEADINGS = ("study", "experiment", "runs", "done", "missing", "jobs", "evaluated", "time")
_SECONDS_TO_ANSWER = 5.0

_MEANINGS = {
    "measured": "from earlier runs of the same cell",
    "scaled": "scaled from other runs of the same model and data",
    "guessed": "a guess, for want of earlier runs",
}
_UPPER = (
    "; an upper one, as if runs that train together on the GPU gained nothing, until runs were "
    "measured there"
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare this command's arguments."""
    add_configfile(parser)
    parser.add_argument(
        "--json", action="store_true", help="everything that is planned, for programs, as JSON"
    )
    parser.add_argument(
        "--limit-minutes",
        type=_minutes,
        metavar="N",
        help="the longest that a training job may run (default: what SLURM says of the partition "
        "in profiles/slurm, where there is a SLURM)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the plan of a settings file; nothing is written."""
    plan = build_plan(load_layered(settings_files(arguments)))
    limit = _limit(arguments.limit_minutes) if plan.shards else None
    longest = None if limit is None else limit.minutes
    packed = packing(plan.shards, plan.expected, plan.costs, longest)
    if arguments.json:
        content = described(plan) | {"packing": _described(plan, packed, limit)}
        print(json.dumps(content, sort_keys=True))
        return 0
    notes = [*_notes(plan, packed, limit), *complaints(plan, limit)]
    _print(_rows(plan), notes, OutputConsole())
    return 0


def _minutes(word: str) -> int:
    with contextlib.suppress(ValueError):
        if (value := int(word)) >= 1:
            return value
    raise argparse.ArgumentTypeError(f"{word!r} is not a whole number of minutes, at least 1")


def _limit(asked: int | None) -> TimeLimit | None:
    """The time limit of training jobs; None where there is none or nobody knows it."""
    if asked is not None:
        return TimeLimit(asked, "--limit-minutes")
    if shutil.which("sinfo") is None:
        return None
    partition = partition_of("train_shard")
    minutes = time_limit_minutes(partition, timeout=_SECONDS_TO_ANSWER)
    place = f"partition {partition}" if partition else "the default partition"
    return None if minutes is None else TimeLimit(minutes, place)


def _described(plan: Plan, packed: Packing, limit: TimeLimit | None) -> dict[str, Any]:
    """The packing for programs; ``minutes`` are asked for, within the limit where one is known."""
    return dataclasses.asdict(packed) | {
        "limit": None if limit is None else dataclasses.asdict(limit),
        "too_long": [] if limit is None else sorted(limit.too_long(plan)),
        "shards": {
            shard.digest: {
                "runs": list(shard.runs),
                "seconds": plan.expected[shard.digest].seconds,
                "source": plan.expected[shard.digest].source,
            }
            for shard in plan.shards
        },
    }


def _rows(plan: Plan) -> list[tuple[str, ...]]:
    """One row per experiment, and one of all, where what experiments share counts once."""
    runs: dict[tuple[str, str], dict[str, None]] = defaultdict(dict)
    evaluations: dict[tuple[str, str], dict[str, bool]] = defaultdict(dict)
    for one in plan.evaluations:
        for group in one.groups:
            key = group.study, group.experiment
            runs[key].update(dict.fromkeys(one.needed))
            evaluations[key][one.fingerprint] = one.exists
    order = dict.fromkeys((group.study, group.experiment) for group in plan.groups)
    rows = [_row(plan, key, runs[key], evaluations[key].values()) for key in order]
    exist = [one.exists for one in plan.evaluations]
    return [*rows, _row(plan, ("all", "each once"), plan.runs, exist)]


def _row(
    plan: Plan, title: tuple[str, str], runs: Iterable[str], evaluated: Iterable[bool]
) -> tuple[str, ...]:
    chosen = set(runs)
    missing = chosen.intersection(plan.missing)
    shards = sum(not missing.isdisjoint(shard.runs) for shard in plan.shards)
    exist = list(evaluated)
    hours = sum(plan.costs[name].seconds for name in missing) / 3600
    counts = (len(chosen), len(chosen) - len(missing), len(missing), shards)
    return *title, *map(str, counts), f"{sum(exist)}/{len(exist)}", _time(hours) if missing else "-"


def _notes(plan: Plan, packed: Packing, limit: TimeLimit | None) -> list[str]:
    settings = plan.settings
    notes = [
        f"scale {settings.scale}, seeds {_values(plan, 'seed')}, protocols "
        f"{_values(plan, 'protocol')}, streams {_values(plan, 'stream')}, device {settings.device}"
    ]
    notes += omissions(plan.studies, settings, plan.groups)
    notes += unjudged(plan.studies, plan.groups)
    notes += cut_cell_notes(plan.cut_cells, several_studies=len(plan.studies) > 1)
    if packed.runs_per_job and packed.hours_per_job and packed.minutes:
        notes += [
            f"training in {_counted(packed.jobs, 'job')} of {_runs(packed.runs_per_job)}",
            f"expected: {_time(packed.hours)} of one device; {_spread(packed.hours_per_job, _time)}"
            f" in one job (shard.target_hours {settings.shard.target_hours:g})",
        ]
        if limit is not None:
            asked = _spread(packed.minutes, _number)
            notes.append(f"asked for at the first attempt: {asked} min a job")
    for source, meaning in _MEANINGS.items():
        if count := packed.sources.get(source):
            beside = _UPPER if source == "guessed" and settings.device != "cpu" else ""
            notes.append(f"expected times of {_counted(count, 'run')}: {meaning}{beside}")
    if plan.shards and _may_be_queued(plan.root / plan.layout.results):
        notes.append("jobs of an earlier start that are still in the queue are not counted")
    return notes


def _values(plan: Plan, axis: str) -> str:
    """What the experiments have on an axis, be it by the settings or by their grids."""
    return ", ".join(str(one) for one in dict.fromkeys(group.axes[axis] for group in plan.groups))


def _may_be_queued(results: Path) -> bool:
    """Whether a training job that an earlier start sent to a cluster has not said how it ended.

    SLURM is not asked. A job that was interrupted may have been queued again.
    """
    jobs = (job for driver in earlier_drivers(results) for job in driver.sent())
    entries = (
        read_entry(entry_path(results, job.rule, job.name))
        for job in jobs
        if job.rule == "train_shard"
    )
    ended = State.FINISHED, State.FAILED
    return any(entry is None or entry.state not in ended for entry in entries)


def _runs(one: Spread) -> str:
    return f"{_spread(one, _number)} {'run' if one.most == 1 else 'runs'}"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _spread(one: Spread, shown: Callable[[float], str]) -> str:
    if one.least == one.most:
        return shown(one.most)
    return f"{shown(one.least)} to {shown(one.most)} (median {shown(one.median)})"


def _number(number: float) -> str:
    return f"{number:g}"


def _time(hours: float) -> str:
    if hours >= 1:
        return f"{hours:.1f} h"
    return f"{hours * 60:.1f} min" if hours * 60 >= 1 else f"{hours * 3600:.1f} s"


def _print(rows: list[tuple[str, ...]], notes: list[str], console: OutputConsole) -> None:
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
