"""Region graphs: which parts of an image a circuit knows, and how each is split in two.

Pure structure without tensors. A region is a set of variables (its scope); a partition splits a
region into two disjoint ones. Section 3.3 of the SPVAE paper takes the graph of Poon and Domingos,
"Sum-product networks: a new deep architecture" (UAI 2011), and names others, among them the random
ones of Peharz et al., "Probabilistic deep learning using random sum-product networks" (2018).
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cached_property

from workflow_src.plan.seeds import seed

Scope = tuple[int, ...]
Rectangle = tuple[int, int, int, int]


@dataclass(frozen=True)
class Partition:
    """A split of region ``parent`` into the disjoint regions ``left`` and ``right`` (indices)."""

    parent: int
    left: int
    right: int


@dataclass(frozen=True)
class RegionGraph:
    """Regions by index, their partitions, and the root region that holds every variable.

    Attributes
    ----------
    scopes:
        Sorted variable indices of each region.
    partitions:
        All splits, in the order in which they were made.
    root:
        Index of the region of all variables.
    """

    scopes: tuple[Scope, ...]
    partitions: tuple[Partition, ...]
    root: int

    def __post_init__(self) -> None:
        for partition in self.partitions:
            parts = self.scopes[partition.left] + self.scopes[partition.right]
            if tuple(sorted(parts)) != self.scopes[partition.parent]:
                raise ValueError(f"{partition} does not split its parent into two disjoint parts")

    @cached_property
    def partitions_of(self) -> tuple[tuple[Partition, ...], ...]:
        """Each region's partitions."""
        lists: list[list[Partition]] = [[] for _ in self.scopes]
        for partition in self.partitions:
            lists[partition.parent].append(partition)
        return tuple(tuple(partitions) for partitions in lists)

    @cached_property
    def leaf_regions(self) -> tuple[int, ...]:
        """Regions that are not split further."""
        return tuple(i for i, partitions in enumerate(self.partitions_of) if not partitions)

    @cached_property
    def inner_regions(self) -> tuple[int, ...]:
        """Regions that are split, children before parents."""
        inner = (i for i, partitions in enumerate(self.partitions_of) if partitions)
        return tuple(sorted(inner, key=lambda region: (self.depths[region], region)))

    @cached_property
    def depths(self) -> tuple[int, ...]:
        """Each region's longest way down to a leaf region (0 for leaf regions)."""
        known: dict[int, int] = {}
        # Both parts of a partition are smaller than the whole, so smaller scopes come first.
        for region in sorted(range(len(self.scopes)), key=lambda i: len(self.scopes[i])):
            below = [known[part] for p in self.partitions_of[region] for part in (p.left, p.right)]
            known[region] = 1 + max(below) if below else 0
        return tuple(known[region] for region in range(len(self.scopes)))


def super_pixel_region_graph(
    kind: str, height: int, width: int, step: int, repetitions: int, structure_seed: int
) -> RegionGraph:
    """A graph whose leaf regions are the super-pixels between multiples of ``step`` pixels.

    Whatever the kind, the super-pixels come first and in reading order.

    Parameters
    ----------
    kind:
        ``poon_domingos`` or ``random``.
    height, width, step:
        In pixels.
    repetitions, structure_seed:
        How often, and from which seed, ``random`` splits the image; unused by the other kind.

    Raises
    ------
    ValueError
        If there is no such kind, or a size or the repetitions are not positive.
    """
    if kind == "poon_domingos":
        return poon_domingos(height, width, step)
    if kind == "random":
        return random_halves(height, width, step, repetitions, structure_seed)
    raise ValueError(f"unknown region graph {kind!r}; known are poon_domingos and random")


def poon_domingos(height: int, width: int, step: int) -> RegionGraph:
    """All axis-aligned splits of a ``height`` x ``width`` image at multiples of ``step`` pixels.

    A rectangle that no multiple of ``step`` splits is a leaf region. Leaf regions come first, in
    reading order, so that the leaves of a grid of super-pixels are arranged as in the image.

    Raises
    ------
    ValueError
        If a size is not positive.
    """
    _refuse_sizes_below_one(height, width, step)
    splits: dict[Rectangle, list[tuple[Rectangle, Rectangle]]] = {}
    waiting = [(0, 0, height, width)]
    while waiting:
        rectangle = waiting.pop()
        if rectangle not in splits:
            splits[rectangle] = _axis_aligned_splits(rectangle, step)
            waiting.extend(part for pair in splits[rectangle] for part in pair)
    ordered = sorted(splits, key=lambda rectangle: (bool(splits[rectangle]), rectangle))
    index = {rectangle: i for i, rectangle in enumerate(ordered)}
    return RegionGraph(
        scopes=tuple(_pixels(rectangle, width) for rectangle in ordered),
        partitions=tuple(
            Partition(index[rectangle], index[first], index[second])
            for rectangle in ordered
            for first, second in splits[rectangle]
        ),
        root=index[0, 0, height, width],
    )


def random_halves(
    height: int, width: int, step: int, repetitions: int, structure_seed: int
) -> RegionGraph:
    """Random halves of the set of all super-pixels, halved again down to single super-pixels.

    Each of the ``repetitions`` starts from the whole image; parts that agree are one region, and
    splits that agree are one partition. Halves differ by at most one super-pixel. A repetition
    depends on the seed and its own number alone: more of them only add splits.

    Raises
    ------
    ValueError
        If a size or the repetitions are not positive.
    """
    _refuse_sizes_below_one(height, width, step)
    if repetitions < 1:
        raise ValueError(f"a random region graph takes 1 repetition or more, not {repetitions}")
    pixels = _super_pixels(height, width, step)
    everything = tuple(range(len(pixels)))
    # Dictionaries keep the order in which splits are made, and each split once.
    splits: dict[Scope, dict[tuple[Scope, Scope], None]] = {(i,): {} for i in everything}
    for repetition in range(repetitions):
        value = seed("region graph", structure_seed=structure_seed, repetition=repetition)
        generator = random.Random(value)
        waiting = [everything]
        while waiting:
            region = waiting.pop()
            splits.setdefault(region, {})
            if len(region) > 1:
                halves = _random_halves_of(region, generator)
                splits[region][halves] = None
                waiting.extend(halves)
    ordered = sorted(splits, key=lambda region: (len(region), region))
    index = {region: i for i, region in enumerate(ordered)}
    return RegionGraph(
        scopes=tuple(tuple(sorted(p for i in region for p in pixels[i])) for region in ordered),
        partitions=tuple(
            Partition(index[region], index[first], index[second])
            for region in ordered
            for first, second in splits[region]
        ),
        root=index[everything],
    )


def _random_halves_of(region: Scope, generator: random.Random) -> tuple[Scope, Scope]:
    """Two sorted halves; that with the region's first super-pixel comes first."""
    # Of all that `random.Random` offers, only random() gives the same in every Python version.
    keys = {super_pixel: generator.random() for super_pixel in region}
    shuffled = sorted(region, key=lambda super_pixel: keys[super_pixel])
    middle = len(region) // 2
    first, second = sorted((tuple(sorted(shuffled[:middle])), tuple(sorted(shuffled[middle:]))))
    return first, second


def _super_pixels(height: int, width: int, step: int) -> list[Scope]:
    """The pixels of every super-pixel, in reading order."""
    return [
        _pixels((top, left, min(top + step, height), min(left + step, width)), width)
        for top in range(0, height, step)
        for left in range(0, width, step)
    ]


def _refuse_sizes_below_one(height: int, width: int, step: int) -> None:
    if min(height, width, step) < 1:
        raise ValueError(f"sizes must be positive, not {height} x {width} with step {step}")


def _axis_aligned_splits(rectangle: Rectangle, step: int) -> list[tuple[Rectangle, Rectangle]]:
    top, left, bottom, right = rectangle
    rows = range(top - top % step + step, bottom, step)
    columns = range(left - left % step + step, right, step)
    horizontal = [((top, left, row, right), (row, left, bottom, right)) for row in rows]
    vertical = [((top, left, bottom, column), (top, column, bottom, right)) for column in columns]
    return horizontal + vertical


def _pixels(rectangle: Rectangle, width: int) -> Scope:
    top, left, bottom, right = rectangle
    return tuple(
        row * width + column for row in range(top, bottom) for column in range(left, right)
    )
