"""The limit of no noise and the mixture of components are checked by numbers that can be wrong."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import norm
from support.exact_densities import Quadrature, bent, density, points, straight, subject

from workflow_src.evaluate.exact_densities.limits import (
    FACTORS,
    components,
    difference_rows,
    distance_row,
    mixture_log_densities,
    zero_noise,
)
from workflow_src.models.piecewise_affine.inference.expectations import DeepGenerativeNetwork
from workflow_src.models.piecewise_affine.networks import Activation, Network
from workflow_src.models.piecewise_affine.noise import NoiseCovariance


def test_the_posterior_of_a_linear_model_nears_its_limit_as_algebra_says() -> None:
    slope, noise = np.array([[1.5], [-0.8]]), 0.5
    one, data = subject(straight(slope, noise)), points()
    rows, arrays = zero_noise(one, data.test)
    square, smallest = float((slope**2).sum()), noise * min(FACTORS)
    limit = data.test @ slope[:, 0] / square
    mean = data.test @ slope[:, 0] / (square + smallest**2)
    np.testing.assert_allclose(arrays["latents"][:, 0], limit, rtol=1e-9)
    (row,) = rows
    assert row["metric"] == "zero_noise_distance"
    assert row["value"] == pytest.approx(np.abs(limit - mean).mean(), rel=1e-6)
    assert arrays["single"].all()


def test_points_without_a_single_limit_are_not_in_the_mean() -> None:
    # A ReLU that is off below 0: there g is constant, and the limit is a ray.
    weights = (np.array([[1.0]]), np.array([[1.0], [2.0]]))
    network = Network(weights, (np.zeros(1), np.zeros(2)), Activation("relu"))
    model = DeepGenerativeNetwork(network, NoiseCovariance.isotropic(0.04, 2))
    test = np.array([[1.0, 2.0], [0.5, 1.0], [-3.0, -1.0]])
    rows, arrays = zero_noise(subject(model), test)
    assert arrays["single"].tolist() == [True, True, False]
    off = np.abs(arrays["means"][-1, :2, 0] - [1.0, 0.5])
    assert rows[0]["value"] == pytest.approx(off.mean())
    assert rows[0]["value"] < 1e-3
    # The third's posterior mean is that of half a normal, far from the ray's smallest point.
    assert arrays["means"][-1, 2, 0] == pytest.approx(-2 * norm.pdf(0), abs=1e-3)
    assert math.isnan(distance_row(arrays | {"single": np.zeros(3, dtype=bool)})["value"])


def test_a_limit_that_is_off_is_told() -> None:
    _, arrays = zero_noise(subject(bent()), points().test)
    near = distance_row(arrays)["value"]
    off = distance_row(arrays | {"latents": arrays["latents"] + 0.1})["value"]
    assert near < 1e-3
    assert off == pytest.approx(0.1, abs=2e-3)


@pytest.mark.parametrize("latent", [1, 2])
def test_the_mixture_is_the_model(latent: int) -> None:
    model, data = density(latent=latent, hidden=3), points(counts=(3, 3, 9, 0))
    rows, arrays = components(subject(model), data.test)
    (row,) = rows
    assert row["metric"] == "mixture_difference"
    assert 0 <= row["value"] < 1e-9
    if latent == 1:
        exact = Quadrature(model)
        wanted = [exact.log_likelihood(point) for point in data.test]
        np.testing.assert_allclose(arrays["mixture_log_density"], wanted, atol=1e-6)


def test_every_component_is_a_density() -> None:
    """On one region alone: its part of the integral of p(x, z) by its mass, on a grid of z."""
    model, data = bent(), points()
    exact = Quadrature(model)
    only_right = np.array([-np.inf, 0.0])
    found = mixture_log_densities(subject(model), data.test, only_right)
    right = exact.latents > 0
    wanted = [np.log(np.exp(exact.log_joint(point)[right]).sum() / 0.5) for point in data.test]
    np.testing.assert_allclose(found, wanted, atol=1e-3)


def test_a_mixture_of_other_weights_is_told() -> None:
    one, data = subject(bent()), points()
    _, arrays = components(one, data.test)
    wrong = np.log(np.array([0.4, 0.6]))
    other = arrays | {"mixture_log_density": mixture_log_densities(one, data.test, wrong)}
    assert difference_rows(other)[0]["value"] > 0.05
    assert difference_rows({}) == []


def test_wide_points_have_components_without_densities() -> None:
    rows, arrays = components(subject(density(outputs=9)), points(dimensions=9).test)
    assert rows == []
    assert "mixture_log_density" not in arrays
