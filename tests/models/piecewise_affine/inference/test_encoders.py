"""Tests of Gaussian approximations of the posterior against quadrature."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal, norm
from support.generative_oracles import (
    forward,
    knots,
    line_log_densities,
    noise_matrix,
    panels,
    random_model,
    separable,
)

from workflow_src.models.piecewise_affine.inference import encoders
from workflow_src.models.piecewise_affine.inference.drawn_bounds import drawn_expected_log_joints
from workflow_src.models.piecewise_affine.inference.encoders import (
    Gaussians,
    best_gaussians,
    divergences,
    divergences_with_errors,
    evidence_lower_bounds,
    evidence_lower_bounds_with_errors,
)
from workflow_src.models.piecewise_affine.inference.expectations import (
    DeepGenerativeNetwork,
    log_likelihoods,
    sampled_points,
)
from workflow_src.models.piecewise_affine.inference.truncated import Draws, truncated_moments
from workflow_src.models.piecewise_affine.networks import Activation, Network
from workflow_src.models.piecewise_affine.noise import NoiseCovariance
from workflow_src.models.piecewise_affine.partitions.enumeration import partition
from workflow_src.models.piecewise_affine.solvers.minimisation import minimised


def drawn(model, count, seed=0):
    return sampled_points(model, count, np.random.default_rng(seed))[2]


def some_gaussians(count, latent, seed=0):
    generator = np.random.default_rng(seed)
    roots = generator.normal(size=(count, latent, latent))
    covariances = 0.02 * np.eye(latent) + 0.3 * roots @ roots.transpose(0, 2, 1)
    return Gaussians(generator.normal(size=(count, latent)), covariances)


def quadrature_bound(model, point, mean, variance):
    """The ELBO, S = 1: integrand on panels between kinks, 11 standard deviations around."""
    scale = np.sqrt(variance)
    inside = knots(model.network)
    inside = inside[np.abs(inside - mean) < 11 * scale]
    limits = np.unique(np.concatenate([mean + scale * np.linspace(-11, 11, 89), inside]))
    nodes, weights = panels(limits)
    joint = multivariate_normal(point, noise_matrix(model)).logpdf(
        forward(model.network, nodes[:, None])
    ) + norm.logpdf(nodes)
    q = norm(mean, scale)
    return float((weights * q.pdf(nodes) * (joint - q.logpdf(nodes))).sum())


@pytest.mark.parametrize(("kind", "noise"), [("relu", "full"), ("leaky_relu", "diagonal")])
def test_bounds_and_divergences_of_one_latent(kind, noise):
    model = random_model((1, 4, 3, 2), kind=kind, noise=noise)
    regions, points, q = partition(model.network), drawn(model, 6), some_gaussians(6, 1)
    expected = np.array(
        [
            quadrature_bound(model, point, mean[0], covariance[0, 0])
            for point, mean, covariance in zip(points, q.means, q.covariances, strict=True)
        ]
    )
    bounds = evidence_lower_bounds(model, regions, points, q)
    assert np.allclose(bounds, expected, rtol=1e-9, atol=1e-9)
    kl = divergences(model, regions, points, q)
    assert np.allclose(kl, line_log_densities(model, points) - expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("sizes", [(1, 6, 2), (2, 4, 2), (3, 3, 3), (1, 3, 4, 30)])
def test_the_bound_and_the_divergence_make_the_log_likelihood(sizes):
    """They are computed apart: one from the likelihood, one from the posterior's pieces."""
    model = random_model(sizes, variance=0.02)
    regions, points, q = partition(model.network), drawn(model, 4), some_gaussians(4, sizes[0])
    kl = divergences(model, regions, points, q)
    total = evidence_lower_bounds(model, regions, points, q) + kl
    expected = log_likelihoods(model, regions, points)
    assert np.all(kl >= 0)
    assert np.allclose(total, expected, rtol=0, atol=1e-9 * (1 + np.abs(kl).max()))


def test_bounds_of_independent_latents_add_up():
    case = separable(2)
    points = drawn(case.model, 3)
    means, variances = np.array([[0.3, -0.5]] * 3), np.array([0.2, 0.6])
    covariance = case.rotation @ np.diag(variances) @ case.rotation.T
    q = Gaussians(means @ case.rotation.T, np.tile(covariance, (3, 1, 1)))
    expected = [
        sum(
            quadrature_bound(factor, point[[index]], means[0, index], variances[index])
            for index, factor in enumerate(case.factors)
        )
        for point in points
    ]
    found = evidence_lower_bounds(case.model, partition(case.model.network), points, q)
    assert np.allclose(found, expected, rtol=1e-8, atol=1e-8)


def test_an_affine_networks_posterior_is_its_best_gaussian():
    generator = np.random.default_rng(0)
    weights, biases = generator.normal(size=(3, 2)), generator.normal(size=3)
    model = DeepGenerativeNetwork(
        Network((weights,), (biases,), Activation("relu")), NoiseCovariance.isotropic(0.3, 3)
    )
    points = drawn(model, 5)
    covariance = np.linalg.inv(np.eye(2) + weights.T @ weights / 0.3)
    means = (points - biases) @ weights @ covariance / 0.3
    regions = partition(model.network)
    best = best_gaussians(model, regions, points, starts=1)
    assert np.allclose(best.means, means, atol=1e-6)
    assert np.allclose(best.covariances, covariance, atol=1e-6)
    assert np.allclose(divergences(model, regions, points, best), 0, atol=1e-10)
    q = some_gaussians(5, 2)
    away = q.means - means
    inverse = np.linalg.inv(covariance)
    expected = 0.5 * (
        np.trace(inverse @ q.covariances, axis1=1, axis2=2)
        + np.einsum("ns,st,nt->n", away, inverse, away)
        - 2
        + np.linalg.slogdet(covariance)[1]
        - np.linalg.slogdet(q.covariances)[1]
    )
    assert np.allclose(divergences(model, regions, points, q), expected, rtol=1e-10)


def test_no_gaussian_on_a_grid_is_better_than_the_best():
    model = random_model((1, 6, 2), variance=0.1, seed=4)
    regions, points = partition(model.network), drawn(model, 8)
    best = best_gaussians(model, regions, points)
    lowest = divergences(model, regions, points, best)
    grid = [
        divergences(
            model, regions, points, Gaussians(np.full((8, 1), m), np.full((8, 1, 1), s * s))
        )
        for m in np.linspace(-3.5, 3.5, 15)
        for s in np.geomspace(0.05, 2, 7)
    ]
    assert np.all(lowest >= 0)
    assert np.all(lowest <= np.min(grid, axis=0) + 1e-9)


@pytest.mark.parametrize("sizes", [(1, 6, 2), (2, 4, 2)])
def test_the_best_gaussian_is_a_stationary_point(sizes):
    """Central differences of the divergence by every parameter vanish there."""
    model = random_model(sizes, variance=0.1, seed=4)
    regions, points = partition(model.network), drawn(model, 3)
    best = best_gaussians(model, regions, points, starts=2)
    latent = sizes[0]
    scale = np.sqrt(np.trace(best.covariances, axis1=1, axis2=2))[:, None]

    def moved(means, spread):
        q = Gaussians(best.means + means, best.covariances + spread)
        return divergences(model, regions, points, q)

    for index in range(latent):
        step = 1e-4 * scale * np.eye(latent)[index]
        zero = np.zeros_like(best.covariances)
        assert np.allclose((moved(step, zero) - moved(-step, zero)) / 2e-4, 0, atol=1e-5)
        for other in range(index + 1):
            unit = np.zeros((latent, latent))
            unit[index, other] = unit[other, index] = 1
            turn = 1e-4 * (np.linalg.eigvalsh(best.covariances)[:, :1, None]) * unit
            none = np.zeros_like(best.means)
            assert np.allclose((moved(none, turn) - moved(none, -turn)) / 2e-4, 0, atol=1e-5)


@pytest.mark.parametrize("sizes", [(1, 6, 2), (2, 4, 2), (3, 2, 2)])
def test_the_best_gaussians_divergence_is_not_negative(sizes):
    """Where a divergence is smallest, rounding would show first. Bound and divergence still add
    up to log p(x)."""
    model = random_model(sizes, variance=0.5, seed=4)
    regions, points = partition(model.network), drawn(model, 4 if sizes[0] < 3 else 2)
    best = best_gaussians(model, regions, points, starts=2 if sizes[0] < 3 else 1)
    assert best.converged.all()
    kl = divergences(model, regions, points, best)
    assert np.all(kl >= -1e-9)
    total = evidence_lower_bounds(model, regions, points, best) + kl
    assert np.allclose(total, log_likelihoods(model, regions, points), rtol=0, atol=1e-9)


def test_bounds_of_four_latents_are_estimates_with_errors():
    """Products of factors with one latent each, whose bounds are known by quadrature."""
    case = separable(4, hidden=1)
    regions, points = partition(case.model.network), drawn(case.model, 5)
    generator = np.random.default_rng(3)
    means, variances = generator.normal(size=(5, 4)), generator.uniform(0.05, 0.5, (5, 4))
    covariances = np.einsum("st,nt,ut->nsu", case.rotation, variances, case.rotation)
    q = Gaussians(means @ case.rotation.T, covariances)
    expected = np.array(
        [
            sum(
                quadrature_bound(factor, point[[index]], mean[index], variance[index])
                for index, factor in enumerate(case.factors)
            )
            for point, mean, variance in zip(points, means, variances, strict=True)
        ]
    )
    found, errors = evidence_lower_bounds_with_errors(case.model, regions, points, q)
    assert np.all((errors > 0) & (errors < 0.02 * (1 + np.abs(expected))))
    assert np.all(np.abs(found - expected) < 4 * errors)
    assert np.array_equal(found, evidence_lower_bounds(case.model, regions, points, q))
    density = sum(
        line_log_densities(factor, points[:, [index]]) for index, factor in enumerate(case.factors)
    )
    kl, kl_errors = divergences_with_errors(case.model, regions, points, q)
    assert np.all(kl_errors >= errors)
    assert np.all(np.abs(kl - (density - expected)) < 4 * kl_errors)
    assert np.array_equal(kl, divergences(case.model, regions, points, q))


def test_estimated_bounds_do_not_lose_digits_and_fit_any_budget():
    """A point far away: the spread of its heights is small beside them; blocks of one draw."""
    case = separable(4, hidden=1)
    points = 1e6 + drawn(case.model, 1)
    q = (np.zeros((1, 4)), 1e-4 * np.eye(4)[None])
    draws = Draws(200)
    whole = drawn_expected_log_joints(case.model, points, *q, 2**20, draws)
    parts = drawn_expected_log_joints(case.model, points, *q, 1, draws)
    assert np.allclose(whole, parts, rtol=1e-9)
    noise = draws.generator(0).standard_normal((200, 4)) * 0.01
    outputs = forward(case.model.network, noise)
    heights = multivariate_normal(points[0], noise_matrix(case.model)).logpdf(outputs)
    heights += norm.logpdf(noise).sum(axis=1)
    assert whole[0][0] == pytest.approx(heights.mean(), rel=1e-12)
    assert whole[1][0] == pytest.approx(heights.std(ddof=1) / np.sqrt(200), rel=1e-6)


def test_four_latents_have_no_best_gaussian_and_no_exact_moments():
    case = separable(4, hidden=1)
    regions = partition(case.model.network)
    with pytest.raises(ValueError, match="4 latent dimensions"):
        best_gaussians(case.model, regions, drawn(case.model, 1))
    with pytest.raises(ValueError, match="use estimated_moments"):
        truncated_moments(regions, torch.zeros(1, 1, 4), torch.eye(4)[None])


def test_a_search_that_is_cut_short_says_so(monkeypatch):
    model = random_model((1, 6, 2), variance=0.1, seed=4)
    monkeypatch.setattr(encoders, "minimised", partial(minimised, iterations=1))
    best = best_gaussians(model, partition(model.network), drawn(model, 8), starts=1)
    assert not best.converged.all()
