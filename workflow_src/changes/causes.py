"""From what a result was made with to the reasons why the plan's is another: in words."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from platform import python_version
from typing import Any

from workflow_src.archive.results import Results
from workflow_src.changes.earlier import Earlier, Record, commit_of
from workflow_src.changes.modules import ModuleChange, Texts, module_changes
from workflow_src.changes.reasons import Reason, Reasons
from workflow_src.errors import UserError
from workflow_src.plan.fingerprints import ENVIRONMENT, Code
from workflow_src.plan.layout import PREPARED_RECORD
from workflow_src.plan.plan import Plan
from workflow_src.plan.planned import PlannedData
from workflow_src.storage import read_json_object

_SHOWN_OF_A_DIGEST = 12


class Causes:
    """Compares the plan's code, data and settings with those of records; each pair once."""

    def __init__(self, plan: Plan, results: Results) -> None:
        self.plan = plan
        self.texts = Texts(results, plan.closures.package_root)
        self._code = functools.cache(self._compared_code)
        self._data = functools.cache(self._compared_data)

    def of_run(self, earlier: Earlier, code: Code, data: PlannedData) -> Reasons:
        """Why a run that was made in that way is made again with ``code`` on ``data``."""
        reasons = []
        if earlier.code != code.identity:
            reasons.append(Reason("code", self.code(earlier.record, code)))
        if earlier.data != data.fingerprint:
            reasons.append(Reason("data", self.data(earlier, data)))
        if earlier.settings:
            reasons.append(Reason("setting", tuple(one.line() for one in earlier.settings)))
        return tuple(reasons)

    def code(self, record: Record, code: Code) -> tuple[str, ...]:
        """What differs between the code of a record and ``code``."""
        modules = record["content"]["code"]["modules"]
        versions = (record.get("environment") or {}).get("packages") or {}
        python = str((record.get("environment") or {}).get("python", ""))
        return self._code(
            tuple(sorted(modules.items())),
            code.step,
            tuple(sorted(code.modules.items())),
            commit_of(record),
            tuple(sorted({"python": python, **versions}.items())),
        )

    def data(self, earlier: Earlier, data: PlannedData) -> tuple[str, ...]:
        """What differs between the data that a run was made from and ``data``."""
        recipe = earlier.record["content"].get("data_recipe")
        return self._data(earlier.data, data.fingerprint, json.dumps(recipe, sort_keys=True))

    def of_data(self, fingerprint: str, data: PlannedData) -> tuple[str, ...]:
        """What differs between data prepared under another fingerprint and ``data``."""
        return self._data(fingerprint, data.fingerprint, "null")

    def _compared_code(
        self,
        before: tuple[tuple[str, str], ...],
        step: str,
        now: tuple[tuple[str, str], ...],
        commit: str | None,
        versions: tuple[tuple[str, str], ...],
    ) -> tuple[str, ...]:
        changes = module_changes(dict(before), dict(now), self.texts, commit)
        if not changes:
            return (f"{step}: the same code, but an acceptance came or went",)
        return tuple(_line(change, dict(versions)) for change in changes)

    def _compared_data(self, before: str, now: str, recipe: str) -> tuple[str, ...]:
        data = next(one for one in self.plan.prepared if one.fingerprint == now)
        known = self._prepared(before, data)
        earlier_recipe = known.get("recipe") or json.loads(recipe)
        lines: list[str] = []
        if earlier_recipe is not None:
            lines += [
                f"recipe of {data.data_set}, {data.likelihood}: {line}"
                for line in value_changes(earlier_recipe, data.recipe)
            ]
        if known.get("code"):
            code = self.plan.closures.of_preparation()
            lines += self.code({"content": known, "git": known.get("git")}, code)
        if not lines:
            lines.append("the code of the preparation")
        return tuple(lines)

    def _prepared(self, fingerprint: str, data: PlannedData) -> dict[str, Any]:
        """Recipe and code of data prepared earlier; empty where neither plan nor record is left."""
        layout, root = self.plan.layout, self.plan.root
        directory = layout.prepared(data.data_set, data.likelihood, fingerprint)
        for path in (directory / PREPARED_RECORD, layout.prepared_membership(fingerprint)):
            try:
                content = read_json_object(root / path)
                inner = content.get("content", content)
                return {
                    "recipe": inner["recipe"],
                    "code": inner["code"],
                    "git": content.get("git"),
                }
            except (UserError, KeyError, AttributeError):
                continue
        return {}


def value_changes(before: Any, now: Any, key: str = "") -> Iterator[str]:
    """The values in which two JSON values differ, each as ``name old -> new``."""
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        for name in sorted({*before, *now}):
            inner = f"{key}.{name}" if key else str(name)
            yield from value_changes(before.get(name), now.get(name), inner)
    elif before != now:
        yield f"{key} {_shown(before)} -> {_shown(now)}".strip()


def _shown(value: Any) -> str:
    if value is None:
        return "none"
    text = value if isinstance(value, str) else json.dumps(value)
    is_digest = len(text) >= 32 and not set(text) - set("0123456789abcdef")
    return text[:_SHOWN_OF_A_DIGEST] if is_digest else text


def _line(change: ModuleChange, versions: Mapping[str, str]) -> str:
    if change.module != ENVIRONMENT:
        return change.line()
    names = [
        f"{name} {old} -> {now}"
        for name, old in versions.items()
        if name in ("python", "numpy", "torch") and (now := _installed(name)) != old
    ]
    return ModuleChange(change.module, change.how, tuple(names)).line()


def _installed(name: str) -> str:
    if name == "python":
        return python_version()
    try:
        return version(name)
    except PackageNotFoundError:
        return "none"
