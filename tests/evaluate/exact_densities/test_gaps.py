"""Gaps are differences of exact bounds, and those of linear models are known in closed form."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import multivariate_normal
from support.exact_densities import Quadrature, bent, density, points, straight, subject

from workflow_src.evaluate.exact_densities import gaps as module
from workflow_src.evaluate.exact_densities.gaps import (
    encoder_arrays,
    encoder_bounds,
    encoder_rows,
    gap_rows,
    gaps,
    multimodality,
)
from workflow_src.evaluate.exact_densities.likelihoods import log_likelihoods_of
from workflow_src.models.piecewise_affine.inference.encoders import BestGaussians
from workflow_src.models.piecewise_affine.inference.posterior import mode_counts

ENCODER = (np.array([[0.7, 0.2]]), 0.3)


def divergence(mean: float, variance: float, other: float, other_variance: float) -> float:
    """KL of one normal from another."""
    ratio = variance / other_variance
    return float(ratio - 1 - np.log(ratio) + (mean - other) ** 2 / other_variance) / 2


def test_a_linear_models_best_gaussian_is_its_posterior() -> None:
    slope, noise = np.array([[1.5], [-0.8]]), 0.5
    one, data = subject(straight(slope, noise), ENCODER), points()
    likelihood = log_likelihoods_of(one, data.test).values
    rows, arrays = gaps(one, data.test, likelihood)
    precision = 1 + float((slope**2).sum()) / noise**2
    means = data.test @ slope[:, 0] / noise**2 / precision
    np.testing.assert_allclose(arrays["best_mean"][:, 0], means, atol=1e-4)
    np.testing.assert_allclose(arrays["best_covariance"][:, 0, 0], 1 / precision, rtol=1e-3)
    np.testing.assert_allclose(arrays["approximation"], 0, atol=1e-6)
    lost = [
        divergence(float(point @ ENCODER[0][0]), 0.3, mean, 1 / precision)
        for point, mean in zip(data.test, means, strict=True)
    ]
    np.testing.assert_allclose(arrays["amortisation"], lost, rtol=1e-5, atol=1e-6)
    assert arrays["modes"].tolist() == [1] * len(data.test)
    told = {row["metric"]: row["value"] for row in rows}
    assert told["amortisation_gap"] == pytest.approx(np.mean(lost), rel=1e-5)
    assert told["unfinished_search_share"] == 0
    assert told["unimodal_approximation_gap"] == told["approximation_gap"]
    assert np.isnan(told["multimodal_approximation_gap"])


def test_both_gaps_add_up_to_the_divergence_by_quadrature() -> None:
    model, data = bent(), points()
    one, exact = subject(model, ENCODER), Quadrature(model, 40_001)
    found = encoder_bounds(one, data.test)
    assert found is not None
    wanted = []
    for point in data.test:
        log_joint = exact.log_joint(point) - np.log(exact.latents[1] - exact.latents[0])
        mean = float(point @ ENCODER[0][0])
        log_q = -((exact.latents - mean) ** 2) / 0.6 - np.log(2 * np.pi * 0.3) / 2
        step = exact.latents[1] - exact.latents[0]
        wanted.append(float((np.exp(log_q) * (log_joint - log_q)).sum() * step))
    np.testing.assert_allclose(found.elbo, wanted, rtol=1e-6, atol=1e-6)
    likelihood = np.array([exact.log_likelihood(point) for point in data.test])
    np.testing.assert_allclose(found.elbo + found.divergence, likelihood, atol=1e-5)
    rows = {row["metric"]: row["value"] for row in encoder_rows(found)}
    assert rows["test_elbo"] == pytest.approx(np.mean(wanted), abs=1e-6)
    assert rows["encoder_kl_divergence"] == pytest.approx(
        likelihood.mean() - np.mean(wanted), abs=1e-5
    )
    _, arrays = gaps(one, data.test, likelihood)
    total = arrays["approximation"] + arrays["amortisation"]
    np.testing.assert_allclose(total, found.divergence, atol=1e-5)
    assert (arrays["approximation"] > -1e-9).all()
    assert (arrays["amortisation"] >= 0).all()


def test_two_modes_are_told_and_no_gaussian_has_them() -> None:
    # A point far above the bend is as near to both arms.
    one = subject(bent())
    point = np.array([[0.0, 2.0], [2.0, 2.0]])
    rows, arrays = gaps(one, point, log_likelihoods_of(one, point).values)
    assert arrays["modes"].tolist() == [2, 1]
    # A Gaussian on one of two equal arms lacks half of the mass: log 2.
    assert arrays["approximation"][0] == pytest.approx(np.log(2), abs=0.05)
    told = {row["metric"]: row["value"] for row in rows}
    assert told["multimodal_approximation_gap"] == arrays["approximation"][0]
    assert told["unimodal_approximation_gap"] == arrays["approximation"][1]
    assert "amortisation_gap" not in told
    assert encoder_bounds(one, point) is None


def test_rows_follow_from_arrays() -> None:
    arrays = {
        "approximation": np.array([0.5, 0.1, 0.4, 0.2]),
        "modes": np.array([1, 3, 2, 1]),
        "converged": np.array([True, False, True, True]),
    }
    told = {row["metric"]: row["value"] for row in gap_rows(arrays)}
    assert told == pytest.approx(
        {
            "approximation_gap": 0.3,
            "unfinished_search_share": 0.25,
            "multimodal_approximation_gap": 0.25,
            "unimodal_approximation_gap": 0.35,
        }
    )


def test_modes_of_every_point_are_those_of_the_density_on_a_grid() -> None:
    model, data = density(), points(counts=(3, 3, 40, 0))
    exact = Quadrature(model, 20_001)
    wanted = []
    for point in data.test:
        heights = exact.log_joint(point)
        inner = (heights[1:-1] > heights[:-2]) & (heights[1:-1] > heights[2:])
        wanted.append(int((inner & (heights[1:-1] > heights.max() + np.log(0.1))).sum()))
    rows, arrays = multimodality(subject(model), data.test)
    assert arrays["modes"].tolist() == wanted
    assert rows[0]["metric"] == "multimodal_share"
    assert 0 < rows[0]["value"] == np.mean(np.array(wanted) > 1) < 1


def test_a_ripple_of_less_than_a_tenth_of_the_highest_mode_is_none() -> None:
    # By symmetry the arms differ by the factor exp(-2 |x z| / noise^2) at the height z of a mode.
    model, near, far = bent(), np.array([[0.05, 1.0]]), np.array([[0.3, 1.0]])
    for point, count in ((near, 2), (far, 1)):
        assert mode_counts(subject(model).model, subject(model).partition, point)[0] == 2
        _, arrays = multimodality(subject(model), point)
        assert arrays["modes"].tolist() == [count]


def test_an_encoder_above_what_was_found_shows_that_the_search_was_not_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one, data = subject(bent(), ENCODER), points()
    count = len(data.test)

    def poor(*known: object, **more: object) -> BestGaussians:
        far = np.full((count, 1), 50.0)
        return BestGaussians(far, np.ones((count, 1, 1)), np.ones(count, dtype=bool))

    monkeypatch.setattr(module, "best_gaussians", poor)
    rows, arrays = gaps(one, data.test, log_likelihoods_of(one, data.test).values)
    assert not arrays["converged"].any()
    assert {row["metric"]: row["value"] for row in rows}["unfinished_search_share"] == 1
    np.testing.assert_array_equal(arrays["best_mean"], data.test @ ENCODER[0].T)


def test_estimated_bounds_have_errors_that_hold_the_truth() -> None:
    """Four latent dimensions, linear: the bound and the divergence have closed forms."""
    rng = np.random.default_rng(3)
    slope, noise = rng.normal(size=(3, 4)), 0.7
    matrix, variance = 0.2 * rng.normal(size=(4, 3)), 0.3
    one, data = subject(straight(slope, noise), (matrix, variance)), points(dimensions=3)
    found = encoder_bounds(one, data.test)
    assert found is not None
    precision = np.eye(4) + slope.T @ slope / noise**2
    spread = slope @ slope.T + noise**2 * np.eye(3)
    likelihood = multivariate_normal(np.zeros(3), spread).logpdf(data.test)
    away = data.test @ matrix.T - data.test @ np.linalg.solve(precision, slope.T / noise**2).T
    lost = np.einsum("ns,st,nt->n", away, precision, away) + variance * np.trace(precision) - 4
    lost = (lost - np.linalg.slogdet(variance * precision)[1]) / 2
    arrays = encoder_arrays(found)
    off = (found.elbo - (likelihood - lost)) / arrays["encoder_elbo_errors"]
    assert np.abs(off).max() < 4
    assert np.abs(off).max() > 0.01
    off = np.abs(found.divergence - lost)
    assert (off <= 4 * arrays["encoder_divergence_errors"]).all()
    for row, values, errors in zip(
        encoder_rows(found),
        (found.elbo, found.divergence),
        (found.elbo_errors, found.divergence_errors),
        strict=True,
    ):
        assert errors is not None
        of_points = values.var(ddof=1) / len(values)
        of_estimates = (errors**2).sum() / len(values) ** 2
        assert row["standard_error"] == pytest.approx(np.sqrt(of_points + of_estimates))
        assert row["importance_samples"] == 20_000
