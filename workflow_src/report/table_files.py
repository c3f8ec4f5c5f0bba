"""Tables as files: CSV for programs, with full precision and provenance, and Markdown for people.

Both hold every cell of the table; the Markdown is laid out to be read in a terminal as well.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

from workflow_src.config.models import known_as
from workflow_src.config.published import PublishedValue
from workflow_src.config.studies import Study
from workflow_src.report.cells import INTERVAL_SEEDS, OF_ESTIMATE, Cell
from workflow_src.report.intervals import Interval
from workflow_src.report.joined import joined_sentence
from workflow_src.report.judges import judges_sentences
from workflow_src.report.tables import Key, Table
from workflow_src.report.wording import (
    NOTHING,
    STREAMS,
    axis_title,
    axis_value,
    heading_text,
    listed,
    number,
    plain,
    plain_key,
    signed,
)

_SHARED = ("metric", "unit", "importance_samples")
_SEEDS = "in parentheses"


def csv_text(table: Table) -> str:
    """One line per row; of every column the numbers, their state and the evaluations behind them.

    Columns are named ``<likelihood>.<data set>.ours`` and so on, after the column's values, and
    after ``<name>=<value>`` of compared hyperparameters.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    named = [(".".join(plain_key(table.column_axes, column)), column) for column in table.columns]
    fields = [f"{name}.{field}" for name, _ in named for field in _cell_fields(Cell(()))]
    # A compared hyperparameter may be called as one of the shared columns is.
    axes = [f"training_{axis}" if axis in _SHARED else axis for axis in table.row_axes]
    writer.writerow([*axes, *_SHARED, *fields])
    for row in table.rows:
        facts = [table.metric.name, table.metric.unit, table.importance_samples or ""]
        values = [
            value
            for _, column in named
            for value in _cell_fields(table.cells[row, column], table).values()
        ]
        axes_of_row = zip(table.row_axes, row, strict=True)
        called = [plain(known_as(axis, value)) for axis, value in axes_of_row]
        writer.writerow([*called, *facts, *values])
    return stream.getvalue()


def markdown_text(table: Table, study: Study) -> str:
    """Title, table, legend and footnotes."""
    experiment = study.experiments[table.experiment]
    header, body = grid(table)
    parts = [
        f"# {experiment.title}",
        f"{study.title} ({study.reference})",
        experiment.description,
        grid_text(header, body, len(table.row_axes)),
        *legend(table, study),
    ]
    notes = "\n".join(f"- [{letter(i)}] {text}" for i, text in enumerate(table.notes))
    return "\n\n".join([*parts, notes] if notes else parts) + "\n"


def grid(table: Table) -> tuple[list[str], list[list[str]]]:
    """The header and the rows as Markdown text, the row's axes first; best numbers in bold."""
    header = [axis_title(axis) for axis in table.row_axes]
    for column in table.columns:
        header += _column_headings(table, column)
    body = []
    for row in table.rows:
        line = [axis_value(axis, v) for axis, v in zip(table.row_axes, row, strict=True)]
        for column in table.columns:
            line += _column_texts(table, row, column)
        body.append(line)
    return header, body


def legend(table: Table, study: Study, seeds: str = _SEEDS) -> list[str]:
    """What the cells are, and what the protocols and streams of the table mean.

    ``seeds`` says where a cell has the number of its seeds.
    """
    cells = f"Cells: {_cells_phrase(table)}. {_spread_sentence(table, seeds)}"
    sentences = [cells]
    if table.metric.shares_judges:
        sentences += judges_sentences(table)
    if table.log_partition_error:
        sentences.append(_log_partition_sentence(table))
    if any(one.spread is not None for one in _published(table)):
        sentences.append("After a published number, ± is the spread that the paper prints.")
    if absent := absent_from_paper(table, study):
        sentences.append(absent)
    if joined := joined_sentence(study, table.experiment, table.values_of("model")):
        sentences.append(joined)
    for name in table.values_of("protocol"):
        sentences.append(f"Protocol {name}: {study.protocols[name].description}")
    for name in table.values_of("stream"):
        sentences.append(f"Stream {name}: {STREAMS.get(name, name)}")
    return sentences


def _published(table: Table) -> list[PublishedValue]:
    found = (cell.source_of_published for cell in table.cells.values())
    return [one for one in found if one is not None]


def absent_from_paper(table: Table, study: Study) -> str | None:
    """A sentence about data sets that the paper has no number for; None where it has all."""
    if not table.compared:
        return None
    with_number = {
        table.axes_of(row, column)["data_set"]
        for (row, column), cell in table.cells.items()
        if cell.source_of_published is not None
    }
    lacking = [name for name in table.values_of("data_set") if name not in with_number]
    if not lacking:
        return None
    return f"The paper has published no number for {listed(_titles('data_set', lacking))}."


def letter(place: int) -> str:
    """The mark of a footnote: a, b, ... z, aa, ab ..."""
    text = ""
    place += 1
    while place:
        place, rest = divmod(place - 1, 26)
        text = chr(ord("a") + rest) + text
    return text


def ours_text(cell: Cell, unit: str) -> str:
    """Ours with its spread and interval, without seeds and marks."""
    if cell.ours is None:
        return NOTHING
    return number(cell.ours, unit) + spread_text(cell, unit)


def spread_text(cell: Cell, unit: str) -> str:
    """What follows a number: its spread, and its interval where it has one."""
    spread = "" if cell.spread is None else f" ± {number(cell.spread, unit)}"
    return f"{spread} {interval_text(cell.interval, unit)}" if cell.interval else spread


def interval_text(interval: Interval, unit: str) -> str:
    """An interval as tables show it."""
    return f"[{', '.join(number(bound, unit) for bound in interval)}]"


def published_text(cell: Cell, unit: str) -> str:
    """The published number as it was printed, in the printed unit where that is another.

    Trailing zeros are those of its spread: a number has as many decimals as what follows it.
    """
    one = cell.source_of_published
    if one is None or cell.published is None:
        return NOTHING
    multiple = one.unit.removesuffix(unit).strip()
    shown = [one.value] if one.spread is None else [one.value, one.spread]
    decimals = max(len(f"{value:g}".partition(".")[2]) for value in shown)
    return " ± ".join(f"{value:.{decimals}f}" for value in shown) + f" {multiple}".rstrip()


def difference_text(cell: Cell, unit: str) -> str:
    """Ours minus published, signed."""
    return NOTHING if cell.difference is None else signed(cell.difference, unit)


def _cells_phrase(table: Table) -> str:
    facts = []
    if table.importance_samples:
        facts.append(f"{table.importance_samples:,} importance samples")
    facts += [
        f"{axis_title(axis).lower()} {axis_value(axis, value)}"
        for axis, value in table.constants.items()
        if value is not None
    ]
    unit = "" if table.metric.unit == table.metric.title else f" in {table.metric.unit}"
    return f"{table.metric.title}{unit}" + (f" ({'; '.join(facts)})" if facts else "")


def _titles(axis: str, values: Iterable[Any]) -> list[str]:
    return [axis_value(axis, value) for value in values]


def _spread_sentence(table: Table, seeds: str) -> str:
    kinds = table.spread_kinds
    ours = f"Ours is the mean over seeds, their number {seeds}"
    if not kinds:
        return f"{ours}."
    over = "" if table.metric.errors_over is None else f" over {table.metric.errors_over}"
    told = [f"{kind}{over}" if kind == OF_ESTIMATE else kind for kind in kinds]
    return f"{ours}; ± is the {', of a single seed the '.join(told)}.{_interval_sentence(table)}"


def _interval_sentence(table: Table) -> str:
    if not table.has_intervals:
        return ""
    return (
        f" Brackets hold the 95 % confidence interval of the mean over {INTERVAL_SEEDS} seeds or "
        "more, by Student's t."
    )


def _log_partition_sentence(table: Table) -> str:
    largest = number(table.log_partition_error, table.metric.unit)
    parts = [
        "of brackets" if table.has_intervals else "",
        "of a single seed's ±" if OF_ESTIMATE in table.spread_kinds else "",
    ]
    told = " and ".join(part for part in parts if part) or "of no ± here"
    return (
        "Where the prior is a Boltzmann machine, its log partition function is an estimate. Its "
        f"standard error, up to {largest} (root mean square over seeds), is part {told}; it is not "
        "divided by the number of seeds, because estimators share their bias, and a standard "
        "deviation over seeds does not tell it."
    )


def _cell_fields(cell: Cell, table: Table | None = None) -> dict[str, object]:
    winners = [s.evaluation.winner for s in cell.sources if s.evaluation.winner]
    values = {
        "ours": cell.ours,
        "spread": cell.spread,
        "spread_kind": cell.spread_kind,
        "interval_low": cell.interval[0] if cell.interval else None,
        "interval_high": cell.interval[1] if cell.interval else None,
        "seeds": cell.seeds,
        "log_partition_error": cell.log_partition_error or None,
        "published": cell.published,
        "published_spread": _published_spread(cell),
        "difference": cell.difference,
        "reason": cell.reason,
        "notes": " ".join(table.notes[i] for i in cell.notes) if table else "",
        "evaluations": " ".join(source.evaluation.fingerprint for source in cell.sources),
        "winners": " ".join(winner.fingerprint for winner in winners),
    }
    return {name: "" if value is None else value for name, value in values.items()}


def _published_spread(cell: Cell) -> float | None:
    """In the table's unit."""
    one = cell.source_of_published
    if one is None or one.spread is None or cell.published is None:
        return None
    # Units differ by a factor, if at all.
    return one.spread * (cell.published / one.value) if one.value else one.spread


def _column_headings(table: Table, column: Key) -> list[str]:
    title = ", ".join(
        heading_text(axis, value) for axis, value in zip(table.column_axes, column, strict=True)
    )
    extra = ["published", "difference"] if table.compared else []
    return [title, *extra]


def _column_texts(table: Table, row: Key, column: Key) -> list[str]:
    cell, unit = table.cells[row, column], table.metric.unit
    marks = "".join(f" [{letter(place)}]" for place in cell.notes)
    if cell.ours is None:
        ours = f"{NOTHING} {cell.reason}{marks}"
    else:
        text = ours_text(cell, unit)
        ours = f"{f'**{text}**' if cell.best else text} ({cell.seeds}){marks}"
    if not table.compared:
        return [ours]
    return [ours, published_text(cell, unit), difference_text(cell, unit)]


def grid_text(header: Sequence[str], body: Sequence[Sequence[str]], left: int) -> str:
    """A Markdown table with padded cells; the first ``left`` columns are flush left."""
    lines = [[text.replace("|", "\\|") for text in line] for line in (header, *body)]
    widths = [max(3, *(len(line[i]) for line in lines)) for i in range(len(header))]

    def padded(line: Sequence[str]) -> str:
        texts = [
            text.ljust(width) if i < left else text.rjust(width)
            for i, (text, width) in enumerate(zip(line, widths, strict=True))
        ]
        return f"| {' | '.join(texts)} |"

    rule = ["-" * width if i < left else "-" * (width - 1) + ":" for i, width in enumerate(widths)]
    return "\n".join([padded(lines[0]), padded(rule), *map(padded, lines[1:])])
