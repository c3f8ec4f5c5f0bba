"""docs/querying.md says what is so: its columns are the files', its answers those of records."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import duckdb
import pandas as pd
import pytest
from pyarrow import parquet
from support import columns
from support.markdown_pages import Block, blocks
from support.spoiling import World

SQL = [block for block in blocks(columns.PAGE) if block.language == "sql"]
PYTHON = [block for block in blocks(columns.PAGE) if block.language == "python"]
QUESTIONS = re.findall(r"^### (.+\?)$", columns.PAGE.read_text(), flags=re.MULTILINE)


def of_the_tiny_study(block: Block) -> str:
    """A query of the page, asked of the tests' study with its numbers of samples."""
    text = block.text.replace("'spvae'", "'tiny'").replace("'table1'", "'comparison'")
    return re.sub(r"\b50\b", "2", re.sub(r"\b5000\b", "4", text))


def rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of an answer in an order that does not depend on who answered."""
    plain = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return sorted(plain, key=lambda row: json.dumps(row, sort_keys=True, default=float))


def asked(number: int) -> list[dict[str, Any]]:
    """The answer to a question of the page by SQL, which pandas has to give as well."""
    by_sql = rows(duckdb.sql(of_the_tiny_study(SQL[number])).df())
    names: dict[str, Any] = {}
    exec(of_the_tiny_study(PYTHON[number + 1]), names)
    by_pandas = rows(names["answer"])
    assert len(by_pandas) == len(by_sql)
    for one, other in zip(by_pandas, by_sql, strict=True):
        assert one.keys() == other.keys()
        for name, value in other.items():
            near = pytest.approx(value, rel=1e-9) if isinstance(value, float) else value
            assert one[name] == near, name
    return by_sql


def evaluations() -> list[dict[str, Any]]:
    """What the records of all evaluations hold, read as plain files."""
    paths = sorted(Path("results/evaluations").glob("*/*/*/evaluation.json"))
    return [json.loads(path.read_text())["content"] for path in paths]


def bound(evaluation: dict[str, Any], samples: int) -> float:
    (value,) = (
        metric["value"]
        for metric in evaluation["metrics"]
        if metric["metric"] == "test_bound" and metric["importance_samples"] == samples
    )
    return value


def test_the_columns_of_the_page_are_those_of_the_code() -> None:
    text = columns.PAGE.read_text()
    assert text == columns.page(text), "run `python tests/support/columns.py`"


def test_every_question_is_asked_in_both_languages() -> None:
    assert len(SQL) == len(QUESTIONS) >= 5
    assert len(PYTHON) == len(QUESTIONS) + 1, "the first block of the page is the introduction"


@pytest.mark.workflow
def test_every_column_of_the_files_is_on_the_page(world: World) -> None:
    said = set(re.findall(r"^\| `(\w+)` \|", columns.PAGE.read_text(), flags=re.MULTILINE))
    assert set(pd.read_parquet("results/metrics.parquet").columns) <= said
    runs = list(pd.read_parquet("results/runs.parquet").columns)
    assert set(runs[: runs.index("device_seconds") + 1]) <= said
    assert runs[-1] == "directory"


@pytest.mark.workflow
def test_the_introduction_runs_and_counts_rows(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    exec(PYTHON[0].text, {})
    (row,) = re.findall(r"tiny\D+(\d+)", capsys.readouterr().out)
    assert int(row) == parquet.read_metadata("results/metrics.parquet").num_rows > 0


@pytest.mark.workflow
def test_a_table_has_the_mean_of_the_records(world: World) -> None:
    expected = defaultdict(list)
    for one in evaluations():
        key = tuple(one["axes"][name] for name in ("model", "likelihood", "data_set"))
        expected[key].append(bound(one, 4))
    found = asked(0)
    assert len(found) == len(expected) == 4
    for row in found:
        values = expected[row["model"], row["likelihood"], row["data_set"]]
        assert row["mean"] == pytest.approx(fmean(values), rel=1e-12)
        assert row["seeds"] == len(values)
        spread = stdev(values) if len(values) > 1 else None
        assert row["deviation"] == (spread and pytest.approx(spread))


@pytest.mark.workflow
def test_gains_are_differences_of_the_records(world: World) -> None:
    expected = {
        (one["axes"]["model"], one["axes"]["likelihood"], one["axes"]["seed"]): bound(one, 4)
        - bound(one, 2)
        for one in evaluations()
    }
    found = {(row["model"], row["likelihood"], row["seed"]): row["gain"] for row in asked(1)}
    assert found == pytest.approx(expected, rel=1e-9)


@pytest.mark.workflow
def test_what_is_missing_is_told_with_its_reason(world: World) -> None:
    assert asked(2) == []
    metrics = pd.read_parquet("results/metrics.parquet")
    metrics.loc[:1, "value"] = None
    metrics.loc[:1, "state"] = "no_winner"
    metrics.loc[:1, "reason"] = "all candidates diverged"
    metrics.loc[:1, "model"] = "vae"
    metrics.to_parquet("results/metrics.parquet")
    (row,) = asked(2)
    assert (row["model"], row["state"], row["cells"]) == ("vae", "no_winner", 2)
    assert row["reason"] == "all candidates diverged"


@pytest.mark.workflow
def test_costs_are_sums_over_the_records_of_runs(world: World) -> None:
    records = [json.loads(path.read_text()) for path in Path("results/runs").glob("*/*/*/run.json")]
    seconds: dict[str, float] = defaultdict(float)
    steps: dict[str, int] = defaultdict(int)
    for record in records:
        result = record["content"]["result"]
        model = record["content"]["spec"]["model"]
        seconds[model] += result["device_seconds"]
        steps[model] += result["steps"]
    found = asked(3)
    assert sum(row["runs"] for row in found) == len(records)
    for row in found:
        model = row["model"]
        assert row["diverged"] == 0
        assert row["device_hours"] == pytest.approx(seconds[model] / 3600, rel=1e-9)
        each = 1000 * seconds[model] / steps[model]
        assert row["milliseconds_a_step"] == pytest.approx(each, rel=1e-9)


@pytest.mark.workflow
def test_winners_are_joined_to_their_trainings(world: World) -> None:
    expected = {}
    for one in evaluations():
        best = max(one["candidates"], key=lambda candidate: candidate["validation_bound"])
        key = one["axes"]["model"], one["axes"]["likelihood"], one["axes"]["seed"]
        expected[key] = (
            best["spec"]["hidden_units"],
            best["parameter_count"],
            best["best_step"],
            best["validation_bound"],
            bound(one, 4),
        )
    found = {
        (row["model"], row["likelihood"], row["seed"]): (
            row["hidden_units"],
            row["parameter_count"],
            row["best_step"],
            row["validation_bound"],
            row["test_bound"],
        )
        for row in asked(4)
    }
    assert found.keys() == expected.keys()
    for key, values in found.items():
        assert values == pytest.approx(expected[key], rel=1e-12)
