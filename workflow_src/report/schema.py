"""The columns of the two Parquet files as data: name, type, unit and meaning.

The files carry all of it, in every field's metadata and as a whole in the footer, so that they
explain themselves without this package.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from workflow_src.config.models import hyperparameters_of, model_declarations

SCHEMA_VERSION = 1

Type = Literal["string", "integer", "number", "boolean"]

_ARROW = {
    "string": pa.string(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "boolean": pa.bool_(),
}


@dataclass(frozen=True)
class Column:
    """One column: ``unit`` is None where values have none."""

    name: str
    type: Type
    unit: str | None
    meaning: str


AXES = (
    Column("model", "string", None, "Name of the model (a folder of workflow_src/models)."),
    Column("data_set", "string", None, "Name of the data set."),
    Column(
        "likelihood",
        "string",
        None,
        "How pixels are read: gaussian, binomial, bernoulli, discretised_logistic or "
        "gaussian_noise (real vectors, such as points).",
    ),
    Column("fraction", "number", "1", "Part of the training images trained on, in (0, 1]."),
    Column("seed", "integer", None, "Seed that all random streams are derived from."),
    Column("protocol", "string", None, "Whose training settings: authors or text."),
    Column("stream", "string", None, "How training images are drawn: full or restart."),
)

METRICS = (
    Column("study", "string", None, "Name of the study (the paper)."),
    Column("experiment", "string", None, "Name of the study's table or figure."),
    *AXES,
    Column(
        "variant",
        "string",
        None,
        "The hyperparameters that the experiment compares, a JSON object; null where it has none.",
    ),
    Column("metric", "string", None, "What was measured; see config/metrics.py."),
    Column(
        "importance_samples",
        "integer",
        "samples",
        "Importance samples per image, and per leaf where models have leaves; null where the "
        "metric takes none.",
    ),
    Column(
        "value",
        "number",
        "see unit",
        "What was measured, of most metrics a mean over test images; null where state says why.",
    ),
    Column(
        "standard_error",
        "number",
        "see unit",
        "Standard error over what the value is estimated from: test images for most, the images "
        "drawn and the judges for judged metrics, anomalies as well for areas under the ROC curve; "
        "and of the log partition function where that is a summand. Null where the value is exact.",
    ),
    Column("unit", "string", None, "Unit of value and standard_error."),
    Column(
        "state",
        "string",
        None,
        "measured; no_winner: all candidates failed; missing: not evaluated yet.",
    ),
    Column("reason", "string", None, "Why there is no value; null where there is one."),
    Column("winner", "string", None, "Fingerprint of the run chosen by validation and measured."),
    Column("training_end", "string", None, "How the winner's training ended."),
    Column("hyperparameters", "string", None, "The winner's hyperparameters, a JSON object."),
    Column("evaluation", "string", None, "Fingerprint of the evaluation."),
    Column("record", "string", None, "Path of the evaluation's record, evaluation.json."),
)

RUNS = (
    Column("fingerprint", "string", None, "Name of the run: hash of spec, data and code."),
    *AXES,
    Column(
        "state",
        "string",
        None,
        "completed or diverged; missing: not evaluated yet.",
    ),
    Column("reason", "string", None, "How training ended."),
    Column(
        "ended_by_maximum_steps",
        "boolean",
        None,
        "Whether training was cut off before its stopping rule ended it.",
    ),
    Column("chosen", "boolean", None, "Whether the run is the winner of a group."),
    Column(
        "validation_bound",
        "number",
        "nats",
        "Best bound on the validation images; null where none was finite.",
    ),
    Column("best_step", "integer", "steps", "Step of the best validation, which was kept."),
    Column("steps", "integer", "steps", "Steps trained."),
    Column("parameter_count", "integer", "parameters", "Number of trained parameters."),
    Column("device_seconds", "number", "s", "The run's share of its device's time."),
    Column("directory", "string", None, "Directory of the run, with run.json."),
)

_SCALARS: dict[str, Type] = {
    "integer": "integer",
    "number": "number",
    "choice": "string",
    "layout": "string",
}


def runs_columns(specs: Iterable[Mapping[str, Any]]) -> tuple[Column, ...]:
    """`RUNS`, with a column for every hyperparameter of these specs before the directory.

    A hyperparameter that runs of other models have and this one lacks is null.
    """
    known = {column.name for column in RUNS}
    columns: dict[str, Column] = {}
    for spec in specs:
        for name, value in spec.items():
            if name not in known and name not in columns:
                columns[name] = _hyperparameter_column(name, value, spec["model"])
    return (*RUNS[:-1], *columns.values(), RUNS[-1])


def parquet_bytes(
    rows: Sequence[Mapping[str, Any]],
    columns: Sequence[Column],
    footer: Mapping[str, str],
) -> bytes:
    """The rows as a Parquet file whose footer holds ``columns`` and ``footer``."""
    documents = json.dumps([asdict(column) for column in columns])
    facts = {"schema_version": str(SCHEMA_VERSION), "columns": documents, **footer}
    schema = pa.schema(
        [_field(column) for column in columns],
        metadata={f"density_bench.{name}": text for name, text in facts.items()},
    )
    named = [{column.name: row.get(column.name) for column in columns} for row in rows]
    stream = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(named, schema=schema), stream, compression="zstd")
    return stream.getvalue()


def _field(column: Column) -> pa.Field:
    facts = {"meaning": column.meaning} | ({"unit": column.unit} if column.unit else {})
    return pa.field(column.name, _ARROW[column.type], metadata=facts)


def _hyperparameter_column(name: str, value: Any, model: str) -> Column:
    if model in model_declarations() and name in hyperparameters_of(model):
        declared = hyperparameters_of(model)[name]
        return Column(name, _SCALARS[declared.type], None, declared.meaning)
    kinds: dict[type, Type] = {bool: "boolean", int: "integer", float: "number"}
    return Column(name, kinds.get(type(value), "string"), None, "Hyperparameter of the spec.")
