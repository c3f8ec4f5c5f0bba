"""Gauss-Legendre quadrature on (0, 1), its nodes and weights right to the last bits."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workflow_src.models.piecewise_affine.partitions.cells import Floats

Extended = NDArray[np.floating[Any]]


@lru_cache
def unit_legendre(count: int) -> tuple[Floats, Floats]:
    """Nodes and weights ``[count]`` on (0, 1), not to be written to.

    Newton's method in extended precision, where the machine has it: weights near an end, as numpy
    gives them, are wrong by 1e-13, and it is there that a decaying integrand is largest.
    """
    nodes: Extended = np.polynomial.legendre.leggauss(count)[0].astype(np.longdouble)
    for _ in range(3):
        value, slope = _polynomial(count, nodes)
        nodes = nodes - value / slope
    _, slope = _polynomial(count, nodes)
    weights = 1 / ((1 - nodes) * (1 + nodes) * slope**2)
    found = ((nodes + 1) / 2).astype(np.float64), weights.astype(np.float64)
    for array in found:
        array.setflags(write=False)
    return found


def _polynomial(degree: int, places: Extended) -> tuple[Extended, Extended]:
    """A Legendre polynomial and its derivative, by the recurrence of three terms."""
    before, value = np.ones_like(places), places.copy()
    for order in range(2, degree + 1):
        before, value = value, ((2 * order - 1) * places * value - (order - 1) * before) / order
    return value, degree * (before - places * value) / (1 - places * places)
