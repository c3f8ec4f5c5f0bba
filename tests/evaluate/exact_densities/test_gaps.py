"""Gaps are differences of exact bounds, and those of linear models are known in closed form."""

from __future__ import annotations

import numpy as np
import pytest
from support.exact_densities import Quadrature, bent, points, straight, subject

from workflow_src.evaluate.exact_densities.gaps import encoder_bounds, encoder_rows, gap_rows, gaps
from workflow_src.evaluate.exact_densities.likelihoods import log_likelihoods_of

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
    assert told["multimodal_share"] == 0


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
    assert told["multimodal_share"] == 0.5
    assert "amortisation_gap" not in told
    assert encoder_bounds(one, point) is None


def test_rows_follow_from_arrays() -> None:
    arrays = {"approximation": np.array([0.5, 0.1]), "modes": np.array([1, 3])}
    told = {row["metric"]: row["value"] for row in gap_rows(arrays)}
    assert told == pytest.approx({"approximation_gap": 0.3, "multimodal_share": 0.5})
