"""Poon-Domingos region graphs against an enumeration of rectangles and the known counts.

What holds of every kind of graph is in test_super_pixel_graphs.py.
"""

from __future__ import annotations

from functools import cache
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_src.models.circuits.circuit import Circuit
from workflow_src.models.circuits.region_graph import Partition, RegionGraph, poon_domingos


def cuts(size: int, step: int) -> list[int]:
    return sorted({0, size, *range(0, size, step)})


def rectangle(top: int, left: int, bottom: int, right: int, width: int) -> frozenset[int]:
    return frozenset(row * width + col for row in range(top, bottom) for col in range(left, right))


def test_the_4x4_grid_has_the_published_counts() -> None:
    graph = poon_domingos(4, 4, 1)
    assert len(graph.scopes) == 100
    assert len(graph.leaf_regions) == 16
    assert len(graph.partitions) == 200
    circuit = Circuit(graph, leaf_components=2, sum_components=2)
    assert circuit.leaf_nodes == 32
    assert sum(len(level.regions) * level.sums for level in circuit.levels) == 167
    assert sum(len(level.regions) * level.products for level in circuit.levels) == 800
    assert circuit.parameter_count() == 1576
    assert len(circuit.levels) == 6


@pytest.mark.parametrize(("side", "step"), [(28, 7), (32, 8), (8, 2)])
def test_every_data_set_has_the_same_4x4_structure_of_super_pixels(side: int, step: int) -> None:
    fine, coarse = poon_domingos(side, side, step), poon_domingos(4, 4, 1)
    assert fine.partitions == coarse.partitions
    assert {len(fine.scopes[region]) for region in fine.leaf_regions} == {step * step}


@pytest.mark.parametrize(
    ("side", "trees"), [(2, 128), (3, 4_194_304), (4, 19_450 * 2**30)], ids=["2x2", "3x3", "4x4"]
)
def test_induced_trees_are_as_many_as_known(side: int, trees: int) -> None:
    graph = poon_domingos(side, side, 1)

    @cache
    def count(region: int) -> int:
        """Trees below one node of the region."""
        partitions = graph.partitions_of[region]
        pairs = (4 * count(p.left) * count(p.right) for p in partitions)
        return sum(pairs) if partitions else 1

    assert count(graph.root) == trees


def test_leaf_regions_come_first_in_reading_order() -> None:
    graph = poon_domingos(4, 6, 2)
    assert graph.leaf_regions == tuple(range(6))
    assert [graph.scopes[region][0] for region in graph.leaf_regions] == [0, 2, 4, 12, 14, 16]


@given(st.integers(1, 6), st.integers(1, 6), st.integers(1, 7))
def test_regions_are_all_rectangles_between_cuts(height: int, width: int, step: int) -> None:
    graph = poon_domingos(height, width, step)
    rows, columns = cuts(height, step), cuts(width, step)
    expected = {
        rectangle(top, left, bottom, right, width)
        for top, bottom in product(rows, rows)
        for left, right in product(columns, columns)
        if top < bottom and left < right
    }
    assert len(graph.scopes) == len(expected)
    assert {frozenset(scope) for scope in graph.scopes} == expected
    assert graph.scopes[graph.root] == tuple(range(height * width))


@given(st.integers(1, 6), st.integers(1, 6), st.integers(1, 7))
def test_partitions_are_all_straight_cuts(height: int, width: int, step: int) -> None:
    graph = poon_domingos(height, width, step)
    rows, columns = cuts(height, step), cuts(width, step)
    expected = set()
    for top, bottom in product(rows, rows):
        for left, right in product(columns, columns):
            whole = rectangle(top, left, bottom, right, width)
            for row in (r for r in rows if top < r < bottom and left < right):
                expected.add((whole, rectangle(top, left, row, right, width)))
            for column in (c for c in columns if left < c < right and top < bottom):
                expected.add((whole, rectangle(top, left, bottom, column, width)))
    found = {
        (frozenset(graph.scopes[p.parent]), frozenset(graph.scopes[p.left]))
        for p in graph.partitions
    }
    assert found == expected
    assert len(graph.partitions) == len(expected)


@given(st.integers(1, 6), st.integers(1, 6), st.integers(1, 7))
def test_leaf_regions_tile_the_image(height: int, width: int, step: int) -> None:
    graph = poon_domingos(height, width, step)
    pixels = [pixel for region in graph.leaf_regions for pixel in graph.scopes[region]]
    assert sorted(pixels) == list(range(height * width))


@given(st.integers(1, 5), st.integers(1, 5), st.integers(1, 3), st.integers(1, 3))
def test_children_are_below_their_parents(height: int, width: int, leaves: int, sums: int) -> None:
    circuit = Circuit(poon_domingos(height, width, 1), leaves, sums)
    for level in circuit.levels:
        for children in (*level.left, *level.right):
            assert max(children) < level.first_node


@given(st.integers(1, 5), st.integers(1, 5), st.integers(1, 3), st.integers(1, 3))
def test_every_region_multiplies_all_pairs_of_nodes_of_its_parts(
    height: int, width: int, leaves: int, sums: int
) -> None:
    graph = poon_domingos(height, width, 1)
    circuit = Circuit(graph, leaves, sums)
    nodes = circuit.nodes_of_region
    for level in circuit.levels:
        for region, left, right in zip(level.regions, level.left, level.right, strict=True):
            expected = {
                pair
                for p in graph.partitions_of[region]
                for pair in product(nodes[p.left], nodes[p.right])
            }
            assert len(left) == len(expected)
            assert set(zip(left, right, strict=True)) == expected
    numbers = sorted(node for region in nodes.values() for node in region)
    assert numbers == list(range(len(numbers)))


@pytest.mark.parametrize(("height", "width", "step"), [(0, 2, 1), (2, -1, 1), (2, 2, 0)])
def test_sizes_must_be_positive(height: int, width: int, step: int) -> None:
    with pytest.raises(ValueError, match="positive"):
        poon_domingos(height, width, step)


def test_a_partition_whose_parts_overlap_is_refused() -> None:
    with pytest.raises(ValueError, match="disjoint"):
        RegionGraph(scopes=((0,), (0, 1), (0, 1)), partitions=(Partition(2, 0, 1),), root=2)
