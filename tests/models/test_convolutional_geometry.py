"""Planes of convolutional circuits, and validity: scopes followed from the pixels to the root."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_src.models.circuits.convolutional_geometry import ConvolutionalGeometry

SIDES = st.tuples(st.integers(1, 11), st.integers(1, 11)).filter(lambda sides: max(sides) > 1)

Scopes = dict[tuple[int, int], frozenset[tuple[int, int]]]


@pytest.mark.parametrize(
    ("side", "published"),
    [
        (28, [29, 31, 35, 43, 59, 91, 64]),
        (32, [33, 35, 39, 47, 63, 95, 64]),
        (8, [9, 11, 15, 23, 16]),
        (4, [5, 7, 11, 8]),
    ],
)
def test_plane_sizes(side: int, published: list[int]) -> None:
    planes = ConvolutionalGeometry(side, side).planes
    assert [plane.height for plane in planes] == published
    assert [plane.width for plane in planes] == published


def test_dilations_double() -> None:
    products = ConvolutionalGeometry(28, 28).products
    assert [layer.dilation for layer in products] == [1, 2, 4, 8, 16, 32, 64]


@given(SIDES)
def test_products_have_disjoint_children_and_the_root_sums_products_over_all_pixels(
    sides: tuple[int, int],
) -> None:
    geometry = ConvolutionalGeometry(*sides)
    pixels = frozenset((y, x) for y in range(sides[0]) for x in range(sides[1]))
    below: Scopes = {pixel: frozenset({pixel}) for pixel in pixels}
    for index, plane in enumerate(geometry.planes):
        above: Scopes = {}
        for row in range(plane.height):
            for column in range(plane.width):
                children = [below[place] for place in geometry.children(index, row, column)]
                scope = frozenset[tuple[int, int]]().union(*children)
                assert len(scope) == sum(map(len, children))
                assert scope
                above[row, column] = scope
        below = above
    assert set(below.values()) == {pixels}


@given(SIDES, st.integers(1, 4))
def test_spans_of_tiles_find_the_children_and_the_products(
    sides: tuple[int, int], tile: int
) -> None:
    """Rows as the tiles join and gather them, against the children position by position."""
    for index, layer in enumerate(ConvolutionalGeometry(*sides).products):
        pairs = {
            (row, child)
            for row in range(layer.above.height)
            for child, _ in ConvolutionalGeometry(*sides).children(index, row, 0)
        }
        down, up = set(), set()
        for shift in layer.shifts:
            for start in range(0, layer.above.height, tile):
                rows, below = layer.rows(shift, start, min(start + tile, layer.above.height))
                down |= set(zip(_moved(rows, start), _moved(below, 0), strict=True))
            for start in range(0, layer.below.height, tile):
                rows, above = layer.rows_above(shift, start, min(start + tile, layer.below.height))
                up |= set(zip(_moved(above, 0), _moved(rows, start), strict=True))
        assert down == up
        assert down == pairs


def _moved(span: slice, start: int) -> range:
    assert span.start >= 0
    return range(start + span.start, start + span.stop)


def test_a_single_pixel_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1 x 2 pixels, not 1 x 1"):
        ConvolutionalGeometry(1, 1)
