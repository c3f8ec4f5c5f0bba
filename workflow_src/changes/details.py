"""What `why` says of one run, one evaluation or one experiment."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from rich.console import Console

from workflow_src.archive.results import RECORDS, Results
from workflow_src.changes.earlier import commit_of
from workflow_src.changes.places import Place
from workflow_src.changes.reasons import KINDS, Explanation, Reasons
from workflow_src.changes.standing import grounds_of
from workflow_src.changes.telling import hours, print_table, say, tell
from workflow_src.config.models import known_as
from workflow_src.plan.plan import Plan
from workflow_src.plan.planned import PlannedEvaluation
from workflow_src.provenance.record import refuse_newer_record

_CELL = ("model", "data_set", "likelihood", "fraction", "seed", "protocol", "stream")


def tell_place(explanation: Explanation, results: Results, place: Place, console: Console) -> None:
    """Print why one thing would be made, or since when it is there."""
    if place.kind == "experiment":
        _tell_experiment(explanation, place.name, console)
    elif place.kind == "run":
        _tell_run(explanation, results, place.name, console)
    elif place.kind == "evaluation":
        _tell_evaluation(explanation, results, place.name, console)
    else:
        say(console, (explanation.plan.layout.results / place.name).as_posix())
        say(console, "it is there, and nothing that the settings ask for refers to it")
        _tell_record(explanation.plan, results, place.name, console)


def _tell_experiment(explanation: Explanation, name: str, console: Console) -> None:
    plan = explanation.plan
    evaluations = [
        one
        for one in plan.evaluations
        if any(f"{group.study}/{group.experiment}" == name for group in one.groups)
    ]
    runs = {run for one in evaluations for run in one.needed}
    own = dataclasses.replace(
        explanation,
        runs={run: why for run, why in explanation.runs.items() if run in runs},
        evaluations={
            one.fingerprint: explanation.evaluations[one.fingerprint]
            for one in evaluations
            if one.fingerprint in explanation.evaluations
        },
        prepared={
            data: why
            for data, why in explanation.prepared.items()
            if data in {read.fingerprint for one in evaluations for read in one.data}
        },
        report=None,
    )
    say(console, f"{name}: {len(runs)} runs, {len(evaluations)} evaluations")
    if own.nothing:
        say(console, "nothing to run: all of it is there")
        return
    tell(own, console, detailed=True)
    rows = [
        (
            ", ".join(_told_apart(one, name)),
            one.fingerprint,
            str(len(one.needed)),
            str(sum(run in explanation.runs for run in one.needed)),
        )
        for one in evaluations
        if not one.exists
    ]
    if rows:
        print_table(("evaluation of", "fingerprint", "runs", "missing"), rows, console, left=2)


def _told_apart(one: PlannedEvaluation, experiment: str) -> Iterator[str]:
    """The axes of an evaluation, and what the experiment compares, in words."""
    yield from (str(one.axes[key]) for key in _CELL)
    for group in one.groups:
        if f"{group.study}/{group.experiment}" == experiment:
            yield from (f"{key} {known_as(key, value)}" for key, value in group.variant.items())


def _tell_run(explanation: Explanation, results: Results, name: str, console: Console) -> None:
    plan = explanation.plan
    run = plan.runs[name]
    say(console, f"run {name}: {run.directory.as_posix()}")
    for title, values in (
        ("axes", {key: value for key, value in run.spec.canonical().items() if key in _CELL}),
        ("hyperparameters", dict(run.spec.hyperparameters)),
    ):
        told = ", ".join(f"{key} {known_as(key, value)}" for key, value in values.items())
        say(console, f"{title}: {told}")
    asking = dict.fromkeys(
        f"{group.study}/{group.experiment}"
        for one in plan.evaluations
        if name in one.needed
        for group in one.groups
    )
    say(console, f"asked for by: {', '.join(asking)}")
    if name in explanation.runs:
        cost = explanation.costs[run.spec]
        say(
            console,
            f"missing; training takes {hours(cost.seconds)} device hours ({cost.source})",
        )
        _tell_reasons(explanation.runs[name], console)
        return
    say(console, "up to date")
    _tell_record(plan, results, run.directory.relative_to(plan.layout.results).as_posix(), console)


def _tell_evaluation(
    explanation: Explanation, results: Results, name: str, console: Console
) -> None:
    plan = explanation.plan
    one = next(one for one in plan.evaluations if one.fingerprint == name)
    say(console, f"evaluation {name}: {one.directory.as_posix()}")
    say(console, f"axes: {', '.join(f'{key} {value}' for key, value in one.axes.items())}")
    for group in one.groups:
        if group.variant:
            values = group.variant.items()
            told = ", ".join(f"{key} {known_as(key, value)}" for key, value in values)
            say(console, f"of {group.study}/{group.experiment}: {told}")
    missing = sum(run in explanation.runs for run in one.runs)
    say(console, f"chooses among {len(one.runs)} runs, of which {missing} are missing")
    if one.judges:
        missing = sum(judge.fingerprint in explanation.runs for judge in one.judges)
        say(console, f"judged by {len(one.judges)} runs, of which {missing} are missing")
    if name in explanation.evaluations:
        say(console, "missing")
        _tell_reasons(explanation.evaluations[name], console)
        return
    say(console, "up to date")
    _tell_record(plan, results, one.directory.relative_to(plan.layout.results).as_posix(), console)


def _tell_reasons(reasons: Reasons, console: Console) -> None:
    for reason in reasons:
        say(console, f"{reason.kind}: {KINDS[reason.kind]}")
        for line in reason.lines:
            say(console, f"  {line}")


def _tell_record(plan: Plan, results: Results, directory: str, console: Console) -> None:
    """Since when a result is there, what made it, and through which acceptances it counts."""
    record = results.record(directory)
    refuse_newer_record(record, directory)
    git = record.get("git") or {}
    commit = commit_of(record) or "no commit"
    known = str(git.get("changes_digest", "of which no copy could be made"))[:30]
    changes = f", with uncommitted changes {known}" if git.get("dirty") else ""
    machine = record.get("machine") or {}
    where = "packed" if not results.is_loose(directory) else "here"
    say(console, f"since {record['time']['ended']}, on {machine.get('host', 'an unknown host')}")
    say(console, f"made by commit {commit}{changes}")
    say(console, f"record: {where}, {RECORDS[directory.partition('/')[0]]}")
    for ground in grounds_of(plan, results, record):
        say(console, f"counts through acceptance {ground.line()}")
