"""A comparison as people read it in a terminal or a pipe, and as programs read it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text

from workflow_src.changes.telling import print_table, say
from workflow_src.compare import wording
from workflow_src.compare.comparison import Comparison
from workflow_src.compare.reading import NO_SAMPLES, ROW
from workflow_src.compare.sources import Source
from workflow_src.compare.verdicts import Verdict

SCHEMA = 1
LINES_SHOWN = 12
"""Of what may explain the differences, per kind."""

_WORDS = ("verdict", "model", "metric")
_NUMBERS = ("before", "after", "difference")
_LAST = ("relative", "p", "seeds")
_HEADINGS = (*_WORDS, *_NUMBERS, "where", *_LAST, "how")
_LEFT_OUT = ("how", "p", "seeds", "relative")
"""What a terminal does not show that is too narrow for all, in this order."""
_RULE = 3
"""Columns of a terminal that a column of a table takes beside its text."""

_STYLES = {Verdict.BETTER: "green", Verdict.WORSE: "bold red", Verdict.REASON: "yellow"}
_TOLD = (
    *ROW,
    "unit",
    "verdict",
    "before",
    "after",
    "difference",
    "relative",
    "low",
    "high",
    "error",
    "degrees",
    "method",
    "p",
    "p_adjusted",
    "seeds_before",
    "seeds_after",
    "seeds_common",
    "same_evaluations",
    "same_runs",
    "same_choices",
    "note",
    "reasons",
)
"""The columns of rows for programs, in the order of the CSV file."""


def tell(comparison: Comparison, console: Console, *, every: bool = False) -> None:
    """Print both sides, the counts, what may explain them, and the rows beyond noise, or all."""
    for line in headlines(comparison):
        say(console, line)
    rows = comparison.sorted_rows(every=every)
    axes = wording.varying(rows)
    shared = ", ".join(wording.shared(rows, ("study", "experiment", "model", *axes)))
    if shared:
        say(console, f"of all rows below: {shared}")
    if len(rows):
        _print_rows(_once(rows), axes, console)
    for line in notes(comparison):
        say(console, line)
    if not every and len(rows) < len(comparison.rows):
        say(console, f"{len(comparison.rows) - len(rows)} more rows with --all")


def headlines(comparison: Comparison) -> Iterator[str]:
    """Both sides, the counts of verdicts, and what differs in how they were made."""
    yield f"before: {_side(comparison.before)}"
    yield f"after:  {_side(comparison.after)}"
    counts = ", ".join(f"{count} {verdict}" for verdict, count in comparison.counts.items())
    yield f"{len(comparison.rows)} rows: {counts or 'none'}"
    causes = comparison.causes
    yield from _listed("settings", causes.settings)
    yield from _listed("training settings", causes.specs)
    for steps, lines in causes.code:
        yield from _listed(f"code of {steps}", lines)
    yield from _listed("made on", causes.circumstances)


def notes(comparison: Comparison) -> Iterator[str]:
    """How far the verdicts can be trusted, and what is not here."""
    rows = comparison.rows
    if comparison.tests:
        yield (
            f"{comparison.tests} differences tested together; of those called beyond noise at most "
            f"{100 * comparison.level:.3g} % are expected to be chance (Benjamini-Hochberg)"
        )
    alone = int((rows["verdict"] == Verdict.LARGER).sum())
    if alone:
        yield (
            f"{alone} rows of one seed differ by more than the errors of their estimates, which do "
            "not tell how trainings vary: other random numbers alone may do that; more seeds would "
            "tell"
        )
    for name, count in comparison.absent.items():
        side = next(one for one in (comparison.before, comparison.after) if one.name == name)
        yield f"{count} evaluations of {name} are not here; to get them: {side.remedy}"
    causes = comparison.causes
    if causes.looked_into < causes.differing:
        yield (
            f"what may explain the differences is from {causes.looked_into} of the "
            f"{causes.differing} evaluations that differ: one of every model and data set"
        )
    if causes.unknown:
        yield f"code not compared, for want of records: {', '.join(causes.unknown)}"


def described(comparison: Comparison) -> dict[str, Any]:
    """Everything, for programs; `NaN` is null."""
    return {
        "schema": SCHEMA,
        "before": facts(comparison.before),
        "after": facts(comparison.after),
        "level": comparison.level,
        "tests": comparison.tests,
        "counts": {verdict.value: count for verdict, count in comparison.counts.items()},
        "causes": {
            "settings": list(comparison.causes.settings),
            "training_settings": list(comparison.causes.specs),
            "code": [{"steps": s, "modules": list(m)} for s, m in comparison.causes.code],
            "circumstances": list(comparison.causes.circumstances),
            "looked_into": comparison.causes.looked_into,
            "differing": comparison.causes.differing,
        },
        "not_here": dict(comparison.absent),
        "rows": records(comparison),
    }


def records(comparison: Comparison) -> list[dict[str, Any]]:
    """All rows in the order of `Comparison.sorted_rows`, as plain values."""
    rows = comparison.sorted_rows(every=True)[[*_TOLD]]
    found = []
    for row in rows.to_dict("records"):
        plain = {str(name): _plain(one) for name, one in row.items()}
        if plain["importance_samples"] == NO_SAMPLES:
            plain["importance_samples"] = None
        found.append(plain)
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value.item() if hasattr(value, "item") else value


def facts(side: Source) -> dict[str, Any]:
    """What is known of a side, but for its numbers."""
    return {
        "name": side.name,
        "kind": side.kind,
        "place": side.place,
        "commit": side.commit,
        "uncommitted_changes": side.uncommitted,
    }


def _side(side: Source) -> str:
    made = f"commit {side.commit[:12]}" if side.commit else "of no known commit"
    changes = " with uncommitted changes" if side.uncommitted else ""
    if side.kind == "commit":
        return f"{side.name}, its evaluations as far as they are here"
    named = side.name if side.name == side.place else f"{side.name}, {side.place}"
    return f"{named} ({made}{changes})"


def _listed(title: str, lines: Sequence[str]) -> Iterator[str]:
    if not lines:
        return
    yield title
    for line in lines[:LINES_SHOWN]:
        yield f"  {line}"
    if len(lines) > LINES_SHOWN:
        yield f"  and {len(lines) - LINES_SHOWN} more"


def cells(row: Mapping[str, Any], axes: tuple[str, ...]) -> tuple[str, ...]:
    """A row under the headings of the table, and last what else there is to say."""
    return (
        str(row["verdict"]),
        str(row["model"]),
        wording.metric(row),
        wording.value(row, "before"),
        wording.value(row, "after"),
        wording.difference(row),
        wording.what(row, axes),
        wording.relative(row),
        wording.p_value(row),
        wording.seeds(row),
        wording.told_of(row),
    )


def _once(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows that rest on the same evaluations as one, which says how many ``others`` there are."""
    same = ["key", "model", "metric", "importance_samples", "before", "after", "verdict"]
    groups = rows.groupby(same, sort=False, dropna=False)["metric"]
    return rows.assign(others=groups.transform("size") - 1).drop_duplicates(same)


def _print_rows(rows: pd.DataFrame, axes: tuple[str, ...], console: Console) -> None:
    lines = [cells(row, axes) for row in rows.to_dict("records")]  # type: ignore[arg-type]
    if not console.is_terminal:
        _print_plain(lines, console)
        return
    shown = _fitting(lines, console.width)
    table = Table()
    for heading in shown:
        is_number = heading in (*_NUMBERS, *_LAST)
        table.add_column(
            heading,
            justify="right" if is_number else "left",
            no_wrap=is_number,
            overflow="fold",
        )
    for line in lines:
        told = dict(zip(_HEADINGS, map(Text, line), strict=True))
        told["verdict"].stylize(_STYLES.get(Verdict(line[0]), ""))
        table.add_row(*(told[name] for name in shown))
    console.print(table)
    if left_out := [name for name in _HEADINGS if name not in shown]:
        say(console, f"not shown, for want of columns: {', '.join(left_out)} (a pipe has them)")


def _fitting(lines: Sequence[tuple[str, ...]], width: int) -> list[str]:
    """The headings to show so that a row is one line, where leaving some out can do that."""
    columns = zip(_HEADINGS, *lines, strict=True)
    widths = {column[0]: max(map(len, column)) for column in columns}
    shown = list(_HEADINGS)
    for name in _LEFT_OUT:
        if sum(widths[one] + _RULE for one in shown) + 1 > width:
            shown.remove(name)
    return shown


def _print_plain(lines: Sequence[tuple[str, ...]], console: Console) -> None:
    """Columns of words begin at one place, also where they stand among numbers."""
    columns = list(zip(_HEADINGS, *lines, strict=True))
    for place, heading in enumerate(_HEADINGS):
        if heading in ("where", "how"):
            longest = max(map(len, columns[place]))
            columns[place] = tuple(word.ljust(longest) for word in columns[place])
    headings, *rest = zip(*columns, strict=True)
    print_table(headings, rest, console, left=len(_WORDS))
