"""Estimates with errors of what importance sampling alone has none for: by independent repeats.

From four latent dimensions on posterior moments are ratios of sums over the same draws. Computed
several times from independent draws, their mean is the estimate, and their spread tells its error.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from workflow_src.models.piecewise_affine.inference.truncated import DRAWS, Draws

Array: TypeAlias = NDArray[np.float64]

REPLICATES = 8
"""Repeats. The error told of their mean is itself known to about a quarter of it."""


def replicated(estimate: Callable[[Draws], Sequence[Array]]) -> tuple[list[Array], list[Array]]:
    """Means over repeats of every array that ``estimate`` returns, and their standard errors.

    All repeats together take as many draws as one usual estimate.
    """
    found = [estimate(Draws(DRAWS // REPLICATES, 1 + repeat)) for repeat in range(REPLICATES)]
    stacked = [np.stack(repeats) for repeats in zip(*found, strict=True)]
    means = [np.asarray(repeats.mean(axis=0)) for repeats in stacked]
    spreads = [np.asarray(repeats.std(axis=0, ddof=1)) for repeats in stacked]
    return means, [spread / np.sqrt(REPLICATES) for spread in spreads]
