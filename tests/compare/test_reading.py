"""Files that are no metrics.parquet of this project, or are damaged, are told in one line."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.comparisons import rows, write_parquet

from workflow_src.compare.reading import NO_SAMPLES, read_metrics
from workflow_src.errors import UserError


def content(tmp_path: Path) -> bytes:
    path = write_parquet(
        tmp_path / "metrics.parquet",
        rows([1.5, 2.5], errors=0.25),
        rows({0: None}, "test_elbo", importance_samples=50),
        git_commit="c0ffee",
        git_uncommitted_changes="true",
    )
    return path.read_bytes()


def edited(data: bytes, edit: Callable[[pa.Table], pa.Table]) -> bytes:
    stream = io.BytesIO()
    pq.write_table(edit(pq.read_table(io.BytesIO(data))), stream)
    return stream.getvalue()


def test_numbers_keep_every_bit(tmp_path: Path) -> None:
    frame, footer = read_metrics(content(tmp_path), "here")
    assert frame["value"].tolist()[:2] == [1.5, 2.5]
    assert pd.isna(frame["value"][2])
    assert frame["standard_error"][0] == 0.25
    assert frame["importance_samples"].tolist() == [NO_SAMPLES, NO_SAMPLES, 50]
    assert frame["reason"].tolist() == ["", "", "the bound was nan"]
    assert (footer["git_commit"], footer["git_uncommitted_changes"]) == ("c0ffee", "true")


@pytest.mark.parametrize("data", [b"", b"PAR1", b"PAR1" + 100 * b"\0" + b"PAR1", b"a,b\n1,2\n"])
def test_what_is_no_parquet_file(data: bytes) -> None:
    with pytest.raises(UserError, match="it cannot be read") as raised:
        read_metrics(data, "results/metrics.parquet")
    assert str(raised.value).startswith("results/metrics.parquet: ")
    assert "\n" not in str(raised.value)


def test_a_file_that_is_cut_off(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="it cannot be read"):
        read_metrics(content(tmp_path)[:-40], "here")


@pytest.mark.parametrize("name", ["variant", "importance_samples", "seed", "value", "state"])
def test_an_older_file_lacks_a_column(tmp_path: Path, name: str) -> None:
    data = edited(content(tmp_path), lambda table: table.drop_columns([name]))
    with pytest.raises(UserError, match=f"it has no column {name}") as raised:
        read_metrics(data, "here")
    assert "commit:REV" in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", ["reason", "winner", "hyperparameters", "standard_error", "unit"])
def test_what_only_explains_may_be_absent(tmp_path: Path, name: str) -> None:
    data = edited(content(tmp_path), lambda table: table.drop_columns([name]))
    frame, _ = read_metrics(data, "here")
    assert len(frame) == 3


def test_a_newer_file_is_refused(tmp_path: Path) -> None:
    def newer(table: pa.Table) -> pa.Table:
        facts = dict(table.schema.metadata) | {b"density_bench.schema_version": b"2"}
        return table.replace_schema_metadata(facts)

    with pytest.raises(UserError, match="of schema 2, which this version does not know"):
        read_metrics(edited(content(tmp_path), newer), "here")


def test_rows_that_are_there_twice(tmp_path: Path) -> None:
    data = edited(content(tmp_path), lambda table: pa.concat_tables([table, table.slice(0, 1)]))
    with pytest.raises(UserError, match="1 rows are there twice, such as test_log_likelihood"):
        read_metrics(data, "here")


@pytest.mark.parametrize(
    ("name", "values"),
    [("seed", ["a", "b", "c"]), ("seed", [0, None, 1]), ("value", ["x", "y", "z"])],
)
def test_columns_of_other_types(tmp_path: Path, name: str, values: list[object]) -> None:
    def other(table: pa.Table) -> pa.Table:
        return table.set_column(table.column_names.index(name), name, pa.array(values))

    with pytest.raises(UserError, match="its columns hold something else"):
        read_metrics(edited(content(tmp_path), other), "here")


def test_a_file_of_columns_without_rows(tmp_path: Path) -> None:
    frame, _ = read_metrics(edited(content(tmp_path), lambda table: table.slice(0, 0)), "here")
    assert frame.empty
