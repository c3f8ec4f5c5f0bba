"""`python -m workflow_src trace`: the whole line from a number, or a run, down to its origins."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from workflow_src.config.command_line import add_configfile, settings_files
from workflow_src.config.loading import load_layered
from workflow_src.errors import UserError
from workflow_src.exit_codes import ExitCode

if TYPE_CHECKING:
    from rich.tree import Tree

    from workflow_src.trace.links import Link

GROUP = "doubt"
EXAMPLES = (
    (
        "where a number of a table comes from, down to data and code",
        "trace spvae_table1 spvae gaussian.digits",
    ),
    ("the same of a run", "trace --run RUN"),
    ("the commands that make it again", "trace --run RUN --reproduce"),
)

_COLOURS = {"ok": "green", "differs": "bold red", "not here": "yellow", "not kept": "yellow"}


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare this command's arguments."""
    parser.add_argument("table", nargs="?", help="such as spvae_table1, spvae/table1 or table1")
    parser.add_argument("row", nargs="?", help="the first words of a line of its .csv file")
    parser.add_argument("column", nargs="?", help="such as gaussian.digits; may be shortened")
    parser.add_argument(
        "--run",
        dest="of_run",
        metavar="RUN",
        help="a run's fingerprint, its beginning, or its directory",
    )
    parser.add_argument(
        "--reproduce",
        action="store_true",
        help="print the commands that make it again from a clone, and how to compare",
    )
    add_configfile(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the line, or the commands that repeat it."""
    from workflow_src.lineage.records import Ground
    from workflow_src.lineage.reproduce import commands_for_evaluations, commands_for_run
    from workflow_src.trace.trace import find_cell, find_run, trace_cell, trace_run

    words = [arguments.table, arguments.row, arguments.column]
    if bool(arguments.of_run) == any(words) or (any(words) and not all(words)):
        raise UserError("nothing to trace", expected="TABLE ROW COLUMN, or --run RUN")
    directories = load_layered(settings_files(arguments)).directories
    results = directories.results
    ground = Ground(results, data=directories.data)
    if arguments.of_run:
        fingerprint = find_run(ground, arguments.of_run)
        if arguments.reproduce:
            print("\n".join(commands_for_run(ground, fingerprint)))
        else:
            _print(trace_run(ground, fingerprint))
        return ExitCode.FINE
    cell = find_cell(results, *words)
    if arguments.reproduce:
        print("\n".join(commands_for_evaluations(ground, cell.evaluations)))
    else:
        _print(trace_cell(ground, cell))
    return ExitCode.FINE


def _print(link: Link) -> None:
    from workflow_src.command_line.consoles import OutputConsole

    console = OutputConsole()
    if console.is_terminal:
        console.print(_tree(link))
    else:
        print("\n".join(_lines(link, 0)))


def _lines(link: Link, depth: int) -> list[str]:
    margin = "  " * depth
    lines = [f"{margin}{link.title}{f' [{link.verdict}]' if link.verdict else ''}"]
    lines += [f"{margin}    {fact}" for fact in link.facts]
    return lines + [line for one in link.below for line in _lines(one, depth + 1)]


def _tree(link: Link) -> Tree:
    from rich.text import Text
    from rich.tree import Tree

    def labelled(one: Link) -> Text:
        label = Text(one.title, style="bold")
        if one.verdict:
            label.append(f"  {one.verdict}", style=_COLOURS[one.verdict])
        for fact in one.facts:
            label.append(f"\n{fact}", style="not bold")
        return label

    def grow(tree: Tree, one: Link) -> Tree:
        for below in one.below:
            grow(tree.add(labelled(below)), below)
        return tree

    return grow(Tree(labelled(link)), link)
