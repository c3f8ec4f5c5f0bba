"""What can be measured depends on the model, and metrics need what they are computed from."""

from __future__ import annotations

import pytest
from pydantic_core import PydanticCustomError

from workflow_src.config.experiment_checks import check_measurable, check_measured
from workflow_src.config.experiments import Measures
from workflow_src.config.metrics import METRICS
from workflow_src.config.models import evaluation_declarations

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
    for measured, models in (({"partition"}, EXACT), ({measure}, ["vae"])):
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
        assert set(one.measures) <= set(Measures.model_fields)
        assert set(one.metrics) <= set(METRICS)
