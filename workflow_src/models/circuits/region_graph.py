"""Region graphs: which parts of an image a circuit knows, and how each is split in two.

Pure structure without tensors. A region is a set of variables (its scope); a partition splits a
region into two disjoint ones. The Poon-Domingos graph follows section 3.3 of the SPVAE paper, which
takes it from Poon and Domingos, "Sum-product networks: a new deep architecture" (UAI 2011).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

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


def poon_domingos(height: int, width: int, step: int) -> RegionGraph:
    """All axis-aligned splits of a ``height`` x ``width`` image at multiples of ``step`` pixels.

    A rectangle that no multiple of ``step`` splits is a leaf region. Leaf regions come first, in
    reading order, so that the leaves of a grid of super-pixels are arranged as in the image.

    Raises
    ------
    ValueError
        If a size is not positive.
    """
    if min(height, width, step) < 1:
        raise ValueError(f"sizes must be positive, not {height} x {width} with step {step}")
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
