"""Tests of Proposition 1 against quadrature of the network's own outputs."""

from __future__ import annotations

import numpy as np
from scipy.stats import multivariate_normal, norm
from support.generative_oracles import (
    forward,
    line_rule,
    noise_matrix,
    panels,
    random_model,
    separable,
)

from workflow_src.models.piecewise_affine.inference.expectations import (
    DeepGenerativeNetwork,
    log_likelihoods,
)
from workflow_src.models.piecewise_affine.inference.mixture import (
    mixture_of_components,
    prior_log_masses,
    prior_log_masses_with_errors,
    uncut_log_likelihoods,
)
from workflow_src.models.piecewise_affine.networks import Activation, Network
from workflow_src.models.piecewise_affine.noise import NoiseCovariance
from workflow_src.models.piecewise_affine.partitions.enumeration import partition


def test_components_have_the_moments_of_the_model():
    model = random_model((1, 5, 3, 4), noise="full")
    nodes, weights = line_rule(model.network)
    masses = weights * norm.pdf(nodes)
    outputs = forward(model.network, nodes[:, None])
    mean = masses @ outputs
    covariance = (outputs.T * masses) @ outputs - np.outer(mean, mean) + noise_matrix(model)
    regions = partition(model.network)
    found = mixture_of_components(model, regions)
    assert np.allclose(found.weights, norm.cdf(regions.upper) - norm.cdf(regions.lower), atol=1e-14)
    assert np.allclose(found.mean(), mean, rtol=0, atol=1e-10)
    assert np.allclose(found.covariance(), covariance, rtol=0, atol=1e-10)
    inner = regions.interior
    fitted = np.einsum("rds,rs->rd", found.slopes, inner) + found.offsets
    assert np.allclose(fitted, forward(model.network, inner))


def test_components_of_three_latents_have_the_moments_of_the_model():
    case = separable(3)
    found = mixture_of_components(case.model, partition(case.model.network))
    assert np.isclose(found.weights.sum(), 1, rtol=0, atol=1e-12)
    for index, factor in enumerate(case.factors):
        nodes, weights = line_rule(factor.network)
        outputs = forward(factor.network, nodes[:, None])[:, 0]
        mean = (weights * norm.pdf(nodes)) @ outputs
        second = (weights * norm.pdf(nodes)) @ outputs**2
        assert np.isclose(found.mean()[index], mean, atol=1e-9)
        variance = second - mean**2 + float(factor.noise.values)
        assert np.isclose(found.covariance()[index, index], variance, atol=1e-9)


def test_without_cutting_it_is_a_mixture_of_probabilistic_pca():
    model = random_model((1, 4, 2), variance=0.1)
    regions, points = partition(model.network), np.random.default_rng(0).normal(size=(5, 2))
    mixture = mixture_of_components(model, regions)
    expected = sum(
        weight * multivariate_normal(offset, slope @ slope.T + noise_matrix(model)).pdf(points)
        for weight, slope, offset in zip(
            mixture.weights, mixture.slopes, mixture.offsets, strict=True
        )
    )
    found = uncut_log_likelihoods(model, regions, points)
    assert np.allclose(found, np.log(expected), rtol=0, atol=1e-10)
    assert np.abs(found - log_likelihoods(model, regions, points)).max() > 0.01


def test_one_region_is_probabilistic_pca_itself():
    generator = np.random.default_rng(0)
    network = Network(
        (generator.normal(size=(3, 2)),), (generator.normal(size=3),), Activation("relu")
    )
    model = DeepGenerativeNetwork(network, NoiseCovariance.isotropic(0.2, 3))
    points = generator.normal(size=(4, 3))
    regions = partition(network)
    assert np.allclose(
        uncut_log_likelihoods(model, regions, points), log_likelihoods(model, regions, points)
    )


def test_weights_alone_and_covariances_on_demand():
    """Covariances of components by quadrature of each region; none are kept."""
    model = random_model((1, 3, 2), noise="diagonal")
    regions = partition(model.network)
    found = mixture_of_components(model, regions)
    assert np.array_equal(prior_log_masses(regions), found.log_weights)
    covariances = found.covariances()
    for index, (lower, upper) in enumerate(zip(regions.lower, regions.upper, strict=True)):
        start = lower if np.isfinite(lower) else min(-9, upper - 9)
        end = upper if np.isfinite(upper) else max(9, lower + 9)
        nodes, weights = panels(np.linspace(start, end, 400))
        heights = norm.logpdf(nodes)
        masses = weights * np.exp(heights - heights.max())
        masses /= masses.sum()
        outputs = forward(model.network, nodes[:, None])
        away = outputs - masses @ outputs
        expected = (away.T * masses) @ away + noise_matrix(model)
        assert np.allclose(covariances[index], expected, rtol=0, atol=1e-9)
    held = sum(np.asarray(getattr(found, name)).size for name in ("slopes", "offsets", "means"))
    assert held < 4 * covariances.size


def test_estimated_prior_masses_sum_to_one_within_their_errors():
    """Four latents: masses are products of masses of intervals, of units side by side."""
    case = separable(4, hidden=1)
    regions = partition(case.model.network)
    found, errors = prior_log_masses_with_errors(regions)
    assert np.isclose(np.exp(found).sum(), 1, rtol=0, atol=1e-14)
    borders = [
        float(-factor.network.biases[0][0] / factor.network.weights[0][0, 0])
        for factor in case.factors
    ]
    turned = regions.interior @ case.rotation
    expected = np.where(turned < borders, norm.logcdf(borders), norm.logsf(borders)).sum(axis=1)
    assert np.all((errors > 0) & (errors < 0.5))
    assert np.all(np.abs(np.exp(expected - found) - 1) < 4 * errors)
    assert np.all(prior_log_masses_with_errors(partition(case.factors[0].network))[1] == 0)
