"""What a training cannot have is told with its reason and is not missing."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from workflow_src.config.metrics import METRICS
from workflow_src.report.cells import cell_of
from workflow_src.report.evidence import Group, read_evidence
from workflow_src.report.impossible import NO_DENSITY, cannot_have

A = "F(28,1)-G(49)"
TWO_LAYERS = "F(8,1)-G(49)-P(2,2)-F(10,1)-G(49)"
POOLED = "P(2,2)-F(14,1)-G(49)"


ENCODER_METRICS = [
    "encoder_kl_divergence",
    "encoder_imputation_error",
    "encoder_imputation_error_of_second_half",
    "test_elbo",
]


def spec(model: str, layout: str | None = None) -> dict[str, Any]:
    axes = {"model": model, "data_set": "mnist", "likelihood": "gaussian"}
    return axes if layout is None else axes | {"layout": layout}


@pytest.mark.parametrize(
    ("model", "layout", "name", "reason"),
    [
        ("dcgmm", A, "top_layer_anomaly_auc_gain", "only one mixture layer"),
        ("dcgmm", A, "layer_2_loss", "only one mixture layer"),
        ("dcgmm", A, "sharpening_gain", "nothing to sharpen"),
        ("dcgmm", A, "test_log_likelihood", None),
        ("dcgmm", A, "layer_1_loss", None),
        ("dcgmm", A, "inpainting_log_density", None),
        ("dcgmm", TWO_LAYERS, "top_layer_anomaly_auc_gain", None),
        ("dcgmm", TWO_LAYERS, "layer_2_anomaly_auc", None),
        ("dcgmm", TWO_LAYERS, "layer_3_anomaly_auc", "only 2 mixture layers"),
        ("dcgmm", TWO_LAYERS, "test_log_likelihood", NO_DENSITY),
        ("dcgmm", TWO_LAYERS, "sharpening_gain", None),
        ("dcgmm", POOLED, "test_log_likelihood", NO_DENSITY),
        ("dcgmm", POOLED, "sharpening_gain", None),
        ("rat_spn", None, "test_log_likelihood", None),
        ("rat_spn", None, "layer_1_loss", "no mixture layers"),
        ("rat_spn", None, "sharpened_judged_accuracy", "nothing to sharpen"),
        ("spvae", None, "test_log_likelihood", "no exact log likelihood, but a bound"),
        ("spvae", None, "anomaly_auc", None),
        # What the winner's own training tells is no evaluation's to have.
        ("spvae", None, "validation_bound", None),
        ("nobody", None, "anomaly_auc", None),
    ],
)
def test_reasons_are_of_the_metric(
    model: str, layout: str | None, name: str, reason: str | None
) -> None:
    assert cannot_have(spec(model, layout), name) == reason


@pytest.mark.parametrize("name", ENCODER_METRICS)
def test_expectation_maximisation_has_no_encoder(name: str) -> None:
    network = spec("deep_generative_network")
    exact = network | {"method": "expectation_maximisation"}
    assert cannot_have(exact, name) == "no encoder"
    assert cannot_have(network | {"method": "variational"}, name) is None
    assert cannot_have(exact, "test_log_likelihood") is None


@pytest.fixture
def group(tree: Callable[..., Any]) -> Group:
    """A group of two candidates that is not evaluated yet."""
    made = tree(experiments=["table1"], likelihoods=["gaussian"], seeds=[0])
    return next(
        one for one in read_evidence(made.membership).groups if len(one.evaluation.runs) > 1
    )


def with_layouts(group: Group, *layouts: str) -> Group:
    runs = tuple(
        dataclasses.replace(run, spec=spec("dcgmm", layout))
        for run, layout in zip(group.evaluation.runs, layouts, strict=False)
    )
    evaluation = dataclasses.replace(group.evaluation, runs=runs)
    return dataclasses.replace(group, evaluation=evaluation)


def test_such_a_cell_has_its_reason_and_is_not_missing(group: Group) -> None:
    cell = cell_of([with_layouts(group, A)], METRICS["top_layer_anomaly_auc_gain"], (), ())
    assert cell.reason == "only one mixture layer"
    assert not cell.is_incomplete
    assert [source.never for source in cell.sources] == [True]


def test_what_some_candidate_could_have_is_missing(group: Group) -> None:
    both = with_layouts(group, A, TWO_LAYERS)
    cell = cell_of([both], METRICS["top_layer_anomaly_auc_gain"], (), ())
    assert cell.reason == "not evaluated yet"
    assert cell.is_incomplete


def test_a_winner_decides_for_all_candidates(group: Group) -> None:
    both = with_layouts(group, A, TWO_LAYERS)
    evaluation = dataclasses.replace(both.evaluation, winner=both.evaluation.runs[0])
    found = dataclasses.replace(both, evaluation=evaluation)
    cell = cell_of([found], METRICS["top_layer_anomaly_auc_gain"], (), ())
    assert not cell.is_incomplete
