"""Importance sampling within its errors of exact masses; the paper's route; modes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import logsumexp
from support.skewed_boxes import SkewedBoxes

from workflow_src.models.piecewise_affine.integrals.modes import constrained_modes
from workflow_src.models.piecewise_affine.integrals.moments import moments
from workflow_src.models.piecewise_affine.integrals.reference import (
    moments_of_simplices,
    reference_moments,
)
from workflow_src.models.piecewise_affine.integrals.sampling import estimated_moments
from workflow_src.models.piecewise_affine.partitions.triangulation import simplices


def skew(dimensions: int) -> np.ndarray:
    return np.eye(dimensions) + 0.2 * np.tril(np.ones((dimensions, dimensions)), -1)


@pytest.mark.parametrize("dimensions", [4, 6])
def test_an_estimate_is_within_its_errors_of_the_truth(dimensions: int) -> None:
    levels = ((-0.5, 0.7), (0.2,), (0.0,), (), (), (-1.0,))[:dimensions]
    cells = SkewedBoxes(levels, skew(dimensions))
    centre, deviations = np.full(dimensions, 0.1), np.linspace(0.5, 1.2, dimensions)
    mean, covariance = cells.gaussian(centre, deviations)
    truth, _, _ = cells.moments(centre, deviations)
    weights = np.random.default_rng(4).normal(size=(1, len(truth)))
    found = estimated_moments(
        cells.partition(),
        mean[None, None],
        covariance,
        weights,
        8_000,
        np.random.default_rng(5),
    )
    scores = (found.moments.log_mass[0] - truth) / found.log_mass_error[0]
    assert np.abs(scores).max() < 4.5
    assert 0.5 < np.sqrt((scores**2).mean()) < 1.5
    total = logsumexp(weights[0] + truth)
    assert 0 < found.log_total_error[0] < 0.02
    assert abs(found.log_total[0] - total) < 4 * found.log_total_error[0]
    # A mean of draws in a convex region lies in it; over regions they are the Gaussian's mean,
    # within six errors if but a quarter of the 8,000 draws counts.
    partition = cells.partition()
    excess = (partition.normals * found.moments.mean[0][partition.faces]).sum(axis=1)
    assert (excess <= partition.offsets + 1e-12).all()
    summed = np.exp(found.moments.log_mass[0]) @ found.moments.mean[0]
    errors = np.sqrt(np.diag(covariance) + mean**2) / np.sqrt(2_000)
    assert (np.abs(summed - mean) < 6 * errors).all()


def test_a_region_far_in_the_tail_is_estimated_as_well() -> None:
    cells = SkewedBoxes(((8.0,), (0.0,), (0.0,), (0.0,)), skew(4))
    mean, covariance = cells.gaussian(np.zeros(4), np.ones(4))
    truth, _, _ = cells.moments(np.zeros(4), np.ones(4))
    found = estimated_moments(
        cells.partition(),
        mean[None, None],
        covariance,
        -truth[None],
        20_000,
        np.random.default_rng(0),
    )
    assert truth.min() < -36
    assert found.log_mass_error.max() < 0.1
    assert (np.abs(found.moments.log_mass[0] - truth) < 4 * found.log_mass_error[0]).all()


def test_modes_are_what_a_solver_finds() -> None:
    cells = SkewedBoxes(((-1.0, 0.5), (0.3,)), skew(2)).partition()
    mean, covariance = np.array([0.2, 1.0]), np.array([[0.5, 0.3], [0.3, 0.8]])
    found = constrained_modes(cells, mean[None, None], covariance)[0]
    precision = np.linalg.inv(covariance)
    for region in range(cells.regions):
        normals, offsets = cells.half_spaces(region)
        best = minimize(
            lambda z: (z - mean) @ precision @ (z - mean),
            cells.interior[region],
            constraints={"type": "ineq", "fun": lambda z, n=normals, o=offsets: o - n @ z},
            options={"ftol": 1e-14},
        )
        np.testing.assert_allclose(found[region], best.x, atol=1e-6)


@pytest.mark.parametrize("dimensions", [1, 2])
def test_the_papers_route_agrees(dimensions: int) -> None:
    cells = SkewedBoxes(((-0.5, 0.6), (0.2,))[:dimensions], skew(dimensions))
    mean, covariance = cells.gaussian(np.full(dimensions, 0.3), np.linspace(0.6, 0.9, dimensions))
    exact = moments(cells.partition(), mean[None, None], covariance)
    for region in range(exact.log_mass.shape[1]):
        mass, first, second = reference_moments(cells.partition(), region, mean, covariance, 15.0)
        share = np.exp(exact.log_mass[0, region])
        assert mass == pytest.approx(share, abs=1e-10)
        np.testing.assert_allclose(first, share * exact.mean[0, region], atol=1e-10)
        np.testing.assert_allclose(second, share * exact.second[0, region], atol=1e-10)


def test_the_papers_route_in_three_dimensions_is_the_product_of_one_dimensional_masses() -> None:
    corners = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1.0], [1, 1, 0], [1, 0, 1]])
    corners = np.vstack([corners, [[0, 1, 1], [1, 1, 1]]])
    box = SkewedBoxes(((0.0, 1.0),) * 3, np.eye(3))
    log_mass, first, second = box.moments(np.full(3, 0.2), np.full(3, 0.8))
    within = box.bounds.index(((0.0, 1.0),) * 3)
    mass, mean, square = moments_of_simplices(simplices(corners), np.full(3, 0.2), 0.64 * np.eye(3))
    # scipy's trivariate normal is quasi Monte Carlo.
    assert mass == pytest.approx(np.exp(log_mass[within]), abs=5e-4)
    np.testing.assert_allclose(mean / mass, first[within], atol=5e-3)
    np.testing.assert_allclose(square / mass, second[within], atol=5e-3)
