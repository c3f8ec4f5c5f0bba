"""Which training images a data fraction keeps.

All fractions of one data set and seed are cut from one permutation, so that a smaller fraction's
images are all among a larger one's and every method compared sees the same ones.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workflow_src.plan import seeds


def subset_size(size: int, fraction: float) -> int:
    """How many of ``size`` images a fraction in (0, 1] keeps: rounded, at least one."""
    if not 0 < fraction <= 1:
        raise ValueError(f"the data fraction is {fraction}; it must be above 0 and at most 1")
    return max(1, round(size * fraction))


def subset_indices(size: int, fraction: float, data_set: str, seed: int) -> NDArray[np.int64]:
    """The numbers of the images that ``fraction`` of ``size`` keeps, ascending.

    They are a prefix of one permutation drawn for (data set, seed), put back into the data set's
    own order, so that the whole data set is 0, 1, 2, ... and a stream that starts at the first
    image starts at the same one as the published program.
    """
    kept = subset_size(size, fraction)
    generator = np.random.Generator(
        np.random.PCG64(seeds.seed("subset", data_set=data_set, seed=seed))
    )
    return np.sort(generator.permutation(size)[:kept]).astype(np.int64, copy=False)
