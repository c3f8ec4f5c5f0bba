"""The expanded prior: its best mean and covariance, and that absorbing it changes no density."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import integrate
from scipy.stats import multivariate_normal
from support.expectations import circle, tiny_model

from workflow_src.models.piecewise_affine.inference.expectations import (
    expected_statistics,
    log_likelihoods,
)
from workflow_src.models.piecewise_affine.maximisation.em import (
    Block,
    SweepSettings,
    em_sweep,
    expect,
)
from workflow_src.models.piecewise_affine.maximisation.latent_prior import (
    best_latent_prior,
    posterior_moments,
)
from workflow_src.models.piecewise_affine.maximisation.quadratics import UnsolvedError
from workflow_src.models.piecewise_affine.networks import outputs
from workflow_src.models.piecewise_affine.partitions.enumeration import partition

POINTS = circle(12)
SHAPES = [(1, 4, 3, 2), (2, 4, 2)]


def on_grid(model, points, mean, covariance):
    """log p(x) [N] and posterior moments over z ~ N(mean, covariance), by a sum over a fine grid.

    The trapezoidal rule over the whole line converges faster than any power where the integrand is
    smooth; at kinks of the network its error is that of the step squared.
    """
    latent = len(mean)
    side = np.linspace(-9, 9, 40_001 if latent == 1 else 601)
    axes = np.meshgrid(*[side] * latent, indexing="ij")
    standard = np.stack([axis.ravel() for axis in axes], axis=1)
    latents = mean + standard @ np.linalg.cholesky(covariance).T
    log_prior = multivariate_normal(np.zeros(latent)).logpdf(standard)
    noise = multivariate_normal(cov=model.noise.matrix())
    images = outputs(model.network, latents)
    found, firsts, seconds = [], [], []
    for point in points:
        log_joint = noise.logpdf(point - images) + log_prior
        largest = log_joint.max()
        weights = np.exp(log_joint - largest)
        found.append(largest + np.log(weights.sum()) + latent * np.log(side[1] - side[0]))
        weights /= weights.sum()
        firsts.append(weights @ latents)
        seconds.append(np.einsum("m,mi,mj->ij", weights, latents, latents))
    return np.array(found), np.array(firsts), np.array(seconds)


def expected(model, points=POINTS):
    return expected_statistics(model, partition(model.network), points)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_best_prior_has_the_moments_of_all_posteriors_together(shape):
    model = tiny_model(shape, "leaky_relu", "full", seed=2)
    mean, covariance = posterior_moments(expected(model))
    standard = np.zeros(shape[0]), np.eye(shape[0])
    _, firsts, seconds = on_grid(model, POINTS, *standard)
    assert mean == pytest.approx(firsts.mean(axis=0), abs=2e-3)
    about = seconds.mean(axis=0) - np.outer(firsts.mean(axis=0), firsts.mean(axis=0))
    assert covariance == pytest.approx(about, abs=2e-3)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_network_that_absorbs_it_has_the_density_of_the_expanded_model(shape):
    model = tiny_model(shape, "leaky_relu", "full", seed=3)
    statistics = expected(model)
    network = best_latent_prior(model.network, statistics)
    absorbed = replace(model, network=network)
    expanded, _, _ = on_grid(model, POINTS, *posterior_moments(statistics))
    found = log_likelihoods(absorbed, partition(network), POINTS)
    assert found == pytest.approx(expanded, abs=2e-3)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("activation", ["leaky_relu", "relu", "absolute_value"])
def test_the_log_likelihood_never_falls_though_nothing_holds_it_up(activation, seed):
    model = tiny_model((1, 4, 3, 2), activation, "full", seed=seed)
    settings = SweepSettings(order=(Block("latent_prior"),), backtracking=False)
    start = None
    for _ in range(4):
        result = em_sweep(model, POINTS, settings, start)
        model, start = result.model, result.expected
        before, after = result.log_likelihoods
        assert after >= before - 1e-9


@pytest.mark.parametrize("factor", [10, 30])
def test_sweeps_with_it_end_in_posteriors_that_spend_the_whole_prior(factor):
    """After many blocks the prior's maximiser is the prior itself: mean 0 and covariance 1."""
    model = tiny_model((1, 4, 2), "leaky_relu", "isotropic", seed=1)
    first, last = model.network.weights
    model = replace(model, network=replace(model.network, weights=(first * factor, last)))
    moments = []
    for expansion in (False, True):
        settings = SweepSettings(expanded_prior=expansion)
        now = expect(model, circle(60), settings)
        for _ in range(15):
            now = em_sweep(now.model, circle(60), settings, now).expected
        moments.append(posterior_moments(now.statistics))
    without, (mean, covariance) = moments
    assert mean == pytest.approx(0, abs=0.1)
    assert covariance == pytest.approx(1, abs=0.1)
    assert abs(without[0]) + abs(without[1] - 1) > 0.1


def test_without_hidden_layers_it_reaches_probabilistic_principal_components_sooner():
    """Tipping and Bishop's closed form is the maximum; N(0, 1) alone creeps up to it."""
    rng = np.random.default_rng(5)
    points = rng.standard_normal((200, 1)) @ np.array([[2.0, 1.0, -1.0]])
    points += 0.05 * rng.standard_normal(points.shape)
    variances = np.linalg.eigvalsh(np.cov(points.T, bias=True))
    noise = variances[:2].mean()
    best = (
        -0.5 * len(points) * (3 * np.log(2 * np.pi) + np.log(variances[2]) + 2 * np.log(noise) + 3)
    )
    model = tiny_model((1, 3), "leaky_relu", "isotropic", seed=1)
    gaps = []
    for expansion in (False, True):
        now = expect(model, points, SweepSettings())
        for _ in range(12):
            now = em_sweep(now.model, points, SweepSettings(expanded_prior=expansion), now).expected
        gaps.append(best - now.statistics.total_log_likelihood)
    assert gaps[1] > -1e-6
    assert gaps[1] < 1e-3
    assert gaps[0] > 10 * gaps[1] + 1e-3


def test_posteriors_that_are_one_point_are_left_alone():
    model = tiny_model((1, 4, 2), "leaky_relu", "isotropic", seed=1)
    statistics = expected(model)
    first = np.broadcast_to(len(POINTS) * 0.3 / len(statistics.first), statistics.first.shape)
    second = np.broadcast_to(len(POINTS) * 0.09 / len(statistics.first), statistics.second.shape)
    with pytest.raises(UnsolvedError, match="singular"):
        best_latent_prior(model.network, replace(statistics, first=first, second=second))


def test_quadrature_agrees_with_an_adaptive_rule():
    """The oracle above against scipy's, for one point."""
    model = tiny_model((1, 4, 2), "leaky_relu", "isotropic", seed=1)
    noise = multivariate_normal(cov=model.noise.matrix())

    def joint(latent):
        image = outputs(model.network, np.array([[latent]]))[0]
        return np.exp(noise.logpdf(POINTS[0] - image) - latent**2 / 2) / np.sqrt(2 * np.pi)

    mass, _ = integrate.quad(joint, -9, 9, limit=500, epsabs=0, epsrel=1e-10)
    found, _, _ = on_grid(model, POINTS[:1], np.zeros(1), np.eye(1))
    assert found[0] == pytest.approx(np.log(mass), abs=1e-4)
