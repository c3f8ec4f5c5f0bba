"""The numbers that papers print, read from the CSV files beside the studies.

Each number keeps its place in the paper, and a note where it does not agree with the rest.
"""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass, fields
from pathlib import Path

from workflow_src.config.data_sets import DATA_SETS
from workflow_src.errors import UserError
from workflow_src.storage import explain


@dataclass(frozen=True)
class PublishedValue:
    """One printed number: of which model, on what, of which metric, in which unit, and where.

    It is of the model as the paper chose it, and so stands beside no number of an experiment that
    tells hyperparameters apart.
    """

    model: str
    data_set: str
    likelihood: str
    metric: str
    value: float
    unit: str
    place: str
    note: str


COLUMNS = tuple(field.name for field in fields(PublishedValue))


def read_published(path: Path) -> tuple[PublishedValue, ...]:
    """All numbers of one file, in its order.

    Models and metrics may be ones that this package does not have (yet).

    Raises
    ------
    UserError
        Missing file, other columns, a value that is no number, an unknown data set, or a
        (model, data set, likelihood, metric) that is there twice; with file and line.
    """
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            rows = csv.reader(stream, strict=True)
            header = next(rows, [])
            if tuple(header) != COLUMNS:
                raise UserError(
                    "wrong columns", place=f"{path}, line 1", expected=", ".join(COLUMNS)
                )
            values: dict[tuple[str, ...], PublishedValue] = {}
            for row in rows:
                value = _value(row, f"{path}, line {rows.line_num}")
                key = (value.model, value.data_set, value.likelihood, value.metric)
                if key in values:
                    raise UserError(
                        f"{', '.join(key)} is there twice", place=f"{path}, line {rows.line_num}"
                    )
                values[key] = value
    except FileNotFoundError:
        raise UserError("the file does not exist", place=str(path)) from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise UserError(f"not a CSV file ({error})", place=str(path)) from None
    except OSError as error:
        raise explain(error, path) from error
    return tuple(values.values())


def _value(row: list[str], place: str) -> PublishedValue:
    if len(row) != len(COLUMNS):
        raise UserError(f"{len(row)} fields", place=place, expected=f"{len(COLUMNS)} fields")
    named = dict(zip(COLUMNS, row, strict=True))
    try:
        number = float(named.pop("value"))
        if not math.isfinite(number):
            raise ValueError
    except ValueError:
        raise UserError(f"{row[4]!r} is no number", place=place, expected="a number") from None
    if named["data_set"] not in DATA_SETS:
        raise UserError(
            f"unknown data set {named['data_set']!r}",
            place=place,
            expected="one of " + ", ".join(DATA_SETS),
        )
    return PublishedValue(value=number, **named)
