"""Masses and moments on regions against products of one-dimensional ones, and sums over regions."""

from __future__ import annotations

from itertools import pairwise

import mpmath
import numpy as np
import pytest
from scipy import integrate, stats
from support.skewed_boxes import SkewedBoxes

from workflow_src.models.piecewise_affine.integrals import adaptive
from workflow_src.models.piecewise_affine.integrals.moments import log_masses, moments
from workflow_src.models.piecewise_affine.networks import Activation, Network
from workflow_src.models.piecewise_affine.partitions.cells import Polygons
from workflow_src.models.piecewise_affine.partitions.enumeration import partition, region_of
from workflow_src.models.piecewise_affine.partitions.polyhedra import polyhedra

LEVELS = ((-1.0, 0.0, 0.3, 0.301), (-0.5, 0.0, 2.0), (0.0, 1.0))
SKEW = np.array([[1.0, 0.4, -0.3], [0.2, 0.8, 0.5], [-0.6, 0.1, 1.1]])
PLACES = [
    ([0.0, 0.0, 0.0], [1.0, 1.0, 1.0]),  # the mean is a vertex
    ([0.2, 0.7, 0.4], [0.3, 2.0, 1.0]),
    ([0.3, 1e-9, -2.0], [0.05, 0.05, 0.05]),
    ([10.0, -12.0, 6.0], [1.0, 1.0, 1.0]),
    ([-30.0, 100.0, 0.0], [1.0, 0.5, 2.0]),
    ([-300.0, 1000.0, 3.0], [0.3, 0.2, 0.1]),
]


def boxes(dimensions: int, skewed: bool = True) -> SkewedBoxes:
    skew = SKEW[:dimensions, :dimensions] if skewed else np.eye(dimensions)
    return SkewedBoxes(LEVELS[:dimensions], skew)


def network(widths: list[int], seed: int, bias: float = 1.0) -> Network:
    generator = np.random.default_rng(seed)
    weights = tuple(
        generator.standard_normal((after, before)) for before, after in pairwise(widths)
    )
    biases = tuple(bias * generator.standard_normal(width) for width in widths[1:])
    return Network(weights, biases, Activation("leaky_relu"))


CASES = [
    (dimensions, place, skewed)
    for dimensions in (1, 2, 3)
    for place in PLACES
    for skewed in (False, True)
]


@pytest.mark.parametrize(("dimensions", "place", "skewed"), CASES)
def test_on_skewed_boxes_they_are_products(
    dimensions: int, place: tuple[list[float], list[float]], skewed: bool
) -> None:
    cells = boxes(dimensions, skewed)
    centre, deviations = (np.array(values)[:dimensions] for values in place)
    mean, covariance = cells.gaussian(centre, deviations)
    found = moments(cells.partition(), mean[None, None], covariance)
    log_mass, first, second = cells.moments(centre, deviations)
    np.testing.assert_allclose(found.log_mass[0], log_mass, rtol=1e-10, atol=2e-9)
    size = np.maximum(1, np.abs(mean).max())
    # Thousands of deviations away, rounding leaves S = 2 the densest points only.
    precision = 1e-6 if place is PLACES[-1] else 1e-8
    np.testing.assert_allclose(found.mean[0], first, atol=precision * size)
    np.testing.assert_allclose(found.second[0], second, atol=precision * size**2)
    assert (found.second == np.swapaxes(found.second, -1, -2)).all()
    alone = log_masses(cells.partition(), mean[None, None], covariance)
    np.testing.assert_allclose(alone, found.log_mass, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("bias", [0.0, 1.0])
@pytest.mark.parametrize("widths", [[1, 8, 8, 2], [2, 6, 5, 2], [3, 4, 2]])
def test_over_a_partition_they_sum_to_the_gaussians(widths: list[int], bias: float) -> None:
    cells = partition(network(widths, seed=3, bias=bias))
    size = widths[0]
    means = np.stack([np.zeros(size), np.linspace(-0.5, 0.7, size), np.full(size, 4.0)])
    factor = np.tril(np.full((size, size), 0.3)) + 0.4 * np.eye(size)
    covariance = factor @ factor.T
    found = moments(cells, means[:, None], covariance)
    mass = np.exp(found.log_mass)
    np.testing.assert_allclose(mass.sum(axis=1), 1, atol=1e-12)
    np.testing.assert_allclose(np.einsum("nr,nri->ni", mass, found.mean), means, atol=1e-11)
    second = covariance + means[:, :, None] * means[:, None, :]
    summed = np.einsum("nr,nrij->nij", mass, found.second)
    np.testing.assert_allclose(summed, second, atol=1e-10)


def test_every_point_may_have_a_covariance_of_its_own() -> None:
    cells = partition(network([2, 4, 2], seed=1))
    means = np.array([[0.3, -0.2], [1.0, 2.0]])
    covariances = np.array([np.diag([1.0, 0.2]), [[0.5, 0.3], [0.3, 0.4]]])
    found = moments(cells, means[:, None], covariances[:, None])
    for point in (0, 1):
        alone = moments(cells, means[point, None, None], covariances[point])
        np.testing.assert_allclose(found.log_mass[point], alone.log_mass[0], rtol=1e-12)
        np.testing.assert_allclose(found.second[point], alone.second[0], rtol=1e-9, atol=1e-12)


def triangle(shift: float) -> Polygons:
    """(shift, -1), (shift + 2, 0.5), (shift + 1, 2), counter-clockwise."""
    corners = np.array([[0.0, -1.0], [2.0, 0.5], [1.0, 2.0]]) + np.array([shift, 0.0])
    sides = np.roll(corners, -1, axis=0) - corners
    tangents = sides / np.linalg.norm(sides, axis=1, keepdims=True)
    normals = np.stack([tangents[:, 1], -tangents[:, 0]], axis=1)
    starts = (tangents * corners).sum(axis=1)
    return Polygons(
        np.zeros((1, 1), dtype=bool),
        corners.mean(axis=0)[None],
        normals,
        (normals * corners).sum(axis=1),
        np.array([0, 3]),
        starts,
        starts + np.linalg.norm(sides, axis=1),
    )


def test_on_a_triangle_they_are_what_quadrature_finds() -> None:
    mean, covariance = np.array([0.4, 0.3]), np.array([[0.7, -0.2], [-0.2, 0.4]])
    found = moments(triangle(0.0), mean[None, None], covariance)
    density = stats.multivariate_normal(mean, covariance).pdf

    def integral(weight: object) -> float:
        total = 0.0
        for first, last in ((0.0, 1.0), (1.0, 2.0)):
            total += integrate.dblquad(
                lambda y, x: weight(x, y) * density([x, y]),  # type: ignore[operator]
                first,
                last,
                lambda x: -1 + 0.75 * x,
                lambda x: -1 + 3 * x if x <= 1 else 2 - 1.5 * (x - 1),
                epsabs=1e-11,
                epsrel=1e-11,
            )[0]
        return total

    mass = integral(lambda x, y: 1.0)
    assert np.exp(found.log_mass[0, 0]) == pytest.approx(mass, rel=1e-9)
    first = [integral(lambda x, y: x) / mass, integral(lambda x, y: y) / mass]
    np.testing.assert_allclose(found.mean[0, 0], first, rtol=1e-8)
    assert found.second[0, 0, 0, 1] == pytest.approx(integral(lambda x, y: x * y) / mass, rel=1e-8)


@pytest.mark.parametrize("shift", [3.0, 10.0, 100.0])
def test_a_triangle_in_the_tail_has_the_mass_that_mpmath_finds(shift: float) -> None:
    found = moments(triangle(shift), np.zeros((1, 1, 2)), np.eye(2))
    with mpmath.workdps(40):

        def slice_mass(x: object) -> object:
            away = x - mpmath.mpf(shift)
            top = -1 + 3 * away if away <= 1 else 2 - mpmath.mpf(3) / 2 * (away - 1)
            bottom = -1 + mpmath.mpf(3) / 4 * away
            return mpmath.exp((mpmath.mpf(shift) ** 2 - x**2) / 2) * (
                mpmath.ncdf(top) - mpmath.ncdf(bottom)
            )

        places = [shift + mpmath.mpf(step) / shift for step in (0, 1, 3, 8)]
        places = [place for place in places if place < shift + 1] + [shift + 1, shift + 2]
        scaled = mpmath.quad(slice_mass, places) / mpmath.sqrt(2 * mpmath.pi)
        mean = mpmath.quad(lambda x: x * slice_mass(x), places) / mpmath.sqrt(2 * mpmath.pi)
        log_mass = float(mpmath.log(scaled) - mpmath.mpf(shift) ** 2 / 2)
        across = float(mean / scaled)
    assert found.log_mass[0, 0] == pytest.approx(log_mass, abs=1e-10, rel=1e-13)
    assert found.mean[0, 0, 0] == pytest.approx(across, rel=1e-11)


def test_a_region_that_is_the_whole_plane_has_the_gaussians_moments() -> None:
    empty = np.zeros(0)
    whole = Polygons(
        np.zeros((1, 1), dtype=bool),
        np.zeros((1, 2)),
        np.zeros((0, 2)),
        empty,
        np.array([0, 0]),
        empty,
        empty,
    )
    covariance = np.array([[2.0, 0.5], [0.5, 1.0]])
    found = moments(whole, np.array([[[1.0, -2.0]]]), covariance)
    assert found.log_mass[0, 0] == 0
    np.testing.assert_allclose(found.mean[0, 0], [1, -2])
    np.testing.assert_allclose(found.second[0, 0], covariance + np.array([[1, -2], [-2, 4]]))


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_a_network_without_hidden_units_is_one_region_with_all_the_mass(dimensions: int) -> None:
    cells = partition(network([dimensions, 2], seed=0))
    assert (cells.regions, len(cells.offsets)) == (1, 0)
    mean = np.linspace(-1.0, 2.0, dimensions)
    covariance = np.eye(dimensions) + 0.3
    found = moments(cells, mean[None, None], covariance)
    np.testing.assert_allclose(found.log_mass, 0, atol=1e-12)
    np.testing.assert_allclose(found.mean[0, 0], mean, atol=1e-12)
    np.testing.assert_allclose(found.second[0, 0], covariance + np.outer(mean, mean), atol=1e-11)
    np.testing.assert_array_equal(region_of(cells, network([dimensions, 2], 0), mean[None]), [0])


@pytest.mark.parametrize("case", range(4, 19))
def test_thin_slabs_and_steep_faces_are_integrated(case: int) -> None:
    stream = np.random.default_rng(case)
    first = stream.normal()
    levels = ((first, first + 10 ** stream.uniform(-5, -1)), (stream.normal(),), ())
    skew = stream.normal(size=(3, 3))
    skew[:, 0] += skew[:, 1] * 10 ** stream.uniform(-1, 1.5)
    skew[0] *= np.sign(np.linalg.det(skew))
    deviations = 10 ** stream.uniform(-1.5, 0.5, 3)
    centre = stream.normal(size=3) * 10 ** stream.uniform(-1, 2.5) * deviations
    cells = SkewedBoxes(levels, skew)
    mean, covariance = cells.gaussian(centre, deviations)
    found = moments(cells.partition(), mean[None, None], covariance).log_mass[0]
    expected = cells.moments(centre, deviations)[0]
    rounding = 1e-15 * np.linalg.cond(covariance)
    np.testing.assert_allclose(found, expected, rtol=1e-9 + rounding, atol=1e-9 + rounding)


def test_polyhedra_of_two_dimensions_are_refused_with_the_way_out() -> None:
    flat = polyhedra(network([2, 3, 1], seed=0))
    with pytest.raises(ValueError, match="Polyhedra of 2 dimensions; use the partition"):
        moments(flat, np.zeros((1, 1, 2)), np.eye(2))


@pytest.mark.parametrize("dimensions", [2, 3])
def test_what_does_not_converge_is_refused(
    dimensions: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A sliver, which only slices can tell from nothing; they are not given the room to converge.
    cells = SkewedBoxes(
        ((0.3, 0.3 + 1e-7), (0.1,), (0.0,))[:dimensions], SKEW[:dimensions, :dimensions]
    )
    arguments = cells.partition(), np.full((1, 1, dimensions), 7.0), 0.01 * np.eye(dimensions)
    moments(*arguments)
    monkeypatch.setattr(adaptive, "ROUNDS", 0)
    monkeypatch.setattr(adaptive, "UNMET", 1e-9)
    monkeypatch.setattr(adaptive, "DIGITS", 0.0)
    with pytest.raises(ArithmeticError, match="did not converge"):
        moments(*arguments)


def test_so_far_that_all_is_rounding_moments_are_finite_and_densest() -> None:
    cells = boxes(2).partition()
    found = moments(cells, np.full((1, 1, 2), 1e7), 1e-4 * np.eye(2))
    assert np.isfinite(found.mean).all()
    assert np.isfinite(found.second).all()
    assert not np.isnan(found.log_mass).any()


def test_what_is_no_covariance_is_refused() -> None:
    for dimensions in (1, 2, 3):
        with pytest.raises(ValueError, match="not positive definite"):
            moments(
                boxes(dimensions).partition(),
                np.zeros((1, 1, dimensions)),
                -np.eye(dimensions),
            )


def test_four_dimensions_are_refused_with_the_way_out() -> None:
    cells = SkewedBoxes(((0.0,),) * 4, np.eye(4)).partition()
    with pytest.raises(ValueError, match="estimated_moments"):
        moments(cells, np.zeros((1, 1, 4)), np.eye(4))
