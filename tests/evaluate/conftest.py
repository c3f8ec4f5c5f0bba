"""Oracles that tests of the evaluation share, in NumPy and from the formulas."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import log_softmax, logsumexp
from torch import Tensor

Tiles = NDArray[np.float64]


def two_by_two_mixture(parameters: Mapping[str, Tensor], leaf: Tiles) -> float:
    """Log density of the Poon-Domingos circuit over 2 x 2 tiles, each with two leaves and sums.

    ``leaf [4, 2]`` holds the leaves' log densities, tiles in reading order.
    """
    halves = log_softmax(parameters["circuit.0.sum_logits"].double().numpy(), axis=-1)

    def pair(a: Tiles, b: Tiles) -> Tiles:
        pairs: Tiles = (a[:, None] + b[None, :]).ravel()
        return pairs

    # Halves in the region graph's order: top, left, right, bottom.
    members = {"top": (0, 1), "left": (0, 2), "right": (1, 3), "bottom": (2, 3)}
    value = {
        name: logsumexp(halves[i] + pair(leaf[a], leaf[b]), axis=1)
        for i, (name, (a, b)) in enumerate(members.items())
    }
    products = np.concatenate(
        [pair(value["top"], value["bottom"]), pair(value["left"], value["right"])]
    )
    root = log_softmax(parameters["circuit.1.sum_logits"].double().numpy(), axis=-1)[0, 0]
    return float(logsumexp(root + products))


@pytest.fixture(scope="session")
def mixture_of_tiles() -> Callable[[Mapping[str, Tensor], Tiles], float]:
    return two_by_two_mixture
