"""Partitions against linear programs, counts in closed form and random points."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from math import comb
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog
from support.linear_programs import sign_patterns
from support.random_networks import KINDS, plain_outputs, random_network

import workflow_src
from workflow_src.models.piecewise_affine.networks import (
    Activation,
    Kind,
    Network,
    affine_maps,
    rescaled,
    signs,
)
from workflow_src.models.piecewise_affine.partitions.enumeration import (
    Intervals,
    Partition,
    Polygons,
    Polyhedra,
    partition,
    region_of,
)
from workflow_src.models.piecewise_affine.partitions.polyhedra import polyhedra

METHODS = {"by dimensions": partition, "polyhedra": polyhedra}
methods = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
Method = Callable[[Network], Partition]


def patterns(found: Partition) -> set[tuple[bool, ...]]:
    rows = {tuple(map(bool, row)) for row in found.signs}
    assert len(rows) == found.regions
    return rows


def excess(found: Partition, latents: np.ndarray) -> np.ndarray:
    """How far each latent is outside each region, ``[M, R]``; negative within."""
    columns = []
    for region in range(found.regions):
        normals, offsets = found.half_spaces(region)
        columns.append((latents @ normals.T - offsets).max(axis=1, initial=-np.inf))
    return np.stack(columns, axis=1)


@pytest.mark.parametrize(
    ("widths", "kind"),
    [
        ([1, 4, 3, 1], "relu"),
        ([2, 3, 3, 1], "relu"),
        ([2, 3, 2, 2, 1], "absolute_value"),
        ([2, 4, 3, 1], "leaky_relu"),
        ([3, 3, 3, 1], "leaky_relu"),
        ([4, 3, 2, 1], "absolute_value"),
    ],
)
def test_regions_are_those_of_linear_programs(widths: list[int], kind: Kind) -> None:
    network = random_network(widths, seed=3, kind=kind)
    expected = sign_patterns(network)
    for method in METHODS.values():
        assert patterns(method(network)) == expected


@methods
@pytest.mark.parametrize(("dimensions", "units"), [(1, 9), (2, 9), (3, 7), (4, 6)])
def test_hyperplanes_in_general_position_make_as_many_regions_as_they_must(
    method: Method, dimensions: int, units: int
) -> None:
    network = random_network([dimensions, units, 1], seed=1)
    expected = sum(comb(units, number) for number in range(dimensions + 1))
    assert method(network).regions == expected


@methods
@pytest.mark.parametrize(
    ("dimensions", "units", "regions"), [(1, 9, 2), (2, 15, 30), (3, 7, 2 * (1 + 6 + 15))]
)
def test_hyperplanes_through_the_origin_make_cones_only(
    method: Method, dimensions: int, units: int, regions: int
) -> None:
    """2 sum_{k < S} C(H - 1, k) of them."""
    found = method(random_network([dimensions, units, 1], seed=1, bias_scale=0))
    assert found.regions == regions
    assert found.offsets.any() == np.False_


@methods
@pytest.mark.parametrize("kind", KINDS)
def test_deep_networks_without_biases_have_cones_only(method: Method, kind: Kind) -> None:
    network = random_network([2, 6, 5, 2], seed=4, kind=kind, bias_scale=0)
    found = method(network)
    directions = np.linspace(0, 2 * np.pi, 10_001)[:-1] + 1e-5
    around = signs(network, np.stack([np.cos(directions), np.sin(directions)], axis=1))
    assert patterns(found) == {tuple(map(bool, row)) for row in np.unique(around, axis=0)}


@methods
@pytest.mark.parametrize("widths", [[1, 6, 5, 2], [2, 6, 5, 2], [3, 4, 4, 2]])
def test_a_random_latent_is_in_one_region_and_the_map_of_that_is_the_networks(
    method: Method, widths: list[int]
) -> None:
    network = random_network(widths, seed=2)
    found = method(network)
    latents = np.random.default_rng(3).standard_normal((300, widths[0])) * 4
    inside = excess(found, latents) <= 0
    np.testing.assert_array_equal(inside.sum(axis=1), np.ones(300))
    regions = region_of(found, network, latents)
    np.testing.assert_array_equal(inside.argmax(axis=1), regions)
    maps = affine_maps(network, found.signs)
    for latent, region in zip(latents, regions, strict=True):
        value = maps.slopes[region] @ latent + maps.offsets[region]
        np.testing.assert_allclose(value, plain_outputs(network, latent), atol=1e-12)


@methods
@pytest.mark.parametrize("widths", [[1, 6, 5, 2], [2, 6, 5, 2], [3, 4, 4, 2]])
def test_a_point_of_every_region_is_inside_it_and_has_its_signs(
    method: Method, widths: list[int]
) -> None:
    network = random_network(widths, seed=6)
    found = method(network)
    assert (np.diagonal(excess(found, found.interior)) < 0).all()
    np.testing.assert_array_equal(signs(network, found.interior), found.signs)
    np.testing.assert_allclose(np.linalg.norm(found.normals, axis=1), 1, atol=1e-14)


@methods
@pytest.mark.parametrize("widths", [[1, 6, 5, 2], [2, 6, 5, 2], [3, 4, 2]])
def test_every_half_space_is_needed(method: Method, widths: list[int]) -> None:
    """Without it the region is larger: each of its faces has points of another region behind it."""
    network = random_network(widths, seed=7)
    found = method(network)
    for region in range(found.regions):
        normals, offsets = found.half_spaces(region)
        inside = found.interior[region]
        for face in range(len(offsets)):
            others = np.arange(len(offsets)) != face
            assert _reaches_beyond(normals, offsets, face, others, inside)


def _reaches_beyond(
    normals: np.ndarray, offsets: np.ndarray, face: int, others: np.ndarray, inside: np.ndarray
) -> bool:
    result = linprog(
        -normals[face],
        A_ub=normals[others] if others.any() else None,
        b_ub=offsets[others] if others.any() else None,
        bounds=[(value - 1e8, value + 1e8) for value in inside],
    )
    return bool(result.success and -result.fun > offsets[face])


@methods
@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_repeated_scaled_and_turned_units_add_no_region(method: Method, dimensions: int) -> None:
    network = random_network([dimensions, 4, 1], seed=8)
    factors = np.array([3.0, -1.0, 1 / 3, 1e-5, -7.0])
    weights, biases = network.weights[0], network.biases[0]
    more = Network(
        (np.concatenate([w * weights for w in [1, *factors]]), np.ones((1, 24))),
        (np.concatenate([w * biases for w in [1, *factors]]), np.zeros(1)),
        network.activation,
    )
    assert method(more).regions == method(network).regions > dimensions + 3


@methods
@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_units_without_weights_and_networks_without_units_are_one_region(
    method: Method, dimensions: int
) -> None:
    flat = Network(
        (np.zeros((3, dimensions)), np.ones((1, 3))),
        (np.array([-1.0, 0.0, 1.0]), np.zeros(1)),
        Activation("relu"),
    )
    found = method(flat)
    assert patterns(found) == {(False, False, True)}
    linear = method(random_network([dimensions, 2]))
    assert linear.regions == 1
    assert linear.signs.shape == (1, 0)
    for each in (found, linear):
        assert len(each.offsets) == 0
        assert region_of(each, flat, np.full((2, dimensions), 1e9)).tolist() == [0, 0]


@methods
@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_a_layer_that_is_dead_on_one_side_has_no_border_there(
    method: Method, dimensions: int
) -> None:
    """relu(z_1) -> relu(2 relu - 1): borders at z_1 = 0 and 1/2; rounding adds none below 0."""
    first = np.zeros((1, dimensions))
    first[0, 0] = 1.0
    network = Network(
        (first, np.array([[2.0], [0.1]]), np.ones((1, 2))),
        (np.zeros(1), np.array([-1.0, 0.0]), np.zeros(1)),
        Activation("relu"),
    )
    found = method(network)
    assert found.regions == 3
    latents = np.zeros((5, dimensions))
    latents[:, 0] = [-3, -0.01, 0.01, 0.49, 0.51]
    regions = region_of(found, network, latents).tolist()
    assert regions[0] == regions[1] != regions[2] == regions[3] != regions[4] != regions[0]


@methods
@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_a_unit_that_cancels_but_for_rounding_has_no_border(
    method: Method, dimensions: int
) -> None:
    """0.1 (3 z + 0.9) - 0.3 (z + 0.3) is 0; doubles have a root of it at -1/4."""
    first = np.zeros((2, dimensions))
    first[:, 0] = [3.0, 1.0]
    network = Network(
        (first, np.array([[0.1, -0.3]]), np.ones((1, 1))),
        (np.array([0.9, 0.3]), np.zeros(1), np.zeros(1)),
        Activation("relu"),
    )
    assert (0.1 * 0.9 - 0.3 * 0.3) / (0.1 * 3.0 - 0.3) > 0.2
    assert method(network).regions == 2


@methods
@pytest.mark.parametrize("dimensions", [2, 3])
def test_a_narrow_layer_leaves_lines_along_which_nothing_changes(
    method: Method, dimensions: int
) -> None:
    """One unit first: as many regions as with one latent dimension."""
    line = random_network([1, 1, 5, 2], seed=3)
    stream = np.random.default_rng(0)
    wide = Network(
        (line.weights[0] @ stream.standard_normal((1, dimensions)), *line.weights[1:]),
        line.biases,
        line.activation,
    )
    assert method(wide).regions == partition(line).regions > 3


@methods
def test_rescaling_a_layer_leaves_the_partition(method: Method) -> None:
    network = random_network([2, 5, 4, 2], seed=9)
    other = rescaled(network, 1, np.array([1e-3, 1.0, 50.0, 7.0, 0.2]))
    assert patterns(method(other)) == patterns(method(network))


def test_up_to_two_dimensions_need_no_cddlib(tmp_path: Path) -> None:
    (tmp_path / "cdd.py").write_text("raise ImportError('cdd')")
    script = (
        "import numpy as np\n"
        "from workflow_src.models.piecewise_affine.networks import Activation, Network\n"
        "from workflow_src.models.piecewise_affine.partitions.enumeration import partition\n"
        "from workflow_src.models.piecewise_affine.partitions.triangulation import "
        "clipped_vertices\n"
        "for size in (1, 2):\n"
        "    network = Network((np.eye(size), np.ones((1, size))), (np.zeros(size), np.zeros(1)),"
        " Activation('relu'))\n"
        "    cells = partition(network)\n"
        "    print(cells.regions, len(clipped_vertices(cells, 0, -np.ones(size), np.ones(size))))\n"
    )
    paths = os.pathsep.join([str(tmp_path), str(Path(workflow_src.__path__[0]).parent)])
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": paths},
    )
    assert done.stdout.split() == ["2", "2", "4", "4"], done.stderr


def test_dimensions_choose_the_method() -> None:
    kinds = [type(partition(random_network([number, 2, 1]))) for number in (1, 2, 3, 4)]
    assert kinds == [Intervals, Polygons, Polyhedra, Polyhedra]


@st.composite
def lattice_networks(draw: st.DrawFn, dimensions: int) -> Network:
    """Weights and biases of -1, 0 and 1: units that repeat, are dead, or meet in one point."""
    widths = [dimensions, *draw(st.lists(st.integers(1, 4), min_size=1, max_size=3)), 1]
    numbers = st.integers(-1, 1)
    weights, biases = [], []
    for before, after in pairwise(widths):
        entries = draw(st.lists(numbers, min_size=before * after, max_size=before * after))
        weights.append(np.reshape(entries, (after, before)).astype(float))
        biases.append(np.asarray(draw(st.lists(numbers, min_size=after, max_size=after)), float))
    kind = draw(st.sampled_from(KINDS))
    return Network(tuple(weights), tuple(biases), Activation(kind, 0.1))


@pytest.mark.parametrize("dimensions", [1, 2, 3])
@settings(max_examples=20, deadline=None, derandomize=True)
@given(data=st.data())
def test_degenerate_networks_are_described_wherever_one_looks(
    dimensions: int, data: st.DataObject
) -> None:
    network = data.draw(lattice_networks(dimensions))
    found = partition(network)
    latents = np.random.default_rng(0).standard_normal((40, dimensions)) * 3
    regions = region_of(found, network, latents)
    outside = excess(found, latents)
    assert (outside[np.arange(40), regions] <= 1e-9).all()
    assert ((outside < -1e-9).sum(axis=1) <= 1).all()
    maps = affine_maps(network, found.signs)
    values = np.einsum("rds,rs->rd", maps.slopes[regions], latents) + maps.offsets[regions]
    expected = [plain_outputs(network, latent) for latent in latents]
    np.testing.assert_allclose(values, expected, atol=1e-9)
