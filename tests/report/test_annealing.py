"""Tables name the mixture layers of their winners that were not annealed, from the histories."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from workflow_src.config.models import known_as
from workflow_src.config.studies import load_study
from workflow_src.provenance.record import build_record
from workflow_src.report import evidence as evidence_module
from workflow_src.report.annealing import NARROW, Unfinished, annealing_remark, widths_left
from workflow_src.report.evidence import read_evidence
from workflow_src.report.report import write_report
from workflow_src.report.table_files import csv_text, markdown_text
from workflow_src.report.tables import Table, build_table
from workflow_src.storage import write_json

A_8, B_8, C_8 = "A_8", "B_8", "C_8"
NOTE = (
    "Annealing unfinished: the neighbourhood of layer 2 still has width 1.2 (B_8, seed 0) and of "
    "layer 1 still has width 0.3 (B_8, seed 1)."
)


def with_history(directory: Path, columns: Mapping[str, Sequence[float]]) -> None:
    directory.mkdir(parents=True)
    path = directory / "history.parquet"
    pq.write_table(pa.table(dict(columns)), path)
    record = build_record(
        "run",
        fingerprint="r",
        content={},
        outputs={path.name: path},
        started=datetime(2024, 1, 2, tzinfo=UTC),
    )
    write_json(directory / "run.json", record)


def widths(*last: float) -> dict[str, list[float]]:
    """A history whose layers end at these widths."""
    columns = {f"layer_{i}_sigma": [1.77, one] for i, one in enumerate(last, start=1)}
    return {"step": [100, 200], "validation_bound": [1.0, 2.0], **columns}


HISTORIES = {
    (A_8, 0): widths(0.01),
    (A_8, 1): widths(0.25),
    (B_8, 0): widths(0.01, 1.2),
    (B_8, 1): widths(0.3, 0.2),
    (C_8, 0): widths(1.7, 0.62),
}


@pytest.fixture
def demo(tree: Callable[..., Any]) -> Any:
    """Figure 5's demo on two seeds, with histories; of C_8's second seed none is here."""
    made = tree(studies=["dcgmm"], scale="demo", experiments=["figure5"], seeds=[0, 1])
    for one in made.plan.evaluations:
        made.measured(one, 1.0)
        run = made.plan.runs[one.runs[0]]
        name = known_as("layout", dict(run.spec.hyperparameters)["layout"])
        if (name, one.axes["seed"]) in HISTORIES:
            with_history(run.directory, HISTORIES[name, one.axes["seed"]])
    return made


def notes_of(table: Table) -> list[list[str]]:
    """Of every row's only column."""
    (column,) = table.columns
    return [[table.notes[i] for i in table.cells[row, column].notes] for row in table.rows]


def test_the_table_says_which_layers_of_its_winners_are_still_wide(demo: Any) -> None:
    groups = read_evidence(demo.membership).experiment_groups("dcgmm", "figure5")
    table = build_table(load_study("dcgmm"), "figure5", groups)
    a, b, c = notes_of(table)
    assert a == [], "0.25 is not above 0.25"
    assert b == [NOTE]
    assert c == [
        "Annealing unfinished: the neighbourhood of layer 1 still has width 1.7 (C_8, seed 0) and "
        "of layer 2 still has width 0.62 (C_8, seed 0)."
    ]
    text = markdown_text(table, load_study("dcgmm"))
    assert f"- [a] {NOTE}" in text
    assert NOTE in csv_text(table)


def test_the_page_has_the_note(demo: Any) -> None:
    write_report(demo.membership)
    assert NOTE in Path("results/report/dcgmm.html").read_text()


def test_every_history_is_read_once_whatever_shows_it(
    tree: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def counted(_: Any, run: Any) -> dict[str, Any]:
        read.append(run.fingerprint)
        return {name: np.array(one) for name, one in widths(1.2).items()}

    monkeypatch.setattr(evidence_module, "read_history", counted)
    names = ["figure5", "figure14", "sizes"]
    made = tree(studies=["dcgmm"], scale="demo", experiments=names, seeds=[0])
    for one in made.plan.evaluations:
        made.measured(one, 1.0)
    found = read_evidence(made.membership)
    assert len(found.groups) == 3 * len(found.evaluations)
    assert sorted(read) == sorted(one.winner.fingerprint for one in found.evaluations if one.winner)


def test_histories_of_models_that_do_not_anneal_are_not_read(
    winners: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: Any) -> None:
        raise AssertionError("read")

    for one in winners.plan.evaluations:
        winners.measured(one, 1.0)
    monkeypatch.setattr(evidence_module, "read_history", refused)
    assert all(not one.unfinished_layers for one in read_evidence(winners.membership).evaluations)


def test_widths_count_where_annealing_was_to_go_on() -> None:
    history = {name: np.array(one) for name, one in widths(0.5, 0.26, 0.25, 1.0).items()}
    assert widths_left(history, 0.01) == {1: 0.5, 2: 0.26, 4: 1.0}
    assert widths_left(history, 0.5) == {4: 1.0}
    assert widths_left({"step": np.arange(3), "layer_1_loss": np.ones(3)}, 0.01) == {}
    assert widths_left({"layer_1_sigma": np.ones(0)}, 0.01) == {}
    # By the formula of the neighbourhood, a neighbour's weight against one's own.
    assert math.exp(-1 / (2 * NARROW**2)) == pytest.approx(math.exp(-8))


def test_many_layers_are_told_together() -> None:
    spec = {"layout": "F(3,1)-G(25)-F(6,1)-G(25)"}
    many = [Unfinished(str(seed), spec, {1: 0.4 + seed, 2: 1.77}) for seed in range(2)]
    assert annealing_remark(many, 5) == (
        "Annealing unfinished in 2 of 5 trainings of B_8: neighbourhoods of layers 1 and 2 still "
        "have widths from 0.4 to 1.8."
    )
    alike = [Unfinished(f"{seed} on Digits, class 3", {}, {3: 1.2}) for seed in range(4)]
    assert annealing_remark(alike, 4) == (
        "Annealing unfinished in 4 of 4 trainings: neighbourhoods of layer 3 still have width 1.2."
    )
    assert annealing_remark(alike[:1], 4) == (
        "Annealing unfinished: the neighbourhood of layer 3 still has width 1.2 (seed 0 on Digits, "
        "class 3)."
    )
