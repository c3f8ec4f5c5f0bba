"""Neighbours and steps against linear programs, networks cut by lines, and closed forms."""

from __future__ import annotations

from collections import deque
from itertools import pairwise

import numpy as np
import pytest
from scipy.optimize import linprog
from support.random_networks import KINDS, random_network

from workflow_src.models.piecewise_affine.networks import Activation, Kind, Network
from workflow_src.models.piecewise_affine.partitions.cells import region_by_half_spaces
from workflow_src.models.piecewise_affine.partitions.discovery import (
    discovery_steps,
    face_points,
    neighbours,
)
from workflow_src.models.piecewise_affine.partitions.enumeration import Partition, partition

Pairs = set[tuple[int, int]]


def pairs_of(found: Partition, network: Network) -> Pairs:
    beyond = neighbours(found, network)
    assert (beyond >= 0).all()
    return set(zip(found.faces.tolist(), beyond.tolist(), strict=True))


def pairs_by_linear_programs(found: Partition) -> Pairs:
    """Regions whose closures share a disc of their common hyperplane."""
    pairs = set()
    for one in range(found.regions):
        normals, offsets = found.half_spaces(one)
        for other in range(found.regions):
            theirs, limits = found.half_spaces(other)
            for normal, offset in zip(normals, offsets, strict=True):
                opposite = np.abs(theirs + normal).max(axis=1) + np.abs(limits + offset) < 1e-7
                if opposite.any() and shares_a_disc(
                    normal, offset, np.vstack([normals, theirs]), np.append(offsets, limits)
                ):
                    pairs.add((one, other))
    return pairs


def shares_a_disc(
    normal: np.ndarray, offset: float, normals: np.ndarray, offsets: np.ndarray
) -> bool:
    """Whether a disc of radius above 1e-6 in a hyperplane keeps to all half-spaces."""
    along = normals - np.outer(normals @ normal, normal)
    lengths = np.linalg.norm(along, axis=1)
    lengths[lengths < 1e-7] = 0
    result = linprog(
        [*np.zeros(len(normal)), -1.0],
        A_ub=np.column_stack([normals, lengths]),
        b_ub=offsets + 1e-9,
        A_eq=[[*normal, 0.0]],
        b_eq=[offset],
        bounds=[(-1e6, 1e6)] * len(normal) + [(None, 1.0)],
    )
    return bool(result.success and result.x[-1] > 1e-6)


def steps_by_queue(pairs: Pairs, regions: int, start: int) -> list[int]:
    steps, waiting = {start: 0}, deque([start])
    while waiting:
        here = waiting.popleft()
        for one, other in pairs:
            if one == here and other not in steps:
                steps[other] = steps[here] + 1
                waiting.append(other)
    return [steps[region] for region in range(regions)]


def with_repeated_units(network: Network) -> Network:
    """The first hidden layer's units again: the first turned round, the second twice as large."""
    weights, biases = network.weights[0], network.biases[0]
    more, later = np.zeros_like(network.weights[1][:, :2]), network.weights[1]
    first = np.vstack([weights, -weights[0], 2 * weights[1]])
    constants = np.concatenate([biases, [-biases[0], 2 * biases[1]]])
    return Network(
        (first, np.hstack([later, more + 0.3]), *network.weights[2:]),
        (constants, *network.biases[1:]),
        network.activation,
    )


NETWORKS = {
    "one layer": random_network([2, 6, 1], seed=0),
    "two layers": random_network([2, 4, 4, 1], seed=1),
    "three layers": random_network([2, 3, 3, 3, 1], seed=2, kind="absolute_value"),
    "rectified, with dead units": random_network([2, 4, 5, 1], seed=3, kind="relu"),
    "no biases": random_network([2, 4, 3, 1], seed=4, bias_scale=0),
    "repeated units": with_repeated_units(random_network([2, 4, 1], seed=5)),
    "repeated units, two layers": with_repeated_units(random_network([2, 3, 3, 1], seed=6)),
    "parallel strips": Network(
        (np.array([[1.0, 2.0]] * 3), np.ones((1, 3))),
        (np.array([0.0, 1.0, -2.0]), np.zeros(1)),
        Activation("relu"),
    ),
    "one line": random_network([1, 4, 3, 1], seed=7),
    "space": random_network([3, 4, 1], seed=8),
    "space, repeated units": with_repeated_units(random_network([3, 3, 2, 1], seed=9)),
}


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
def test_neighbours_and_steps_are_those_of_linear_programs(network: Network) -> None:
    found = partition(network)
    expected = pairs_by_linear_programs(found)
    assert pairs_of(found, network) == expected
    for start in {0, found.regions // 2}:
        steps = discovery_steps(found, network, start)
        assert steps.tolist() == steps_by_queue(expected, found.regions, start)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("widths", [[2, 8, 6, 1], [2, 5, 5, 5, 1], [3, 5, 3, 1]])
@pytest.mark.parametrize("repeated", [False, True])
def test_regions_that_follow_each_other_on_a_line_are_neighbours(
    widths: list[int], kind: Kind, repeated: bool
) -> None:
    """On a line the network is one of one latent dimension, whose intervals are in order."""
    network = random_network(widths, seed=11, kind=kind)
    network = with_repeated_units(network) if repeated else network
    found = partition(network)
    pairs = pairs_of(found, network)
    number = {row.tobytes(): place for place, row in enumerate(found.signs)}
    stream = np.random.default_rng(5)
    met = 0
    for _ in range(60):
        point, direction = stream.standard_normal((2, widths[0]))
        cut = partition(
            Network(
                (network.weights[0] @ direction[:, None], *network.weights[1:]),
                (network.weights[0] @ point + network.biases[0], *network.biases[1:]),
                network.activation,
            )
        )
        crossed = [number[row.tobytes()] for row in cut.signs]
        for one, other in pairwise(crossed):
            assert {(one, other), (other, one)} <= pairs
            met += 1
    assert met > 200


@pytest.mark.parametrize(("dimensions", "units"), [(1, 9), (2, 12), (3, 6)])
def test_in_one_layer_steps_are_the_hyperplanes_between(dimensions: int, units: int) -> None:
    """As many as signs differ, and of repeated units one."""
    network = random_network([dimensions, units, 1], seed=2)
    repeated = with_repeated_units(network)
    for one in (network, repeated):
        found = partition(one)
        for start in range(0, found.regions, 7):
            apart = (found.signs != found.signs[start])[:, :units].sum(axis=1)
            assert discovery_steps(found, one, start).tolist() == apart.tolist()


def test_cones_are_found_both_ways_round() -> None:
    network = random_network([2, 15, 1], seed=1, bias_scale=0)
    found = partition(network)
    steps = discovery_steps(found, network, 3)
    assert np.bincount(steps).tolist() == [1, *[2] * 14, 1]


def test_a_network_without_hyperplanes_is_found_at_once() -> None:
    network = Network((np.ones((1, 2)),), (np.zeros(1),), Activation("relu"))
    assert discovery_steps(partition(network), network, 0).tolist() == [0]


@pytest.mark.parametrize("widths", [[2, 7, 4, 1], [3, 4, 3, 1]])
def test_a_point_of_a_face_is_on_it_and_in_its_region(widths: list[int]) -> None:
    found = partition(random_network(widths, seed=4))
    points = face_points(found)
    heights = (points * found.normals).sum(axis=1) - found.offsets
    np.testing.assert_allclose(heights, 0, atol=1e-9 * (1 + np.abs(points).max()))
    inwards = found.interior[found.faces] - points
    inside = points + 1e-4 * inwards
    np.testing.assert_array_equal(region_by_half_spaces(found, inside), found.faces)


def test_the_region_behind_one_that_is_too_thin_is_a_neighbour() -> None:
    """Between x = -3e-11 and x = 0 no region is left, whose signs are those beyond the face."""
    network = Network(
        (np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), np.ones((1, 3))),
        (np.array([0.0, 3e-11, 0.0]), np.zeros(1)),
        Activation("relu"),
    )
    found = partition(network)
    assert found.regions == 4
    beyond = found.interior[neighbours(found, network)]
    own = found.interior[found.faces]
    across = np.abs(found.normals).argmax(axis=1)
    np.testing.assert_array_equal((beyond * own < 0).argmax(axis=1), across)
    np.testing.assert_array_equal((beyond * own < 0).sum(axis=1), np.ones(8))
    assert sorted(discovery_steps(found, network, 0)) == [0, 1, 1, 2]
