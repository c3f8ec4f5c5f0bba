"""What differs between two versions of the code of a step: modules, and inside them functions.

Records name modules by the digest of their meaning. Their texts are looked for beside the results
and in the commit that a record names; where neither has one, the module's name has to do.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from workflow_src.archive.results import Results
from workflow_src.errors import UserError
from workflow_src.plan.closure import meaning, module_file
from workflow_src.plan.fingerprints import ENVIRONMENT
from workflow_src.plan.syntax import canonical_text, says_nothing
from workflow_src.provenance.git import git

CHANGED, ADDED, REMOVED = "changed", "new", "removed"

_SECONDS_FOR_GIT = 20.0


@dataclass(frozen=True)
class ModuleChange:
    """One module that differs.

    ``how`` is ``changed``, ``new`` or ``removed``; ``names`` are the functions, classes and module
    level names inside it that differ, and empty where the earlier text is not at hand.
    """

    module: str
    how: str
    names: tuple[str, ...] = ()

    def line(self) -> str:
        """The change as people read it."""
        if self.module == ENVIRONMENT:
            return f"installed versions: {', '.join(self.names) or 'changed'}"
        if self.how != CHANGED:
            return f"{self.module} ({self.how})"
        return f"{self.module}: {', '.join(self.names)}" if self.names else self.module


class Texts:
    """The texts of modules, as they are now and as they were."""

    def __init__(self, results: Results, package_root: Path) -> None:
        self._results = results
        self._package_root = package_root

    def now(self, module: str) -> str | None:
        """The module's text in the package."""
        path = module_file(module, self._package_root)
        return path.read_text(encoding="utf-8", errors="surrogateescape") if path else None

    def before(self, module: str, digest: str, commit: str | None) -> str | None:
        """A text of the module with that digest; ``commit`` is where it may have been."""
        kept = self._results.source(digest)
        if kept is not None or commit is None:
            return kept
        path = "/".join(module.split("."))
        for name in (f"{path}.py", f"{path}/__init__.py"):
            source = _show(self._package_root.parent, commit, name)
            if source is not None and _has_meaning(source, digest):
                return source.decode(errors="surrogateescape")
        return None


def module_changes(
    before: Mapping[str, str], now: Mapping[str, str], texts: Texts, commit: str | None
) -> tuple[ModuleChange, ...]:
    """The modules that differ between two closures, each a digest by module name."""
    changes = []
    for module in sorted(before.keys() | now.keys()):
        if module not in now:
            changes.append(ModuleChange(module, REMOVED))
        elif module not in before:
            changes.append(ModuleChange(module, ADDED))
        elif before[module] != now[module]:
            changes.append(_changed(module, before[module], texts, commit))
    return tuple(changes)


def changed_names(before: str, now: str) -> tuple[str, ...]:
    """The names in a module whose meaning differs between two texts, in the order of the new one.

    Functions and classes by their qualified names, module level values by theirs; ``imports`` and
    ``statements`` stand for what has no name. Comments, docstrings and layout do not count.
    """
    old, new = _meanings(before), _meanings(now)
    names = []
    for name, text in new.items():
        if name not in old:
            names.append(f"{name} ({ADDED})")
        elif old[name] != text:
            names.append(name)
    return (*names, *(f"{name} ({REMOVED})" for name in old if name not in new))


def _changed(module: str, digest: str, texts: Texts, commit: str | None) -> ModuleChange:
    if module == ENVIRONMENT:
        return ModuleChange(module, CHANGED)
    try:
        before, now = texts.before(module, digest, commit), texts.now(module)
        names = changed_names(before, now) if before is not None and now is not None else ()
    except (SyntaxError, ValueError, UserError):
        names = ()
    return ModuleChange(module, CHANGED, names)


def _meanings(text: str) -> dict[str, str]:
    found: dict[str, list[str]] = {}
    _collect(ast.parse(text).body, "", found)
    return {name: "".join(texts) for name, texts in found.items()}


def _collect(body: Iterable[ast.stmt], prefix: str, found: dict[str, list[str]]) -> None:
    for statement in body:
        if isinstance(statement, ast.ClassDef):
            _collect(statement.body, f"{prefix}{statement.name}.", found)
            frame = ast.ClassDef(**{**dict(ast.iter_fields(statement)), "body": []})
            found.setdefault(f"{prefix}{statement.name}", []).append(canonical_text(frame))
        elif not says_nothing(statement):
            for name in _names(statement):
                found.setdefault(f"{prefix}{name}", []).append(canonical_text(statement))


def _names(statement: ast.stmt) -> list[str]:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
        return [statement.name]
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return ["imports"]
    targets: list[ast.expr] = []
    if isinstance(statement, ast.Assign):
        targets = statement.targets
    elif isinstance(statement, ast.AnnAssign | ast.AugAssign):
        targets = [statement.target]
    named = [node.id for target in targets for node in ast.walk(target) if _is_name(node)]  # type: ignore[attr-defined]
    return named or ["statements"]


def _is_name(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)


@functools.lru_cache(maxsize=1024)
def _show(root: Path, commit: str, path: str) -> bytes | None:
    return git(root, "show", f"{commit}:./{path}", timeout=_SECONDS_FOR_GIT)


@functools.lru_cache(maxsize=4096)
def _has_meaning(source: bytes, digest: str) -> bool:
    try:
        return meaning(source) == digest
    except (SyntaxError, ValueError):
        return False
