"""What DVC shows of a report is what its tables say."""

from __future__ import annotations

import csv
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from support.checkout import ROOT

from workflow_src.archive.references import follow
from workflow_src.archive.results import Results
from workflow_src.archive.writing import write_packs
from workflow_src.provenance.record import verify_outputs
from workflow_src.report.evidence import read_evidence
from workflow_src.report.report import write_report


def numbers(value: Any) -> list[float]:
    if isinstance(value, dict):
        return [number for one in value.values() for number in numbers(one)]
    return [value]


def test_metrics_are_the_means_of_the_table(reported: Any) -> None:
    metrics = json.loads(Path("results/metrics.json").read_text())
    table = pd.read_csv("results/tables/spvae_table1.csv").set_index("model")
    rows = metrics["spvae"]["table1"]
    for row, columns in rows.items():
        for column, value in columns.items():
            model = row.split("-")[0]
            assert value == pytest.approx(table.loc[model, f"{column.replace('-', '.')}.ours"])
    assert len(numbers(rows)) == len(table) * 2


def test_the_plot_has_every_test_bound_of_the_metrics(reported: Any) -> None:
    metrics = json.loads(Path("results/metrics.json").read_text())["spvae"]
    with Path("results/plots/test_bounds.csv").open() as stream:
        lines = {line["cell"]: float(line["test_bound"]) for line in csv.DictReader(stream)}
    for cell, value in lines.items():
        experiment, row, column = cell.split(" ")
        assert metrics[experiment][row][column] == value
    # Table 2 is of parameters, not of bounds.
    others = {name: rows for name, rows in metrics.items() if name != "table2"}
    assert len(lines) == len(numbers(others))


def test_cells_and_runs_without_a_finite_bound_are_left_out(winners: Any) -> None:
    for one in winners.plan.evaluations:
        if str(one.axes["model"]).endswith("_vae") or one.axes["model"] == "vae":
            winners.failed(one, "every run has diverged")
        else:
            winners.measured(one, float("nan"))
    write_report(winners.membership)
    assert set(json.loads(Path("results/metrics.json").read_text())["spvae"]) == {"table2"}
    assert Path("results/plots/test_bounds.csv").read_text() == "cell,test_bound\n"
    runs = pd.read_csv("results/plots/validation_bounds.csv")
    assert set(runs["model"]) == {"spvae", "conv_spvae"}
    assert runs["validation_bound"].notna().all()


def test_the_manifest_vouches_for_metrics_and_plots(reported: Any) -> None:
    outputs = json.loads(reported.manifest.read_text())["outputs"]
    assert {
        "../metrics.json",
        "../plots/test_bounds.csv",
        "../plots/validation_bounds.csv",
    } <= outputs.keys()


def test_dvc_versions_everything_that_a_report_writes(reported: Any) -> None:
    stage = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]["results"]
    versioned = [Path(name) for out in [*stage["outs"], *stage["metrics"]] for name in out]
    written = [
        Path(os.path.normpath(reported.manifest.parent / name))
        for name in json.loads(reported.manifest.read_text())["outputs"]
    ]
    for path in [reported.manifest, *written]:
        assert any(path.is_relative_to(out) for out in versioned), path


def test_packed_evidence_is_that_which_lay_loose(full: Any) -> None:
    before = read_evidence(full.membership)
    names = [one.directory.relative_to("results").as_posix() for one in full.plan.evaluations]
    write_packs(Path("results"), follow(Results(Path("results")), names), verify_outputs)
    for kind in ("evaluations", "measurements"):
        shutil.rmtree(Path("results") / kind)
    after = read_evidence(full.membership)
    assert after.groups == before.groups
    write_report(full.membership)
    assert full.manifest.exists()
    assert json.loads(full.manifest.read_text())["parents"]
