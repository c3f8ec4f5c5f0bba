"""Region graphs over super-pixels: what holds for every kind, and how random ones are split."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_src.models.circuits.circuit import Circuit
from workflow_src.models.circuits.region_graph import (
    RegionGraph,
    random_halves,
    super_pixel_region_graph,
)
from workflow_src.plan.seeds import seed

SIZES = st.integers(1, 6)
STEPS = st.integers(1, 7)
KINDS = st.sampled_from(["poon_domingos", "random"])
REPETITIONS = st.integers(1, 5)
SEEDS = st.integers(0, 1000)


def splits(graph: RegionGraph) -> set[tuple[tuple[int, ...], frozenset[tuple[int, ...]]]]:
    """Every partition as scopes: the whole, and the set of its two parts."""
    return {
        (graph.scopes[p.parent], frozenset([graph.scopes[p.left], graph.scopes[p.right]]))
        for p in graph.partitions
    }


@given(KINDS, SIZES, SIZES, STEPS, REPETITIONS, SEEDS)
def test_leaf_regions_are_the_super_pixels_in_reading_order(
    kind: str, height: int, width: int, step: int, repetitions: int, structure_seed: int
) -> None:
    graph = super_pixel_region_graph(kind, height, width, step, repetitions, structure_seed)
    numbers = np.arange(height * width).reshape(height, width)
    expected = [
        tuple(numbers[top : top + step, left : left + step].ravel().tolist())
        for top in range(0, height, step)
        for left in range(0, width, step)
    ]
    assert graph.leaf_regions == tuple(range(len(expected)))
    assert [graph.scopes[region] for region in graph.leaf_regions] == expected


@given(KINDS, SIZES, SIZES, STEPS, REPETITIONS, SEEDS)
def test_every_partition_splits_its_region_in_two_disjoint_parts(
    kind: str, height: int, width: int, step: int, repetitions: int, structure_seed: int
) -> None:
    graph = super_pixel_region_graph(kind, height, width, step, repetitions, structure_seed)
    for partition in graph.partitions:
        left, right = set(graph.scopes[partition.left]), set(graph.scopes[partition.right])
        assert left
        assert right
        assert not left & right
        assert left | right == set(graph.scopes[partition.parent])
    assert len(splits(graph)) == len(graph.partitions)


@given(KINDS, SIZES, SIZES, STEPS, REPETITIONS, SEEDS)
def test_regions_are_told_by_their_scopes_and_all_below_the_root(
    kind: str, height: int, width: int, step: int, repetitions: int, structure_seed: int
) -> None:
    graph = super_pixel_region_graph(kind, height, width, step, repetitions, structure_seed)
    assert graph.scopes[graph.root] == tuple(range(height * width))
    assert len(set(graph.scopes)) == len(graph.scopes)
    parts = {part for p in graph.partitions for part in (p.left, p.right)}
    assert parts | {graph.root} == set(range(len(graph.scopes)))
    assert graph.root not in parts


@given(SIZES, SIZES, STEPS, REPETITIONS, SEEDS)
def test_random_halves_differ_by_at_most_one_super_pixel(
    height: int, width: int, step: int, repetitions: int, structure_seed: int
) -> None:
    graph = random_halves(height, width, step, repetitions, structure_seed)
    leaves = [set(graph.scopes[region]) for region in graph.leaf_regions]
    size = [sum(leaf <= set(scope) for leaf in leaves) for scope in graph.scopes]
    for partition in graph.partitions:
        assert abs(size[partition.left] - size[partition.right]) <= 1
    # A repetition splits the image once and every region that it reaches once.
    if len(leaves) > 1:
        assert 1 <= len(graph.partitions_of[graph.root]) <= repetitions
    assert len(graph.partitions) <= repetitions * (len(leaves) - 1)


@given(SIZES, SIZES, REPETITIONS, SEEDS)
def test_a_further_repetition_only_adds_splits(
    height: int, width: int, repetitions: int, structure_seed: int
) -> None:
    fewer, more = (
        random_halves(height, width, 1, count, structure_seed)
        for count in (repetitions, repetitions + 1)
    )
    assert splits(fewer) <= splits(more)


def test_random_splits_come_from_the_mersenne_twister_of_every_python() -> None:
    """NumPy's own Mersenne Twister gives the keys by which super-pixels are put in order."""
    value = seed("region graph", structure_seed=11, repetition=0)
    twister = np.random.RandomState([value & 0xFFFFFFFF, value >> 32])
    expected = set()

    def split(region: list[int]) -> None:
        if len(region) == 1:
            return
        shuffled = [region[i] for i in np.argsort(twister.random_sample(len(region)))]
        half = len(region) // 2
        parts = sorted([sorted(shuffled[:half]), sorted(shuffled[half:])])
        expected.add((tuple(region), frozenset(map(tuple, parts))))
        # The part that was found last is split first.
        split(parts[1])
        split(parts[0])

    split(list(range(16)))
    assert splits(random_halves(4, 4, 1, repetitions=1, structure_seed=11)) == expected


def test_other_seeds_and_repetitions_are_other_splits() -> None:
    graphs = {frozenset(splits(random_halves(4, 4, 1, 1, number))) for number in range(5)}
    assert len(graphs) == 5
    once, twice = (random_halves(4, 4, 1, count, 0) for count in (1, 2))
    assert len(once.partitions_of[once.root]) == 1
    assert len(twice.partitions_of[twice.root]) == 2


def test_every_super_pixel_is_equally_likely_in_the_half_of_the_first() -> None:
    """Of 7 others, 3 share the half of super-pixel 0, whichever they are."""
    draws = 2000
    counts = np.zeros(8)
    for number in range(draws):
        graph = random_halves(2, 4, 1, 1, number)
        (whole,) = graph.partitions_of[graph.root]
        counts[list(graph.scopes[whole.left])] += 1
    share = 3 / 7
    assert counts[0] == draws
    assert np.abs(counts[1:] / draws - share).max() < 4.5 * math.sqrt(share * (1 - share) / draws)


@pytest.mark.parametrize(
    ("kind", "repetitions", "levels"),
    # Rectangles of 49 super-pixels are 12 cuts deep; halves of 49 are 6 halvings deep.
    [("poon_domingos", 1, 12), ("random", 4, 6), ("random", 40, 18)],
)
def test_large_graphs_are_evaluated_in_few_levels(kind: str, repetitions: int, levels: int) -> None:
    graph = super_pixel_region_graph(kind, 28, 28, 4, repetitions, structure_seed=0)
    circuit = Circuit(graph, 2, 2)
    assert len(circuit.levels) <= levels
    assert sum(len(level.regions) for level in circuit.levels) == len(graph.scopes) - 49
    if kind == "poon_domingos":
        assert len(graph.scopes) == 28 * 28


def test_random_graphs_of_images_with_equal_grids_are_equal() -> None:
    fine, coarse = (random_halves(4 * step, 4 * step, step, 3, 5) for step in (7, 1))
    assert fine.partitions == coarse.partitions


@pytest.mark.parametrize(
    ("kind", "sizes", "repetitions", "message"),
    [
        ("quad_tree", (4, 4, 1), 1, "known are poon_domingos and random"),
        ("random", (4, 4, 1), 0, "1 repetition or more"),
        ("random", (0, 4, 1), 1, "positive"),
        ("random", (4, 4, 0), 1, "positive"),
    ],
)
def test_what_is_no_graph_is_refused(
    kind: str, sizes: tuple[int, int, int], repetitions: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        super_pixel_region_graph(kind, *sizes, repetitions, 0)
