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

from workflow_src.models.piecewise_affine.inference import cell_modes
from workflow_src.models.piecewise_affine.inference.cell_sampling import (
    sample_cell,
    sample_intervals,
)
from workflow_src.models.piecewise_affine.inference.expectations import (
    DeepGenerativeNetwork,
    sampled_points,
)
from workflow_src.models.piecewise_affine.inference.posterior import (
    log_posterior_densities,
    mode_counts,
    posterior_moments,
    sample_posteriors,
)
from workflow_src.models.piecewise_affine.networks import Activation, Network
from workflow_src.models.piecewise_affine.noise import NoiseCovariance
from workflow_src.models.piecewise_affine.partitions.enumeration import partition


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


def test_two_modes_of_which_one_is_on_a_crease():
    """g(z) = (z1 + |z2|, z1 - |z2|) / 2 near 0. The first point asks for |z2| = -2, so that both
    regions beside the crease z2 = 0 are highest there; the second asks for |z2| = 1."""
    network = Network(
        (np.eye(2), np.array([[0.5, 0.5], [0.5, -0.5]])),
        (np.array([5.0, 0.0]), np.array([-2.5, -2.5])),
        Activation("absolute_value"),
    )
    model = DeepGenerativeNetwork(network, NoiseCovariance.isotropic(0.05, 2))
    points = np.array([[-0.5, 1.5], [1.0, 0.0]])
    regions = partition(network)
    axis = np.linspace(-3, 3, 601)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    density = log_posterior_densities(model, regions, points, grid).reshape(2, 601, 601)
    inner = density[:, 1:-1, 1:-1]
    peaks = np.ones_like(inner, dtype=bool)
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            if down or right:
                peaks &= inner > density[:, 1 + down : 600 + down, 1 + right : 600 + right]
    assert peaks.sum(axis=(1, 2)).tolist() == [1, 2]
    # Mirror images at z1 near -10 are far below the others.
    assert mode_counts(model, regions, points, relative_density=0.01).tolist() == [1, 2]


def test_modes_inside_their_regions_need_no_search_of_all_half_spaces(monkeypatch):
    """Of many regions only those that share a highest point on a border are searched for."""
    model = random_model((2, 8, 2), variance=0.05, seed=1)
    regions, points = partition(model.network), drawn(model, 10)
    searched = []
    found = cell_modes._touching

    def touching(regions, point, size):
        searched.append(point)
        return found(regions, point, size)

    monkeypatch.setattr(cell_modes, "_touching", touching)
    counts = mode_counts(model, regions, points)
    assert np.all(counts >= 1)
    assert len(searched) < 0.3 * len(points) * regions.regions


def test_four_latents_have_moments_with_errors():
    case = separable(4, hidden=1)
    points = drawn(case.model, 3)
    found = posterior_moments(case.model, partition(case.model.network), points)
    mean, variance = np.empty((3, 4)), np.empty((3, 4))
    for index, factor in enumerate(case.factors):
        nodes, _, masses = quadrature(factor, points[:, [index]])
        mean[:, index] = masses @ nodes
        variance[:, index] = masses @ nodes**2 - mean[:, index] ** 2
    expected = mean @ case.rotation.T
    covariance = np.einsum("st,nt,ut->nsu", case.rotation, variance, case.rotation)
    for value, error, wanted in (
        (found.mean, found.errors.mean, expected),
        (found.covariance, found.errors.covariance, covariance),
    ):
        assert np.all((error > 0) & (error < 0.05))
        # Errors are made from eight repeats: Student's distribution with seven degrees of freedom.
        assert np.all(np.abs(value - wanted) < 7 * error)
        assert np.mean(np.abs(value - wanted) < 2.4 * error) > 0.85


def test_densities_and_modes_do_not_depend_on_the_budget():
    model = random_model((2, 4, 2), variance=0.1)
    regions, points = partition(model.network), drawn(model, 5)
    latents = np.random.default_rng(0).normal(size=(6, 2))
    whole = log_posterior_densities(model, regions, points, latents)
    assert np.allclose(
        log_posterior_densities(model, regions, points, latents, memory_bytes=1), whole, rtol=1e-13
    )
    assert np.array_equal(
        mode_counts(model, regions, points, memory_bytes=1), mode_counts(model, regions, points)
    )
