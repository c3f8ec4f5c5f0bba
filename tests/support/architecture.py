"""The package graph, from the modules' imports and the packages' docstrings.

``make architecture`` writes it into docs/architecture.md and draws docs/images/architecture.svg;
tests/test_architecture.py holds the directions that it may have. Nothing is imported: the sources
are read as syntax.
"""

from __future__ import annotations

import ast
import graphlib
import sys
from collections.abc import Iterable
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))
from support import architecture_picture

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "workflow_src"
PAGE = ROOT / "docs" / "architecture.md"
PICTURE = ROOT / "docs" / "images" / "architecture.svg"

BEGIN = "<!-- From here to the end mark made by `make architecture`. -->"
END = "<!-- End of what `make architecture` makes. -->"

LEVELS = (
    ("errors", "exit_codes", "layouts"),
    ("storage",),
    ("jobs",),
    ("archive", "config", "provenance"),
    ("cluster", "lineage"),
    ("plan",),
    ("data", "models", "compute"),
    ("train",),
    ("evaluate",),
    ("report",),
    ("audit", "changes", "status", "trace"),
    ("release",),
    ("compare",),
    ("command_line",),
    ("commands",),
    ("__main__",),
)
"""Parts of the package; each imports only parts of earlier levels."""


def modules(package: Path = PACKAGE) -> dict[str, Path]:
    """Every module below ``package`` by its dotted name."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = [package.name, *path.relative_to(package).with_suffix("").parts]
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(package: Path = PACKAGE) -> dict[str, set[str]]:
    """The modules of the package that each module imports, wherever in it the import stands."""
    known = modules(package)
    return {
        name: {target for target in _imported(name, path) if target in known} - {name}
        for name, path in known.items()
    }


def part(module: str) -> str:
    """The part of the package that a module belongs to: a folder, or a module beside them."""
    return [*module.split("."), "__init__"][1]


def part_imports(graph: dict[str, set[str]]) -> dict[str, set[str]]:
    """The same between parts."""
    parts: dict[str, set[str]] = {}
    for module, targets in graph.items():
        own = part(module)
        others = {part(target) for target in targets} - {own, "__init__"}
        parts.setdefault(own, set()).update(others)
    parts.pop("__init__", None)
    return parts


def cycle(graph: dict[str, set[str]]) -> list[str]:
    """Modules that import each other in a circle; empty if there are none."""
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return list(error.args[1])
    return []


def reachable(roots: Iterable[str], graph: dict[str, set[str]]) -> set[str]:
    """All modules that the roots import, directly or not, and the roots."""
    found: set[str] = set()
    waiting = list(roots)
    while waiting:
        module = waiting.pop()
        if module not in found:
            found.add(module)
            waiting += graph[module]
    return found


def wrong_directions(graph: dict[str, set[str]]) -> list[str]:
    """Imports from a part into one that is not below it, as sentences."""
    level = {name: number for number, names in enumerate(LEVELS) for name in names}
    return [
        f"{module} imports {target}"
        for module, targets in sorted(graph.items())
        for target in sorted(targets)
        if part(target) != "__init__"
        and part(module) != part(target)
        and not level[part(target)] < level[part(module)]
    ]


def numerical_parts(package: Path = PACKAGE) -> set[str]:
    """The parts of which a module imports torch, wherever in it the import stands."""
    return {
        part(name)
        for name, path in modules(package).items()
        if any(target.split(".")[0] == "torch" for target in _imported(name, path))
    }


def picture() -> str:
    """The text of docs/images/architecture.svg as the code is now."""
    graph = part_imports(imports())
    levels = [[name for name in names if name in graph] for names in LEVELS]
    return architecture_picture.picture(
        levels, {name: _nearest(name, graph) for name in graph}, numerical_parts()
    )


def page(text: str) -> str:
    """The text of docs/architecture.md with its made section as the code is now."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{_section()}\n{END}{after}"


def _section() -> str:
    graph = part_imports(imports())
    order = [name for names in LEVELS for name in names if name in graph]
    arrows = [f"  {name} --> {target}" for name in order for target in _nearest(name, graph)]
    rows = [_row(name, sorted(graph[name])) for name in order]
    return "\n".join(
        [
            "```mermaid",
            "graph TD",
            *arrows,
            "```",
            "",
            "| Part | What lives there | Imports of this package |",
            "| --- | --- | --- |",
            *rows,
            "",
        ]
    )


def _row(name: str, imported: list[str]) -> str:
    return f"| {name} | {_sign(name)} | {', '.join(imported) or '-'} |"


def _nearest(name: str, graph: dict[str, set[str]]) -> list[str]:
    """Imports of a part that it does not also reach through another one."""
    further = set().union(*(reachable([t], graph) - {t} for t in graph[name]), set())
    return sorted(graph[name] - further)


def _sign(name: str) -> str:
    """The first paragraph of a part's docstring, on one line."""
    folder = PACKAGE / name / "__init__.py"
    source = folder if folder.exists() else PACKAGE / f"{name}.py"
    said = ast.get_docstring(ast.parse(source.read_text())) or ""
    return " ".join(said.split("\n\n")[0].split()).replace("|", "\\|")


def _imported(module: str, path: Path) -> Iterable[str]:
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, *filter(None, [node.module])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(picture())
