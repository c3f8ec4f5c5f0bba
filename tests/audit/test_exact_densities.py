"""Numbers on exact densities follow from the arrays beside them, or are found."""

from __future__ import annotations

import copy
import functools
import io
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from support.exact_densities import SPEC, density, points, subject

from workflow_src.audit.density_files import CHECKS, PICTURES, one_flip, wanted_files
from workflow_src.audit.exact_densities import METRICS, are_told
from workflow_src.audit.findings import Notes
from workflow_src.audit.recompute import _is_within
from workflow_src.config.models import evaluation_declarations
from workflow_src.evaluate.exact_densities.measurement import measure
from workflow_src.evaluate.measurement import Arrays

MEASURES = dict.fromkeys(evaluation_declarations()["exact_densities"].measures, True) | {
    "posteriors": 2,
    "point_samples": 3,
    "gaps": 9,
    "reference": 2,
}


@functools.cache
def _measured(encoder: bool) -> tuple[dict[str, Any], dict[str, Arrays]]:
    # Its posteriors have one mode at four of the nine points and two at the others.
    model = density(hidden=4)
    one = subject(model, (np.array([[0.7, 0.2]]), 0.3) if encoder else None)
    size = sum(array.size for array in (*model.network.weights, *model.network.biases)) + 1
    found = measure(one, points(), MEASURES, size)
    content = {
        # A name that the registry does not have, of data without anomalies of its own.
        "spec": {**SPEC, "data_set": "some_points", "latent_dimensions": 1},
        "measures": MEASURES,
        "metrics": found.metrics,
        "images": found.images,
        "dimensions": found.dimensions,
    }
    return {"content": content}, found.arrays


def measured(encoder: bool = True) -> tuple[dict[str, Any], dict[str, Arrays]]:
    """The record and arrays of a measurement, to do with as one likes."""
    return copy.deepcopy(_measured(encoder))


def said(record: dict[str, Any], arrays: dict[str, Arrays]) -> list[str]:
    notes = Notes()
    for file, kept in arrays.items():
        stream = io.BytesIO()
        np.savez_compressed(stream, allow_pickle=False, **kept)
        with notes.reading("measurement.json"):
            CHECKS[f"{file}.npz"]("measurement.json", record, stream.getvalue(), notes)
    return [finding.text for finding in notes.findings]


@pytest.mark.parametrize("encoder", [False, True])
def test_what_was_measured_stands(encoder: bool) -> None:
    record, arrays = measured(encoder)
    assert said(record, arrays) == []
    assert are_told(record["content"])
    assert wanted_files(record["content"]) == {f"{file}.npz" for file in arrays}
    # Triangles are of planes.
    assert {f"{file}.npz" for file in arrays} == set(CHECKS) - {"triangulation.npz"}


_ELSEWHERE = {
    *("isotropic_gaussian_log_likelihood", "isotropic_gaussian_validation_log_likelihood"),
    "noise_standard_deviation",
}
TOLD = sorted(METRICS - _ELSEWHERE)
"""What follows from arrays; the others are only measured again."""


@pytest.mark.parametrize("metric", TOLD)
def test_a_number_that_is_a_little_off_is_found(metric: str) -> None:
    record, arrays = measured()
    row = next(row for row in record["content"]["metrics"] if row["metric"] == metric)
    row["value"] += 1e-6 * max(1, abs(row["value"]))
    told = said(record, arrays)
    assert any(text.startswith(f"the {metric.replace('_', ' ')} is") for text in told)


@pytest.mark.parametrize("metric", TOLD)
def test_another_standard_error_is_found(metric: str) -> None:
    record, arrays = measured()
    row = next(row for row in record["content"]["metrics"] if row["metric"] == metric)
    row["standard_error"] = (row["standard_error"] or 0.0) + 1e-5
    told = said(record, arrays)
    assert [text for text in told if text.startswith(f"the {metric.replace('_', ' ')} is")] == told
    assert len(told) == 1


@pytest.mark.parametrize("metric", TOLD)
def test_a_number_that_was_taken_out_is_found(metric: str) -> None:
    record, arrays = measured()
    rows = record["content"]["metrics"]
    rows.remove(next(row for row in rows if row["metric"] == metric))
    assert said(record, arrays) != []


def test_an_encoders_number_without_an_encoder_is_found() -> None:
    record, arrays = measured(encoder=False)
    other, _ = measured(encoder=True)
    for metric in ("test_elbo", "amortisation_gap", "encoder_imputation_error"):
        rows = other["content"]["metrics"]
        record["content"]["metrics"].append(next(row for row in rows if row["metric"] == metric))
    told = said(record, arrays)
    assert len(told) == 3
    assert all("expected None" in text for text in told)


@pytest.mark.parametrize(
    ("file", "name", "words"),
    [
        ("log_likelihoods", "encoder_divergence", "do not add up"),
        ("gaps", "best_elbo", "that is not what is lost"),
        ("imputation", "expected", "where none were hidden"),
        ("model_selection", "train_log_likelihood", "another likelihood or size"),
    ],
)
def test_arrays_that_contradict_each_other_are_found(file: str, name: str, words: str) -> None:
    record, arrays = measured()
    arrays[file][name] = arrays[file][name] + 0.01
    assert any(words in text for text in said(record, arrays))


def test_arrays_of_other_points_are_found() -> None:
    record, arrays = measured()
    record["content"]["images"] += 1
    assert any("is not of 10 test points" in text for text in said(record, arrays))
    record, arrays = measured()
    record["content"]["measures"]["gaps"] = 3
    assert any("gaps.npz is not of 3 points" in text for text in said(record, arrays))
    arrays["point_samples"]["noisy"] = arrays["point_samples"]["noisy"][:2]
    assert any("noisy of shape (2, 2); expected (3, 2)" in text for text in said(record, arrays))


def test_gaps_are_of_all_points_that_were_asked_for_and_are_there() -> None:
    record, arrays = measured()
    content = record["content"]
    # Of 1009 test points of the circle 1000 are anomalies.
    content["spec"] = {**content["spec"], "data_set": "circle"}
    content["images"] = 1_009
    content["measures"] = {**content["measures"], "gaps": 20}
    assert not any("gaps.npz" in text for text in said(record, arrays))
    content["images"] = 1_010
    assert any("gaps.npz is not of 10 points" in text for text in said(record, arrays))


def test_a_rank_that_its_singular_values_do_not_have_is_found() -> None:
    record, arrays = measured()
    kept = arrays["model_selection"]
    assert 0 < kept["rank"] == np.linalg.matrix_rank(np.diag(kept["singular_values"]), tol=1e-7)
    kept["singular_values"][kept["rank"] - 1] = 0
    assert said(record, arrays) == [
        "model_selection.npz has a rank that its singular values do not have"
    ]


def test_areas_that_nobody_asked_for_are_found() -> None:
    record, arrays = measured()
    record["content"]["measures"] = {**record["content"]["measures"], "anomalies": False}
    (told,) = said(record, arrays)
    assert told.startswith("the anomaly auc is said")
    assert "expected None" in told


@pytest.mark.parametrize("latent", [1, 2])
def test_arrays_of_pictures_have_the_shapes_that_belong_together(latent: int) -> None:
    record, arrays = pictures(latent)
    assert said(record, arrays) == []
    assert wanted_files(record["content"]) >= {f"{file}.npz" for file in arrays}
    names = [(file, name) for file, kept in arrays.items() for name in kept if kept[name].ndim]
    assert {f"{file}.npz" for file, _ in names} == PICTURES - (
        {"triangulation.npz"} if latent == 1 else set()
    )
    for file, name in names:
        if (file, name) in ALONE:
            continue
        whole = arrays[file][name]
        # One entry more or less along every axis but those whose length is their own.
        for axis in range(whole.ndim):
            arrays[file][name] = whole.take(range(whole.shape[axis] - 1), axis=axis)
            if (file, name, axis) not in FREE[latent]:
                assert any(f"{file}.npz" in text for text in said(record, arrays)), (name, axis)
        arrays[file][name] = whole


@pytest.mark.parametrize("latent", [1, 2])
@pytest.mark.parametrize(
    "change",
    [
        lambda steps: steps + 1,
        lambda steps: np.where(steps == steps.max(), -1, steps),
        lambda steps: np.where(steps == 1, 0, steps),
        lambda steps: np.where(steps == 1, steps.max() + 1, steps),
        lambda steps: steps.astype(float),
    ],
    ids=["no start", "not reached", "several starts", "a step without a region", "no integers"],
)
def test_steps_that_do_not_find_every_region_from_one_are_found(
    latent: int, change: Callable[[np.ndarray], np.ndarray]
) -> None:
    record, arrays = pictures(latent)
    arrays["partition"]["discovery_steps"] = change(arrays["partition"]["discovery_steps"])
    assert said(record, arrays) == [
        "partition.npz has discovery steps that do not reach every region from one"
    ]


ALONE = {("posteriors", "encoder_mean"), ("posteriors", "encoder_covariance")}
FREE = {
    1: {
        ("marginal", "test", 0),
        ("marginal", "train", 0),
        ("marginal", "curve", 0),
        ("posteriors", "boundaries", 0),
    },
    2: {("marginal", "test", 0), ("marginal", "train", 0), ("partition", "vertices", 0)},
}
"""Axes of lengths that nothing else tells."""


@functools.cache
def _pictures(latent: int) -> tuple[dict[str, Any], dict[str, Arrays]]:
    shown = {"partition": True, "densities": True, "posteriors": 2}
    measures = dict.fromkeys(MEASURES, 0) | shown
    found = measure(subject(density(latent, hidden=3)), points(), measures, 16)
    content = {
        "spec": {**SPEC, "latent_dimensions": latent},
        "measures": measures,
        "metrics": found.metrics,
        "images": found.images,
        "dimensions": found.dimensions,
    }
    return {"content": content}, {k: v for k, v in found.arrays.items() if f"{k}.npz" in PICTURES}


def pictures(latent: int) -> tuple[dict[str, Any], dict[str, Arrays]]:
    """The record and arrays of a measurement that is shown, to do with as one likes."""
    return copy.deepcopy(_pictures(latent))


@pytest.mark.parametrize(
    ("latent", "values", "lacking"),
    [
        (1, 2, {"triangulation"}),
        (1, 1, {"triangulation", "marginal", "imputation"}),
        (2, 2, {"modes"}),
        (3, 2, {"partition", "triangulation", "posteriors", "modes"}),
        (
            4,
            784,
            {
                *("partition", "triangulation", "posteriors", "modes", "marginal", "imputation"),
                *("zero_noise", "components", "gaps", "integrals"),
            },
        ),
    ],
)
def test_the_files_that_must_be_there_follow_from_sizes(
    latent: int, values: int, lacking: set[str]
) -> None:
    content = {
        "spec": {"latent_dimensions": latent},
        "dimensions": values,
        "measures": MEASURES,
        "metrics": [],
    }
    assert wanted_files(content) == set(CHECKS) - {f"{file}.npz" for file in lacking}
    nothing = dict.fromkeys(MEASURES, 0)
    assert wanted_files({**content, "measures": nothing}) == {"log_likelihoods.npz"}
    costs = wanted_files({**content, "measures": {**nothing, "reference": 5}})
    assert ("costs.npz" in costs) == (latent <= 3)


def test_counts_and_shares_may_move_by_one_entry() -> None:
    record, arrays = measured()
    rows = record["content"]["metrics"]
    flips = one_flip(arrays)
    # 9 test points, 4 anomalies, 12 training points, gaps of 9 and references of 2 points.
    wanted = {
        "region_count": 1,
        "multimodal_share": 1 / 9,
        "unfinished_search_share": 1 / 9,
        "reference_lost_share": 1 / 2,
        "score_rank": 1,
        "akaike_criterion_of_rank": 2,
        "bayesian_criterion_of_rank": math.log(12),
        "anomaly_auc": 1 / 36,
    }
    assert flips == pytest.approx(wanted)
    for metric, step in wanted.items():
        again = copy.deepcopy(rows)
        row = next(row for row in again if row["metric"] == metric)
        row["value"] += step
        assert _is_within(again, rows, device=True, flips=flips), metric
        row["value"] += step + 0.01
        assert not _is_within(again, rows, device=True, flips=flips), metric


def test_estimates_have_their_own_errors_in_the_standard_error() -> None:
    record, arrays = measured()
    errors = np.full(9, 0.3)
    arrays["log_likelihoods"]["standard_errors"] = errors
    rows = record["content"]["metrics"]
    row = next(row for row in rows if row["metric"] == "test_log_likelihood")
    assert any("test log likelihood" in text for text in said(record, arrays))
    row["standard_error"] = math.hypot(row["standard_error"], 0.3 / 3)
    assert said(record, arrays) == []


def test_estimated_bounds_of_an_encoder_have_errors_too() -> None:
    record, arrays = measured()
    rows = record["content"]["metrics"]
    for metric, name in (
        ("test_elbo", "encoder_elbo_errors"),
        ("encoder_kl_divergence", "encoder_divergence_errors"),
    ):
        arrays["log_likelihoods"][name] = np.full(9, 0.3)
        assert any(metric.replace("_", " ") in text for text in said(record, arrays))
        row = next(row for row in rows if row["metric"] == metric)
        row["standard_error"] = math.hypot(row["standard_error"], 0.3 / 3)
        assert said(record, arrays) == []


def test_criteria_of_an_estimate_have_twice_its_error() -> None:
    record, arrays = measured()
    arrays["model_selection"]["train_log_likelihood_error"] = np.array(0.5)
    criteria = [row for row in record["content"]["metrics"] if "criterion" in row["metric"]]
    assert len(said(record, arrays)) == len(criteria) == 4
    for row in criteria:
        row["standard_error"] = 1.0
    assert said(record, arrays) == []


def test_a_mean_of_no_points_stands_and_no_other_number_does() -> None:
    record, arrays = measured()
    rows = record["content"]["metrics"]
    arrays["gaps"]["modes"] = np.ones(9, dtype=np.int64)
    approximation = next(row for row in rows if row["metric"] == "approximation_gap")
    several, one = (
        next(row for row in rows if row["metric"] == f"{kind}_approximation_gap")
        for kind in ("multimodal", "unimodal")
    )
    one |= {name: approximation[name] for name in ("value", "standard_error")}
    assert len(said(record, arrays)) == 1
    several |= {"value": math.nan, "standard_error": math.nan}
    assert said(record, arrays) == []


def test_measured_again_times_may_differ_and_densities_hardly() -> None:
    rows = measured()[0]["content"]["metrics"]
    again = copy.deepcopy(rows)
    for row in again:
        if row["unit"] == "s":
            row["value"] *= 7
        if row["metric"] in METRICS:
            row["value"] += 5e-5
    assert _is_within(again, rows, device=True)
    assert _is_within(again, rows, device=False)
    for metric in ("test_log_likelihood", "region_count"):
        wrong = copy.deepcopy(rows)
        next(row for row in wrong if row["metric"] == metric)["value"] += 0.1
        assert not _is_within(wrong, rows, device=False)
