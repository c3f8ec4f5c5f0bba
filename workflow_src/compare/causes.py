"""What may explain the differences: commits, settings, code and machines of both sides, in short.

Plans tell all of a commit's code. Of releases and folders one evaluation of every model is looked
into, and the training of its winner: a report's evaluations are all of one plan.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from workflow_src.changes.causes import value_changes
from workflow_src.changes.modules import CHANGED, ModuleChange, changed_names
from workflow_src.compare.sources import Source, directory_of

Text = Callable[[str], str | None]
"""The text of a module by the digest of its meaning; None where it was not kept."""

_PARTS = ("training", "evaluation")
_PACKAGES = ("numpy", "scipy", "torch")
_MACHINE = ("cpu", "gpu")


@dataclass(frozen=True)
class Causes:
    """What differs in how both sides were made; empty tuples where nothing does.

    ``code`` holds the steps with the lines that say which modules changed; ``unknown`` the models
    of which one side's records are not here.
    """

    settings: tuple[str, ...]
    code: tuple[tuple[str, tuple[str, ...]], ...]
    circumstances: tuple[str, ...]
    unknown: tuple[str, ...]


def causes(before: Source, after: Source, models: Iterable[str], text: Text) -> Causes:
    """What differs between the sides, of the code that made these models' numbers."""
    steps: dict[tuple[str, ...], list[str]] = defaultdict(list)
    circumstances: dict[str, list[str]] = defaultdict(list)
    unknown = []
    for model in sorted(models):
        old, new = (_Made.of(side, model) for side in (before, after))
        if not old.code or not new.code:
            unknown.append(model)
            continue
        for step in sorted(old.code.keys() & new.code.keys()):
            lines = tuple(_module_lines(old.code[step], new.code[step], text))
            if lines:
                steps[lines].append(step)
        for line in value_changes(old.circumstances, new.circumstances):
            circumstances[line].append(model)
    known = before.settings and after.settings
    return Causes(
        settings=tuple(value_changes(before.settings, after.settings)) if known else (),
        code=tuple((", ".join(names), lines) for lines, names in steps.items()),
        circumstances=tuple(
            f"{line} ({', '.join(names)})" for line, names in circumstances.items()
        ),
        unknown=tuple(unknown),
    )


@dataclass(frozen=True)
class _Made:
    """The modules of every step behind a model's numbers, and on what they were made."""

    code: Mapping[str, Mapping[str, str]]
    circumstances: Mapping[str, Any]

    @classmethod
    def of(cls, side: Source, model: str) -> _Made:
        steps = [f"{part} of {model}" for part in _PARTS]
        evaluation, run = _records(side, model)
        if side.code:
            code = {step: side.code[step] for step in steps if step in side.code}
        else:
            told = zip(steps, (run, evaluation), strict=True)
            code = {step: modules for step, one in told if (modules := _modules(one))}
        return cls(code, _circumstances(run))


def _records(side: Source, model: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The records of one evaluation of the model and of its winner; empty where not here."""
    rows = side.rows
    paths = rows.loc[(rows["model"] == model) & (rows["winner"] != ""), "record"]
    if paths.empty:
        return {}, {}
    evaluation = side.records(directory_of(paths.iloc[0])) or {}
    try:
        content = evaluation["content"]
        winner = next(
            one for one in content["candidates"] if one["fingerprint"] == content["winner"]
        )
        return evaluation, side.records(directory_of(f"{winner['directory']}/run.json")) or {}
    except (KeyError, TypeError, StopIteration):
        return evaluation, {}


def _modules(record: Mapping[str, Any]) -> Mapping[str, str]:
    try:
        modules = record["content"]["code"]["modules"]
    except (KeyError, TypeError):
        return {}
    return modules if isinstance(modules, Mapping) else {}


def _circumstances(run: Mapping[str, Any]) -> dict[str, Any]:
    """Versions and hardware that a training can depend on, as its record tells them."""
    environment, machine = (run.get(name) or {} for name in ("environment", "machine"))
    packages = environment.get("packages") or {}
    return {
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
