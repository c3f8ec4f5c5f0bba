"""Polyhedra: vertices, rays and faces in closed form, and what happens where cddlib fails."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import OptimizeResult
from scipy.spatial import QhullError
from support.random_networks import random_network

from workflow_src.models.piecewise_affine.integrals.moments import moments
from workflow_src.models.piecewise_affine.networks import Activation, Kind, Network
from workflow_src.models.piecewise_affine.partitions import half_spaces
from workflow_src.models.piecewise_affine.partitions.enumeration import partition
from workflow_src.models.piecewise_affine.partitions.half_spaces import polyhedron
from workflow_src.models.piecewise_affine.partitions.hyperplanes import signs_beyond
from workflow_src.models.piecewise_affine.partitions.polyhedra import polyhedra


def grid_network(cuts: list[list[float]]) -> Network:
    """A unit for each cut of each axis."""
    axes = [axis for axis, own in enumerate(cuts) for _ in own]
    places = [place for own in cuts for place in own]
    return Network(
        (np.eye(len(cuts))[axes], np.ones((1, len(axes)))),
        (-np.asarray(places), np.zeros(1)),
        Activation("relu"),
    )


def test_axis_parallel_cuts_make_boxes() -> None:
    found = polyhedra(grid_network([[0.0, 1.0], [-1.0, 2.0], [0.5]]))
    assert found.regions == 3 * 3 * 2
    (region,) = np.flatnonzero((found.signs == [True, False, True, False, False]).all(axis=1))
    vertices = found.vertices[found.first_vertex[region] : found.first_vertex[region + 1]]
    rays = found.rays[found.first_ray[region] : found.first_ray[region + 1]]
    expected = {(x, y, 0.5) for x in (0.0, 1.0) for y in (-1.0, 2.0)}
    assert {tuple(map(float, vertex.round(12) + 0.0)) for vertex in vertices} == expected
    np.testing.assert_allclose(rays, [[0, 0, -1]], atol=1e-14)
    normals, offsets = found.half_spaces(region)
    faces = {(*map(float, n), float(o)) for n, o in zip(normals + 0.0, offsets, strict=True)}
    assert faces == {(1, 0, 0, 1), (-1, 0, 0, 0), (0, 1, 0, 2), (0, -1, 0, 1), (0, 0, 1, 0.5)}


def test_a_region_with_a_line_in_it_has_both_its_directions_as_rays() -> None:
    found = polyhedra(grid_network([[0.0], [], []]))
    assert found.regions == 2
    for region in range(2):
        rays = found.rays[found.first_ray[region] : found.first_ray[region + 1]]
        side = 1.0 if found.signs[region, 0] else -1.0
        assert rays.shape == (5, 3)
        spanned = {(0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1), (side, 0, 0)}
        assert {tuple(map(float, ray.round(12) + 0.0)) for ray in rays} == spanned


def test_vertices_and_rays_of_a_deep_network_keep_to_their_half_spaces() -> None:
    found = polyhedra(random_network([3, 5, 4, 2], seed=1))
    bounded = 0
    for region in range(found.regions):
        normals, offsets = found.half_spaces(region)
        vertices = found.vertices[found.first_vertex[region] : found.first_vertex[region + 1]]
        rays = found.rays[found.first_ray[region] : found.first_ray[region + 1]]
        heights = (vertices @ normals.T - offsets) / (1 + np.linalg.norm(vertices, axis=1))[:, None]
        assert heights.max() < 1e-9
        # A vertex of three dimensions is on three faces or more.
        assert ((np.abs(heights) < 1e-9).sum(axis=1) >= 3).all()
        assert (rays @ normals.T).max(initial=-1) < 1e-9
        bounded += len(rays) == 0
    assert bounded > 5


@pytest.mark.parametrize("complaint", [True, False])
def test_where_cddlib_fails_or_is_wrong_the_regions_are_the_same(
    monkeypatch: pytest.MonkeyPatch, complaint: bool
) -> None:
    network = random_network([2, 5, 4, 2], seed=5)

    def failing(normals: np.ndarray, offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if complaint:
            raise RuntimeError("Numerical inconsistency is found.")
        return np.full((3, 2), 99.0) + np.eye(3, 2), np.zeros((0, 2))

    monkeypatch.setattr(half_spaces, "generators", failing)
    found, expected = polyhedra(network), partition(network)
    assert {bytes(row) for row in found.signs} == {bytes(row) for row in expected.signs}
    assert len(found.offsets) == len(expected.offsets)


def test_a_polyhedron_whose_vertices_no_method_finds_is_no_missing_region(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def failing(*arguments: object) -> None:
        raise RuntimeError("Numerical inconsistency is found.")

    def no_hull(*arguments: object) -> None:
        raise QhullError("QH6154 initial simplex is flat")

    cube = np.concatenate([np.eye(3), -np.eye(3)]), np.ones(6)
    monkeypatch.setattr(half_spaces, "generators", failing)
    assert polyhedron(*cube) is not None
    monkeypatch.setattr(half_spaces, "HalfspaceIntersection", no_hull)
    with pytest.raises(ArithmeticError, match="no vertices"):
        polyhedron(*cube)
    with pytest.raises(ArithmeticError, match="no vertices"):
        polyhedra(random_network([3, 3, 1]))
    # Without an interior there is nothing to find.
    assert polyhedron(cube[0], np.array([1.0, 1, 1, 1, 1, -1])) is None


def test_a_linear_program_that_fails_says_nothing_of_an_interior(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    unsolved = OptimizeResult(success=False, status=4, message="numerical difficulties", x=None)
    monkeypatch.setattr(half_spaces, "linprog", lambda *_, **__: unsolved)
    flat = np.array([[1.0, 0, 0], [-1.0, 0, 0], [0, 1.0, 0]]), np.array([0.0, -1.0, 1.0])
    with pytest.raises(ArithmeticError, match="numerical difficulties"):
        polyhedron(*flat)


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize(("kind", "bias"), [("relu", 1.0), ("absolute_value", 1.0), ("relu", 0.0)])
def test_no_region_is_missing_where_the_prior_has_mass(kind: Kind, bias: float, seed: int) -> None:
    found = polyhedra(random_network([3, 4, 3, 2], seed=seed, kind=kind, bias_scale=bias))
    masses = np.exp(moments(found, np.zeros((1, 1, 3)), np.eye(3)).log_mass[0])
    assert masses.sum() == pytest.approx(1, abs=1e-12)


def test_half_spaces_without_an_interior_are_no_polyhedron() -> None:
    normals = np.array([[1.0, 0, 0], [-1.0, 0, 0], [0, 1.0, 0]])
    assert polyhedron(normals, np.array([0.0, 0.0, 1.0])) is None
    assert polyhedron(normals, np.array([0.0, -1.0, 1.0])) is None
    assert polyhedron(normals, np.array([0.0, 1e-3, 1.0])) is not None


def test_faces_that_are_parallel_but_for_rounding_meet_at_infinity() -> None:
    normals = np.array(
        [
            [-0.7071067811865476, -0.7071067811865476],
            [0.7071067811865475, -0.7071067811865475],
            [0.7071067811865476, 0.7071067811865475],
        ]
    )
    found = polyhedron(normals, np.array([0.0, -0.5, 1.0]))
    assert found is not None
    assert np.abs(found.vertices).max() < 2
    np.testing.assert_allclose(found.rays, [[-(0.5**0.5), 0.5**0.5]], atol=1e-9)
    assert len(found.far) == 0


def test_needed_half_spaces_are_told_from_the_others() -> None:
    normals = np.array([[1.0, 0], [0, 1.0], [-1.0, 0], [0, -1.0], [0.6, 0.8]])
    for corner, needed in ((1.3, True), (1.5, False)):
        found = polyhedron(normals, np.array([1.0, 1.0, 0.0, 0.0, corner]))
        assert found is not None
        assert found.needed.tolist() == [True] * 4 + [needed]


def test_signs_beyond_a_border_are_those_in_its_direction() -> None:
    """At 0 both units are 0; the second is dead below it, whatever its input's slope."""
    network = Network(
        (np.array([[1.0]]), np.array([[-2.0]]), np.ones((1, 1))),
        (np.zeros(1), np.zeros(1), np.zeros(1)),
        Activation("leaky_relu", 0.5),
    )
    zero = np.zeros((2, 1))
    assert signs_beyond(network, zero, np.array([[1.0], [-1.0]])).tolist() == [
        [True, False],
        [False, True],
    ]


def test_a_layer_narrower_than_the_latent_space_leaves_prisms() -> None:
    """Regions of the plane in front of it, each times a line."""
    plane = random_network([2, 2, 5, 2], seed=4)
    turned = np.random.default_rng(2).standard_normal((2, 4))
    prisms = Network(
        (plane.weights[0] @ turned, *plane.weights[1:]), plane.biases, plane.activation
    )
    found, expected = polyhedra(prisms), partition(plane)
    assert {bytes(row) for row in found.signs} == {bytes(row) for row in expected.signs}
