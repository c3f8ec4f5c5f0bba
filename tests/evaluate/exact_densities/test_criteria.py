"""Information criteria count parameters plainly, and by the directions that change a density."""

from __future__ import annotations

import math

import numpy as np
import pytest
from support.exact_densities import Quadrature, density, points, subject

from workflow_src.evaluate.exact_densities.criteria import (
    criteria,
    free_parameters,
    numerical_rank,
    score_matrix,
    singular_values_of,
)
from workflow_src.models.piecewise_affine.inference.expectations import DeepGenerativeNetwork
from workflow_src.models.piecewise_affine.networks import Activation, Network
from workflow_src.models.piecewise_affine.noise import NoiseCovariance


def changed(model: DeepGenerativeNetwork, number: int, by: float) -> DeepGenerativeNetwork:
    """The model with one of its numbers changed: weights, then biases, then the variance."""
    network = model.network
    arrays = [one.copy() for one in (*network.weights, *network.biases)]
    variance = float(model.noise.values)
    for array in arrays:
        if number < array.size:
            array.flat[number] += by
            break
        number -= array.size
    else:
        variance += by
    layers = len(network.weights)
    moved = Network(tuple(arrays[:layers]), tuple(arrays[layers:]), network.activation)
    return DeepGenerativeNetwork(moved, NoiseCovariance.isotropic(variance, network.outputs))


def test_scores_are_differences_of_densities_by_quadrature() -> None:
    model, data = density(hidden=2), points(counts=(3, 2, 2, 0))
    found = score_matrix(subject(model), data.train)
    count, step = free_parameters(subject(model)), 1e-4
    assert found.shape == (3, count)
    for number in range(count):
        more, less = (Quadrature(changed(model, number, by), 100_001) for by in (step, -step))
        wanted = [
            (more.log_likelihood(point) - less.log_likelihood(point)) / (2 * step)
            for point in data.train
        ]
        np.testing.assert_allclose(found[:, number], wanted, rtol=1e-4, atol=1e-5)


def test_the_rank_is_less_than_the_count_by_what_changes_nothing() -> None:
    # Rescaling each of two units and undoing it behind changes no density, and so does moving the
    # last biases against those of a unit that is on wherever the prior has mass.
    rng = np.random.default_rng(2)
    weights = (np.array([[1.0], [-1.2]]), rng.normal(size=(2, 2)))
    network = Network(weights, (np.array([0.1, 0.4]), np.zeros(2)), Activation("relu"))
    model = DeepGenerativeNetwork(network, NoiseCovariance.isotropic(0.04, 2))
    train = rng.normal(size=(60, 2))
    values = singular_values_of(score_matrix(subject(model), train))
    assert free_parameters(subject(model)) == 2 + 4 + 2 + 2 + 1
    assert numerical_rank(values) == 11 - 2


def test_a_dead_unit_is_not_counted() -> None:
    weights = (np.array([[1.0], [0.0]]), np.array([[1.0, 0.5], [0.2, 0.7]]))
    network = Network(weights, (np.array([0.3, -1.0]), np.zeros(2)), Activation("relu"))
    model = DeepGenerativeNetwork(network, NoiseCovariance.isotropic(0.04, 2))
    rows, arrays = criteria(subject(model), points(counts=(50, 2, 2, 0)).train, -70.0)
    # The other unit has a bias and three weights less one for its scale; last biases and noise.
    assert arrays["rank"] == 4 - 1 + 2 + 1
    told = {row["metric"]: row["value"] for row in rows}
    assert told["score_rank"] == 6
    assert told["akaike_criterion"] == 2 * 11 + 140
    assert told["bayesian_criterion"] == pytest.approx(11 * math.log(50) + 140)
    assert told["akaike_criterion_of_rank"] == 2 * 6 + 140
    assert told["bayesian_criterion_of_rank"] == pytest.approx(6 * math.log(50) + 140)


@pytest.mark.parametrize(
    ("noise", "free"),
    [
        (NoiseCovariance.isotropic(0.1, 3), 1),
        (NoiseCovariance.diagonal(np.array([0.1, 0.2, 0.3])), 3),
        (NoiseCovariance.full(np.diag([0.1, 0.2, 0.3])), 6),
    ],
)
def test_free_numbers_of_the_noise_are_counted(noise: NoiseCovariance, free: int) -> None:
    network = density(hidden=2, outputs=3).network
    model = DeepGenerativeNetwork(network, noise)
    assert free_parameters(subject(model)) == 2 + 2 + 6 + 3 + free
    scores = score_matrix(subject(model), points(dimensions=3).train[:2])
    assert scores.shape == (2, 13 + free)


def test_large_networks_have_the_plain_criteria_alone() -> None:
    wide = density(hidden=40, outputs=50)
    rows, arrays = criteria(subject(wide), points(dimensions=50).train, 0.0)
    assert {row["metric"] for row in rows} == {"akaike_criterion", "bayesian_criterion"}
    assert arrays["rank"] == -1
