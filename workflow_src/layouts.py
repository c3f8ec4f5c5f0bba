"""Layouts of deep convolutional mixture models: which layers lie on each other, and their sizes.

The notation of Tables I and VI of Gepperth, "A new perspective on probabilistic image modeling":
blocks from the lowest to the highest, joined by hyphens.

- ``F(f,s)``: folding; every patch of f x f positions, s positions apart, becomes the channels of
  one position;
- ``P(f,s)``: max-pooling; windows that do not fit are left off, or with ``P(f,s,ceil)`` cut;
- ``G(K)``: a Gaussian mixture of K components over the channels, the same at every position, or
  with ``G(K,independent)`` one for each position.

Plain values, no tensors: planning, models and reports read layouts alike.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass


class LayoutError(ValueError):
    """A notation that is none, or blocks that do not suit their images."""


@dataclass(frozen=True)
class Folding:
    """Patches of ``size`` x ``size`` positions, ``stride`` apart, as channels of one position."""

    size: int
    stride: int

    def __str__(self) -> str:
        return f"F({self.size},{self.stride})"


@dataclass(frozen=True)
class Pooling:
    """The largest value of every channel in windows of ``size`` x ``size``, ``stride`` apart.

    ``ceil`` tells whether a window that reaches over the edge counts, cut, or is left off.
    """

    size: int
    stride: int
    ceil: bool

    def __str__(self) -> str:
        return f"P({self.size},{self.stride}{',ceil' if self.ceil else ''})"


@dataclass(frozen=True)
class Mixture:
    """A Gaussian mixture; ``independent`` tells whether positions have parameters of their own."""

    components: int
    independent: bool

    def __str__(self) -> str:
        return f"G({self.components}{',independent' if self.independent else ''})"


Block = Folding | Pooling | Mixture


@dataclass(frozen=True)
class Shape:
    """Positions and channels of activities, or of images."""

    height: int
    width: int
    channels: int

    def __str__(self) -> str:
        return f"{self.height} x {self.width} x {self.channels}"

    @property
    def positions(self) -> int:
        """How many there are."""
        return self.height * self.width


_BLOCK = re.compile(r"([FPG])\(([0-9]+)(?:,([0-9]+))?(?:,([a-z]+))?\)")
_FORMS = "F(size,stride), P(size,stride), P(size,stride,ceil), G(K) or G(K,independent)"


def parse(notation: str) -> tuple[Block, ...]:
    """The blocks of a notation, which may hold spaces; the lowest comes first.

    Raises
    ------
    LayoutError
        Where a block is not one, a size is 0, a number of components is not a square, or the last
        block is not a mixture.
    """
    texts = "".join(notation.split()).split("-")
    blocks = tuple(_block(text, place) for place, text in enumerate(texts, start=1))
    if not isinstance(blocks[-1], Mixture):
        raise LayoutError(
            f"the last block, {blocks[-1]}, is no mixture layer; a layout ends in one, as in "
            f"{'-'.join(texts)}-G(49)"
        )
    return blocks


def canonical(notation: str) -> str:
    """The one way to write that layout: without spaces. Raises as `parse` does."""
    return "-".join(map(str, parse(notation)))


def shapes(blocks: Sequence[Block], images: Shape) -> tuple[Shape, ...]:
    """Sizes before each block and after the last one, len(blocks) + 1 of them.

    Raises
    ------
    LayoutError
        Where a block does not fit, a folding leaves positions that no patch holds, or the end has
        more than one position.
    """
    found = [images]
    for place, block in enumerate(blocks, start=1):
        found.append(_after(block, place, found[-1]))
    end = found[-1]
    if end.positions != 1:
        last = f"block {len(blocks)}, {blocks[-1]}"
        raise LayoutError(
            f"{_told(blocks)} ends at {end.height} x {end.width} positions on images of {images} "
            f"(after {last}); it has to end at 1 x 1: {_steps(found)}"
        )
    return tuple(found)


def centroid_count(blocks: Sequence[Block], images: Shape) -> int:
    """Numbers in centroids alone, as Table VI counts: as if all positions shared them."""
    return sum(block.components * before.channels for block, before in _mixtures(blocks, images))


def parameter_count(blocks: Sequence[Block], images: Shape) -> int:
    """All numbers that are trained: centroids, precisions and weights, at all positions' own."""
    return sum(
        (before.positions if block.independent else 1)
        * block.components
        * (2 * before.channels + 1)
        for block, before in _mixtures(blocks, images)
    )


def _mixtures(blocks: Sequence[Block], images: Shape) -> list[tuple[Mixture, Shape]]:
    """The mixtures and the sizes of what comes in."""
    before = shapes(blocks, images)
    return [
        (block, shape)
        for block, shape in zip(blocks, before, strict=False)
        if isinstance(block, Mixture)
    ]


def _block(text: str, place: int) -> Block:
    match = _BLOCK.fullmatch(text)
    if match is None:
        raise _no_block(text, place)
    kind, first, second, word = match.groups()
    size = int(first)
    if size < 1 or (second is not None and int(second) < 1):
        raise LayoutError(f"block {place}, {text}: sizes, strides and components are at least 1")
    if kind == "G" and second is None and word in (None, "independent"):
        return _mixture(size, word == "independent", text, place)
    if kind == "F" and second is not None and word is None:
        return Folding(size, int(second))
    if kind == "P" and second is not None and word in (None, "ceil"):
        return Pooling(size, int(second), word == "ceil")
    raise _no_block(text, place)


def _mixture(components: int, independent: bool, text: str, place: int) -> Mixture:
    side = math.isqrt(components)
    if side * side != components:
        raise LayoutError(
            f"block {place}, {text}: {components} components are no square, and they are annealed "
            f"on a square grid; {side**2} and {(side + 1) ** 2} are the nearest that are"
        )
    return Mixture(components, independent)


def _no_block(text: str, place: int) -> LayoutError:
    return LayoutError(f"block {place}, {text!r}, is none; blocks are {_FORMS}, joined by hyphens")


def _after(block: Block, place: int, before: Shape) -> Shape:
    if isinstance(block, Mixture):
        return Shape(before.height, before.width, block.components)
    if block.size > min(before.height, before.width):
        raise LayoutError(
            f"block {place}, {block}, does not fit into the {before.height} x {before.width} "
            "positions that it gets"
        )
    if isinstance(block, Pooling):
        height, width = (_pooled(side, block) for side in (before.height, before.width))
        return Shape(height, width, before.channels)
    height, width = (_folded(side, block, place, before) for side in (before.height, before.width))
    return Shape(height, width, block.size**2 * before.channels)


def _folded(side: int, block: Folding, place: int, before: Shape) -> int:
    """How many patches lie along a side; they have to hold all of it."""
    steps, left = divmod(side - block.size, block.stride)
    if left or (steps and block.stride > block.size):
        raise LayoutError(
            f"block {place}, {block}, leaves positions of {before.height} x {before.width} that "
            f"no patch holds: patches of {block.size} that start {block.stride} apart have to fill "
            f"a side of {side}"
        )
    return steps + 1


def _pooled(side: int, block: Pooling) -> int:
    """How many windows lie along a side; one that is cut has to start inside."""
    if not block.ceil:
        return (side - block.size) // block.stride + 1
    windows = -((block.size - side) // block.stride) + 1
    return windows - 1 if (windows - 1) * block.stride >= side else windows


def _told(blocks: Sequence[Block]) -> str:
    return "-".join(map(str, blocks))


def _steps(found: Sequence[Shape]) -> str:
    return ", ".join(f"{shape.height} x {shape.width}" for shape in found)
