"""`python -m workflow_src show`: print tables and verdicts, and where everything else lies.

It opens with the verdicts on every paper's claims in numbers and ends with the path of the report.
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

from rich.console import Console
from rich.markdown import Markdown

from workflow_src.config.command_line import add_configfile, settings_files
from workflow_src.config.loading import load_layered
from workflow_src.errors import UserError
from workflow_src.exit_codes import ExitCode
from workflow_src.report.wording import CLAIMS_DETAILS, CLAIMS_STEM
from workflow_src.storage import explain

GROUP = "results"
EXAMPLES = (
    ("all tables and verdicts", "show"),
    ("one table", "show table1"),
    ("a study's tables, cut to 120 columns", "show spvae --width 120"),
    ("what became of a study's claims, each with its reasons", "show spvae --claims"),
)


_SCOPES = {"paper": "", "elsewhere": "on data sets that the paper has not "}
"""Which of our verdicts the first lines count, with the words before them."""

_SHOWN = 12
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
        studies = (study for study in self.studies() if path.stem.startswith(f"{study}_"))
        study = max(studies, key=len, default=None)
        if study is None:
            # Of a study without claims, whose name nothing tells.
            return path.stem == name or path.stem.endswith(f"_{name}")
        return name in (path.stem, study) or path.stem == f"{study}_{name}"

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
    console = Console(width=arguments.width)
    _print_overview(chosen if arguments.what else shelf, console)
    if arguments.claims:
        for path in _claims_of(chosen, shelf):
            _print(_text(path), console, arguments.width)
    else:
        for path in chosen.tables:
            _print(_text(path), console, arguments.width)
        for path in chosen.claims:
            # In short: what every verdict rests on is told further down in the file.
            short, _, rest = _text(path).partition(f"\n{CLAIMS_DETAILS}")
            told = f"What every verdict rests on: {path}\n" if rest else ""
            _print(f"{short}\n{told}", console, arguments.width)
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
    listed = ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
    return UserError(
        f"no study and no table is called {word!r}",
        place=str(shelf.tables[0].parent),
        expected=f"one of {listed}" if not near else "",
        remedy=f"did you mean {' or '.join(near)}?" if near else "",
    )


def _print_overview(shelf: Shelf, console: Console) -> None:
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


def _rows(path: Path) -> list[dict[str, str]]:
    """The verdicts of a study; none where the file is not there."""
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


def _print(text: str, console: Console, width: int | None) -> None:
    if console.is_terminal and not console.is_dumb_terminal:
        console.print(Markdown(text))
        console.print()
    else:
        print("\n".join(_cut(line, width) for line in text.split("\n")))


def _cut(line: str, width: int | None) -> str:
    """A line of a table no longer than that; text is left whole, as a pager folds it."""
    if width is None or len(line) <= width or not line.startswith("|"):
        return line
    return f"{line[: width - 1]}\N{HORIZONTAL ELLIPSIS}"


def _places(results: Path) -> list[tuple[str, Path]]:
    places = {
        "tables": results / "tables",
        "metrics": results / "metrics.parquet",
        "figures": results / "figures",
        "report": results / "report" / "index.html",
    }
    return [(title, path) for title, path in places.items() if path.exists()]
