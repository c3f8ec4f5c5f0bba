"""Planes and products of a deep generalised convolutional circuit: which position covers what.

A plane is a rectangle of positions, each with channels of one scope. A product layer joins the four
positions of a 2 x 2 patch whose rows and columns are ``dilation`` apart. As the dilation doubles
from layer to layer, the windows of pixels that a patch joins lie beside each other and never
overlap, while patches of neighbouring positions do (van de Wolfshaar and Pronobis 2020, section 4:
"Deep generalized convolutional sum-product networks for probabilistic image representations").
Padding is a factor of 1, so windows may reach beyond the image.

Nothing here is a tensor.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

Span = tuple[slice, slice]
"""Positions of the plane above along one axis, and those of the plane below that they join."""


@dataclass(frozen=True)
class Plane:
    """A rectangle of ``height`` x ``width`` positions."""

    height: int
    width: int

    @property
    def positions(self) -> int:
        return self.height * self.width


@dataclass(frozen=True)
class ProductLayer:
    """A 2 x 2 product of positions that are ``dilation`` apart, with stride 1.

    Attributes
    ----------
    dilation:
        Distance of the positions that a product joins, along each axis.
    first:
        What is added to a product's row (or column) to find the upper (or left) one of its
        children: -dilation where the plane is padded on either side ("full"), 0 where it is padded
        behind only, which is done for the last.
    below, above:
        The plane of the children and the plane of the products.
    """

    dilation: int
    first: int
    below: Plane
    above: Plane

    @property
    def shifts(self) -> tuple[int, int]:
        """From a product's row (or column) to those of its children."""
        return self.first, self.first + self.dilation

    def rows(self, shift: int, start: int, stop: int) -> Span:
        """Of the products' rows ``start`` to ``stop``, those with a child, and the children's."""
        return _span(shift, start, stop, self.below.height)

    def columns(self, shift: int) -> Span:
        """The products' columns that have a child so far off, and the children's."""
        return _span(shift, 0, self.above.width, self.below.width)

    def rows_above(self, shift: int, start: int, stop: int) -> Span:
        """Of the children's rows ``start`` to ``stop``, those with a product, and the products'."""
        return _span(-shift, start, stop, self.above.height)

    def columns_above(self, shift: int) -> Span:
        """The children's columns that have a product so far off, and the products'."""
        return _span(-shift, 0, self.below.width, self.above.width)


def _span(shift: int, start: int, stop: int, size: int) -> Span:
    """Positions ``start`` to ``stop`` whose neighbour ``shift`` away is in range, from ``start``
    on, and those neighbours; both are empty where there is none.
    """
    first, last = max(start, -shift), min(stop, size - shift)
    last = max(first, last)
    return slice(first - start, last - start), slice(first + shift, last + shift)


@dataclass(frozen=True)
class ConvolutionalGeometry:
    """The product layers over images of ``height`` x ``width`` pixels, from the leaves upwards.

    The first dilation is 1. Full layers follow with doubled dilations until windows are at least
    twice as long as the longer side; one last layer has products that cover the whole image only.
    On 28 x 28 pixels the planes are 29, 31, 35, 43, 59, 91 and 64 wide. As in the authors' program
    (libspn-keras), one doubling less would do; more windows are then over the whole image.

    Raises
    ------
    ValueError
        If an image has fewer than two pixels on its longer side, or none.
    """

    height: int
    width: int

    def __post_init__(self) -> None:
        if min(self.height, self.width) < 1 or max(self.height, self.width) < 2:
            raise ValueError(
                "a convolutional circuit needs images of at least 1 x 2 pixels, "
                f"not {self.height} x {self.width}"
            )

    @property
    def pixels(self) -> Plane:
        """The leaves' plane."""
        return Plane(self.height, self.width)

    @cached_property
    def products(self) -> tuple[ProductLayer, ...]:
        """All product layers; the first has the leaves below it, above the last is the root."""
        layers = []
        below = self.pixels
        doublings = (max(self.height, self.width) - 1).bit_length()
        for dilation in (2**power for power in range(doublings + 1)):
            above = Plane(below.height + dilation, below.width + dilation)
            layers.append(ProductLayer(dilation, -dilation, below, above))
            below = above
        last = 2 ** (doublings + 1)
        layers.append(ProductLayer(last, 0, below, Plane(last, last)))
        return tuple(layers)

    @property
    def planes(self) -> tuple[Plane, ...]:
        """The planes of the products, the first of which are the leaves'."""
        return tuple(layer.above for layer in self.products)

    def children(self, layer: int, row: int, column: int) -> Iterator[tuple[int, int]]:
        """Positions that a product of the layer joins, without those of the padding."""
        product = self.products[layer]
        for down in product.shifts:
            for right in product.shifts:
                y, x = row + down, column + right
                if 0 <= y < product.below.height and 0 <= x < product.below.width:
                    yield y, x
