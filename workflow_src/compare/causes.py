"""What may explain the differences: settings, code and machines of both sides, in short.

Of the evaluations that differ, one of every model and data set is looked into, and the training of
its winner, as far as their records are here. A commit's plan tells its code.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from workflow_src.changes.causes import value_changes
from workflow_src.changes.modules import CHANGED, ModuleChange, changed_names
from workflow_src.compare.reading import ROW
from workflow_src.compare.sources import Source, directory_of

Text = Callable[[str], str | None]
"""The text of a module by the digest of its meaning; None where it was not kept."""

_PARTS = ("training", "evaluation")
_PACKAGES = ("numpy", "scipy", "torch")
_MACHINE = ("cpu", "gpu")


@dataclass(frozen=True)
class Causes:
    """What differs in how both sides were made; empty tuples where nothing does.

    Attributes
    ----------
    settings:
        Of config.yaml.
    specs:
        What trainings are told beside their hyperparameters, with the models.
    code:
        Steps, and the modules of their code that differ.
    circumstances:
        Prepared data by fingerprint, versions and hardware.
    unknown:
        Models of which one side's records are not here.
    looked_into, differing:
        How many evaluations were looked into, of how many that differ.
    """

    settings: tuple[str, ...]
    specs: tuple[str, ...]
    code: tuple[tuple[str, tuple[str, ...]], ...]
    circumstances: tuple[str, ...]
    unknown: tuple[str, ...]
    looked_into: int = 0
    differing: int = 0


def causes(before: Source, after: Source, differing: pd.DataFrame, text: Text) -> Causes:
    """What differs between the sides, of the code that made the numbers of these rows."""
    pairs = _pairs(before, after, differing)
    samples = {name: _both(before, after, *name, found) for name, found in pairs.items()}
    steps: dict[tuple[str, ...], list[str]] = defaultdict(list)
    specs: dict[str, list[_Sample]] = defaultdict(list)
    circumstances: dict[str, list[_Sample]] = defaultdict(list)
    unknown = []
    for name, (old, new) in samples.items():
        if not old.code or not new.code:
            unknown.append(name)
            continue
        for step in sorted(old.code.keys() & new.code.keys()):
            lines = tuple(_module_lines(old.code[step], new.code[step], text))
            if lines and step not in steps[lines]:
                steps[lines].append(step)
        for line in value_changes(old.spec, new.spec):
            specs[line].append(name)
        for line in value_changes(old.circumstances, new.circumstances):
            circumstances[line].append(name)
    known = before.settings and after.settings
    return Causes(
        settings=tuple(value_changes(before.settings, after.settings)) if known else (),
        specs=tuple(_with_models(specs, samples)),
        code=tuple((", ".join(names), lines) for lines, names in steps.items() if names),
        circumstances=tuple(_with_models(circumstances, samples)),
        unknown=tuple(_called(unknown, samples)),
        looked_into=sum(min(1, len(found)) for found in pairs.values()),
        differing=sum(map(len, pairs.values())),
    )


_Sample = tuple[str, str]
"""A model and a data set, of which one evaluation is looked into."""


def _pairs(
    before: Source, after: Source, differing: pd.DataFrame
) -> dict[_Sample, list[tuple[str, str]]]:
    """Records of both sides that differ, of common cells and seeds; those trained anew first."""
    old, new = (side.rows[side.rows["winner"] != ""] for side in (before, after))
    common = old.merge(differing[[*ROW]], on=[*ROW]).merge(
        new, on=[*ROW, "seed"], suffixes=("_before", "_after")
    )
    common = common[common["value_before"] != common["value_after"]]
    same_run = common["winner_before"] == common["winner_after"]
    common = common.assign(same_run=same_run).sort_values("same_run", kind="stable")
    # One evaluation has several metrics, and several experiments may show it.
    common = common.drop_duplicates(["evaluation_before", "evaluation_after"])
    cells = differing[["model", "data_set"]].drop_duplicates().sort_values(["model", "data_set"])
    found: dict[_Sample, list[tuple[str, str]]] = {
        (str(model), str(data_set)): [] for model, data_set in cells.itertuples(index=False)
    }
    names = ["model", "data_set", "record_before", "record_after"]
    for model, data_set, *records in common[names].itertuples(index=False):
        found[model, data_set].append((str(records[0]), str(records[1])))
    return found


def _with_models(
    lines: Mapping[str, Sequence[_Sample]], samples: Iterable[_Sample]
) -> Iterator[str]:
    for line, found in lines.items():
        yield f"{line} ({', '.join(_called(found, samples))})"


def _called(found: Iterable[_Sample], samples: Iterable[_Sample]) -> Iterator[str]:
    """A model by its name where all its data sets are meant, else with those that are."""
    by_model: dict[str, list[str]] = defaultdict(list)
    for model, data_set in found:
        by_model[model].append(data_set)
    for model, data_sets in by_model.items():
        every = len(data_sets) == sum(one == model for one, _ in samples)
        yield model if every else f"{model} on {', '.join(data_sets)}"


@dataclass(frozen=True)
class _Made:
    """How one evaluation and its winner were made."""

    code: Mapping[str, Mapping[str, str]]
    spec: Mapping[str, Any]
    circumstances: Mapping[str, Any]


def _both(
    before: Source, after: Source, model: str, data_set: str, pairs: Sequence[tuple[str, str]]
) -> tuple[_Made, _Made]:
    """Of the first pair; without one, of any evaluations, whose trainings are not compared."""
    sides = (before, after)
    if pairs:
        old, new = (_made(side, model, path) for side, path in zip(sides, pairs[0], strict=True))
        return old, new
    old, new = (_made(side, model, _any_record(side.rows, model, data_set)) for side in sides)
    return replace(old, spec={}), replace(new, spec={})


def _any_record(rows: pd.DataFrame, model: str, data_set: str) -> str:
    chosen = (rows["model"] == model) & (rows["data_set"] == data_set) & (rows["winner"] != "")
    return "".join(rows.loc[chosen, "record"].head(1))


def _made(side: Source, model: str, path: str) -> _Made:
    evaluation, run, spec = _records(side, path)
    steps = [f"{part} of {model}" for part in _PARTS]
    if side.code:
        code = {step: side.code[step] for step in steps if step in side.code}
    else:
        told = zip(steps, (run, evaluation), strict=True)
        code = {step: modules for step, one in told if (modules := _modules(one))}
    return _Made(code, spec, _circumstances(run))


def _records(
    side: Source, path: str
) -> tuple[Mapping[str, Any], Mapping[str, Any], dict[str, Any]]:
    """Records of an evaluation and its winner, and what that one was told; empty if not here."""
    evaluation = (side.records(directory_of(path)) if path else None) or {}
    try:
        content = evaluation["content"]
        winner = next(
            one for one in content["candidates"] if one["fingerprint"] == content["winner"]
        )
        chosen = winner["hyperparameters"]
        spec = {name: value for name, value in winner["spec"].items() if name not in chosen}
        run = side.records(directory_of(f"{winner['directory']}/run.json")) or {}
    except (AttributeError, KeyError, TypeError, StopIteration):
        return evaluation, {}, {}
    return evaluation, run, spec


def _modules(record: Mapping[str, Any]) -> Mapping[str, str]:
    try:
        modules = record["content"]["code"]["modules"]
    except (KeyError, TypeError):
        return {}
    return modules if isinstance(modules, Mapping) else {}


def _circumstances(run: Mapping[str, Any]) -> dict[str, Any]:
    """Data, versions and hardware that a training can depend on, as its record tells them."""
    environment, machine = (run.get(name) or {} for name in ("environment", "machine"))
    packages = environment.get("packages") or {}
    return {
        "data": (run.get("content") or {}).get("data"),
        "python": environment.get("python"),
        **{name: packages.get(name) for name in _PACKAGES},
        **{name: machine.get(name) for name in _MACHINE},
    }


def _module_lines(before: Mapping[str, str], after: Mapping[str, str], text: Text) -> Iterator[str]:
    for module in sorted(before.keys() | after.keys()):
        if module not in after:
            yield ModuleChange(module, "removed").line()
        elif module not in before:
            yield ModuleChange(module, "new").line()
        elif before[module] != after[module]:
            names = _names(text(before[module]), text(after[module]))
            yield ModuleChange(module, CHANGED, tuple(names)).line()


def _names(before: str | None, after: str | None) -> Collection[str]:
    """The functions that differ, where both texts were kept."""
    if before is None or after is None:
        return ()
    try:
        return changed_names(before, after)
    except (SyntaxError, ValueError):
        return ()
