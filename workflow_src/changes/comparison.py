"""What a change costs: the plan of a revision against the plan of now."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workflow_src.changes.causes import value_changes
from workflow_src.changes.description import described
from workflow_src.changes.modules import ModuleChange, Texts, module_changes
from workflow_src.changes.orphans import results_of
from workflow_src.changes.revisions import Described, Since, plans_since
from workflow_src.plan.specs import from_canonical

_OF_A_MACHINE = ("directories", "mirror")


@dataclass(frozen=True)
class StepChange:
    """The code of one step that differs.

    ``before`` and ``now`` are digests; ``accepted`` says whether results of the old code count as
    results of the new.
    """

    step: str
    before: str
    now: str
    accepted: bool
    modules: tuple[ModuleChange, ...]


@dataclass(frozen=True)
class Fate:
    """What becomes of runs, of evaluations, or of prepared data.

    Attributes
    ----------
    same:
        Fingerprints that both plans have.
    renamed:
        Pairs of old and new fingerprint: the same spec of other code or data.
    again:
        New fingerprints of those renamed that are there under the old and not under the new.
    added, gone:
        What only the plan of now has, and only the earlier one.
    """

    same: tuple[str, ...]
    renamed: tuple[tuple[str, str], ...]
    again: tuple[str, ...]
    added: tuple[str, ...]
    gone: tuple[str, ...]


@dataclass(frozen=True)
class Comparison:
    """A change in code and settings, and what follows from it."""

    since: Since
    now: Described
    steps: tuple[StepChange, ...]
    settings: tuple[str, ...]
    values: tuple[str, ...]
    recipes: tuple[str, ...]
    runs: Fate
    evaluations: Fate
    prepared: Fate
    seconds: Mapping[str, float]
    """Expected device seconds of every run that is missing now."""

    @property
    def report_again(self) -> bool:
        """Whether the earlier plan's report is there and that of now is not."""
        return bool(self.since.before["report"]["exists"] and not self.now["report"]["exists"])


def compare_since(revision: str, files: Sequence[Path]) -> Comparison:
    """The change since a git revision; ``files`` are the settings files, config.yaml first."""
    return compared(plans_since(revision, files))


def compared(since: Since) -> Comparison:
    """The same from plans that are there."""
    before, plan = since.before, since.plan
    now = described(plan)
    texts = Texts(results_of(plan), plan.closures.package_root)
    runs = _fate(before["runs"], now["runs"], _spec_key)
    return Comparison(
        since=since,
        now=now,
        steps=tuple(_steps(before["closures"], now["closures"], texts, since.commit)),
        settings=tuple(value_changes(_portable(before["settings"]), _portable(now["settings"]))),
        values=tuple(_value_sets(before["runs"], now["runs"], runs)),
        recipes=tuple(_recipes(before["prepared"], now["prepared"])),
        runs=runs,
        evaluations=_fate(before["evaluations"], now["evaluations"], _evaluation_key(before, now)),
        prepared=_fate(before["prepared"], now["prepared"], _data_key),
        seconds={name: plan.costs[name].seconds for name in plan.missing},
    )


def _steps(
    before: Mapping[str, Any], now: Mapping[str, Any], texts: Texts, commit: str
) -> Iterable[StepChange]:
    for step, code in now.items():
        old = before.get(step)
        if old is None or old["digest"] == code["digest"]:
            continue
        yield StepChange(
            step,
            old["digest"],
            code["digest"],
            old["identity"] == code["identity"],
            module_changes(old["modules"], code["modules"], texts, commit),
        )


def _fate(before: Mapping[str, Any], now: Mapping[str, Any], key: Any) -> Fate:
    old = {key(one): name for name, one in before.items()}
    new = {key(one): name for name, one in now.items()}
    renamed = [(old[k], name) for k, name in new.items() if k in old and old[k] != name]
    again = [
        name for former, name in renamed if before[former]["exists"] and not now[name]["exists"]
    ]
    return Fate(
        same=tuple(name for k, name in new.items() if old.get(k) == name),
        renamed=tuple(renamed),
        again=tuple(again),
        added=tuple(name for k, name in new.items() if k not in old),
        gone=tuple(name for k, name in old.items() if k not in new),
    )


def _data_key(data: Mapping[str, Any]) -> Any:
    return data["data_set"], data["likelihood"]


def _spec_key(run: Mapping[str, Any]) -> Any:
    return tuple(sorted(run["spec"].items()))


def _evaluation_key(before: Described, now: Described) -> Any:
    """Evaluations are the same where they measure the same on the winner among the same specs.

    The specs of those that judge what it draws are the same, too.
    """
    keys = {name: _spec_key(run) for one in (before, now) for name, run in one["runs"].items()}

    def key(one: Mapping[str, Any]) -> Any:
        axes = tuple(sorted(one["axes"].items()))
        runs = frozenset(keys[name] for name in one["runs"])
        judges = frozenset(keys[name] for name in one.get("judges", ()))
        return axes, json.dumps(one["measures"], sort_keys=True), runs, judges

    return key


def _portable(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name not in _OF_A_MACHINE}


def _value_sets(before: Mapping[str, Any], now: Mapping[str, Any], runs: Fate) -> Iterable[str]:
    """Values of specs that a model's runs have no more, and those that they have newly."""
    if not (runs.added or runs.gone):
        return
    old, new = _values(before.values()), _values(now.values())
    for model in sorted(old.keys() | new.keys()):
        if model not in old or model not in new:
            yield f"{model}: {'no more' if model in old else 'new'}"
            continue
        for name in sorted(old[model].keys() | new[model].keys()):
            less = old[model][name] - new[model][name]
            more = new[model][name] - old[model][name]
            if less or more:
                yield f"{model}: {name} {_listed(less)} -> {_listed(more)}"


def _values(runs: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, set[Any]]]:
    found: dict[str, dict[str, set[Any]]] = defaultdict(lambda: defaultdict(set))
    for run in runs:
        spec = from_canonical(run["spec"])
        for name, value in run["spec"].items():
            found[spec.model][name].add(value)
    return found


def _listed(values: Iterable[Any]) -> str:
    return ", ".join(sorted(map(str, values))) or "none"


def _recipes(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterable[str]:
    """How data of the same name are made otherwise, but for code."""
    old = {_data_key(one): one["recipe"] for one in before.values()}
    for one in now.values():
        name = _data_key(one)
        if name in old:
            for line in value_changes(old[name], one["recipe"]):
                yield f"recipe of {', '.join(name)}: {line}"
