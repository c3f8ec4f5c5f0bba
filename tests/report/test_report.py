"""The report as a whole: Parquet files, figures, pages and manifest, true to the evaluations."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from workflow_src.errors import UserError
from workflow_src.provenance.record import describe_file, record_is_whole, verify_outputs
from workflow_src.report.report import write_report
from workflow_src.report.schema import METRICS


def test_metrics_hold_one_row_per_metric_of_every_group(reported: Any) -> None:
    rows = pd.read_parquet("results/metrics.parquet")
    groups = len(reported.plan.groups)
    counts = rows.groupby("metric").size()
    assert counts["test_bound"] == 4 * groups
    assert counts["parameter_count"] == counts["effective_sample_size"] == groups
    one = reported.one(model="spvae", likelihood="binomial", seed=1)
    found = rows[
        (rows["evaluation"] == one.fingerprint)
        & (rows["experiment"] == "table1")
        & (rows["importance_samples"] == 5000)
        & (rows["metric"] == "test_bound")
    ]
    place = reported.plan.evaluations.index(one)
    assert found["value"].tolist() == [100.0 + place]
    assert found["standard_error"].tolist() == [1.5]


def test_every_column_is_documented_in_the_file_itself(reported: Any) -> None:
    for name in ("metrics", "runs"):
        schema = pq.read_schema(f"results/{name}.parquet")
        for field in schema:
            assert field.metadata, (name, field.name)
            assert len(field.metadata[b"meaning"]) > 8, (name, field.name)
        footer = {key.decode() for key in schema.metadata}
        for fact in ("schema_version", "git_commit", "report_fingerprint"):
            assert f"density_bench.{fact}" in footer
    written = pq.read_schema("results/metrics.parquet").names
    assert written == [column.name for column in METRICS]


def test_every_run_of_the_grid_has_a_row_with_how_it_ended(reported: Any) -> None:
    runs = pd.read_parquet("results/runs.parquet")
    assert len(runs) == len(reported.plan.runs)
    diverged = runs[runs["state"] == "diverged"]
    assert len(diverged) > 0
    assert diverged["reason"].str.contains("nan at step 128").all()
    assert diverged["validation_bound"].isna().all()


def test_the_folder_is_small(reported: Any) -> None:
    shown = Path("results/report").rglob("*")
    assert sum(path.stat().st_size for path in shown if path.is_file()) <= 3_000_000


def test_every_number_on_the_page_leads_to_its_evaluation_and_run(reported: Any) -> None:
    text = Path("results/report/spvae.html").read_text()
    for one in reported.plan.evaluations:
        assert one.fingerprint in text
        assert one.runs[0] in text


def test_figures_are_pictures_of_a_readable_size(reported: Any) -> None:
    figures = sorted(Path("results/figures").glob("*.png"))
    names = " ".join(path.name for path in figures)
    for word in ("samples", "figure3", "importance_samples"):
        assert word in names
    for path in figures:
        head = path.read_bytes()[:24]
        assert head[:8] == b"\x89PNG\r\n\x1a\n"
        width, height = struct.unpack(">II", head[16:24])
        assert 300 <= width <= 4000
        assert 150 <= height <= 4000


def test_the_manifest_vouches_for_every_file_and_names_every_evaluation(reported: Any) -> None:
    record = json.loads(reported.manifest.read_text())
    assert record_is_whole(record)
    assert verify_outputs(record, reported.manifest.parent) == []
    named = {parent["fingerprint"] for parent in record["parents"]}
    assert named == {one.fingerprint for one in reported.plan.evaluations}
    written = {
        path.resolve()
        for folder in ("tables", "figures", "report")
        for path in Path("results", folder).rglob("*")
        if path.is_file() and path != reported.manifest
    }
    vouched = {(reported.manifest.parent / name).resolve() for name in record["outputs"]}
    assert written <= vouched
    beside = Path("results").resolve()
    assert {path.relative_to(beside).parts[0] for path in vouched - written} == {
        "metrics.json",
        "metrics.parquet",
        "plots",
        "runs.parquet",
    }


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_second_report_says_the_same(full: Any) -> None:
    write_report(full.membership)
    tables = contents(Path("results/tables"))
    metrics = pd.read_parquet("results/metrics.parquet")
    write_report(full.membership)
    assert contents(Path("results/tables")) == tables
    pd.testing.assert_frame_equal(pd.read_parquet("results/metrics.parquet"), metrics)


def test_an_older_manifest_goes_with_what_it_alone_had_written(full: Any) -> None:
    write_report(full.membership)
    record = json.loads(full.manifest.read_text())
    stale = Path("results/tables/gone_experiment.md")
    stale.write_text("old")
    kept = Path("results/tables/mine.md")
    kept.write_text("a person's own")
    record["outputs"]["../tables/gone_experiment.md"] = describe_file(stale)
    older = full.manifest.with_name("manifest-0123456789abcdef.json")
    older.write_text(json.dumps(record))
    write_report(full.membership)
    assert not older.exists()
    assert not stale.exists()
    assert kept.exists()


def test_what_is_missing_makes_an_interim_report_without_a_manifest(winners: Any) -> None:
    winners.measured(winners.one(model="vae", stream="full", seed=0), 2600.0)
    write_report(winners.membership)
    assert "2600.0" in Path("results/tables/spvae_table1.md").read_text()
    assert not winners.manifest.exists()


def test_a_damaged_evaluation_is_named_and_the_old_report_stays(full: Any) -> None:
    write_report(full.membership)
    before = Path("results/tables/spvae_table1.md").read_bytes()
    path = full.plan.evaluations[0].path
    path.write_text(path.read_text().replace("100.0", "900.0"))
    with pytest.raises(UserError, match=r"evaluation\.json"):
        write_report(full.membership)
    assert Path("results/tables/spvae_table1.md").read_bytes() == before
    assert full.manifest.exists()
