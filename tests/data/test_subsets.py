"""Data fractions: sizes, nesting, and what they depend on."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_src.data.subsets import subset_indices, subset_size

fractions = st.floats(0.001, 1)


@given(size=st.integers(1, 3000), smaller=fractions, larger=fractions, seed=st.integers(0, 99))
def test_a_smaller_fraction_lies_within_a_larger_one(
    size: int, smaller: float, larger: float, seed: int
) -> None:
    smaller, larger = sorted((smaller, larger))
    inner = subset_indices(size, smaller, "mnist", seed)
    outer = subset_indices(size, larger, "mnist", seed)
    assert set(inner.tolist()) <= set(outer.tolist())


@given(size=st.integers(1, 3000), fraction=fractions)
def test_a_subset_holds_distinct_images_in_the_data_sets_order(size: int, fraction: float) -> None:
    kept = subset_indices(size, fraction, "mnist", 0)
    assert kept.dtype == np.int64
    assert len(kept) == subset_size(size, fraction) >= 1
    assert (np.diff(kept) > 0).all()
    assert kept[0] >= 0
    assert kept[-1] < size


def test_the_whole_set_is_every_image_in_order() -> None:
    assert np.array_equal(subset_indices(1000, 1.0, "mnist", 4), np.arange(1000))


@pytest.mark.parametrize(
    ("fraction", "images"), [(1.0, 50_000), (0.1, 5_000), (0.0368, 1_840), (0.005, 250)]
)
def test_fractions_of_mnist(fraction: float, images: int) -> None:
    assert subset_size(50_000, fraction) == images


def test_seeds_and_data_sets_choose_different_images() -> None:
    choices = [
        subset_indices(1000, 0.1, data_set, seed)
        for data_set, seed in (("mnist", 0), ("mnist", 1), ("svhn", 0))
    ]
    assert np.array_equal(choices[0], subset_indices(1000, 0.1, "mnist", 0))
    assert not np.array_equal(choices[0], choices[1])
    assert not np.array_equal(choices[0], choices[2])


def test_a_subset_is_spread_over_the_whole_set() -> None:
    kept = subset_indices(50_000, 0.1, "mnist", 0)
    per_fifth = np.histogram(kept, bins=5, range=(0, 50_000))[0]
    # Hypergeometric with mean 1000 and standard deviation 27.
    assert (abs(per_fifth - 1000) < 140).all()


@pytest.mark.parametrize("fraction", [0.0, -0.5, 1.01, float("nan")])
def test_fractions_outside_of_zero_to_one_are_refused(fraction: float) -> None:
    with pytest.raises(ValueError, match="fraction"):
        subset_indices(10, fraction, "mnist", 0)
