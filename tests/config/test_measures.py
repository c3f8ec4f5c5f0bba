"""What can be measured depends on the model, and metrics need what they are computed from."""

from __future__ import annotations

import pytest
from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from workflow_src.config.experiment_checks import check_measurable, check_measured
from workflow_src.config.experiments import Experiment, Measures
from workflow_src.config.metrics import METRICS
from workflow_src.config.models import (
    evaluation_declarations,
    evaluation_of,
    model_declarations,
)

EXACT = ["deep_generative_network"]


def problem(caught: pytest.ExceptionInfo[PydanticCustomError]) -> str:
    assert caught.value.context is not None
    return str(caught.value.context["complaint"].problem)


@pytest.mark.parametrize(
    ("metric", "measure"),
    [
        ("approximation_gap", "gaps"),
        ("amortisation_gap", "gaps"),
        ("bayesian_criterion_of_rank", "model_selection"),
        ("anomaly_auc", "anomalies"),
        ("imputation_error", "imputation"),
        ("expectation_seconds", "costs"),
        ("reference_difference", "reference"),
    ],
)
def test_metrics_of_exact_densities_need_their_measure(metric: str, measure: str) -> None:
    check_measured(metric, None, {measure}, EXACT, ("metric",))
    for measured, models in (({"partition"}, EXACT), ({measure}, ["discrete_vae"])):
        with pytest.raises(PydanticCustomError) as caught:
            check_measured(metric, None, measured, models, ("metric",))
        assert problem(caught) == f"{metric} is not measured in this experiment"


def test_likelihoods_need_no_measure() -> None:
    check_measured("test_log_likelihood", None, set(), EXACT, ("metric",))
    check_measured("validation_bound", None, set(), EXACT, ("metric",))


def test_exact_densities_take_no_numbers_of_samples_and_bounds_need_some() -> None:
    check_measurable({"partition"}, EXACT)
    with pytest.raises(PydanticCustomError) as caught:
        check_measurable({"importance_samples"}, EXACT)
    assert "is not measured on models such as deep_generative_network" in problem(caught)
    with pytest.raises(PydanticCustomError) as caught:
        check_measurable({"samples"}, ["vae"])
    assert "no more than a bound" in problem(caught)


def test_every_evaluation_declares_what_there_is() -> None:
    for one in evaluation_declarations().values():
        assert set(one.all_measures) <= set(Measures.model_fields)
        assert set(one.metrics) <= set(METRICS)


@pytest.mark.parametrize("metric", ["sharpening_gain", "sharpened_judged_accuracy"])
def test_what_sharpening_gains_takes_judges_and_sharpened_samples(metric: str) -> None:
    both = {"judged_samples", "sharpened_samples"}
    check_measured(metric, None, both, ["dcgmm"], ("metric",))
    for one in both:
        with pytest.raises(PydanticCustomError) as caught:
            check_measured(metric, None, both - {one}, ["dcgmm"], ("metric",))
        assert problem(caught) == f"{metric} is not measured in this experiment"


CIRCUITS = ["rat_spn", "pd_spn", "dgc_spn"]


@pytest.mark.parametrize(
    ("metric", "measure"),
    [
        ("published_anomaly_auc", "anomalies"),
        ("layer_4_anomaly_auc", "anomalies"),
        ("top_layer_anomaly_auc_gain", "anomalies"),
        ("layer_1_loss", "layer_scores"),
        ("inpainting_error", "inpainting"),
        ("zeroed_inpainting_error", "inpainting"),
        ("mean_image_inpainting_error", "inpainting"),
        ("test_accuracy", "classification"),
    ],
)
def test_metrics_of_mixture_networks_need_their_measure(metric: str, measure: str) -> None:
    check_measured(metric, None, {measure}, ["dcgmm"], ("metric",))
    for measured in (set[str](), {"samples"}):
        with pytest.raises(PydanticCustomError) as caught:
            check_measured(metric, None, measured, ["dcgmm"], ("metric",))
        assert problem(caught) == f"{metric} is not measured in this experiment"


@pytest.mark.parametrize("metric", ["layer_1_loss", "zeroed_inpainting_error", "centroid_count"])
def test_what_circuits_do_not_have_is_not_asked_of_them_alone(metric: str) -> None:
    measured = {"layer_scores", "inpainting"}
    with pytest.raises(PydanticCustomError) as caught:
        check_measured(metric, None, measured, CIRCUITS, ("metric",))
    assert problem(caught) == f"{metric} is not measured in this experiment"
    check_measured(metric, None, measured, [*CIRCUITS, "dcgmm"], ("metric",))


@pytest.mark.parametrize("measure", ["variants", "centroids", "classification", "layer_scores"])
def test_circuits_are_not_asked_for_what_they_cannot_do(measure: str) -> None:
    with pytest.raises(PydanticCustomError) as caught:
        check_measurable({measure}, CIRCUITS)
    assert f"{measure} is not measured on models such as rat_spn" in problem(caught)
    check_measurable({measure}, [*CIRCUITS, "dcgmm"])


def test_what_models_say_of_themselves_is_of_their_evaluation() -> None:
    for name, model in model_declarations().items():
        evaluation = evaluation_of(name)
        assert set(model.measures or ()) <= set(evaluation.all_measures), name
        assert set(model.metrics or ()) <= set(evaluation.metrics), name


def experiment(metric: str, data_set: str, model: str, **values: object) -> dict[str, object]:
    """An experiment with that metric in its table, of one model on one data set."""
    measures = {"anomalies": True, "inpainting": ["left"], "classification": model == "dcgmm"}
    grid = {
        "data_sets": [data_set],
        "likelihoods": ["gaussian"],
        "models": {model: [{name: [value] for name, value in values.items()}]},
    }
    return {
        "title": "x",
        "description": "x",
        "presentation": "table",
        "table": {"rows": "data_set", "columns": ["model"], "metric": metric},
        "measures": measures,
        "scales": {"demo": grid},
    }


SPN = {"components": 2, "split_depth": 1, "repetitions": 2}


@pytest.mark.parametrize(
    ("metric", "data_set", "model", "values", "words"),
    [
        ("anomaly_auc", "digits", "rat_spn", SPN, "none of digits has anomalies"),
        ("layer_1_anomaly_auc", "digits", "dcgmm", {"layout": "A_8"}, "has anomalies"),
        ("test_accuracy", "digits", "dcgmm", {"layout": "A_8"}, "has a classifier"),
        ("test_log_likelihood", "digits", "dcgmm", {"layout": "B_8"}, "normalised density"),
        ("inpainting_log_density", "digits", "dcgmm", {"layout": "B_8"}, "normalised density"),
    ],
)
def test_a_metric_that_no_cell_can_have_is_refused(
    metric: str, data_set: str, model: str, values: dict[str, object], words: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        Experiment.model_validate(experiment(metric, data_set, model, **values))
    (error,) = caught.value.errors()
    complaint = error["ctx"]["complaint"]
    assert complaint.problem.startswith(f"{metric} is in no cell of this grid: ")
    assert words in complaint.problem
    assert complaint.key == ("scales", "demo")


@pytest.mark.parametrize(
    ("metric", "data_set", "model", "values"),
    [
        ("anomaly_auc", "digits_without_0", "rat_spn", SPN),
        ("test_log_likelihood", "digits", "rat_spn", SPN),
        ("test_log_likelihood", "digits", "dcgmm", {"layout": "A_8"}),
        ("test_accuracy", "digits", "dcgmm", {"layout": "B_8", "classifier": "highest"}),
        ("layer_1_anomaly_auc", "digits_without_0", "dcgmm", {"layout": "B_8"}),
    ],
)
def test_a_metric_that_some_cell_can_have_is_not(
    metric: str, data_set: str, model: str, values: dict[str, object]
) -> None:
    Experiment.model_validate(experiment(metric, data_set, model, **values))
