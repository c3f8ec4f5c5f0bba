"""Tests of the nearest point of a cell, by its optimality conditions."""

from __future__ import annotations

import numpy as np
import pytest

from workflow_src.models.piecewise_affine.solvers.least_distance import (
    nearest_to_origin,
    whitened_half_spaces,
)


@pytest.mark.parametrize("latent", [2, 3, 5])
@pytest.mark.parametrize("distance", [1e-6, 1.0, 1e4])
def test_the_nearest_point_satisfies_the_conditions_of_an_optimum(latent, distance):
    """Feasible, and the origin is its sum of outward normals of borders that it lies on."""
    generator = np.random.default_rng(latent)
    for _ in range(20):
        normals = generator.normal(size=(latent + 3, latent))
        normals /= np.linalg.norm(normals, axis=1)[:, None]
        inside = distance * generator.normal(size=latent)
        offsets = normals @ inside + distance * generator.uniform(0, 0.5, latent + 3)
        found = nearest_to_origin(normals, offsets)
        assert np.all(normals @ found.point <= offsets + 1e-11 * distance)
        assert np.all(found.multipliers > 0)
        assert np.allclose(normals[found.active] @ found.point, offsets[found.active], rtol=1e-9)
        pulled = -found.multipliers @ normals[found.active]
        assert np.allclose(pulled, found.point, rtol=0, atol=1e-9 * distance)


def test_a_corner_far_behind_its_half_spaces():
    """Two nearly parallel borders at distance 1 that meet a million away."""
    tilt = 1e-6
    normals = np.array([[-np.cos(tilt), np.sin(tilt)], [np.cos(tilt), np.sin(tilt)]])
    found = nearest_to_origin(normals, np.array([-1.0, -1.0]))
    assert np.allclose(found.point, [0, -1 / np.sin(tilt)], rtol=1e-6, atol=1e-3)


def test_no_point_in_half_spaces_that_are_apart():
    normals = np.array([[1.0, 0.0], [-1.0, 0.0]])
    assert nearest_to_origin(normals, np.array([-1.0, -1.0])) is None


def test_the_origin_itself_and_the_whole_space():
    inside = nearest_to_origin(np.array([[1.0, 0.0]]), np.array([0.5]))
    assert np.array_equal(inside.point, [0, 0])
    assert len(nearest_to_origin(np.zeros((0, 3)), np.zeros(0)).active) == 0


def test_whitened_half_spaces_hold_the_same_points():
    generator = np.random.default_rng(0)
    normals, offsets = generator.normal(size=(6, 3)), generator.normal(size=6)
    factor = np.linalg.cholesky(np.eye(3) + np.ones((3, 3)))
    mean, points = generator.normal(size=3), generator.normal(size=(200, 3))
    turned, distances = whitened_half_spaces(normals, offsets, mean, factor)
    inside = points @ normals.T <= offsets
    assert np.array_equal(((points - mean) @ factor) @ turned.T <= distances, inside)
    assert np.allclose(np.linalg.norm(turned, axis=1), 1)
