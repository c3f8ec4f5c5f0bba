"""Which pixels of a test image are hidden, by the names that a study uses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from workflow_src.plan.seeds import seed

Mask = NDArray[np.bool_]

SIDE_BY_SIDE_MASK = "right"
"""What is hidden where images stand side by side: the half that the DCGMM paper erases (its Figure
8)."""


def observed_pixels(name: str, height: int, width: int, data_set: str) -> Mask:
    """What of every image is observed under the mask called ``name``, ``[height, width]``.

    Halves are rounded up for what is missing. The random half of the pixels depends on the data set
    alone, so that all models fill in the same.

    Raises
    ------
    ValueError
        If there is no mask of that name.
    """
    if name == _RANDOM_PIXELS:
        return _random_half(height, width, data_set)
    if name not in _MISSING:
        known = ", ".join(sorted([*_MISSING, _RANDOM_PIXELS]))
        raise ValueError(f"unknown mask {name!r}; known are {known}")
    observed = np.ones((height, width), dtype=np.bool_)
    observed[_MISSING[name](height, width)] = False
    return observed


def _random_half(height: int, width: int, data_set: str) -> Mask:
    # Sorted by digests, which no library's random numbers can change.
    pixels = height * width
    order = sorted(range(pixels), key=lambda one: seed("mask", data_set=data_set, pixel=one))
    observed = np.ones(pixels, dtype=np.bool_)
    observed[order[: _half(pixels)]] = False
    return observed.reshape(height, width)


def _half(size: int) -> int:
    return (size + 1) // 2


def _middle(size: int) -> slice:
    return slice(size // 4, size // 4 + _half(size))


_RANDOM_PIXELS = "random_pixels"
_Part = tuple[slice, slice]
_MISSING: Mapping[str, Callable[[int, int], _Part]] = MappingProxyType(
    {
        "left": lambda height, width: (slice(None), slice(_half(width))),
        "right": lambda height, width: (slice(None), slice(width - _half(width), None)),
        "top": lambda height, width: (slice(_half(height)), slice(None)),
        "bottom": lambda height, width: (slice(height - _half(height), None), slice(None)),
        "center": lambda height, width: (_middle(height), _middle(width)),
    }
)
