"""Quadrature, Owen's T beyond an edge, and intervals, against closed forms and mpmath."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
import torch
from support.skewed_boxes import truncated_normal

from workflow_src.models.piecewise_affine.integrals import adaptive
from workflow_src.models.piecewise_affine.integrals.adaptive import integrals
from workflow_src.models.piecewise_affine.integrals.edges import mass_beyond
from workflow_src.models.piecewise_affine.integrals.half_spaces import ends_of_edges
from workflow_src.models.piecewise_affine.integrals.intervals import (
    interval_log_masses,
    interval_moments,
)
from workflow_src.models.piecewise_affine.integrals.legendre import unit_legendre

INTERVALS = [
    (-1.0, 2.0),
    (0.0, 1e-9),
    (3.0, 4.0),
    (3.9999, np.inf),
    (4.0001, np.inf),
    (10.0, 10.001),
    (-100.0, -10.0),
    (100.0, np.inf),
    (-np.inf, -37.0),
    (-np.inf, np.inf),
    (-0.1, 0.3),
    (1.0, 1.0 + 2**-30),
]


@pytest.mark.parametrize(("lower", "upper"), INTERVALS)
@pytest.mark.parametrize(("mean", "deviation"), [(0.0, 1.0), (0.5, 0.25)])
def test_intervals_agree_with_mpmath(
    lower: float, upper: float, mean: float, deviation: float
) -> None:
    log_mass, centre, variance = truncated_normal(lower, upper)
    # Powers of two: whitening gives back the very bounds.
    bounds = [
        torch.full((1, 1), mean + deviation * place, dtype=torch.float64)
        for place in (lower, upper)
    ]
    place = torch.full((1, 1), mean, dtype=torch.float64)
    found = interval_moments(*bounds, place, torch.full_like(place, deviation**2))
    if mean == 0 or upper - lower > 0.5:
        assert found.log_mass.item() == pytest.approx(log_mass, rel=2e-13, abs=1e-15)
        alone = interval_log_masses(*bounds, place, torch.full_like(place, deviation**2))
        assert alone.item() == pytest.approx(log_mass, rel=2e-13, abs=1e-15)
    assert found.mean.item() == pytest.approx(mean + deviation * centre, rel=1e-12, abs=1e-15)
    second = (mean + deviation * centre) ** 2 + deviation**2 * variance
    assert found.second.item() == pytest.approx(second, rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("degree", [0, 1, 20, 39])
def test_legendre_integrates_powers(degree: int) -> None:
    nodes, weights = unit_legendre(20)
    assert (weights * nodes**degree).sum() == pytest.approx(1 / (degree + 1), rel=4e-16 * 4)


def test_a_decaying_exponential_is_right_to_the_last_digits() -> None:
    nodes, weights = unit_legendre(24)
    assert (weights * 37 * np.exp(-37 * nodes)).sum() == pytest.approx(1, rel=2e-15)


@pytest.mark.parametrize("degree", [0, 2, 18, 30])
def test_kronrod_integrates_powers_and_gauss_the_lower_ones(degree: int) -> None:
    powers = adaptive.NODES**degree
    assert adaptive.KRONROD @ powers == pytest.approx(2 / (degree + 1), rel=1e-14)
    gauss = adaptive.GAUSS @ powers
    assert (gauss == pytest.approx(2 / (degree + 1), rel=1e-13)) == (degree < 20)


def test_integrands_of_very_different_scales_are_integrated_together() -> None:
    rates = np.array([1.0, 1e4, 30.0])

    def decay(owners: np.ndarray, places: np.ndarray) -> np.ndarray:
        density = np.exp(-rates[owners] * np.abs(places - 0.25))
        return np.stack([density, density * places], axis=1)

    bounds = np.tile([0.0, 0.25, 1.0, 1.0], (3, 1))
    found = integrals(decay, bounds, 2).values
    mass = (2 - np.exp(-0.25 * rates) - np.exp(-0.75 * rates)) / rates
    np.testing.assert_allclose(found[:, 0], mass, rtol=1e-13)
    assert found[1, 1] == pytest.approx(0.25 * mass[1], rel=1e-12)


def test_a_peak_far_narrower_than_its_piece_is_found_or_told() -> None:
    """Of width 1e-4 to 1e-8 at the densest place, in pieces of length 9: between all nodes."""
    rates = 10.0 ** np.arange(4, 9)

    def peak(owners: np.ndarray, places: np.ndarray) -> np.ndarray:
        away = rates[owners] * np.maximum(places - 0.25, 0)
        return (away**2 * np.exp(-away))[:, None]

    bounds = np.tile([-8.75, 0.25, 9.25], (5, 1))
    found = integrals(peak, bounds, 1, np.full(5, 0.25))
    np.testing.assert_allclose(found.values[:, 0], 2 / rates, rtol=1e-7)


def test_a_layer_thinner_than_the_first_nodes_distance_is_seen() -> None:
    def layer(owners: np.ndarray, places: np.ndarray) -> np.ndarray:
        return (1 - 1e-2 * np.exp(-places / 1e-4))[:, None]

    found = integrals(layer, np.array([[0.0, 1.0]]), 1)
    assert found.values[0, 0] == pytest.approx(1 - 1e-6, abs=1e-12)


def test_what_is_given_up_is_told() -> None:
    def noise(owners: np.ndarray, places: np.ndarray) -> np.ndarray:
        return 1 + 0.1 * np.sin(1e9 * places)[:, None]

    found = integrals(noise, np.array([[0.0, 1.0]]), 1)
    assert 1e-3 < found.unmet[0] < 1
    with pytest.raises(ArithmeticError, match="1 of 1 integrals did not converge"):
        adaptive.checked(found.unmet, found.values[:, 0], np.zeros(1))
    adaptive.checked(np.zeros(1), found.values[:, 0], np.zeros(1))


def test_as_many_pieces_as_an_integral_has_are_no_sign_of_rounding() -> None:
    """A hundred kinks between given places, each of which needs halving once or more."""
    bounds = np.linspace(0, 100, 101)[None]

    def waves(owners: np.ndarray, places: np.ndarray) -> np.ndarray:
        return (1 + np.cos(20 * np.pi * places))[:, None]

    found = integrals(waves, bounds, 1)
    assert found.unmet[0] == 0
    assert found.values[0, 0] == pytest.approx(100, rel=1e-12)


@pytest.mark.parametrize("height", [1e-9, 0.1, 2.0, 2.999, 3.001, 12.0, 200.0])
@pytest.mark.parametrize("outwards", [0.0, 0.3, 2.9, 3.1, 40.0])
def test_the_mass_beyond_a_ray_agrees_with_mpmath(height: float, outwards: float) -> None:
    with mpmath.workdps(30):
        h, t = mpmath.mpf(height), mpmath.mpf(outwards)

        def density(angle: mpmath.mpf) -> mpmath.mpf:
            # s = h tan(angle) - t turns the integral over s into one over angles.
            place = h * mpmath.tan(angle)
            return mpmath.exp((t**2 - place**2) / 2)

        first = mpmath.atan(t / h)
        steps = [mpmath.atan((t + step / (1 + t)) / h) for step in (0, 0.1, 1, 5, 20, 90)]
        truth = mpmath.quad(density, [first, *steps[1:]]) / (2 * mpmath.pi)
    found = mass_beyond(np.array([height]), np.array([outwards]))[0]
    assert found == pytest.approx(float(truth), rel=2e-13, abs=1e-14)


def test_edges_end_where_the_polygons_corners_are() -> None:
    # A unit square around (2, 0), a half-plane that is implied, and one that cuts nothing off.
    normals = np.array([[[1, 0], [0, 1], [-1, 0], [0, -1], [1, 0], [0.6, 0.8]]], dtype=float)
    offsets = np.array([[2.5, 0.5, -1.5, 0.5, 3.0, 9.0]])
    starts, ends = ends_of_edges(normals, offsets)
    np.testing.assert_allclose(starts[0, :4], [-0.5, -2.5, -0.5, 1.5])
    np.testing.assert_allclose(ends[0, :4], [0.5, -1.5, 0.5, 2.5])
    assert (starts[0, 4:] >= ends[0, 4:]).all()
