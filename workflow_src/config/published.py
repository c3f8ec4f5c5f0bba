"""The numbers that papers print, read from the CSV files beside the studies.

Each number keeps its place in the paper, and a note where it does not agree with the rest.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from workflow_src.config.data_sets import unknown_data_set
from workflow_src.config.models import resolved_values
from workflow_src.config.strict import Scalar
from workflow_src.errors import UserError
from workflow_src.storage import explain


@dataclass(frozen=True)
class PublishedValue:
    """One printed number: of which model, on what, of which metric, in which unit, and where.

    Attributes
    ----------
    hyperparameters:
        Those that the paper tells apart there, name and value, by name. The number stands beside
        ours where an experiment tells exactly these apart, none where there are none: it is of
        the model as the paper chose it otherwise. A layout may be told by its name.
    spread:
        What the paper prints after the number, a standard deviation over runs in the same unit;
        None where it prints none.
    """

    model: str
    data_set: str
    likelihood: str
    metric: str
    value: float
    unit: str
    place: str
    note: str
    hyperparameters: tuple[tuple[str, Scalar], ...] = ()
    spread: float | None = None

    def is_of(self, variant: Mapping[str, Scalar]) -> bool:
        """Whether ``variant`` tells the same hyperparameters apart, with the same values."""
        return dict(self.hyperparameters) == dict(variant)


OPTIONAL = ("hyperparameters", "spread")
"""Columns that a file may end in, both or neither: ``name=value; name=value``, and a number."""
COLUMNS = tuple(field.name for field in fields(PublishedValue) if field.name not in OPTIONAL)


def read_published(path: Path) -> tuple[PublishedValue, ...]:
    """All numbers of one file, in its order.

    Models and metrics may be ones that this package does not have (yet).

    Raises
    ------
    UserError
        Missing file, other columns, a value that is no number, an unknown data set, or a
        (model, data set, likelihood, metric, hyperparameters) that is there twice; with file and
        line.
    """
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            rows = csv.reader(stream, strict=True)
            header = next(rows, [])
            if tuple(header) not in (COLUMNS, (*COLUMNS, *OPTIONAL)):
                expected = f"{', '.join(COLUMNS)}, and after them {' and '.join(OPTIONAL)} or none"
                raise UserError("wrong columns", place=f"{path}, line 1", expected=expected)
            values: dict[tuple[str, ...], PublishedValue] = {}
            for row in rows:
                value = _value(header, row, f"{path}, line {rows.line_num}")
                told = (f"{name} {one}" for name, one in value.hyperparameters)
                key = (value.model, value.data_set, value.likelihood, value.metric, *told)
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


def _value(header: list[str], row: list[str], place: str) -> PublishedValue:
    if len(row) != len(header):
        raise UserError(f"{len(row)} fields", place=place, expected=f"{len(header)} fields")
    named = dict(zip(header, row, strict=True))
    value = _number(named.pop("value"), place)
    spread = named.pop("spread", "")
    hyperparameters = _hyperparameters(named.pop("hyperparameters", ""), place)
    if (complaint := unknown_data_set((), named["data_set"])) is not None:
        raise complaint.error(lambda _: place)
    return PublishedValue(
        value=value,
        hyperparameters=tuple(resolved_values(named["model"], dict(hyperparameters)).items()),
        spread=_number(spread, place) if spread else None,
        **named,
    )


def _number(text: str, place: str) -> float:
    try:
        number = float(text)
        if not math.isfinite(number):
            raise ValueError
    except ValueError:
        raise UserError(f"{text!r} is no number", place=place, expected="a number") from None
    return number


def _hyperparameters(text: str, place: str) -> tuple[tuple[str, Scalar], ...]:
    """What ``name=value; name=value`` says, by name."""
    found: dict[str, Scalar] = {}
    for part in filter(None, text.split("; ")):
        name, sign, value = part.partition("=")
        if not (name and sign and value) or name in found:
            raise UserError(
                f"{text!r} is no list of hyperparameters",
                place=place,
                expected="name=value, each name once, joined by a semicolon and a space",
            )
        found[name] = _scalar(value)
    return tuple(sorted(found.items()))


def _scalar(text: str) -> Scalar:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
