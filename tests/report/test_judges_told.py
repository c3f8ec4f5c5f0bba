"""Tables of judged metrics say who judged, and what their errors are over."""

from __future__ import annotations

import dataclasses

import pytest

from tests.support.exact_density_arrays import AXES, group_of
from workflow_src.config.studies import load_study
from workflow_src.report.evaluations import Metric
from workflow_src.report.evidence import Group
from workflow_src.report.judges import judges_sentences
from workflow_src.report.table_files import legend
from workflow_src.report.tables import Table, build_table


def judged(
    data_set: str, accuracy: float, judges: int = 2, *, seed: int = 0, error: float | None = 0.01
) -> Group:
    """A group of a RAT-SPN whose draws so many judges of that accuracy judged."""
    metrics = {"overall_judge_accuracy": accuracy, "judge_count": float(judges)}
    group = group_of(f"{data_set}-{seed}-{judges}", metrics=metrics, seed=seed)
    shares = [
        Metric(name, value, error, "share", None)
        for name, value in {"judged_accuracy": 0.5, "parameter_count": 7.0}.items()
    ]
    evaluation = dataclasses.replace(group.evaluation, metrics=(*group.evaluation.metrics, *shares))
    axes = AXES | {"model": "rat_spn", "data_set": data_set, "likelihood": "gaussian", "seed": seed}
    return dataclasses.replace(
        group, study="dcgmm", experiment="table4", axes=axes, evaluation=evaluation
    )


def table_of(*groups: Group, experiment: str = "table4") -> Table:
    return build_table(load_study("dcgmm"), experiment, groups)


def test_judges_are_counted_with_their_accuracy() -> None:
    table = table_of(judged("digits_class_3", 0.8721), judged("digits_class_8", 0.8721))
    told = "Judged by 2 judges, of accuracy 0.872 on real test images."
    assert judges_sentences(table) == [told]
    assert told in legend(table, load_study("dcgmm"))


def test_every_data_set_has_its_own_judges() -> None:
    table = table_of(
        judged("mnist_class_0", 0.99, 5),
        judged("mnist_class_1", 0.991, 4),
        judged("fashion_mnist_class_0", 0.91, 5),
    )
    mnist, fashion = judges_sentences(table)
    assert mnist.endswith("judged by 4 to 5 judges, of accuracy 0.99 to 0.991 on real test images.")
    assert fashion.endswith("judged by 5 judges, of accuracy 0.91 on real test images.")
    assert "Fashion-MNIST" in fashion
    assert "Fashion" not in mnist


def test_tables_of_other_metrics_have_no_judges() -> None:
    table = table_of(judged("digits_class_3", 0.87), experiment="table4_sizes")
    assert not any("judge" in line for line in legend(table, load_study("dcgmm"))[:1])
    assert not any(line.startswith("Judged by") for line in legend(table, load_study("dcgmm")))


@pytest.mark.parametrize("seeds", [1, 2])
def test_errors_of_judged_metrics_are_not_over_the_test_set(seeds: int) -> None:
    groups = [judged("digits_class_3", 0.87, seed=seed) for seed in range(seeds)]
    (first, *_) = legend(table_of(*groups), load_study("dcgmm"))
    assert "test set" not in first
    assert ("standard error of the estimate over the images drawn and the judges" in first) is (
        seeds == 1
    )
