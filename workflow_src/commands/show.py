"""`python -m workflow_src show`: print tables and verdicts, and where everything else lies.

Without a name it prints the verdicts on every paper's claims in numbers, one line per table, and
where the report is; with names, those tables.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import difflib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table
from rich.text import Text

from workflow_src.command_line.consoles import OutputConsole
from workflow_src.command_line.markdown import print_markdown
from workflow_src.config.command_line import add_configfile, settings_files
from workflow_src.config.loading import load_layered
from workflow_src.errors import UserError
from workflow_src.exit_codes import ExitCode
from workflow_src.report.wording import CLAIMS_DETAILS, CLAIMS_STEM
from workflow_src.storage import explain

GROUP = "results"
EXAMPLES = (
    ("verdicts in numbers, and which tables there are", "show"),
    ("one table", "show spvae/table1"),
    ("a study's tables and verdicts, within 120 columns", "show spvae --width 120"),
    ("what became of a study's claims, each with its reasons", "show spvae --claims"),
)


_SCOPES = {"paper": "", "elsewhere": "on data sets that the paper has not "}
"""Which of our verdicts the first lines count, with the words before them."""

_SHOWN = 8
_NARROWEST = 20


@dataclass(frozen=True)
class Shelf:
    """The texts of a results folder: tables and claims by study, in the order of their names."""

    tables: tuple[Path, ...]
    claims: tuple[Path, ...]

    def studies(self) -> list[str]:
        """Studies that have verdicts, by name."""
        return [_study(path) for path in self.claims]

    def chosen(self, words: Sequence[str]) -> Shelf:
        """What ``words`` name: studies, tables, or tables with their study before them.

        Raises
        ------
        UserError
            If a word names nothing.
        """
        if not words:
            return self
        tables: dict[Path, None] = {}
        claims: dict[Path, None] = {}
        for word in words:
            name = word.replace("/", "_")
            own = [path for path in self.claims if name in (_study(path), path.stem)]
            found = [path for path in self.tables if self._is_named(path, name)]
            if not own and not found:
                raise _nothing_named(word, self)
            claims.update(dict.fromkeys(own))
            tables.update(dict.fromkeys(found))
        return Shelf(tuple(tables), tuple(claims))

    def _is_named(self, path: Path, name: str) -> bool:
        study = self._study_of(path)
        if study is None:
            # Of a study without claims, whose name nothing tells.
            return path.stem == name or path.stem.endswith(f"_{name}")
        return name in (path.stem, study) or path.stem == f"{study}_{name}"

    def _study_of(self, path: Path) -> str | None:
        studies = (study for study in self.studies() if path.stem.startswith(f"{study}_"))
        return max(studies, key=len, default=None)

    def name_of(self, path: Path) -> str:
        """What a table is called here: its study and its own name, as far as they are known."""
        study = self._study_of(path)
        return path.stem if study is None else f"{study}/{path.stem.removeprefix(f'{study}_')}"

    def names(self) -> list[str]:
        """Everything that may be named."""
        short = [
            path.stem.removeprefix(f"{study}_")
            for study in self.studies()
            for path in self.tables
            if path.stem.startswith(f"{study}_")
        ]
        return list(dict.fromkeys([*self.studies(), *short, *(path.stem for path in self.tables)]))


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare this command's arguments."""
    parser.add_argument(
        "what",
        nargs="*",
        metavar="NAME",
        help="only this: a study (spvae), a table (table1), or one study's (spvae/table1); several "
        "may be named",
    )
    parser.add_argument(
        "--all", action="store_true", help="all tables and verdicts, whole, as if all were named"
    )
    parser.add_argument(
        "--claims",
        action="store_true",
        help="no tables, but the verdicts on claims at length: every check with its numbers",
    )
    parser.add_argument(
        "--width",
        type=_columns,
        metavar="COLUMNS",
        help="as wide as that (left out: the window; into a pipe, as wide as the tables are)",
    )
    add_configfile(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the verdicts in numbers, what was asked for, and the paths of figures and report."""
    results = load_layered(settings_files(arguments)).directories.results
    shelf = _shelf(results)
    chosen = shelf.chosen(arguments.what)
    console = OutputConsole(width=arguments.width)
    _print_overview(chosen if arguments.what else shelf, console)
    if arguments.claims:
        for path in _claims_of(chosen, shelf):
            _print(_text(path), console, arguments.width)
    elif arguments.what or arguments.all:
        for path in chosen.tables:
            _print(_text(path), console, arguments.width)
        for path in chosen.claims:
            # In short: what every verdict rests on is told further down in the file.
            short, _, rest = _text(path).partition(f"\n{CLAIMS_DETAILS}")
            told = f"What every verdict rests on: {path}\n" if rest else ""
            _print(f"{short}\n{told}", console, arguments.width)
    else:
        _print_list(shelf, console, arguments.width)
    for title, path in _places(results):
        console.print(f"{title:<9}{path}", highlight=False, soft_wrap=True)
    return ExitCode.FINE


def _shelf(results: Path) -> Shelf:
    paths = sorted((results / "tables").glob("*.md"))
    claims = [path for path in paths if path.stem.endswith(f"_{CLAIMS_STEM}")]
    tables = [path for path in paths if path not in claims]
    if not tables:
        raise UserError(
            "there are no tables yet",
            place=str(results / "tables"),
            remedy="run `snakemake --profile local` first",
        )
    return Shelf(tuple(tables), tuple(claims))


def _claims_of(chosen: Shelf, shelf: Shelf) -> Sequence[Path]:
    """The claims that were chosen, or those of the studies whose tables were."""
    if chosen.claims:
        return chosen.claims
    tables = [path.stem for path in chosen.tables]
    return [p for p in shelf.claims if any(one.startswith(f"{_study(p)}_") for one in tables)]


def _nothing_named(word: str, shelf: Shelf) -> UserError:
    names = shelf.names()
    near = difflib.get_close_matches(word, names, n=3)
    rest = len(names) - _SHOWN
    listed = ", ".join(names[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")
    return UserError(
        f"no study and no table is called {word!r}",
        place=str(shelf.tables[0].parent),
        expected=f"one of {listed}" if not near else "",
        remedy=f"did you mean {' or '.join(near)}?"
        if near
        else "see what there is by `show` without a name",
    )


def _print_overview(shelf: Shelf, console: OutputConsole) -> None:
    """One line per study: how many of its claims hold with our numbers, and how many do not."""
    width = max(map(len, shelf.studies()), default=0)
    for path in shelf.claims:
        rows = _rows(path.with_suffix(".csv"))
        told = [
            f"{words}{', '.join(verdicts)}"
            for scope, words in _SCOPES.items()
            if (verdicts := _counted(rows, scope))
        ]
        if told:
            line = f"{_study(path):<{width}}  claims: {'; '.join(told)}"
            console.print(line, highlight=False, soft_wrap=True)
    if shelf.claims:
        console.print()


def _print_list(shelf: Shelf, console: OutputConsole, width: int | None) -> None:
    """One line per table, and how to see them."""
    lines = [
        (shelf.name_of(path), _cells(path.with_suffix(".csv")), _title(path), str(path))
        for path in shelf.tables
    ]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    if console.is_terminal or width is not None:
        table = Table.grid(padding=(0, 2))
        # Names are there to be copied, so that titles wrap before them.
        is_whole = sum(widths[:2]) + _NARROWEST <= console.width
        table.add_column(overflow="fold", no_wrap=is_whole)
        table.add_column(justify="right", no_wrap=True)
        table.add_column(overflow="fold")
        table.add_column(overflow="fold")
        # In a narrow window the folder that is told below has to do.
        has_paths = sum(widths) + 2 * len(widths) <= console.width
        for line in lines:
            table.add_row(*map(Text, line if has_paths else line[:-1]))
        console.print(table)
    else:
        for line in lines:
            padded = (word.ljust(size) for word, size in zip(line, widths, strict=True))
            print("  ".join(padded).rstrip())
    name = lines[0][0]
    study = name.partition("/")[0]
    ways = [f"show {one}" for one in dict.fromkeys((study, name))]
    console.print(
        f"\nTo see them: {', '.join(f'`{way}`' for way in ways)}, or all by `show --all`.\n",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )


def _title(path: Path) -> str:
    """The heading of a table; empty where it has none."""
    first, _, _ = _text(path).partition("\n")
    return first.removeprefix("# ").strip() if first.startswith("# ") else ""


def _cells(path: Path) -> str:
    """How many cells a table has, and how many of them have a number where not all do."""
    values = [
        value
        for row in _rows(path)
        for name, value in row.items()
        if name and name.endswith(".ours")
    ]
    numbers = sum(bool(value) for value in values)
    counted = f"{len(values)} {'cell' if len(values) == 1 else 'cells'}"
    return counted if numbers == len(values) else f"{numbers} of {counted}"


def _rows(path: Path) -> list[dict[str, str]]:
    """The lines of a CSV file; none where it is not there."""
    try:
        with path.open(newline="", encoding="utf-8") as lines:
            return list(csv.DictReader(lines))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise explain(error, path) from error


def _counted(rows: Sequence[dict[str, str]], scope: str) -> list[str]:
    """How often each verdict was given, in words."""
    found = Counter(row.get("verdict") or "" for row in rows if row.get("scope") == scope)
    return [f"{found[name]} {name.replace('_', ' ')}" for name in sorted(found, key=_order)]


def _order(verdict: str) -> int:
    order = ("holds", "fails", "undecided", "not_run")
    return order.index(verdict) if verdict in order else len(order)


def _study(path: Path) -> str:
    return path.stem.removesuffix(f"_{CLAIMS_STEM}")


def _columns(word: str) -> int:
    with contextlib.suppress(ValueError):
        if (value := int(word)) >= _NARROWEST:
            return value
    raise argparse.ArgumentTypeError(f"{word!r} is not a number of columns, at least {_NARROWEST}")


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError as error:
        raise explain(error, path) from error


def _print(text: str, console: OutputConsole, width: int | None) -> None:
    is_drawn = console.is_terminal and not console.is_dumb_terminal
    if is_drawn or width is not None:
        print_markdown(text, console)
    else:
        print(text)


def _places(results: Path) -> list[tuple[str, Path]]:
    places = {
        "tables": results / "tables",
        "metrics": results / "metrics.parquet",
        "figures": results / "figures",
        "report": results / "report" / "index.html",
    }
    return [(title, path) for title, path in places.items() if path.exists()]
