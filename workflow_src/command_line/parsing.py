"""Parsers: of the whole command line, and of one command, with help that teaches.

The program is called as the person called it: ``density-bench`` or ``python -m workflow_src``.
"""

from __future__ import annotations

import argparse
import difflib
import os
import sys
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NoReturn

from workflow_src.command_line.commands import (
    GROUPS,
    Command,
    by_group,
    command,
    command_names,
    functions,
)
from workflow_src.exit_codes import ExitCode

PROGRAM = "density-bench"
MODULE = "python -m workflow_src"

COMMON = ("debug", "log", "attempt", "journal")
"""Names of the options that every command has."""

TYPICAL = (
    ("what would run, and how long it takes", "plan"),
    ("follow the work until it is done", "status --watch"),
    ("see one table beside the published numbers", "show table1"),
)
"""Three lines to begin with."""

_DESCRIPTION = (
    "Deep probabilistic image models, reproduced, compared and audited. `snakemake --profile "
    "local` runs everything that config.yaml asks for; these commands look at it, doubt it, change "
    "it and share it."
)
_WIDEST = 100
_LEAST = 40
_UNKNOWN = "unrecognized arguments: "
"""How argparse begins to complain about words that it has no place for."""


class Parser(argparse.ArgumentParser):
    """A parser whose complaints are one line and guess what was meant."""

    def error(self, message: str) -> NoReturn:
        """End with `ExitCode.USER_ERROR` and one line."""
        self.exit(ExitCode.USER_ERROR, f"{self.prog}: error: {self._guessed(message)}\n")

    def _guessed(self, message: str) -> str:
        if not message.startswith(_UNKNOWN):
            return f"{message}; `{self.prog} --help` explains it"
        words = message.removeprefix(_UNKNOWN).split()
        odd = next((word for word in words if word.startswith("-")), words[0])
        name = odd.partition("=")[0]
        known = [option for option in self._option_string_actions if option.startswith("--")]
        near = difflib.get_close_matches(name, known, n=1)
        if name.startswith("-") and near:
            return f"unknown option {name}; did you mean {near[0]}?"
        kind = "unknown option" if name.startswith("-") else "one word too many:"
        return f"{kind} {name}; `{self.prog} --help` lists what there is"


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Help as wide as the window, to a limit; descriptions and epilogues are laid out before."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=26, width=width())


def program() -> str:
    """How the person called this program."""
    called = Path(sys.argv[0]).name if sys.argv and sys.argv[0] else ""
    return PROGRAM if called == PROGRAM else MODULE


def width() -> int:
    """Columns that help may take."""
    try:
        columns = int(os.environ.get("COLUMNS", "")) or 80
    except ValueError:
        try:
            columns = os.get_terminal_size(sys.stdout.fileno()).columns
        except (OSError, ValueError):
            columns = 80
    return min(max(columns - 1, _LEAST), _WIDEST)


def parse(words: Sequence[str]) -> argparse.Namespace:
    """The arguments of a command line; ``run`` among them is the command's function.

    Ends the process with `ExitCode.USER_ERROR` and one line where that cannot be.

    Raises
    ------
    SyntaxError
        If Python cannot read the command's file.
    """
    top = _top()
    given = top.parse_args(words)
    if given.command is None:
        top.print_help(sys.stderr)
        top.exit(ExitCode.USER_ERROR)
    if given.command not in command_names():
        top.exit(ExitCode.USER_ERROR, f"{_unknown(given.command)}\n")
    parser = command_parser(given.command)
    unset = argparse.Namespace(**dict.fromkeys(COMMON))
    arguments = parser.parse_args(given.rest, namespace=unset)
    for name in COMMON:
        setattr(arguments, name, getattr(given, name, getattr(arguments, name)))
    return arguments


def command_parser(name: str) -> Parser:
    """The parser of one command with its help; its file is imported."""
    declared = command(name)
    configure, run = functions(name)
    parser = Parser(
        prog=f"{program()} {name}",
        description=_laid_out([sentence(declared.summary), *paragraphs(declared.details)]),
        epilog=_epilog(declared),
        formatter_class=_Formatter,
        parents=[common_options(declared.group)],
        allow_abbrev=False,
    )
    parser.set_defaults(run=run)
    configure(parser)
    return parser


def whole_parser() -> Parser:
    """One parser with all commands below it, for completion; all their files are imported."""
    top = Parser(prog=PROGRAM, parents=[common_options()], allow_abbrev=False)
    below = top.add_subparsers(dest="command", metavar="COMMAND")
    for commands in by_group().values():
        for one in commands:
            parser = below.add_parser(
                one.name,
                help=one.summary,
                parents=[common_options(one.group)],
                allow_abbrev=False,
            )
            functions(one.name)[0](parser)
    return top


def common_options(group: str = "") -> Parser:
    """Options of every command, before or after its name; two are told of steps alone."""
    common = Parser(add_help=False, argument_default=argparse.SUPPRESS)
    common.add_argument("--debug", action="store_true", help="show tracebacks of user errors")
    common.add_argument("--log", type=Path, metavar="FILE", help="write messages to FILE as well")
    is_told = group == "steps"
    common.add_argument(
        "--attempt",
        type=int,
        metavar="N",
        help="recorded: Snakemake's attempt" if is_told else argparse.SUPPRESS,
    )
    common.add_argument(
        "--journal",
        type=Path,
        metavar="FILE",
        help="tell there how the job goes, and the terminal in lines without bars"
        if is_told
        else argparse.SUPPRESS,
    )
    return common


def sentence(text: str) -> str:
    """A summary as a sentence."""
    return f"{text[:1].upper()}{text[1:]}."


def paragraphs(text: str) -> list[str]:
    """The paragraphs of a docstring, each in one line; a line's indent keeps it as it is."""
    found = []
    for block in text.split("\n\n"):
        lines = block.splitlines()
        if lines and not any(line.startswith(" ") for line in lines):
            found.append(" ".join(lines))
        elif lines:
            found.append(block)
    return found


class _Top(Parser):
    """The parser of what stands before the command; its help tells commands before options."""

    def format_help(self) -> str:
        """What the program is for, its commands by purpose, three examples, options, exit codes."""
        options = "\n".join(
            line
            for action in self._actions
            if action.option_strings and action.help is not argparse.SUPPRESS
            for line in _row(_called(action), str(action.help))
        )
        parts = [str(self.description), _summary(), f"options:\n{options}", _codes()]
        return "\n\n".join([f"usage: {self.usage}", *parts]) + "\n"


def _called(action: argparse.Action) -> str:
    return " ".join(filter(None, (", ".join(action.option_strings), action.metavar)))  # type: ignore[arg-type]


def _top() -> Parser:
    top = _Top(
        prog=program(),
        usage=f"{program()} [options] COMMAND ...",
        description=_laid_out([_DESCRIPTION]),
        formatter_class=_Formatter,
        parents=[common_options()],
        allow_abbrev=False,
    )
    top.add_argument("command", nargs="?", metavar="COMMAND", help=argparse.SUPPRESS)
    top.add_argument("rest", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    return top


def _summary() -> str:
    """Every command by purpose, and three examples."""
    lines = []
    for group, commands in by_group().items():
        lines.append(f"{GROUPS.get(group, 'others')}:")
        for one in commands:
            lines += _row(one.name, one.summary)
        lines.append("")
    lines += [*_examples(TYPICAL), ""]
    last = f"`{program()} COMMAND --help` explains a command, with examples."
    return "\n".join([*lines, textwrap.fill(last, width())])


def _codes() -> str:
    lines = ["exit codes:"]
    for code in ExitCode:
        lines += _row(str(code.value), code.meaning)
    return "\n".join(lines)


def _epilog(declared: Command) -> str:
    lines = _examples((said, line) for said, line in declared.examples)
    if declared.codes:
        lines += ["", "exit codes of its own:"]
        for code, meaning in sorted(declared.codes.items()):
            lines += _row(str(code), meaning)
    return "\n".join(lines) + "\n"


def _examples(examples: Iterable[tuple[str, str]]) -> list[str]:
    lines = ["examples:"]
    for said, line in examples:
        lines += [f"  # {said}", f"  {program()} {line}"]
    return lines


def _row(name: str, text: str) -> list[str]:
    indent = " " * 14
    first = f"  {name:<11} "
    return textwrap.wrap(text, width(), initial_indent=first, subsequent_indent=indent)


def _laid_out(texts: Iterable[str]) -> str:
    return "\n\n".join(t if "\n" in t else textwrap.fill(t, width()) for t in texts)


def _unknown(name: str) -> str:
    names = command_names()
    near = difflib.get_close_matches(name, names, n=1)
    guess = f"did you mean {near[0]}? " if near else ""
    return f"unknown command {name!r}; {guess}there are {', '.join(names)}"
