"""Rows of metrics.parquet as a table to compare, whole and of known types, or a complaint.

One row per metric per evaluation, by the columns `workflow_src.report.schema.METRICS`.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from workflow_src.errors import UserError
from workflow_src.report.schema import METRICS, SCHEMA_VERSION
from workflow_src.storage import NewerSchemaError

CELL = (
    "study",
    "experiment",
    "model",
    "data_set",
    "likelihood",
    "fraction",
    "protocol",
    "stream",
    "variant",
)
"""What one evaluation per seed is made for."""

ROW = (*CELL, "metric", "importance_samples")
"""What is compared as one row: a metric of a cell, over its seeds."""

NO_SAMPLES = -1
"""In the column ``importance_samples``: the metric takes none."""

_TEXTS = ("unit", "state", "reason", "winner", "hyperparameters", "evaluation", "record")
_NEEDED = frozenset({*ROW, "seed", "value", "state"})
_FOOTER = "density_bench."
_REMEDY = (
    "let Snakemake make the report again with the present version, or give the commit "
    "(`commit:REV`), whose evaluations are then read themselves"
)


def read_metrics(data: bytes, place: str) -> tuple[pd.DataFrame, dict[str, str]]:
    """The rows of a metrics.parquet, and what its footer says; ``place`` is named in complaints.

    Raises
    ------
    UserError
        A file that is no Parquet file, is of a newer schema, or lacks columns.
    """
    try:
        table = pq.read_table(io.BytesIO(data))
    except (pa.ArrowException, OSError, ValueError) as error:
        said = (str(error).splitlines() or ["it says nothing"])[0]
        raise UserError(
            f"it cannot be read ({said})",
            place=place,
            expected="a metrics.parquet of this project",
        ) from None
    footer = _footer(table.schema.metadata or {})
    _refuse_newer(footer.get("schema_version"), place)
    if missing := sorted(_NEEDED - set(table.column_names)):
        raise UserError(
            f"it has no column {', '.join(missing)}",
            place=place,
            expected="a metrics.parquet of this project",
            remedy=_REMEDY,
        )
    return _checked(table.to_pandas(), place), footer


def rows_frame(rows: list[dict[str, Any]], place: str) -> pd.DataFrame:
    """The same from rows that were just made, as `workflow_src.report.metrics` makes them."""
    names = [column.name for column in METRICS]
    return _checked(pd.DataFrame(rows, columns=names), place)


def _footer(metadata: Mapping[bytes, bytes]) -> dict[str, str]:
    facts = {name.decode(errors="replace"): one for name, one in metadata.items()}
    return {
        name.removeprefix(_FOOTER): value.decode(errors="replace")
        for name, value in facts.items()
        if name.startswith(_FOOTER)
    }


def _refuse_newer(version: str | None, place: str) -> None:
    if version is not None and version.isdecimal() and int(version) > SCHEMA_VERSION:
        raise NewerSchemaError(
            f"the file is of schema {version}, which this version does not know",
            place=place,
            expected=f"schema {SCHEMA_VERSION} or earlier",
            remedy="use the version of this project that wrote it, or a newer one",
        )


def _checked(frame: pd.DataFrame, place: str) -> pd.DataFrame:
    """The table with one type per column, and nothing twice."""
    try:
        typed = _typed(frame)
    except (TypeError, ValueError, OverflowError) as error:
        said = (str(error).splitlines() or ["it says nothing"])[0]
        raise UserError(
            f"its columns hold something else ({said})",
            place=place,
            expected="a metrics.parquet of this project",
        ) from None
    twice = typed.duplicated([*ROW, "seed"])
    if twice.any():
        one = typed[twice].iloc[0]
        raise UserError(
            f"{int(twice.sum())} rows are there twice, such as {one['metric']} of {one['study']} "
            f"{one['experiment']}, {one['model']}, seed {one['seed']}",
            place=place,
            remedy=_REMEDY,
        )
    return typed


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    columns: dict[str, Any] = {}
    for name in (*CELL, "metric"):
        if name != "fraction":
            columns[name] = frame[name].astype(object).where(frame[name].notna(), "").astype(str)
    columns["fraction"] = frame["fraction"].astype(float)
    samples = frame["importance_samples"].astype(float)
    columns["importance_samples"] = samples.fillna(NO_SAMPLES).astype(np.int64)
    columns["seed"] = frame["seed"].astype(np.int64)
    for name in ("value", "standard_error"):
        number = frame[name].astype(float) if name in frame else pd.Series(np.nan, frame.index)
        columns[name] = number.where(np.isfinite(number))
    for name in _TEXTS:
        given = frame[name] if name in frame else pd.Series(None, frame.index, dtype=object)
        columns[name] = given.astype(object).where(given.notna(), "").astype(str)
    return pd.DataFrame(columns, index=frame.index).reset_index(drop=True)
