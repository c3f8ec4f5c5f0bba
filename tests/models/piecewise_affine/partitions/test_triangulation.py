"""Regions within a window, and the simplices that fill them."""

from __future__ import annotations

from math import factorial

import numpy as np
import pytest
from support.random_networks import random_network

from workflow_src.models.piecewise_affine.partitions.enumeration import partition, region_of
from workflow_src.models.piecewise_affine.partitions.triangulation import (
    clipped_vertices,
    simplices,
)


def volume(corners: np.ndarray) -> float:
    dimensions = corners.shape[2]
    edges = corners[:, 1:] - corners[:, :1]
    return float(np.abs(np.linalg.det(edges)).sum() / factorial(dimensions))


@pytest.mark.parametrize("widths", [[1, 6, 1], [2, 6, 1], [2, 6, 5, 2], [3, 4, 3, 2], [4, 3, 2]])
def test_the_simplices_of_all_regions_fill_the_window(widths: list[int]) -> None:
    network = random_network(widths, seed=1)
    found = partition(network)
    lower, upper = np.full(widths[0], -2.0), np.linspace(1.0, 2.5, widths[0])
    filled = 0.0
    for region in range(found.regions):
        corners = simplices(clipped_vertices(found, region, lower, upper))
        assert corners.shape[1:] == (widths[0] + 1, widths[0])
        if len(corners):
            middles = corners.mean(axis=1)
            assert set(region_of(found, network, middles).tolist()) == {region}
            assert (corners >= lower - 1e-9).all()
            assert (corners <= upper + 1e-9).all()
        filled += volume(corners)
    assert filled == pytest.approx(np.prod(upper - lower), rel=1e-12)


def test_a_square_is_two_triangles_and_a_cube_has_its_volume() -> None:
    square = np.array([[0.0, 0], [1, 0], [1, 1], [0, 1]])
    assert len(simplices(square)) == 2
    assert volume(simplices(square)) == pytest.approx(1, rel=1e-14)
    cube = np.array([[x, y, z] for x in (0.0, 2) for y in (0.0, 1) for z in (0.0, 1)])
    assert volume(simplices(cube)) == pytest.approx(2, rel=1e-14)


def test_corners_of_the_plane_and_of_a_half_plane_are_the_windows() -> None:
    lower, upper = np.array([-1.0, -2.0]), np.array([3.0, 2.0])
    plane = partition(random_network([2, 1]))
    corners = clipped_vertices(plane, 0, lower, upper)
    after = np.roll(corners, -1, axis=0)
    area = (corners[:, 0] * after[:, 1] - after[:, 0] * corners[:, 1]).sum() / 2
    assert area == pytest.approx(16, rel=1e-14)
    assert len(corners) == 4


def test_points_on_a_line_and_none_fill_nothing() -> None:
    assert simplices(np.array([[0.0, 0], [1, 1], [2, 2]])).shape == (0, 3, 2)
    assert simplices(np.zeros((0, 2))).shape == (0, 3, 2)
    assert simplices(np.zeros((0, 1))).shape == (0, 2, 1)
    far = clipped_vertices(
        partition(random_network([2, 3, 1])), 0, np.full(2, 1e6), np.full(2, 1e6)
    )
    assert simplices(far).shape == (0, 3, 2)
