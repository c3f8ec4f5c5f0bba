"""Why each missing run would be trained."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from workflow_src.archive.results import Results
from workflow_src.changes.causes import Causes
from workflow_src.changes.earlier import Earlier, Search
from workflow_src.changes.orphans import Orphans, family_of
from workflow_src.changes.reasons import Reason, Reasons
from workflow_src.plan.layout import STATE_FILE
from workflow_src.plan.plan import Plan
from workflow_src.plan.planned import PlannedRun
from workflow_src.plan.specs import RunSpec, Scalar

_NAMED_IN_A_MANIFEST = re.compile(rb'"fingerprint":\s*"([0-9a-f]+)"')

LOST = Reason("lost", ("a finished job had made it, and its files are gone",))
INTERRUPTED = Reason(
    "interrupted", ("a job was stopped; it goes on from its state in results/states",)
)


def why_runs(plan: Plan, results: Results, causes: Causes) -> tuple[dict[str, Reasons], list[str]]:
    """The reasons of every missing run, and notes on what was not looked at."""
    reasons: dict[str, Reasons] = {}
    interrupted, lost = _interrupted(plan), _lost(results.root)
    families: dict[str, dict[str, RunSpec]] = defaultdict(dict)
    for name in plan.missing:
        if name in interrupted:
            reasons[name] = (INTERRUPTED,)
        elif name in lost:
            reasons[name] = (LOST,)
        else:
            spec = plan.runs[name].spec
            families[family_of(_axes(spec))][name] = spec
    orphans = Orphans(results, "runs", plan.runs)
    search = Search(results, frozenset(run.spec for run in plan.runs.values()))
    notes = []
    for family, missing in families.items():
        first = plan.runs[next(iter(missing))]
        code = plan.closures.of_model(first.spec.model)
        there = orphans.of(family)
        found, unread = search.explain(missing, there, code, first.prepared.fingerprint)
        distances = {
            way: _distance(way, code.modules, first)
            for way in {way for ways in found.values() for way in ways}
        }
        nearest = {name: min(ways, key=distances.__getitem__) for name, ways in found.items()}
        told = {way: causes.of_run(way, code, first.prepared) for way in set(nearest.values())}
        reasons |= {name: told[way] for name, way in nearest.items()}
        if unread and len(found) < len(missing):
            notes.append(f"{family}: {unread} results that the plan does not name were not read")
    if search.names_left <= 0:
        notes.append("there are too many results of earlier code to look through all of them")
    new = [name for name in plan.missing if name not in reasons]
    trained = {
        model
        for model in {plan.runs[name].spec.model for name in new}
        if any(map(orphans.of, orphans.families(model)))
    }
    reasons |= _new(plan, new, trained)
    return {name: reasons[name] for name in plan.missing}, notes


def _distance(
    earlier: Earlier, modules: Mapping[str, str], run: PlannedRun
) -> tuple[int, int, int]:
    """How far a result made in that way is from the plan's, for the nearest to be told."""
    before = earlier.record["content"]["code"]["modules"]
    changed = sum(before.get(name) != modules.get(name) for name in {*before, *modules})
    other_data = earlier.data != run.prepared.fingerprint
    return len(earlier.settings), changed, int(other_data)


def _axes(spec: RunSpec) -> dict[str, Scalar]:
    return {"model": spec.model, "data_set": spec.data_set, "likelihood": spec.likelihood}


def _interrupted(plan: Plan) -> frozenset[str]:
    """Runs with a state to go on from; a job that has only begun leaves its lease alone."""
    folder = plan.root / plan.layout.results / "states"
    return frozenset(name for name in _names(folder) if (folder / name / STATE_FILE).is_file())


def _lost(results: Path) -> frozenset[str]:
    """Every run that a manifest names: a manifest is written when all of its runs are there."""
    folder = results / "shards"
    names: set[bytes] = set()
    for name in _names(folder):
        if name.endswith(".json"):
            try:
                names.update(_NAMED_IN_A_MANIFEST.findall((folder / name).read_bytes()))
            except OSError:
                continue
    return frozenset(name.decode() for name in names)


def _names(folder: Path) -> frozenset[str]:
    try:
        return frozenset(os.listdir(folder))
    except OSError:
        return frozenset()


def _new(plan: Plan, new: Iterable[str], trained: Collection[str]) -> dict[str, Reasons]:
    """Runs that were never made, by the values that no other run of their model has.

    ``trained`` are models with results that the plan does not name.
    """
    names = list(new)
    if not names:
        return {}
    absent = frozenset(names)
    known: dict[str, dict[str, set[Scalar]]] = defaultdict(lambda: defaultdict(set))
    for name, run in plan.runs.items():
        if name not in absent:
            for key, value in run.spec.canonical().items():
                known[run.spec.model][key].add(value)
    lines: dict[tuple[str, ...], Reason] = {}
    reasons: dict[str, Reasons] = {}
    for name in names:
        spec = plan.runs[name].spec
        line = (_novelty(spec, known.get(spec.model), spec.model in trained),)
        reasons[name] = (lines.setdefault(line, Reason("new", line)),)
    return reasons


def _novelty(spec: RunSpec, known: Mapping[str, set[Scalar]] | None, trained: bool) -> str:
    if not known and trained:
        return f"{spec.model}: no run near these settings was trained yet"
    if not known:
        return f"{spec.model}: nothing of this model was trained yet"
    values = [
        f"{key} {value}" for key, value in spec.canonical().items() if value not in known[key]
    ]
    return f"{spec.model}: {', '.join(values) or 'a combination of known values'}"
