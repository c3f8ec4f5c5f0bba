"""Hidden values are expected as quadrature expects them; errors are roots of mean squares."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from support.exact_densities import Quadrature, bent, density, generated, points, subject

from workflow_src.evaluate.exact_densities.imputation import (
    ROUNDS,
    halves,
    imputation,
    imputation_rows,
)


def test_each_half_is_hidden_once() -> None:
    assert halves(5).tolist() == [
        [True, True, False, False, False],
        [False, False, True, True, True],
    ]


def test_expected_values_and_densities_are_those_of_quadrature() -> None:
    model, data = density(outputs=3), points(dimensions=3)
    exact = Quadrature(model, 100_001)
    rows, arrays = imputation(subject(model), data)
    for number, hidden in enumerate(halves(3)):
        for point, filled in zip(data.test, arrays["expected"][number], strict=False):
            weights = exact.posterior(point, ~hidden)
            wanted = weights @ exact.outputs
            np.testing.assert_allclose(filled[hidden], wanted[hidden], atol=1e-6)
            np.testing.assert_array_equal(filled[~hidden], point[~hidden])
        densities = [
            exact.log_likelihood(point) - exact.log_likelihood(point, ~hidden)
            for point in data.test
        ]
        np.testing.assert_allclose(arrays["log_densities"][number], densities, atol=1e-6)
        mean = data.train.mean(axis=0)
        np.testing.assert_allclose(
            arrays["mean_squared_errors"][number],
            ((data.test - mean)[:, hidden] ** 2).mean(axis=1),
        )
    shares = arrays["log_densities"] / np.array([[1], [2]])
    told = {row["metric"]: row["value"] for row in rows}
    assert told["imputation_log_density"] == pytest.approx(shares.mean())
    assert "encoder_imputation_error" not in told


def test_the_encoder_fills_in_what_it_comes_to_rest_at() -> None:
    model, data = bent(), points()
    matrix = np.array([[0.5, 0.1]])
    _, arrays = imputation(subject(model, (matrix, 0.2)), data)
    mean = data.train.mean(axis=0)
    for number, hidden in enumerate(halves(2)):
        now = np.where(hidden, mean, data.test)
        for _ in range(ROUNDS):
            now = np.where(hidden, generated(model, now @ matrix.T), now)
        wanted = ((now - data.test)[:, hidden] ** 2).mean(axis=1)
        np.testing.assert_allclose(arrays["encoder_squared_errors"][number], wanted, rtol=1e-9)


def test_an_error_is_a_root_and_its_error_follows_the_slope() -> None:
    squares = np.array([[1.0, 4.0, 9.0], [3.0, 0.0, 7.0]])
    arrays = {
        "hidden": halves(2),
        "squared_errors": squares,
        "mean_squared_errors": np.zeros((2, 3)),
        "log_densities": np.zeros((2, 3)),
    }
    told = {row["metric"]: row for row in imputation_rows(arrays)}
    of_points = squares.mean(axis=0)
    assert told["imputation_error"]["value"] == pytest.approx(2.0)
    error = of_points.std(ddof=1) / np.sqrt(3)
    assert told["imputation_error"]["standard_error"] == pytest.approx(error / 4)
    assert told["imputation_error_of_second_half"]["value"] == pytest.approx(math.sqrt(10 / 3))
    second = np.array([3.0, 0.0, 7.0]).std(ddof=1) / np.sqrt(3)
    assert told["imputation_error_of_second_half"]["standard_error"] == pytest.approx(
        second / (2 * math.sqrt(10 / 3))
    )
    assert told["mean_imputation_error"]["value"] == 0
    assert told["mean_imputation_error"]["standard_error"] == 0


def test_the_second_coordinate_of_a_curve_is_expected_and_the_first_is_not() -> None:
    """g(z) = (z, |z|): the second coordinate follows from the first, and not the other way."""
    model = bent(0.05)
    rng = np.random.default_rng(4)
    latents = rng.normal(size=(300, 1))
    test = generated(model, latents) + 0.05 * rng.normal(size=(300, 2))
    data = replace(points(), test=test)
    encoder = (np.array([[1.0, 0.0]]), 0.1)
    told = {row["metric"]: row["value"] for row in imputation(subject(model, encoder), data)[0]}
    # Noise of both coordinates, and that of z given the first, times the slope: sqrt(2) 0.05.
    assert told["imputation_error_of_second_half"] == pytest.approx(0.07, abs=0.01)
    assert told["encoder_imputation_error_of_second_half"] == pytest.approx(0.07, abs=0.01)
    assert told["mean_imputation_error_of_second_half"] > 0.5
    # Given |z| the sign is open, and its expectation is 0.
    assert told["imputation_error"] > 0.5


def test_single_numbers_have_no_halves() -> None:
    assert imputation(subject(density(outputs=1)), points(dimensions=1)) == ([], {})
