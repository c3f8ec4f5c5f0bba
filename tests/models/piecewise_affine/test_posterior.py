"""Tests of the exact posterior: density, moments, modes and draws."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest, multivariate_normal, norm
from support.generative_oracles import (
    forward,
    line_rule,
    noise_matrix,
    random_model,
    separable,
)

from workflow_src.models.piecewise_affine.cell_sampling import sample_cell, sample_intervals
from workflow_src.models.piecewise_affine.inference import DeepGenerativeNetwork, sampled_points
from workflow_src.models.piecewise_affine.networks import Activation, Network
from workflow_src.models.piecewise_affine.noise import NoiseCovariance
from workflow_src.models.piecewise_affine.partitions import partition
from workflow_src.models.piecewise_affine.posterior import (
    log_posterior_densities,
    mode_counts,
    posterior_moments,
    sample_posteriors,
)


def drawn(model, count, seed=0):
    return sampled_points(model, count, np.random.default_rng(seed))[2]


def quadrature(model, points):
    """Nodes of z ``[M]`` and posterior masses ``[N, M]``, S = 1."""
    nodes, weights = line_rule(model.network)
    outputs = forward(model.network, nodes[:, None])
    joint = np.stack(
        [multivariate_normal(point, noise_matrix(model)).logpdf(outputs) for point in points]
    )
    masses = np.exp(joint + norm.logpdf(nodes)) * weights
    return nodes, weights, masses / masses.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("noise", ["isotropic", "full"])
def test_moments_and_density_of_one_latent(noise):
    model = random_model((1, 4, 3, 3), noise=noise, variance=0.1)
    points = drawn(model, 6)
    nodes, weights, masses = quadrature(model, points)
    regions = partition(model.network)
    found = posterior_moments(model, regions, points)
    mean = masses @ nodes
    assert np.allclose(found.mean[:, 0], mean, rtol=0, atol=1e-10)
    assert np.allclose(found.covariance[:, 0, 0], masses @ nodes**2 - mean**2, rtol=0, atol=1e-9)
    outputs = forward(model.network, nodes[:, None])
    assert np.allclose(found.reconstruction, masses @ outputs, rtol=0, atol=1e-10)
    inside = (nodes > regions.lower[:, None]) & (nodes < regions.upper[:, None])
    assert np.allclose(found.region_probability, masses @ inside.T, rtol=0, atol=1e-10)
    density = np.exp(log_posterior_densities(model, regions, points, nodes[:, None]))
    assert np.allclose(density * weights, masses, rtol=1e-8, atol=1e-14)


def test_the_density_of_two_latents_is_prior_times_likelihood():
    model = random_model((2, 4, 3), noise="full", variance=0.1)
    points, latents = drawn(model, 3), np.random.default_rng(0).normal(size=(7, 2))
    found = log_posterior_densities(model, partition(model.network), points, latents)
    outputs = forward(model.network, latents)
    prior = norm.logpdf(latents).sum(axis=1)
    for row, point in enumerate(points):
        joint = multivariate_normal(point, noise_matrix(model)).logpdf(outputs) + prior
        assert np.allclose(found[row] - found[row, 0], joint - joint[0], rtol=0, atol=1e-9)


def test_draws_of_one_latent_have_the_posteriors_distribution():
    model = random_model((1, 6, 2), variance=0.1)
    points = np.concatenate([drawn(model, 3), [[30.0, 30.0]]])
    nodes, _, masses = quadrature(model, points[:3])
    regions = partition(model.network)
    draws = sample_posteriors(model, regions, points, 2000, np.random.default_rng(1))
    assert draws.shape == (4, 2000, 1)
    for row in range(3):
        cumulative = np.cumsum(masses[row])
        test = kstest(draws[row, :, 0], lambda z, c=cumulative: np.interp(z, nodes, c))
        assert test.pvalue > 1e-3
    far = posterior_moments(model, regions, points[3:])
    error = np.sqrt(far.covariance[0, 0, 0] / 2000)
    assert abs(draws[3].mean() - far.mean[0, 0]) < 4 * error


@pytest.mark.parametrize("latent", [2, 3])
def test_draws_of_independent_latents_have_their_distributions(latent):
    case = separable(latent)
    point = drawn(case.model, 1, seed=2)
    draws = sample_posteriors(
        case.model, partition(case.model.network), point, 2000, np.random.default_rng(2)
    )[0]
    turned = draws @ case.rotation
    for index, factor in enumerate(case.factors):
        nodes, _, masses = quadrature(factor, point[:, [index]])
        cumulative = np.cumsum(masses[0])
        test = kstest(turned[:, index], lambda z, n=nodes, c=cumulative: np.interp(z, n, c))
        assert test.pvalue > 1e-3


@pytest.mark.parametrize("ends", [(-1.0, 0.5), (7.0, np.inf), (-np.inf, -40.0), (40.0, 40.01)])
def test_draws_between_two_ends(ends):
    """Far out a normal cut to (a, b) is an exponential: (z - a) a has its distribution."""
    lower, upper = np.full(4000, ends[0]), np.full(4000, ends[1])
    draws = sample_intervals(lower, upper, np.zeros(4000), np.ones(4000), np.random.default_rng(0))
    assert np.all((draws >= lower) & (draws <= upper))
    near = min(abs(ends[0]), abs(ends[1]))
    if near < 40:
        masses = norm.cdf(ends) if ends[0] < 0 else 1 - norm.sf(ends)
        low, high = (norm.sf(ends[0]), norm.sf(ends[1])) if ends[0] > 0 else masses
        values = norm.sf(draws) if ends[0] > 0 else norm.cdf(draws)
        assert kstest((values - low) / (high - low), "uniform").pvalue > 1e-3
    else:
        slack = (np.abs(draws) - 40) * 40
        # The density falls as exp(-slack - slack^2 / 3200); its second term is exact by weights.
        full = np.linspace(0, min(30, (max(np.abs(ends)) - 40) * 40), 20_001)
        density = np.exp(-full - full**2 / 3200)
        cumulative = np.concatenate([[0], np.cumsum((density[1:] + density[:-1]) / 2)])
        test = kstest(slack, lambda s: np.interp(s, full, cumulative / cumulative[-1]))
        assert test.pvalue > 1e-3


@pytest.mark.parametrize("corner", [(0.5, -0.3), (6.0, 8.0), (12.0, -1.0), (30.0, 30.0)])
def test_draws_in_a_turned_quadrant(corner):
    """The quadrant right of and above a corner: coordinates are independent normals cut there."""
    rotation = np.linalg.qr(np.random.default_rng(0).normal(size=(2, 2)))[0]
    normals, offsets = -rotation.T, -np.array(corner)
    draws = sample_cell(normals, offsets, np.zeros(2), np.eye(2), 3000, np.random.default_rng(3))
    turned = draws @ rotation
    for index, low in enumerate(corner):
        share = norm.logsf(turned[:, index]) - norm.logsf(low)
        assert kstest(np.exp(share), "uniform").pvalue > 1e-3


def test_modes_of_one_latent_are_the_peaks_of_the_density():
    model = random_model((1, 8, 2), variance=0.02, seed=7)
    points = np.concatenate([drawn(model, 30), np.random.default_rng(0).normal(size=(30, 2))])
    regions = partition(model.network)
    grid = np.arange(-10, 10, 0.001)
    density = log_posterior_densities(model, regions, points, grid[:, None])
    rises = np.diff(density, axis=1) > 0
    expected = (rises[:, :-1] & ~rises[:, 1:]).sum(axis=1)
    assert expected.max() > 1
    assert np.array_equal(mode_counts(model, regions, points), expected)
    peaks = np.where(rises[:, :-1] & ~rises[:, 1:], density[:, 1:-1], -np.inf)
    high = (peaks >= peaks.max(axis=1, keepdims=True) + np.log(0.01)).sum(axis=1)
    assert not np.array_equal(high, expected)
    assert np.array_equal(mode_counts(model, regions, points, relative_density=0.01), high)


def test_modes_of_two_latents():
    """g(z) = (|z1|, |z2|): four modes at (+-a, +-b), two if b = 0 is best, one at the origin."""
    weights = (np.eye(2), np.eye(2))
    network = Network(weights, (np.zeros(2), np.zeros(2)), Activation("absolute_value"))
    model = DeepGenerativeNetwork(network, NoiseCovariance.isotropic(0.1, 2))
    points = np.array([[1.0, 2.0], [1.0, -1.0], [-1.0, -2.0]])
    assert mode_counts(model, partition(network), points).tolist() == [4, 2, 1]
