"""Costs are sums that a person can make by hand, and nothing counts twice."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from support.reports import evidence_of, group_of, run_of, write_record

from workflow_src.report.evaluations import MISSING
from workflow_src.report.evidence import Evidence, Group
from workflow_src.report.training_costs import CostRow, total_costs, training_costs

SMALL = run_of("small", steps=100, device_seconds=2.0, parameter_count=10)
LARGE = run_of("large", steps=300, device_seconds=5.5, parameter_count=70)
LOST = run_of("lost", state="diverged", steps=20, device_seconds=0.25, parameter_count=40)
CIRCLE = run_of("circle", data_set="circle", steps=7, device_seconds=1.0, parameter_count=4)
PLANNED = run_of(
    "planned", model="spvae", state="missing", steps=None, device_seconds=None, parameter_count=None
)
JUDGE = run_of("judge", model="convolutional_classifier", steps=30, device_seconds=8.0)


@pytest.fixture
def evidence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Evidence:
    """Two studies that share an evaluation; runs of one bank share a peak, one has no record."""
    monkeypatch.chdir(tmp_path)
    for run, host, device in ((SMALL, 500, None), (LARGE, 500, 90), (LOST, 800, 20)):
        peak = {"host_bytes": host} | ({} if device is None else {"device_bytes": device})
        write_record(f"{run.directory}/run.json", peak_memory=peak)
    shared = group_of("one", "shared", [SMALL, LARGE], winner="large")
    groups = (
        shared,
        group_of("one", "lost", [LOST]),
        # Another experiment of the study with the same evaluation.
        group_of("one", "shared", [SMALL, LARGE], winner="large"),
        group_of("one", "circle", [CIRCLE], winner="circle", judges=[JUDGE]),
        group_of("one", "planned", [PLANNED], state=MISSING),
        group_of("two", "shared", [SMALL, LARGE], winner="large"),
    )
    for group, seconds in zip(groups, (10.0, 1.5, 10.0, 4.0, None, 10.0), strict=True):
        if seconds is not None:
            write_record(group.evaluation.path, time={"seconds": seconds})
    return evidence_of(*groups)


def row_of(rows: list[CostRow], model: str, data_set: str) -> CostRow:
    (found,) = [row for row in rows if (row.model, row.data_set) == (model, data_set)]
    return found


def test_a_row_adds_up_the_runs_of_a_model_on_a_data_set(evidence: Evidence) -> None:
    assert row_of(training_costs(evidence, "one"), "vae", "digits") == CostRow(
        model="vae",
        data_set="digits",
        runs=3,
        completed=2,
        diverged=1,
        device_seconds=7.75,
        evaluations=2,
        evaluation_seconds=11.5,
        steps=420,
        parameters=(10, 70),
        peak_host_bytes=800,
        peak_device_bytes=90,
    )


def test_rows_are_in_the_order_of_the_plan_and_judges_last(evidence: Evidence) -> None:
    assert [(row.model, row.data_set) for row in training_costs(evidence, "one")] == [
        ("vae", "digits"),
        ("vae", "circle"),
        ("spvae", "digits"),
        ("convolutional_classifier", "digits"),
    ]


def test_what_is_not_there_yet_costs_nothing(evidence: Evidence) -> None:
    row = row_of(training_costs(evidence, "one"), "spvae", "digits")
    assert (row.runs, row.completed, row.diverged, row.missing) == (1, 0, 0, 1)
    assert (row.device_seconds, row.steps, row.evaluations) == (0.0, 0, 0)
    assert (row.parameters, row.peak_host_bytes) == (None, None)


def test_judges_have_costs_of_training_and_no_evaluation(evidence: Evidence) -> None:
    row = row_of(training_costs(evidence, "one"), "convolutional_classifier", "digits")
    assert (row.runs, row.device_seconds, row.evaluations) == (1, 8.0, 0)


def test_a_run_without_record_counts_without_its_peak(evidence: Evidence) -> None:
    row = row_of(training_costs(evidence, "one"), "vae", "circle")
    assert (row.runs, row.device_seconds, row.evaluation_seconds) == (1, 1.0, 4.0)
    assert (row.peak_host_bytes, row.peak_device_bytes) == (None, None)


def test_what_studies_share_counts_in_each_and_once_in_all(evidence: Evidence) -> None:
    one, two, everything = (total_costs(evidence, name) for name in ("one", "two", None))
    assert (one.model, one.data_set) == (None, None)
    assert (one.runs, one.device_seconds, one.steps) == (6, 16.75, 457)
    assert (two.runs, two.device_seconds, two.steps) == (2, 7.5, 400)
    assert (everything.runs, everything.device_seconds, everything.steps) == (6, 16.75, 457)
    assert (one.evaluation_seconds, two.evaluation_seconds) == (15.5, 10.0)
    assert everything.evaluation_seconds == 15.5
    assert (everything.evaluations, everything.missing) == (3, 1)


def test_a_measurement_counts_once_whether_an_evaluation_made_it_or_used_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    def using(name: str, seconds: tuple[int, int], measurement: str) -> Group:
        group = group_of("one", name, [SMALL], winner="small")
        write_record(group.evaluation.path, time=time_of(*seconds))
        place = Path("results/measurements/vae/digits-gaussian", measurement)
        evaluation = dataclasses.replace(group.evaluation, measurement=place)
        return dataclasses.replace(group, evaluation=evaluation)

    def time_of(start: int, end: int) -> dict[str, object]:
        stamp = "2026-11-22T14:00:{:02d}.000+00:00"
        times = {"started": stamp.format(start), "ended": stamp.format(end)}
        return times | {"seconds": float(end - start)}

    for name, seconds in (("within", (2, 9)), ("before", (20, 36))):
        folder = Path("results/measurements/vae/digits-gaussian", name)
        write_record(folder / "measurement.json", time=time_of(*seconds))
    groups = [
        using("maker", (0, 10), "within"),
        using("user", (40, 43), "within"),
        using("later", (50, 51), "before"),
        using("latest", (52, 54), "before"),
    ]
    # 10, 3, 1 and 2 s, and the 16 s of what neither of the last two had to measure.
    assert total_costs(evidence_of(*groups)).evaluation_seconds == 32.0
