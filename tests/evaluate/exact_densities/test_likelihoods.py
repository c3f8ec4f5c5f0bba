"""Log likelihoods are the densities that quadrature gives, and their rows are means of them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import multivariate_normal
from support.exact_densities import Quadrature, density, points, subject

from workflow_src.evaluate.exact_densities.likelihoods import (
    LogLikelihoods,
    all_log_likelihoods,
    isotropic_gaussian_log_likelihoods,
    likelihood_row,
    likelihood_rows,
    noise_row,
)


def test_rows_are_means_of_densities_by_quadrature() -> None:
    model, data = density(), points()
    exact = Quadrature(model)
    found = all_log_likelihoods(subject(model), data)
    rows = {row["metric"]: row for row in likelihood_rows(subject(model), data, found)}
    for split in ("train", "validation", "test"):
        wanted = np.array([exact.log_likelihood(point) for point in getattr(data, split)])
        np.testing.assert_allclose(found[split].values, wanted, rtol=0, atol=1e-7)
        row = rows[f"{split}_log_likelihood"]
        assert row["value"] == pytest.approx(wanted.mean(), abs=1e-7)
        assert row["standard_error"] == pytest.approx(
            math.sqrt(sum((wanted - wanted.mean()) ** 2) / (len(wanted) - 1) / len(wanted)),
            abs=1e-7,
        )
        assert row["importance_samples"] is None
    wanted = np.array([exact.log_likelihood(point) for point in data.anomalies])
    np.testing.assert_allclose(found["anomalies"].values, wanted, rtol=1e-6)


def test_the_gaussian_that_runs_collapse_to_is_told_beside() -> None:
    data = points(dimensions=3)
    mean = data.train.mean(axis=0)
    variance = ((data.train - mean) ** 2).mean()
    wanted = multivariate_normal(mean, variance * np.eye(3)).logpdf(data.test)
    found = isotropic_gaussian_log_likelihoods(data.train, data.test)
    np.testing.assert_allclose(found, wanted, rtol=1e-12)
    model = density(outputs=3)
    found_rows = likelihood_rows(subject(model), data, all_log_likelihoods(subject(model), data))
    rows = {row["metric"]: row["value"] for row in found_rows}
    assert rows["isotropic_gaussian_log_likelihood"] == pytest.approx(wanted.mean())
    held_out = multivariate_normal(mean, variance * np.eye(3)).logpdf(data.validation)
    assert rows["isotropic_gaussian_validation_log_likelihood"] == pytest.approx(held_out.mean())


def test_errors_of_estimates_are_in_the_standard_error() -> None:
    values, errors = np.array([1.0, 2.0, 4.0]), np.array([0.3, 0.0, 0.4])
    plain = likelihood_row("test_log_likelihood", LogLikelihoods(values, None))
    row = likelihood_row("test_log_likelihood", LogLikelihoods(values, errors))
    assert row["value"] == plain["value"] == pytest.approx(7 / 3)
    assert row["importance_samples"] == 20_000
    assert plain["importance_samples"] is None
    # The error of a mean of three independent estimates is 0.5 / 3.
    assert row["standard_error"] == pytest.approx(
        math.sqrt(plain["standard_error"] ** 2 + (0.5 / 3) ** 2)
    )


def test_no_anomalies_are_no_problem() -> None:
    data = points(counts=(4, 3, 3, 0))
    assert all_log_likelihoods(subject(density()), data)["anomalies"].values.shape == (0,)


def test_noise_is_told_as_a_standard_deviation() -> None:
    assert noise_row(subject(density(noise=0.3)))["value"] == pytest.approx(0.3)
