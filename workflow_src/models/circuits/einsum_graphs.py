"""Region graphs of Einsum networks: random binary trees, and Poon-Domingos along the width.

Both are used by the DCGMM paper (section V). The first is that of Peharz et al., "Random
sum-product networks" (UAI 2019); the second is a cut of Poon and Domingos, "Sum-product networks: a
new deep architecture" (UAI 2011), in which only the width is split.
"""

from __future__ import annotations

import random

from workflow_src.models.circuits.region_graph import Partition, RegionGraph, Scope
from workflow_src.plan.seeds import seed


def random_binary_trees(
    pixels: int, split_depth: int, repetitions: int, structure_seed: int
) -> RegionGraph:
    """Binary trees over random halves of all pixels, joined at their common root.

    Every one of the ``repetitions`` halves all pixels at random ``split_depth`` times; where a
    number is odd, the second half is larger by one. Regions of different repetitions are never
    merged, not even where they hold the same pixels: each has nodes of its own. A repetition
    depends on the seed and its own number alone: more of them only add trees.

    Raises
    ------
    ValueError
        If a number is below 1, or there are fewer pixels than the smallest regions need.
    """
    if min(pixels, split_depth, repetitions) < 1:
        raise ValueError(
            "random binary trees take 1 pixel, 1 split and 1 repetition or more, not "
            f"{pixels}, {split_depth} and {repetitions}"
        )
    if 2**split_depth > pixels:
        raise ValueError(
            f"{pixels} pixels cannot be halved {split_depth} times; choose a split_depth of at "
            f"most {pixels.bit_length() - 1}"
        )
    scopes: list[Scope] = [tuple(range(pixels))]
    partitions: list[Partition] = []
    for repetition in range(repetitions):
        value = seed("random binary trees", structure_seed=structure_seed, repetition=repetition)
        waiting = [(0, _shuffled(pixels, random.Random(value)))]
        for _ in range(split_depth):
            halves: list[tuple[int, list[int]]] = []
            for parent, order in waiting:
                first = len(scopes)
                partitions.append(Partition(parent, first, first + 1))
                for half in (order[: len(order) // 2], order[len(order) // 2 :]):
                    halves.append((len(scopes), half))
                    scopes.append(tuple(sorted(half)))
            waiting = halves
    return RegionGraph(tuple(scopes), tuple(partitions), root=0)


def poon_domingos_along_the_width(height: int, width: int, step: int) -> RegionGraph:
    """All stripes of whole columns between multiples of ``step``, split at each of these in turn.

    The stripes that no multiple of ``step`` splits are the leaf regions and come first, from left
    to right. An image without any split inside is one leaf region.

    Raises
    ------
    ValueError
        If a size is not positive.
    """
    if min(height, width, step) < 1:
        raise ValueError(f"sizes must be positive, not {height} x {width} with step {step}")
    cuts = [*range(0, width, step), width]
    stripes = sorted(
        ((first, last) for last in range(len(cuts)) for first in range(last)),
        key=lambda stripe: (stripe[1] - stripe[0], stripe),
    )
    index = {stripe: number for number, stripe in enumerate(stripes)}
    return RegionGraph(
        scopes=tuple(
            tuple(row * width + column for row in range(height) for column in range(*columns))
            for columns in ((cuts[first], cuts[last]) for first, last in stripes)
        ),
        partitions=tuple(
            Partition(index[first, last], index[first, middle], index[middle, last])
            for first, last in stripes
            for middle in range(first + 1, last)
        ),
        root=index[0, len(cuts) - 1],
    )


def _shuffled(pixels: int, generator: random.Random) -> list[int]:
    """Pixel numbers in random order."""
    # Of all that `random.Random` offers, only random() gives the same in every Python version.
    keys = [generator.random() for _ in range(pixels)]
    return sorted(range(pixels), key=keys.__getitem__)
