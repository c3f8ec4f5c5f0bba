"""Layouts: notation, sizes and counts, by the paper's Table VI and by enumeration."""

from __future__ import annotations

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from workflow_src.layouts import (
    Folding,
    LayoutError,
    Mixture,
    Pooling,
    Shape,
    canonical,
    centroid_count,
    parameter_count,
    parse,
    shapes,
)

MNIST = Shape(28, 28, 1)

G = "F(3,1)-G(25)-P(2,2)-F(3,1)-G(25)-P(2,2,ceil)-F(3,1)-G(25)-P(2,2)-F(2,1)-G(49)"
TABLE_VI = {
    "F(28,1)-G(49)": ([28, 1, 1], 38416),
    "F(8,2)-G(49)-F(11,1)-G(49)": ([28, 11, 11, 1, 1], 293657),
    "F(8,1)-G(49)-P(2,2)-F(10,1)-G(49)": ([28, 21, 21, 10, 1, 1], 243236),
    "F(8,1)-G(49)-P(2,2,ceil)-F(11,1)-G(49)": ([28, 21, 21, 11, 1, 1], 293657),
    "F(3,1)-G(25)-P(2,2)-F(4,1)-G(25)-P(2,2)-F(5,1)-G(49)": (
        [28, 26, 26, 13, 10, 10, 5, 1, 1],
        40850,
    ),
    "F(3,1)-G(25)-F(4,2)-G(25)-F(12,1)-G(49)": ([28, 26, 26, 12, 12, 1, 1], 186625),
    "F(3,1)-G(25)-F(4,2)-G(25)-F(4,2)-G(25)-F(5,1)-G(49)": (
        [28, 26, 26, 12, 12, 5, 5, 1, 1],
        50850,
    ),
    G: ([28, 26, 26, 13, 11, 11, 6, 4, 4, 2, 1, 1], 16375),
}
"""Sides along the way, and numbers in centroids."""


def test_a_notation_is_read_block_by_block() -> None:
    assert parse(" F(8, 2) - G(49, independent)-P(2,2)-P(3,1,ceil) -G(4)") == (
        Folding(8, 2),
        Mixture(49, independent=True),
        Pooling(2, 2, ceil=False),
        Pooling(3, 1, ceil=True),
        Mixture(4, independent=False),
    )


def test_there_is_one_way_to_write_a_layout() -> None:
    told = " F(8, 2) - G(49, independent)-P(2,2)-P(3,1,ceil) -G(4)"
    assert canonical(told) == "F(8,2)-G(49,independent)-P(2,2)-P(3,1,ceil)-G(4)"
    for notation in TABLE_VI:
        assert canonical(notation) == notation


@pytest.mark.parametrize(
    ("notation", "said"),
    [
        ("", "block 1, '', is none"),
        ("F(8)-G(4)", "block 1, 'F(8)', is none"),
        ("F(8,1,ceil)-G(4)", "block 1, 'F(8,1,ceil)', is none"),
        ("G(4)-P(2)-G(4)", "block 2, 'P(2)', is none"),
        ("P(2,2,floor)-G(4)", "is none"),
        ("G(4,shared)", "is none"),
        ("G(49independent)", "is none"),
        ("F(8,1)G(4)", "is none"),
        ("f(8,1)-g(4)", "is none"),
        ("F(8,0)-G(4)", "block 1, F(8,0): sizes, strides and components are at least 1"),
        ("G(0)", "at least 1"),
        ("F(8,1)-G(50)", "block 2, G(50): 50 components are no square"),
        ("F(8,1)-G(8)", "4 and 9 are the nearest"),
        ("G(4)-F(8,1)", "the last block, F(8,1), is no mixture layer"),
    ],
)
def test_what_is_no_layout_is_refused(notation: str, said: str) -> None:
    with pytest.raises(LayoutError, match=re.escape(said)):
        parse(notation)


@pytest.mark.parametrize("notation", TABLE_VI)
def test_sizes_and_centroids_are_those_of_table_vi(notation: str) -> None:
    sides, count = TABLE_VI[notation]
    blocks = parse(notation)
    found = shapes(blocks, MNIST)
    assert [(one.height, one.width) for one in found] == [(side, side) for side in sides]
    assert centroid_count(blocks, MNIST) == count
    components = sum(block.components for block in blocks if isinstance(block, Mixture))
    assert parameter_count(blocks, MNIST) == 2 * count + components


def test_independent_positions_have_parameters_of_their_own() -> None:
    blocks = parse("F(12,5)-G(64,independent)-F(5,5)-G(100)")
    images = Shape(32, 32, 3)
    assert [one.channels for one in shapes(blocks, images)] == [3, 432, 64, 1600, 100]
    assert centroid_count(blocks, images) == 432 * 64 + 1600 * 100
    own = 25 * 64 * (2 * 432 + 1)
    assert parameter_count(blocks, images) == own + 100 * (2 * 1600 + 1)


@pytest.mark.parametrize(
    ("notation", "images", "said"),
    [
        ("F(8,2)-G(49)-F(11,1)-G(49)", Shape(32, 32, 3), "ends at 3 x 3 positions"),
        ("F(8,2)-G(49)-F(11,1)-G(49)", Shape(32, 32, 3), "32 x 32, 13 x 13, 13 x 13, 3 x 3, 3 x 3"),
        ("F(28,1)-G(49)", Shape(8, 8, 1), "block 1, F(28,1), does not fit into the 8 x 8"),
        ("F(4,1)-G(4)-P(6,2)-G(4)", Shape(8, 8, 1), "block 3, P(6,2), does not fit into the 5 x 5"),
        ("F(8,3)-G(4)", Shape(28, 28, 1), "block 1, F(8,3), leaves positions of 28 x 28"),
        ("F(2,3)-F(3,1)-G(4)", Shape(8, 8, 1), "block 1, F(2,3), leaves positions"),
        ("F(4,1)-G(4)", Shape(4, 8, 1), "ends at 1 x 5 positions"),
    ],
)
def test_blocks_that_do_not_suit_their_images_say_so(
    notation: str, images: Shape, said: str
) -> None:
    for count in (shapes, centroid_count, parameter_count):
        with pytest.raises(LayoutError, match=re.escape(said)):
            count(parse(notation), images)


@given(side=st.integers(1, 40), size=st.integers(1, 12), stride=st.integers(1, 6))
def test_patches_and_windows_are_counted_by_where_they_start(
    side: int, size: int, stride: int
) -> None:
    assume(size <= side)
    starts = range(0, side, stride)
    whole = [start for start in starts if start + size <= side]
    # A cut window counts where the one before it did not reach the end.
    cut = [start for start in starts if start == 0 or start - stride + size < side]
    covered = {place for start in whole for place in range(start, start + size)}
    for windows, block in (
        (len(whole), Pooling(size, stride, ceil=False)),
        (len(cut), Pooling(size, stride, ceil=True)),
        (len(whole) if covered == set(range(side)) else 0, Folding(size, stride)),
    ):
        blocks = (block, *([Folding(windows, 1)] if windows else []), Mixture(4, independent=False))
        if windows:
            assert shapes(blocks, Shape(side, side, 1))[1].height == windows
        else:
            with pytest.raises(LayoutError):
                shapes(blocks, Shape(side, side, 1))
