"""Polygons of two latent dimensions: closed borders, areas, far corners."""

from __future__ import annotations

import numpy as np
import pytest
from support.random_networks import KINDS, random_network

from workflow_src.models.piecewise_affine.networks import Activation, Kind, Network, signs
from workflow_src.models.piecewise_affine.partitions.polygons import polygons


def network_of(weights: list[list[float]], biases: list[float]) -> Network:
    units = len(biases)
    return Network(
        (np.asarray(weights, float), np.ones((1, units))),
        (np.asarray(biases, float), np.zeros(1)),
        Activation("relu"),
    )


@pytest.mark.parametrize("kind", KINDS)
def test_borders_are_closed_and_counter_clockwise(kind: Kind) -> None:
    found = polygons(random_network([2, 7, 6, 2], seed=1, kind=kind))
    tangents = found.tangents
    # Rows of an infinite end are not compared, so what they hold does not matter.
    places = np.stack([found.starts, found.ends], axis=1)
    finite = np.isfinite(places)
    ends = (found.offsets[:, None] * found.normals)[:, None] + np.where(finite, places, 0.0)[
        :, :, None
    ] * tangents[:, None]
    for region in range(found.regions):
        rows = np.arange(found.first[region], found.first[region + 1])
        after = np.roll(rows, -1)
        np.testing.assert_array_equal(finite[rows, 1], finite[after, 0])
        closed = finite[rows, 1]
        np.testing.assert_allclose(ends[rows, 1][closed], ends[after, 0][closed], atol=1e-10)
        turns = np.linalg.det(np.stack([tangents[rows], tangents[after]], axis=1))[closed]
        assert (turns > 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_bounded_areas_are_shares_of_random_points(kind: Kind) -> None:
    """The area from the borders, by Green's theorem, against how many points have the signs."""
    network = random_network([2, 5, 4, 2], seed=2, kind=kind)
    found = polygons(network)
    lengths = found.ends - found.starts
    areas = np.bincount(found.faces, found.offsets * np.where(np.isinf(lengths), 0, lengths)) / 2
    bounded = np.bincount(found.faces, np.isinf(lengths)) == 0
    latents = np.random.default_rng(0).uniform(-6, 6, (40_000, 2))
    patterns, counts = np.unique(signs(network, latents), axis=0, return_counts=True)
    shares = dict(zip(map(bytes, patterns), counts, strict=True))
    inside = np.bincount(found.faces, np.maximum(abs(found.starts), abs(found.ends)) > 5) == 0
    checked = 0
    for region in np.flatnonzero(bounded & inside):
        expected = shares.get(bytes(found.signs[region]), 0) * 144 / 40_000
        assert abs(areas[region] - expected) < 5 * np.sqrt(144 * areas[region] / 40_000) + 1e-3
        checked += areas[region] > 0.05
    assert checked >= 3


def test_half_planes_a_strip_and_the_plane_have_edges_without_ends() -> None:
    parallel = polygons(network_of([[1, 2], [-2, -4]], [0, 1]))
    edges = dict(zip(map(tuple, parallel.signs.tolist()), np.diff(parallel.first), strict=True))
    assert edges == {(False, True): 1, (True, True): 2, (True, False): 1}
    assert np.isinf(parallel.starts).all()
    assert np.isinf(parallel.ends).all()
    plane = polygons(random_network([2, 1]))
    assert (plane.regions, len(plane.offsets)) == (1, 0)


def test_the_unit_square_has_its_edges() -> None:
    found = polygons(network_of([[1, 0], [0, 1], [1, 0], [0, 1]], [0, 0, -1, -1]))
    (region,) = np.flatnonzero((found.signs == [True, True, False, False]).all(axis=1))
    rows = slice(found.first[region], found.first[region + 1])
    edges = np.column_stack(
        [found.normals[rows], found.offsets[rows], found.starts[rows], found.ends[rows]]
    )
    expected = [[0, -1, 0, 0, 1], [1, 0, 1, 0, 1], [0, 1, 1, -1, 0], [-1, 0, 0, -1, 0]]
    np.testing.assert_allclose(edges, expected, atol=1e-15)
    assert found.regions == 9


@pytest.mark.parametrize("angle", [1e-3, 1e-5, 1e-7])
def test_lines_that_meet_far_away_do_meet(angle: float) -> None:
    """At a distance of 1 / angle; a box of 1e4 would miss two of the four wedges."""
    found = polygons(network_of([[0, 1], [-np.sin(angle), np.cos(angle)]], [0, 1]))
    assert found.regions == 4
    corners = found.starts[np.isfinite(found.starts)]
    np.testing.assert_allclose(np.abs(corners), 1 / angle, rtol=1e-3)


def test_lines_through_one_point_leave_no_slivers_there() -> None:
    """Ten lines through (0.1, 0.7), which doubles cannot say: twenty wedges and nothing between."""
    stream = np.random.default_rng(0)
    weights = stream.standard_normal((10, 2))
    found = polygons(network_of(weights.tolist(), (-weights @ [0.1, 0.7]).tolist()))
    assert found.regions == 20
    np.testing.assert_array_equal(np.diff(found.first), np.full(20, 2))


def test_only_two_latent_dimensions_have_polygons() -> None:
    with pytest.raises(ValueError, match="two latent dimensions"):
        polygons(random_network([3, 3, 1]))
