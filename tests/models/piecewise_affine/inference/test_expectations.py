"""Tests of the exact E-step against closed forms, quadrature and many digits."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import multivariate_normal
from support.generative_oracles import (
    exact_log_density,
    forward,
    line_log_densities,
    line_rule,
    noise_matrix,
    plane_log_densities,
    random_model,
    separable,
)

from workflow_src.models.piecewise_affine.inference.expectations import (
    DeepGenerativeNetwork,
    e_step,
    expected_statistics,
    log_likelihoods,
    log_likelihoods_with_errors,
    sampled_points,
)
from workflow_src.models.piecewise_affine.inference.regions import region_gaussians
from workflow_src.models.piecewise_affine.inference.truncated import truncated_log_masses
from workflow_src.models.piecewise_affine.networks import Activation, Network, rescaled
from workflow_src.models.piecewise_affine.noise import NoiseCovariance
from workflow_src.models.piecewise_affine.partitions.enumeration import partition

MODELS = [
    ((1, 6, 2), "leaky_relu", "isotropic"),
    ((1, 4, 4, 3), "relu", "diagonal"),
    ((1, 5, 2), "absolute_value", "full"),
    ((1, 4, 3, 7), "leaky_relu", "full"),
]


def drawn(model, count, seed=0):
    return sampled_points(model, count, np.random.default_rng(seed))[2]


@pytest.mark.parametrize(("sizes", "kind", "noise"), MODELS)
def test_log_likelihoods_of_one_latent(sizes, kind, noise):
    model = random_model(sizes, kind=kind, noise=noise)
    points = drawn(model, 20)
    expected = line_log_densities(model, points)
    found = log_likelihoods(model, partition(model.network), points)
    assert np.allclose(found, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("size", [10.0, 100.0])
@pytest.mark.parametrize("variance", [0.0025, 0.3])
def test_log_likelihoods_far_from_the_data(size, variance):
    model = random_model((1, 4, 4, 2), variance=variance)
    regions = partition(model.network)
    for angle in (0.3, 2.0, 4.4):
        point = size * np.array([np.cos(angle), np.sin(angle)])
        found = log_likelihoods(model, regions, point[None])[0]
        assert found == pytest.approx(exact_log_density(model, point), rel=1e-12, abs=1e-10)


def test_log_likelihoods_with_next_to_no_noise():
    model = random_model((1, 4, 2), variance=1e-8)
    regions = partition(model.network)
    for point in drawn(model, 3):
        found = log_likelihoods(model, regions, point[None])[0]
        assert found == pytest.approx(exact_log_density(model, point), abs=1e-6)


def test_the_density_integrates_to_one():
    model = random_model((1, 5, 2), variance=0.09, noise="full")
    axis = np.arange(-12, 12, 0.15)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    density = np.exp(log_likelihoods(model, partition(model.network), grid))
    assert density.sum() * 0.15**2 == pytest.approx(1, abs=1e-8)


def test_log_likelihoods_of_two_latents_by_slices():
    model = random_model((2, 3, 2), variance=0.3, noise="full", seed=3)
    points = drawn(model, 2)
    regions = partition(model.network)
    posterior = next(iter(e_step(model, regions, points)))[1]
    for axis in (0, 1):
        expected, mean = plane_log_densities(model, points, axis)
        assert np.allclose(posterior.log_likelihood, expected, rtol=0, atol=1e-7)
        assert np.allclose(posterior.latent_mean()[:, axis], mean, rtol=0, atol=1e-6)


@pytest.mark.parametrize("latent", [2, 3])
def test_log_likelihoods_of_independent_latents(latent):
    case = separable(latent)
    points = np.concatenate([drawn(case.model, 3), np.full((1, latent), 10.0)])
    expected = sum(
        line_log_densities(factor, points[:, [index]]) for index, factor in enumerate(case.factors)
    )
    found, errors = log_likelihoods_with_errors(case.model, partition(case.model.network), points)
    assert np.allclose(found, expected, rtol=1e-10, atol=1e-9)
    assert np.all(errors == 0)


def test_four_latents_are_an_estimate_with_its_error():
    case = separable(4, hidden=1)
    points = drawn(case.model, 4)
    expected = sum(
        line_log_densities(factor, points[:, [index]]) for index, factor in enumerate(case.factors)
    )
    found, errors = log_likelihoods_with_errors(case.model, partition(case.model.network), points)
    assert np.all((errors > 0) & (errors < 0.05))
    assert np.all(np.abs(found - expected) < 4 * errors)


def test_an_affine_network_is_probabilistic_pca():
    generator = np.random.default_rng(0)
    weights, biases = generator.normal(size=(5, 2)), generator.normal(size=5)
    network = Network((weights,), (biases,), Activation("relu"))
    model = DeepGenerativeNetwork(network, NoiseCovariance.isotropic(0.2, 5))
    points = generator.normal(size=(6, 5))
    expected = multivariate_normal(biases, weights @ weights.T + 0.2 * np.eye(5)).logpdf(points)
    found = log_likelihoods(model, partition(network), points)
    assert np.allclose(found, expected, rtol=0, atol=1e-11)


def test_projected_points_have_the_dense_density():
    """More values than units in the last hidden layer: all is projected, and nothing changes."""
    model = random_model((1, 4, 3, 40), variance=0.02, noise="full", seed=2)
    points = drawn(model, 10) + np.random.default_rng(1).normal(size=(10, 40))
    found = log_likelihoods(model, partition(model.network), points)
    assert np.allclose(found, line_log_densities(model, points), rtol=1e-12, atol=1e-10)


@pytest.mark.parametrize("sizes", [(1, 5, 4, 2), (2, 4, 3, 2)])
def test_rescaled_neurons_leave_the_density(sizes):
    model = random_model(sizes)
    points = drawn(model, 5)
    expected = log_likelihoods(model, partition(model.network), points)
    for layer in (1, 2):
        factors = np.random.default_rng(layer).uniform(0.1, 10, sizes[layer])
        network = rescaled(model.network, layer, factors)
        other = DeepGenerativeNetwork(network, model.noise)
        found = log_likelihoods(other, partition(network), points)
        assert np.allclose(found, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("sizes", [(1, 6, 2), (2, 4, 2)])
def test_region_probabilities_sum_to_one(sizes):
    model = random_model(sizes, variance=0.003)
    points = np.concatenate([drawn(model, 20), [[10.0, -10.0], [100.0, 100.0]]])
    for _, posterior in e_step(model, partition(model.network), points):
        assert np.allclose(posterior.probability.sum(axis=1), 1, rtol=0, atol=1e-12)
        assert np.isfinite(posterior.mean).all()
        assert np.isfinite(posterior.second).all()
        assert np.all(np.linalg.eigvalsh(posterior.latent_covariance()) > -1e-9)


def quadrature_statistics(model, regions, points, weights):
    """The sums by Gauss-Legendre over z, region by region."""
    nodes, shares = line_rule(model.network)
    outputs = forward(model.network, nodes[:, None])
    joint = np.stack(
        [multivariate_normal(point, noise_matrix(model)).logpdf(outputs) for point in points]
    )
    masses = np.exp(joint - nodes**2 / 2) / np.sqrt(2 * np.pi) * shares
    masses *= (weights / masses.sum(axis=1))[:, None]
    inside = (nodes > regions.lower[:, None]) & (nodes < regions.upper[:, None])
    by_region = masses[:, None, :] * inside
    return {
        "mass": by_region.sum(axis=(0, 2)),
        "first": (by_region * nodes).sum(axis=(0, 2))[:, None],
        "second": (by_region * nodes**2).sum(axis=(0, 2))[:, None, None],
        "points_mass": np.einsum("nrm,nd->rd", by_region, points),
        "points_first": np.einsum("nrm,nd->rd", by_region * nodes, points)[:, :, None],
    }


@pytest.mark.parametrize("memory_bytes", [1, 2**30])
def test_expected_statistics_by_quadrature(memory_bytes):
    model = random_model((1, 4, 3, 2), noise="full", variance=0.1)
    regions = partition(model.network)
    points = drawn(model, 7)
    weights = np.random.default_rng(2).uniform(0, 2, 7)
    found = expected_statistics(model, regions, points, weights, memory_bytes)
    np.testing.assert_allclose(found.center, points.sum(axis=0) / 7, rtol=1e-12)
    sums = quadrature_statistics(model, regions, points, weights)
    sums["points_mass"] -= np.outer(sums["mass"], found.center)
    sums["points_first"] -= sums["first"][:, None, :] * found.center[:, None]
    for name, expected in sums.items():
        assert np.allclose(getattr(found, name), expected, rtol=0, atol=1e-9), name
    assert found.points == pytest.approx(weights.sum())
    centered = points - found.center
    assert np.allclose(found.outer, (centered.T * weights) @ centered)
    assert np.allclose(found.squares, weights @ centered**2)
    assert np.allclose(found.log_likelihood, line_log_densities(model, points))


def test_statistics_of_two_latents_are_sums_over_the_e_step():
    model = random_model((2, 4, 3), variance=0.1)
    regions = partition(model.network)
    points = drawn(model, 9)
    found = expected_statistics(model, regions, points)
    total = {"first": 0.0, "second": 0.0, "points_first": 0.0}
    for rows, posterior in e_step(model, regions, points):
        for row, point in enumerate(points[rows]):
            share = posterior.probability[row]
            total["first"] += share[:, None] * posterior.mean[row]
            total["second"] += share[:, None, None] * posterior.second[row]
            centered = point - points.mean(axis=0)
            total["points_first"] += np.einsum("r,rs,d->rds", share, posterior.mean[row], centered)
    for name, expected in total.items():
        assert np.allclose(getattr(found, name), expected, rtol=0, atol=1e-12)
    assert found.outer is None


def test_dead_units_have_a_finite_posterior():
    network = Network(
        (np.ones((3, 1)), np.ones((2, 3))), (np.full(3, -40.0), np.zeros(2)), Activation("relu")
    )
    model = DeepGenerativeNetwork(network, NoiseCovariance.isotropic(0.1, 2))
    points = np.array([[0.5, 0.2], [3.0, 3.0]])
    expected = multivariate_normal(np.zeros(2), 0.1 * np.eye(2)).logpdf(points)
    statistics = expected_statistics(model, partition(network), points)
    assert np.allclose(statistics.log_likelihood, expected, rtol=1e-12)
    assert np.isfinite(statistics.second).all()


def test_wrong_points_are_refused():
    model = random_model((1, 3, 2))
    with pytest.raises(ValueError, match="points of 2 values"):
        log_likelihoods(model, partition(model.network), np.zeros((4, 3)))
    with pytest.raises(ValueError, match="no points"):
        expected_statistics(model, partition(model.network), np.zeros((0, 2)))


def test_sampled_points_follow_the_model():
    model = random_model((1, 4, 2), noise="full", variance=0.2)
    nodes, weights = line_rule(model.network)
    masses = weights * np.exp(-(nodes**2) / 2) / np.sqrt(2 * np.pi)
    expected = masses @ forward(model.network, nodes[:, None])
    latents, noiseless, points = sampled_points(model, 40_000, np.random.default_rng(0))
    assert np.allclose(noiseless, forward(model.network, latents))
    error = points.std(axis=0) / 200
    assert np.all(np.abs(points.mean(axis=0) - expected) < 4 * error)
    assert np.allclose(np.cov((points - noiseless).T), noise_matrix(model), atol=0.01)


@pytest.mark.parametrize("size", [1.0, 10.0, 100.0])
@pytest.mark.parametrize("latent", [1, 2, 3])
def test_regions_shares_of_the_density_sum_to_one(latent, size):
    """Sum over regions of N(x; b, Sx + A A') mass / p(x), with p(x) to many digits elsewhere."""
    case = separable(latent) if latent > 1 else None
    model = random_model((1, 4, 4, 2), variance=0.05) if case is None else case.model
    regions = partition(model.network)
    gaussians, projection = region_gaussians(model, regions)
    for angle in (0.3, 2.5):
        point = np.zeros(model.network.outputs)
        point[:2] = size * np.cos(angle), size * np.sin(angle)
        if case is None:
            expected = exact_log_density(model, point)
        else:
            expected = sum(
                exact_log_density(factor, point[[index]])
                for index, factor in enumerate(case.factors)
            )
        at = projection.points(point[None])
        means = gaussians.means(at.coordinates)
        densities = gaussians.log_densities(at.coordinates, at.remainder, means)
        masses = truncated_log_masses(regions, means, gaussians.covariances)
        shares = np.exp((densities + masses).numpy()[0] - expected)
        # A logarithm of some 1e5 has an error of 1e-11 as a number with 16 digits.
        assert shares.sum() == pytest.approx(1, abs=1e-12 * (1 + abs(expected)))
        found = log_likelihoods(model, regions, point[None])[0]
        assert found == pytest.approx(expected, rel=1e-12, abs=1e-12)


def test_far_from_the_origin_nothing_is_lost():
    """The model and its points moved by 1e7: only what the points are rounded by changes."""
    model = random_model((1, 4, 2), variance=0.01)
    # Multiples of 2^-20, so that adding 2^23 is exact.
    points = np.round(drawn(model, 6) * 2**20) / 2**20
    last = np.round(model.network.biases[-1] * 2**20) / 2**20
    found = []
    for shift in (0.0, 2.0**23):
        network = Network(
            model.network.weights,
            (*model.network.biases[:-1], last + shift),
            model.network.activation,
        )
        moved = DeepGenerativeNetwork(network, model.noise)
        statistics = expected_statistics(moved, partition(network), points + shift)
        found.append((statistics.log_likelihood, statistics.first, statistics.second))
    for near, far in zip(*found, strict=True):
        assert np.allclose(near, far, rtol=1e-12, atol=1e-12)


def test_points_do_not_share_their_draws():
    """Equal points in different chunks have different estimates: their errors are independent."""
    case = separable(4, hidden=1)
    point = np.tile(drawn(case.model, 1), (3, 1))
    regions = partition(case.model.network)
    found, errors = log_likelihoods_with_errors(case.model, regions, point, memory_bytes=1)
    assert len(np.unique(found)) == 3
    assert np.ptp(found) < 8 * errors.max()
    again = log_likelihoods(case.model, regions, point, memory_bytes=1)
    assert np.array_equal(found, again)
    statistics = expected_statistics(case.model, regions, point, memory_bytes=1)
    assert np.array_equal(statistics.log_likelihood_error, errors)
