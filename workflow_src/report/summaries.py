"""What DVC shows and compares between revisions: metrics.json, and CSV files for its plots.

The numbers are those of the tables and of runs.parquet. A cell or run without a finite number has
no place in them; the tables say why.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from workflow_src.report.evidence import Evidence
from workflow_src.report.tables import Key, Table
from workflow_src.report.wording import plain_key

BOUND = "test_bound"


def metrics_text(tables: Iterable[Table]) -> str:
    """JSON of study -> experiment -> row -> column -> mean over seeds, in the table's unit."""
    nested: dict[str, Any] = {}
    for table in tables:
        for row, column, value in _numbers(table):
            rows = nested.setdefault(table.study, {}).setdefault(table.experiment, {})
            name, heading = _label(table.row_axes, row), _label(table.column_axes, column)
            rows.setdefault(name, {})[heading] = value
    return json.dumps(nested, sort_keys=True, indent=1) + "\n"


def test_bounds_text(tables: Iterable[Table]) -> str:
    """CSV with one line per cell of every table of test bounds: ``cell`` and ``test_bound``."""
    lines = [
        {
            "cell": f"{table.experiment} {_label(table.row_axes, row)} "
            f"{_label(table.column_axes, column)}",
            BOUND: value,
        }
        for table in tables
        if table.metric.name == BOUND
        for row, column, value in _numbers(table)
    ]
    return _csv_text(("cell", BOUND), lines)


def validation_bounds_text(evidence: Evidence) -> str:
    """CSV with one line per run that has a validation bound."""
    fields = ("parameter_count", "validation_bound", "model", "data_set", "likelihood", "seed")
    lines = [
        {
            "parameter_count": run.parameter_count,
            "validation_bound": run.validation_bound,
            **{name: run.spec[name] for name in fields[2:]},
        }
        for run in evidence.runs
        if run.validation_bound is not None and math.isfinite(run.validation_bound)
    ]
    return _csv_text(fields, lines)


def _numbers(table: Table) -> Iterable[tuple[Key, Key, float]]:
    for row in table.rows:
        for column in table.columns:
            value = table.cells[row, column].ours
            if value is not None and math.isfinite(value):
                yield row, column, value


def _label(names: Sequence[str], key: Key) -> str:
    return "-".join(plain_key(names, key))


def _csv_text(fields: Sequence[str], lines: Iterable[Mapping[str, Any]]) -> str:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, fields, lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return stream.getvalue()
