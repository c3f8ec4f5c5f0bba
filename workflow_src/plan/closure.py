"""The code that a step's result can depend on, found without running any of it.

Starting from a step's modules, every import of this package anywhere in a module is followed, also
inside functions; each module is hashed as meaning, not as text (`workflow_src.plan.syntax`).
Modules reached by a computed name are not found: a registry that loads models by name must not
tie them together.
"""

from __future__ import annotations

import ast
import functools
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from workflow_src.config.conflicts import refuse_conflict
from workflow_src.errors import UserError
from workflow_src.plan.syntax import canonical_text
from workflow_src.storage import digest, explain


@dataclass(frozen=True)
class Closure:
    """The modules that a step reaches, by name with the digest of each, and one digest of all."""

    digest: str
    modules: dict[str, str]


@dataclass(frozen=True)
class _Module:
    digest: str
    imports: tuple[_Import, ...]


@dataclass(frozen=True)
class _Import:
    """``module`` must exist; each of ``members`` may be a module or a name inside it."""

    level: int
    module: str
    members: tuple[str, ...]
    line: int


def code_closure(
    roots: Sequence[str], package_root: Path, *, beyond: Sequence[str] = ()
) -> Closure:
    """Everything inside the package that ``roots`` import, directly or not, themselves included.

    Parameters
    ----------
    roots:
        Full module names, such as ``workflow_src.models.vae.model``.
    package_root:
        The package's folder; its name is the package's name.
    beyond:
        Modules and packages that are not entered: what they do cannot change a result.

    Raises
    ------
    UserError
        On code that does not parse and on an import of a module that the package lacks, with the
        file and the line.
    """
    sources = _Sources(package_root)
    found: dict[str, str] = {}
    queue: list[tuple[str, str | None]] = [(name, None) for name in roots]
    while queue:
        name, place = queue.pop()
        if name in found or _within(name, beyond):
            continue
        module = sources.load(name, place)
        found[name] = module.digest
        queue.extend(sources.imports(name, module))
        queue.extend((parent, place) for parent in _parents(name))
    modules = dict(sorted(found.items()))
    return Closure(digest(modules), modules)


def module_file(name: str, package_root: Path) -> Path | None:
    """The file of a module; None where it is a folder alone or does not exist."""
    path = _Sources(package_root).find(name)
    return None if path is None or path.is_dir() else path


class _Sources:
    """The package's files. Parsed modules are kept by content, so an edit is always seen."""

    def __init__(self, package_root: Path) -> None:
        self.folder = package_root
        self.package = package_root.name
        self._found: dict[str, Path | None] = {}

    def load(self, name: str, place: str | None) -> _Module:
        path = self.find(name)
        if path is None:
            raise UserError(
                f"there is no module {name}",
                place=place or str(self.folder),
                expected=f"{name.replace('.', '/')}.py",
            )
        if path.is_dir():
            return _Module(hashlib.sha256(b"").hexdigest(), ())
        try:
            return _parse(path.read_bytes(), str(path))
        except OSError as error:
            raise explain(error, path) from error

    def imports(self, name: str, module: _Module) -> Iterator[tuple[str, str | None]]:
        path = self.find(name)
        is_package = path is not None and (path.is_dir() or path.name == "__init__.py")
        for statement in module.imports:
            target = _absolute(statement, name, is_package)
            if target != self.package and not target.startswith(f"{self.package}."):
                continue
            yield target, f"{path}:{statement.line}"
            for member in statement.members:
                if self.find(f"{target}.{member}") is not None:
                    yield f"{target}.{member}", None

    def find(self, name: str) -> Path | None:
        """The module's file, its folder where a package has no __init__.py, or None."""
        if name not in self._found:
            self._found[name] = self._look_for(name)
        return self._found[name]

    def _look_for(self, name: str) -> Path | None:
        folder = self.folder.joinpath(*name.split(".")[1:])
        if name.split(".")[0] != self.package:
            return None
        for path in (folder / "__init__.py", folder.with_name(f"{folder.name}.py"), folder):
            if path.exists() and (path is not folder or any(folder.glob("*.py"))):
                return path
        return None


@functools.lru_cache(maxsize=4096)
def meaning(source: bytes) -> str:
    """The digest of a module's meaning, which closures name it by.

    Raises
    ------
    SyntaxError, ValueError
        A text that is no code.
    """
    return _digest(ast.parse(source))


def _digest(tree: ast.AST) -> str:
    return hashlib.sha256(canonical_text(tree).encode(errors="surrogatepass")).hexdigest()


@functools.lru_cache(maxsize=4096)
def _parse(source: bytes, path: str) -> _Module:
    # Also where the markers stand inside of a text, so that the code would parse.
    refuse_conflict(source.decode(errors="replace"), path, line_sign=":")
    try:
        tree = ast.parse(source, filename=path)
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        raise UserError(
            f"the code does not parse ({getattr(error, 'msg', error)})",
            place=f"{path}:{line}" if line else path,
            remedy="mend that line",
        ) from None
    imports = tuple(one for node in ast.walk(tree) for one in _imports_of(node))
    return _Module(_digest(tree), imports)


def _imports_of(node: ast.AST) -> Iterator[_Import]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield _Import(0, alias.name, (), node.lineno)
    elif isinstance(node, ast.ImportFrom):
        names = tuple(alias.name for alias in node.names)
        yield _Import(node.level, node.module or "", names, node.lineno)
    elif isinstance(node, ast.Call) and _is_import_call(node):
        argument = node.args[0]
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
            yield _Import(0, argument.value, (), node.lineno)


def _is_import_call(node: ast.Call) -> bool:
    function = node.func
    called = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return called in ("import_module", "__import__") and bool(node.args)


def _absolute(statement: _Import, importer: str, is_package: bool) -> str:
    if not statement.level:
        return statement.module
    parts = importer.split(".")
    keep = len(parts) - statement.level + (1 if is_package else 0)
    return ".".join([*parts[: max(keep, 0)], *([statement.module] if statement.module else [])])


def _parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:length]) for length in range(1, len(parts))]


def _within(name: str, packages: Sequence[str]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)
