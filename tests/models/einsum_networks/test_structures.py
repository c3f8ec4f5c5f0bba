"""Region graphs of Einsum networks, and how many parameters the published instances have."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.small_circuits import pd_spn, rat_spn

from workflow_src.models.circuits.einsum_graphs import (
    poon_domingos_along_the_width,
    random_binary_trees,
)
from workflow_src.models.circuits.leaf_layers import copies_of
from workflow_src.models.pd_spn import size as pd_size
from workflow_src.models.rat_spn import size as rat_size


@pytest.mark.parametrize(
    ("components", "split_depth", "count"), [(10, 4, 219_410), (20, 5, 2_560_810)]
)
def test_rat_spns_have_the_published_counts(components: int, split_depth: int, count: int) -> None:
    network = rat_spn(
        28, 28, levels=255, components=components, split_depth=split_depth, repetitions=10
    )
    assert network.parameter_count() == count


@pytest.mark.parametrize(("likelihood", "count"), [("gaussian", 515_683), ("binomial", 484_323)])
def test_the_pd_spn_has_the_published_count(likelihood: str, count: int) -> None:
    network = pd_spn(28, 28, likelihood, levels=255, components=40, split_step=7)
    assert network.parameter_count() == count
    assert len(network.graph.scopes) == 10


def test_the_largest_rat_spn_of_the_paper_has_the_known_size() -> None:
    values = {"components": 40, "split_depth": 9, "repetitions": 40, "batch_size": 100}
    # 1.3e9 parameters, of which training holds several copies.
    assert rat_size.training_bytes(values, (28, 28), 1) > 5 * 4 * 1.3e9


@given(
    pixels=st.integers(8, 80),
    depth=st.integers(1, 3),
    repetitions=st.integers(1, 4),
    structure_seed=st.integers(0, 5),
)
def test_random_trees_halve_all_pixels(
    pixels: int, depth: int, repetitions: int, structure_seed: int
) -> None:
    graph = random_binary_trees(pixels, depth, repetitions, structure_seed)
    assert len(graph.leaf_regions) == repetitions * 2**depth
    assert len(graph.partitions) == repetitions * (2**depth - 1)
    assert set(graph.depths) == set(range(depth + 1))
    sizes = [len(graph.scopes[region]) for region in graph.leaf_regions]
    assert max(sizes) - min(sizes) <= 1
    assert sum(sizes) == repetitions * pixels
    for partition in graph.partitions:
        left, right = (len(graph.scopes[part]) for part in (partition.left, partition.right))
        assert right - left in (0, 1)
    scopes = [graph.scopes[region] for region in graph.leaf_regions]
    expected = [i // 2**depth for i in range(len(scopes))]
    assert copies_of(scopes, pixels) == expected


def test_more_repetitions_only_add_trees() -> None:
    few, more = (random_binary_trees(30, 2, repetitions, 0) for repetitions in (2, 5))
    assert more.scopes[: len(few.scopes)] == few.scopes
    assert random_binary_trees(30, 2, 2, 1).scopes != few.scopes


@given(height=st.integers(1, 3), width=st.integers(1, 9), step=st.integers(1, 5))
def test_stripes_are_split_at_every_multiple_of_the_step(
    height: int, width: int, step: int
) -> None:
    graph = poon_domingos_along_the_width(height, width, step)
    cuts = sorted({0, width, *range(0, width, step)})
    stripes = {
        frozenset(row * width + column for row in range(height) for column in range(a, b))
        for a in cuts
        for b in cuts
        if a < b
    }
    assert {frozenset(scope) for scope in graph.scopes} == stripes
    splits = {
        (frozenset(graph.scopes[p.left]), frozenset(graph.scopes[p.right]))
        for p in graph.partitions
    }
    # All pairs of neighbouring stripes, and no other pair makes up a stripe.
    expected = {
        (one, other)
        for one in stripes
        for other in stripes
        if one | other in stripes and not one & other and min(one) < min(other)
    }
    assert splits == expected
    assert len(splits) == len(graph.partitions)


@pytest.mark.parametrize("numbers", [(0, 1, 1), (4, 0, 1), (4, 1, 0)])
def test_trees_need_positive_numbers(numbers: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="or more"):
        random_binary_trees(*numbers, structure_seed=0)


def test_too_many_halvings_are_refused_with_the_most_there_are() -> None:
    with pytest.raises(ValueError, match="at most 6"):
        random_binary_trees(64, 7, 1, 0)
    assert len(random_binary_trees(64, 6, 1, 0).leaf_regions) == 64


def test_a_step_that_splits_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="below 8"):
        pd_spn(8, 8, split_step=8)


def test_regions_must_cover_the_image() -> None:
    with pytest.raises(ValueError, match="whole copies"):
        copies_of([(0, 1)], 3)


def test_sizes_hold_the_parameters_three_times() -> None:
    """Old ones, statistics and new ones, in four bytes each, at the least."""
    training = {"batch_size": 100, "minimum_variance": 1e-4, "maximum_variance": 10.0}
    rat = {"components": 20, "split_depth": 5, "repetitions": 10, "structure_seed": 0}
    pd = {"components": 40, "split_step": 7}
    for network, size, values in (
        (rat_spn(28, 28, "gaussian", **rat), rat_size, rat),
        (pd_spn(28, 28, "gaussian", **pd), pd_size, pd),
    ):
        found = size.training_bytes({**values, **training}, (28, 28), 1)
        parameters = 4 * network.parameter_count()
        assert 3 * parameters < found < 30 * parameters
