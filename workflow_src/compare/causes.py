"""What may explain the differences: settings, code and machines of both sides, in short.

One evaluation of every model is looked into, and the training of its winner, as far as their
records are here: a report's evaluations are all of one plan. A commit's plan tells its code.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from workflow_src.changes.causes import value_changes
from workflow_src.changes.modules import CHANGED, ModuleChange, changed_names
from workflow_src.compare.reading import CELL
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
    """

    settings: tuple[str, ...]
    specs: tuple[str, ...]
    code: tuple[tuple[str, tuple[str, ...]], ...]
    circumstances: tuple[str, ...]
    unknown: tuple[str, ...]


def causes(before: Source, after: Source, models: Iterable[str], text: Text) -> Causes:
    """What differs between the sides, of the code that made these models' numbers."""
    steps: dict[tuple[str, ...], list[str]] = defaultdict(list)
    specs: dict[str, list[str]] = defaultdict(list)
    circumstances: dict[str, list[str]] = defaultdict(list)
    unknown = []
    for model in sorted(models):
        old, new = _both(before, after, model)
        if not old.code or not new.code:
            unknown.append(model)
            continue
        for step in sorted(old.code.keys() & new.code.keys()):
            lines = tuple(_module_lines(old.code[step], new.code[step], text))
            if lines:
                steps[lines].append(step)
        for line in value_changes(old.spec, new.spec):
            specs[line].append(model)
        for line in value_changes(old.circumstances, new.circumstances):
            circumstances[line].append(model)
    known = before.settings and after.settings
    return Causes(
        settings=tuple(value_changes(before.settings, after.settings)) if known else (),
        specs=tuple(_with_models(specs)),
        code=tuple((", ".join(names), lines) for lines, names in steps.items()),
        circumstances=tuple(_with_models(circumstances)),
        unknown=tuple(unknown),
    )


def _with_models(lines: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for line, models in lines.items():
        yield f"{line} ({', '.join(models)})"


@dataclass(frozen=True)
class _Made:
    """How one evaluation and its winner were made."""

    code: Mapping[str, Mapping[str, str]]
    spec: Mapping[str, Any]
    circumstances: Mapping[str, Any]


def _both(before: Source, after: Source, model: str) -> tuple[_Made, _Made]:
    """Of a cell and seed that both sides have, where there is one."""
    old, new = (side.rows[(side.rows["model"] == model)] for side in (before, after))
    old, new = (rows[rows["winner"] != ""].drop_duplicates("evaluation") for rows in (old, new))
    common = old.merge(new, on=[*CELL, "seed"], suffixes=("_before", "_after"))
    if common.empty:
        first, second = ("".join(rows["record"].head(1)) for rows in (old, new))
    else:
        first, second = (str(common.loc[0, f"record_{side}"]) for side in ("before", "after"))
    made, remade = _made(before, model, first), _made(after, model, second)
    if common.empty:
        return replace(made, spec={}), replace(remade, spec={})
    return made, remade


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
