"""Tables and text of Markdown files within a number of columns, where no digit is ever cut.

A table that does not fit loses the columns in which no line has anything; then its columns are
printed in several tables below each other, each with the first ones again; and where even one
column does not fit beside those, every line becomes text that wraps between words.
"""

from __future__ import annotations

import itertools
import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.markdown import Markdown
from rich.table import Table
from rich.text import Text

_BETWEEN = 2
"""Columns between two columns of a table."""

_ABSENT = ("", "-")
_BOLD = re.compile(r"\*\*(.+?)\*\*")
_ITEM = re.compile(r"\s*(?:[-*] |\d+\. )?")
_SPLIT = re.compile(r"(?<!\\)\|")


@dataclass(frozen=True)
class _Column:
    """One column: its heading, its cells, and whether it holds numbers."""

    heading: Text
    cells: tuple[Text, ...]
    is_number: bool

    @property
    def is_empty(self) -> bool:
        return all(cell.plain in _ABSENT for cell in self.cells)

    @property
    def widest(self) -> int:
        """The width that it takes where nothing of it wraps."""
        return max(text.cell_len for text in (self.heading, *self.cells))

    @property
    def narrowest(self) -> int:
        """What it takes where words wrap; the cells of numbers never do."""
        words = [word for text in (self.heading, *self.cells) for word in text.plain.split()]
        whole = [cell.plain for cell in self.cells] if self.is_number else []
        return max(map(cell_len, (*words, *whole)), default=0)


def print_markdown(text: str, console: Console) -> None:
    """Print text of a Markdown file as wide as the console."""
    for block in _blocks(text):
        columns = _columns(block, keep_signs=not console.is_terminal)
        if columns:
            _print_table(columns, console)
        elif console.is_terminal:
            console.print(Markdown("\n".join(block)))
        else:
            _print_wrapped(block, console)
        console.print()


def _blocks(text: str) -> Iterator[list[str]]:
    """Paragraphs, lists and tables: the lines between empty ones."""
    for has_text, lines in itertools.groupby(text.split("\n"), lambda line: bool(line.strip())):
        if has_text:
            yield list(lines)


def _columns(lines: Sequence[str], *, keep_signs: bool) -> list[_Column]:
    """The columns of a table; none of other text. Signs of bold text are kept or obeyed."""
    if len(lines) < 3 or not all(line.startswith("|") for line in lines):
        return []
    heading, rule, *body = (
        [cell.strip().replace(r"\|", "|") for cell in _SPLIT.split(line)[1:-1]] for line in lines
    )
    is_table = all(re.fullmatch(r":?-+:?", cell) for cell in rule)
    if not is_table or any(len(line) != len(heading) for line in (rule, *body)):
        return []
    shown = Text if keep_signs else _marked
    return [
        _Column(shown(title), tuple(map(shown, cells)), mark.endswith(":"))
        for title, mark, cells in zip(heading, rule, zip(*body, strict=True), strict=True)
    ]


def _cells(line: str) -> list[str]:
    return [cell.strip().replace(r"\|", "|") for cell in _SPLIT.split(line)[1:-1]]


def _print_table(columns: list[_Column], console: Console) -> None:
    left_out: list[str] = []
    if _total(column.widest for column in columns) > console.width:
        left_out = [column.heading.plain for column in columns if column.is_empty]
        columns = [column for column in columns if not column.is_empty]
    if not columns:
        return
    first = list(itertools.takewhile(lambda column: not column.is_number, columns))
    parts = _parts(first, _groups(columns[len(first) :]), console.width)
    for place, part in enumerate(parts):
        if place:
            console.print()
        if _total(column.narrowest for column in part) <= console.width:
            console.print(_drawn(part, console.width))
        else:
            _print_lines(part, console)
    if left_out:
        names = ", ".join(dict.fromkeys(left_out))
        said = f"Empty, and left out for want of room: {names}."
        console.print(Text("\n".join(textwrap.wrap(said, console.width))))


def _total(widths: Iterator[int]) -> int:
    found = list(widths)
    return sum(found) + _BETWEEN * (len(found) - 1)


def _groups(columns: Sequence[_Column]) -> list[list[_Column]]:
    """Numbers with what is said of them: a heading in small letters belongs to the one before."""
    groups: list[list[_Column]] = []
    for column in columns:
        if groups and column.heading.plain[:1].islower():
            groups[-1].append(column)
        else:
            groups.append([column])
    return groups


def _parts(
    first: list[_Column], groups: Sequence[list[_Column]], width: int
) -> list[list[_Column]]:
    """Tables that fit, as far as one group fits beside the first columns."""
    parts: list[list[_Column]] = []
    for group in groups:
        longer = [*parts[-1], *group] if parts else []
        if longer and _total(column.narrowest for column in longer) <= width:
            parts[-1] = longer
        else:
            parts.append([*first, *group])
    return parts or [first]


def _drawn(columns: Sequence[_Column], width: int) -> Table:
    """A table of columns that fit, each as wide as it needs and as there is room."""
    widths = [column.narrowest for column in columns]
    room = width - _total(iter(widths))
    for place, column in enumerate(columns):
        more = min(column.widest - widths[place], room)
        widths[place] += more
        room -= more
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for column, columns_wide in zip(columns, widths, strict=True):
        side = "right" if column.is_number else "left"
        table.add_column(column.heading, justify=side, width=columns_wide)  # type: ignore[arg-type]
    for cells in zip(*(column.cells for column in columns), strict=True):
        table.add_row(*cells)
    return table


def _print_lines(columns: Sequence[_Column], console: Console) -> None:
    """Every line of a table as text: its headings with its cells."""
    for cells in zip(*(column.cells for column in columns), strict=True):
        told = "; ".join(
            f"{column.heading.plain}: {cell.plain}"
            for column, cell in zip(columns, cells, strict=True)
            if cell.plain not in _ABSENT
        )
        _print_wrapped([f"- {told}"], console)


def _print_wrapped(lines: Sequence[str], console: Console) -> None:
    """Lines of text, wrapped between words; those of a list below their first word."""
    for line in lines:
        mark = _ITEM.match(line)
        indent = " " * len(mark.group()) if mark else ""
        wrapped = textwrap.wrap(
            line,
            console.width,
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
        )
        for one in wrapped:
            console.print(Text(one), soft_wrap=True)


def _marked(text: str) -> Text:
    """A cell with its bold parts, without the signs of Markdown."""
    marked = Text()
    for place, part in enumerate(_BOLD.split(text)):
        marked.append(part, style="bold" if place % 2 else "")
    return marked
