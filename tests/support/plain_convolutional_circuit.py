"""A convolutional circuit in the plainest words: one position after the other, in probabilities.

What the fast one is compared with. Its planes are padded with ones and patches are taken as the
paper defines them; nothing of the code under test is used but the names of the weights.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

Positions = dict[tuple[int, int], Tensor]
"""Values of the channels at every row and column; what is missing is padding."""


def plain_density(weights: Mapping[str, Tensor], leaves: Tensor) -> Tensor:
    """The density of one image whose leaves have densities ``[height, width, components]``."""
    height, width, _ = leaves.shape
    below: Positions = {(y, x): leaves[y, x] for y in range(height) for x in range(width)}
    layers = sum(name.startswith("sums.") for name in weights)
    for layer in range(layers):
        dilation = 2**layer
        height, width = height + dilation, width + dilation
        local = weights[f"sums.{layer}.weights"]
        assert local.shape[:2] == (height, width)
        below = {
            (y, x): local[y, x] @ _product(below, y - dilation, x - dilation, dilation, layer == 0)
            for y in range(height)
            for x in range(width)
        }
    root, last = weights["root.weights"], 2**layers
    total = torch.zeros((), dtype=leaves.dtype)
    for y in range(last):
        for x in range(last):
            total = total + root[y, x] @ _product(below, y, x, last, False)
    return total


def _product(below: Positions, y: int, x: int, dilation: int, combine: bool) -> Tensor:
    channels = next(iter(below.values()))
    ones = torch.ones_like(channels)
    corners = [below.get((y + a, x + b), ones) for a in (0, dilation) for b in (0, dilation)]
    if not combine:
        return corners[0] * corners[1] * corners[2] * corners[3]
    return torch.einsum("a,b,c,d->abcd", *corners).flatten()
