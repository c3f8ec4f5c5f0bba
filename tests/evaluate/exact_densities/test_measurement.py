"""What a study asks for is measured, on the right points, and nothing else changes by it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from support.exact_densities import SPEC, density, points, straight, subject

from workflow_src.config.data_sets import data_set
from workflow_src.config.models import evaluation_declarations, hyperparameters_of
from workflow_src.data.arrays import PreparedData
from workflow_src.data.subsets import subset_indices
from workflow_src.evaluate.exact_densities.measurement import measure, measure_run
from workflow_src.evaluate.exact_densities.subject import points_of
from workflow_src.evaluate.measurement import Measurement
from workflow_src.models.building import build_model

DECLARED = evaluation_declarations()["exact_densities"]
NOTHING = dict.fromkeys(DECLARED.measures, 0)
EVERYTHING = dict.fromkeys(DECLARED.measures, True) | {
    "posteriors": 2,
    "point_samples": 3,
    "gaps": 4,
    "reference": 2,
}
ENCODER = (np.array([[0.7, 0.2]]), 0.3)


def rows_of(found: Measurement) -> dict[str, dict[str, Any]]:
    assert len({row["metric"] for row in found.metrics}) == len(found.metrics)
    return {row["metric"]: row for row in found.metrics}


def test_everything_declared_is_measured_and_nothing_else() -> None:
    found = measure(subject(density(), ENCODER), points(), EVERYTHING, 17)
    assert set(rows_of(found)) == set(DECLARED.metrics)
    assert set(found.arrays) == {
        *("log_likelihoods", "partition", "marginal", "posteriors", "point_samples"),
        *("zero_noise", "components", "integrals", "costs", "gaps", "imputation"),
        *("model_selection", "modes"),
    }
    rows = rows_of(found)
    assert rows["parameter_count"]["value"] == 17
    assert rows["region_count"]["value"] == 5
    assert len(found.arrays["gaps"]["points"]) == 4
    assert found.dimensions == 2
    # Anomalies are test points, too.
    assert found.images == 9 + 4
    for arrays in found.arrays.values():
        assert all(one.dtype.kind in "fibU" for one in arrays.values())


def test_what_else_is_asked_for_changes_no_number() -> None:
    one, data = subject(density(), ENCODER), points()
    little, again = (measure(one, data, NOTHING, 17) for _ in range(2))
    much = measure(one, data, EVERYTHING, 17)
    assert set(little.arrays) == {"log_likelihoods"}
    for key, row in rows_of(little).items():
        assert row == rows_of(again)[key] == rows_of(much)[key]
    for key, values in little.arrays["log_likelihoods"].items():
        np.testing.assert_array_equal(values, much.arrays["log_likelihoods"][key])
    assert "seconds" not in " ".join(rows_of(little))


def test_drawn_numbers_are_the_same_again() -> None:
    data = points()
    first, second = (
        measure(subject(density()), data, NOTHING | {"point_samples": 5}, 1) for _ in range(2)
    )
    drawn = first.arrays["point_samples"]["noisy"]
    np.testing.assert_array_equal(drawn, second.arrays["point_samples"]["noisy"])
    other = measure(subject(density(), seed=4), data, NOTHING | {"point_samples": 5}, 1)
    assert (drawn != other.arrays["point_samples"]["noisy"]).all()


def test_what_is_not_there_is_left_out() -> None:
    found = measure(subject(density(outputs=1)), points(1, (6, 3, 4, 0)), EVERYTHING, 1)
    assert {"marginal", "imputation"}.isdisjoint(found.arrays)
    assert {"anomaly_auc", "test_elbo", "amortisation_gap"}.isdisjoint(rows_of(found))
    solid = subject(density(latent=3, hidden=3))
    shown = measure(
        solid, points(2, (6, 3, 4, 0)), NOTHING | {"partition": True, "posteriors": 2}, 1
    )
    assert set(shown.arrays) == {"log_likelihoods"}


def test_four_latent_dimensions_are_estimated_with_their_errors() -> None:
    one = subject(density(latent=4, hidden=2, outputs=3, noise=0.6))
    found = measure(one, points(3, (4, 3, 5, 2)), NOTHING | {"anomalies": True}, 1)
    errors = found.arrays["log_likelihoods"]["standard_errors"]
    assert errors.shape == (5,)
    assert (errors >= 0).all()
    assert errors.max() > 0
    rows = rows_of(found)
    values = found.arrays["log_likelihoods"]["test"]
    spread = values.var(ddof=1) / 5 + (errors**2).sum() / 25
    assert rows["test_log_likelihood"]["standard_error"] == pytest.approx(np.sqrt(spread))
    assert "anomaly_auc" in rows


def test_what_has_no_exact_masses_is_told_with_errors_or_not_at_all() -> None:
    encoder = (0.1 * np.ones((4, 3)), 0.3)
    one = subject(density(latent=4, hidden=2, outputs=3, noise=0.6), encoder)
    asked = NOTHING | dict.fromkeys(("gaps", "imputation", "model_selection", "components"), True)
    found = measure(one, points(3, (4, 3, 5, 2)), asked | {"zero_noise": True}, 1)
    rows, arrays = rows_of(found), found.arrays["log_likelihoods"]
    assert set(found.arrays) == {"log_likelihoods", "model_selection"}
    spread = (
        arrays["encoder_elbo"].var(ddof=1) / 5 + (arrays["encoder_elbo_errors"] ** 2).sum() / 25
    )
    assert rows["test_elbo"]["standard_error"] == pytest.approx(np.sqrt(spread))
    known = {"imputation_error", "approximation_gap", "multimodal_share", "score_rank"}
    assert known.isdisjoint(rows)
    # Twice the error of a sum of four estimates, of which the mean's row has a part.
    of_points = rows["train_log_likelihood"]["standard_error"] ** 2
    of_points -= arrays["train"].var(ddof=1) / 4
    for metric in ("akaike_criterion", "bayesian_criterion"):
        assert rows[metric]["standard_error"] == pytest.approx(2 * 4 * np.sqrt(of_points), rel=1e-6)


def prepared(rng: np.random.Generator) -> PreparedData:
    counts = {"train": 20, "validation": 6, "test": 10}
    drawn = {name: rng.normal(size=(n, 2)).astype(np.float32) for name, n in counts.items()}
    labels = {name: np.zeros(n, dtype=np.uint8) for name, n in counts.items()}
    labels["test"][[1, 7]] = 1
    return PreparedData(
        drawn["train"],
        drawn["validation"],
        drawn["test"],
        labels,
        (1, 2),
        levels=0,
        data_set="circle",
        likelihood="gaussian_noise",
        fingerprint="x",
    )


def test_labels_that_training_never_saw_are_anomalies() -> None:
    data = prepared(np.random.default_rng(0))
    found = points_of(data, SPEC | {"fraction": 0.5})
    np.testing.assert_array_equal(found.anomalies, data.test[[1, 7]].astype(float))
    np.testing.assert_array_equal(found.test, np.delete(data.test, [1, 7], axis=0))
    kept = subset_indices(20, 0.5, "circle", SPEC["seed"])
    np.testing.assert_array_equal(found.train, data.train[kept])
    assert len(found.train) == 10
    assert found.shape == (1, 2)


def test_a_checkpoint_is_measured_as_the_model_that_it_is_of() -> None:
    facts, data = data_set("circle"), prepared(np.random.default_rng(0))
    names = hyperparameters_of("deep_generative_network")
    spec = SPEC | {name: one.default_for(facts) for name, one in names.items()}
    spec |= {"latent_dimensions": 1, "hidden_units": 3, "hidden_layers": 1}
    spec |= {"activation": "leaky_relu", "starting_noise": 0.4, "noise_covariance": "isotropic"}
    model = build_model(spec, (1, 2), 0)
    parameters = model.initial_parameters(torch.Generator().manual_seed(1))
    found = measure_run(spec, parameters, data, NOTHING, torch.device("cpu"), 1 << 26)
    rows = rows_of(found)
    assert rows["noise_standard_deviation"]["value"] == pytest.approx(0.4)
    assert rows["parameter_count"]["value"] == 3 + 3 + 6 + 2 + 1
    assert found.images == 10
    assert len(found.arrays["log_likelihoods"]["test"]) == 8


def test_a_linear_models_likelihood_is_a_gaussians() -> None:
    slope = np.array([[1.0], [2.0]])
    data = points()
    found = measure(subject(straight(slope, 0.5)), data, NOTHING, 1)
    wanted = multivariate_normal(np.zeros(2), slope @ slope.T + 0.25 * np.eye(2)).logpdf(data.test)
    np.testing.assert_allclose(found.arrays["log_likelihoods"]["test"], wanted, rtol=1e-10)
