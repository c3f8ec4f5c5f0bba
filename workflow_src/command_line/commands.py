"""What each command file declares of itself beside its arguments: purpose, examples, exit codes.

A command file opens with its docstring (``python -m workflow_src NAME: what it does``, then more
where that is needed), and with literals:

- ``GROUP``: one of `GROUPS`, under which the help lists it;
- ``EXAMPLES``: pairs of what somebody wants and the line that does it, without the program's name;
- ``CODES``: exit codes that mean something of their own here, with that meaning; may be left out.

Literals, so that the list of commands can be told without importing any of them.
"""

from __future__ import annotations

import ast
import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workflow_src.exit_codes import ExitCode

FOLDER = Path(__file__).resolve().parents[1] / "commands"

GROUPS: Mapping[str, str] = {
    "results": "look at results",
    "doubt": "doubt and repeat",
    "plan": "plan and follow the work",
    "change": "change and accept",
    "share": "share and tidy up",
    "shell": "the shell",
    "steps": "steps that Snakemake calls",
}
"""The purposes of commands, in the order in which help lists them, with their headings."""

Example = tuple[str, str]


@dataclass(frozen=True)
class Command:
    """One command as its file declares it.

    Attributes
    ----------
    name:
        As it is typed.
    group:
        One of `GROUPS`.
    summary:
        What it does, in one line.
    details:
        Further paragraphs; may be empty.
    examples:
        What somebody wants, and the line that does it.
    codes:
        Exit codes with a meaning of their own.
    """

    name: str
    group: str
    summary: str
    details: str
    examples: tuple[Example, ...]
    codes: Mapping[int, str]

    def meanings(self) -> dict[int, str]:
        """Every exit code that the command may have, and what it means."""
        own = {int(code): meaning for code, meaning in self.codes.items()}
        common = [ExitCode.FINE, ExitCode.USER_ERROR, ExitCode.CANCELLED, ExitCode.NO_READER]
        if self.group == "steps":
            common.append(ExitCode.INTERRUPTED)
        return dict(sorted(({int(code): code.meaning for code in common} | own).items()))


def command_names() -> list[str]:
    """The commands that there are, by the names of their files."""
    return sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__")


def command(name: str) -> Command:
    """What a command declares; its file is read and not imported.

    Raises
    ------
    SyntaxError
        If Python cannot read the file.
    """
    path = FOLDER / f"{name}.py"
    tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    first, _, details = (ast.get_docstring(tree) or "").partition("\n")
    found = _literals(tree)
    return Command(
        name=name,
        group=str(found.get("GROUP", "")),
        summary=first.partition(": ")[2].removesuffix("."),
        details=details.strip(),
        examples=tuple(found.get("EXAMPLES", ())),
        codes=dict(found.get("CODES", {})),
    )


def by_group() -> dict[str, list[Command]]:
    """All commands by their group, in the order of `GROUPS`; one without a group comes last."""
    commands = [command(name) for name in command_names()]
    order = [*GROUPS, *sorted({one.group for one in commands} - GROUPS.keys())]
    found = {group: [one for one in commands if one.group == group] for group in order}
    return {group: some for group, some in found.items() if some}


def functions(name: str) -> tuple[Callable[[Any], None], Callable[[Any], int]]:
    """A command's ``configure`` and ``run``; its file is imported for them."""
    module = importlib.import_module(f"workflow_src.commands.{name}")
    return module.configure, module.run


def _literals(tree: ast.Module) -> dict[str, Any]:
    """The values of ``GROUP``, ``EXAMPLES`` and ``CODES``, as far as a file has them."""
    found = {}
    for statement in tree.body:
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            name = statement.targets[0].id
            if name in ("GROUP", "EXAMPLES", "CODES"):
                found[name] = ast.literal_eval(statement.value)
    return found
