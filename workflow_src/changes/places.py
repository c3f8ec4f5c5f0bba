"""What a person means by RUN or EXPERIMENT: a name, a fingerprint, the beginning of one, a path."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePath

from workflow_src.archive.results import Results
from workflow_src.changes.orphans import fingerprint_of
from workflow_src.errors import UserError
from workflow_src.plan.fingerprints import LENGTH
from workflow_src.plan.plan import Plan

_LISTED = 5
_EXPERIMENTS = 8


@dataclass(frozen=True)
class Place:
    """One thing that was found: its kind and its name.

    ``kind`` is ``experiment`` (named ``study/experiment``), ``run``, ``evaluation``, or
    ``unplanned``: a directory of a run that no current setting asks for.
    """

    kind: str
    name: str


def find(plan: Plan, results: Results, text: str) -> Place:
    """The one thing that ``text`` names.

    Raises
    ------
    UserError
        Where nothing or more than one thing is named so, with what is near.
    """
    experiments = _experiments(plan)
    named = [name for name in experiments if text in (name, name.partition("/")[2])]
    if len(named) == 1:
        return Place("experiment", named[0])
    if named:
        raise _ambiguous(text, named, "the study before it, as in study/experiment")
    start = _fingerprint_in(text)
    if start:
        found = _planned(plan, start) or _unplanned(plan, results, start)
        if len(found) == 1:
            return found[0]
        if found:
            raise _ambiguous(text, [one.name for one in found], "more of its fingerprint")
    raise _unknown(plan, experiments, text, start)


def _experiments(plan: Plan) -> list[str]:
    return list(dict.fromkeys(f"{group.study}/{group.experiment}" for group in plan.groups))


def _fingerprint_in(text: str) -> str:
    """The whole fingerprint at the end of a path, or the beginning of one; empty for other text."""
    name = PurePath(text).name
    if re.fullmatch(rf".*-[0-9a-f]{{{LENGTH}}}", name):
        return fingerprint_of(name)
    return name if re.fullmatch(rf"[0-9a-f]{{1,{LENGTH}}}", text) else ""


def _planned(plan: Plan, start: str) -> list[Place]:
    runs = [Place("run", name) for name in plan.runs if name.startswith(start)]
    names = (one.fingerprint for one in plan.evaluations)
    return runs + [Place("evaluation", name) for name in names if name.startswith(start)]


def _unplanned(plan: Plan, results: Results, start: str) -> list[Place]:
    return [
        Place("unplanned", directory)
        for directory in results.directories("runs")
        if fingerprint_of(directory).startswith(start)
    ]


def _ambiguous(text: str, names: list[str], remedy: str) -> UserError:
    shown = ", ".join(names[:_LISTED]) + (", ..." if len(names) > _LISTED else "")
    return UserError(f"{text!r} may be any of {len(names)}: {shown}", remedy=f"give {remedy}")


def _unknown(plan: Plan, experiments: Iterable[str], text: str, start: str) -> UserError:
    known = list(experiments)
    rest = len(known) - _EXPERIMENTS
    pool = [*known, *(name.partition("/")[2] for name in known)]
    if start:
        pool += [*plan.runs, *(one.fingerprint for one in plan.evaluations)]
    near = difflib.get_close_matches(start or text, dict.fromkeys(pool), n=3)
    guess = f"; did you mean {' or '.join(near)}?" if near else ""
    return UserError(
        f"there is no run, evaluation or experiment {text!r}{guess}",
        expected=""
        if near
        else f"a fingerprint, the beginning of one, a run's directory, or an experiment "
        f"({', '.join(known[:_EXPERIMENTS])}{f' and {rest} more' if rest > 0 else ''})",
        remedy="`plan` lists the experiments",
    )
