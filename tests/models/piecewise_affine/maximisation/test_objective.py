"""Q, its gradient and Fisher's identity, against brute force over particles and quadrature."""

from dataclasses import replace

import numpy as np
import pytest
from support.expectations import (
    ACTIVATIONS,
    KINDS,
    ParticleObjective,
    Particles,
    circle,
    particle_statistics,
    quadrature,
    tiny_model,
)

from workflow_src.models.piecewise_affine.maximisation.gradients import gradients
from workflow_src.models.piecewise_affine.maximisation.objective import (
    expected_complete_log_likelihood,
    residual_covariance,
)
from workflow_src.models.piecewise_affine.networks import with_layer
from workflow_src.models.piecewise_affine.noise import NoiseCovariance
from workflow_src.models.piecewise_affine.partitions.enumeration import partition

WIDTHS = [(1, 3), (1, 4, 2), (2, 4, 3, 3), (3, 2, 3, 2, 4)]


def example(widths, activation, noise, seed=0):
    model = tiny_model(widths, activation, noise, seed=seed)
    particles = Particles.random(model, 6, 11, seed + 1)
    return model, *particle_statistics(model, particles), ParticleObjective(model, particles)


@pytest.mark.parametrize("noise", KINDS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("widths", WIDTHS[1:])
def test_q_is_the_weighted_sum_of_log_joint_densities(widths, activation, noise):
    model, regions, statistics, objective = example(widths, activation, noise)
    found = expected_complete_log_likelihood(model, regions, statistics)
    assert found == pytest.approx(objective.of(model), rel=1e-12)


@pytest.mark.parametrize("noise", KINDS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("widths", WIDTHS[1:])
def test_the_gradient_of_q_is_that_of_automatic_differentiation(widths, activation, noise):
    model, regions, statistics, objective = example(widths, activation, noise)
    found = gradients(model, regions, statistics)
    weights, biases, covariance = objective.gradient(model)
    for one, other in zip(found.weights + found.biases, weights + biases, strict=True):
        assert one.shape == other.shape
        np.testing.assert_allclose(one, other, atol=1e-11)
    by_value = {
        "isotropic": np.trace(covariance),
        "diagonal": np.diagonal(covariance),
        "full": covariance,
    }[noise]
    np.testing.assert_allclose(found.noise, by_value, atol=1e-11)


def test_q_of_a_network_that_has_moved_keeps_the_regions_of_the_expectations():
    model, regions, statistics, objective = example((2, 4, 3, 3), "leaky_relu", "full")
    moved = with_layer(model.network, 1, model.network.weights[0] * 1.7 - 0.4)
    moved = replace(model, network=moved)
    found = expected_complete_log_likelihood(moved, regions, statistics)
    assert found == pytest.approx(objective.of(moved), rel=1e-12)
    assert abs(found - objective.of(model)) > 1


def test_a_full_covariance_asks_for_outer_products():
    model, regions, statistics, _ = example((1, 4, 2), "relu", "full")
    with pytest.raises(ValueError, match="outer products"):
        residual_covariance(model, regions, replace(statistics, outer=None))


@pytest.mark.parametrize("noise", KINDS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_fishers_identity_against_differences_of_the_quadrature_likelihood(activation, noise):
    """The exact log likelihood's central differences; one latent dimension, two hidden layers."""
    model = tiny_model((1, 3, 2, 2), activation, noise, seed=3)
    points = circle(3)

    def log_likelihood(other):
        return quadrature(other, partition(other.network), points).log_likelihood.sum()

    regions = partition(model.network)
    found = gradients(model, regions, quadrature(model, regions, points))
    network, step = model.network, 1e-4
    for layer in range(1, 4):
        weights, biases = network.weights[layer - 1], network.biases[layer - 1]
        for values, gradient, name in (
            (weights, found.weights[layer - 1], "weights"),
            (biases, found.biases[layer - 1], "biases"),
        ):
            for place in list(np.ndindex(values.shape))[:3]:
                ends = []
                for sign in (1, -1):
                    moved = values.copy()
                    moved[place] += sign * step
                    other = with_layer(network, layer, **{name: moved})
                    ends.append(log_likelihood(replace(model, network=other)))
                difference = (ends[0] - ends[1]) / (2 * step)
                assert gradient[place] == pytest.approx(difference, abs=1e-6, rel=1e-6)
    direction = {
        "isotropic": np.asarray(1.0),
        "diagonal": np.array([1.0, -0.5]),
        "full": np.array([[1.0, 0.3], [0.3, -0.5]]),
    }[noise]
    ends = [
        log_likelihood(
            replace(model, noise=NoiseCovariance(noise, model.noise.values + move * direction, 2))
        )
        for move in (step, -step)
    ]
    change = float((found.noise * direction).sum())
    assert change == pytest.approx((ends[0] - ends[1]) / (2 * step), abs=1e-6, rel=1e-6)
