"""Adaptive Gauss-Kronrod quadrature of many integrals at once, each over pieces of its own."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from workflow_src.models.piecewise_affine.cells import Floats, Integers

TOLERANCE = 1e-9
"""Difference of the two rules, as a share of the integral, up to which a piece is taken.

The finer rule's own error is about the square of it.
"""
ROUNDS = 24
"""Halvings of a piece, at most."""
MOST_OPEN = 64
"""Pieces of one integral that are halved at once: more of them only chase rounding errors."""
BLOCK = 2048
"""Pieces whose nodes are evaluated at once."""

_HALF_NODES = np.array(
    [
        0.995657163025808080735527280689003,
        0.973906528517171720077964012084452,
        0.930157491355708226001207180059508,
        0.865063366688984510732096688423493,
        0.780817726586416897063717578345042,
        0.679409568299024406234327365114874,
        0.562757134668604683339000099272694,
        0.433395394129247190799265943165784,
        0.294392862701460198131126603103866,
        0.148874338981631210884826001129720,
    ]
)
_HALF_WEIGHTS = np.array(
    [
        0.011694638867371874278064396062192,
        0.032558162307964727478818972459390,
        0.054755896574351996031381300244580,
        0.075039674810919952767043140916190,
        0.093125454583697605535065465083366,
        0.109387158802297641899210590325805,
        0.123491976262065851077958109585166,
        0.134709217311473325928054001771707,
        0.142775938577060080797094273138717,
        0.147739104901338491374841515972068,
    ]
)
NODES = np.concatenate([-_HALF_NODES, [0.0], _HALF_NODES[::-1]])
"""Nodes of the 21-point Kronrod rule on (-1, 1); every second one is a 10-point Gauss node."""
KRONROD = np.concatenate(
    [_HALF_WEIGHTS, [0.149445554002916905664936468389821], _HALF_WEIGHTS[::-1]]
)
GAUSS = np.zeros(21)
GAUSS[1::2] = np.polynomial.legendre.leggauss(10)[1]

Integrand = Callable[[Integers, Floats], Floats]
"""From the integral's number and the place, both ``[Q]``, to K values ``[Q, K]``.

The first is positive and tells how finely the pieces are halved.
"""


def integrals(function: Integrand, bounds: Floats, outputs: int) -> Floats:
    """P integrals of K = ``outputs`` values each, ``[P, K]``.

    ``bounds [P, B]``, in ascending order, are the limits of each integral and the places between
    them where its integrand is not smooth.
    """
    count = len(bounds)
    totals = np.zeros((count, outputs))
    owners = np.repeat(np.arange(count), bounds.shape[1] - 1)
    left, right = bounds[:, :-1].ravel(), bounds[:, 1:].ravel()
    for halvings in range(ROUNDS + 1):
        open_ = right > left
        owners, left, right = owners[open_], left[open_], right[open_]
        if not len(owners):
            break
        fine, difference = _both_rules(function, owners, left, right, outputs)
        known = totals[:, 0] + np.bincount(owners, fine[:, 0], count)
        done = (difference <= TOLERANCE * known[owners]) | (halvings == ROUNDS)
        done |= (np.bincount(owners[~done], minlength=count) > MOST_OPEN)[owners]
        np.add.at(totals, owners[done], fine[done])
        rest = ~done
        owners, left, right = owners[rest], left[rest], right[rest]
        middle = 0.5 * (left + right)
        owners = np.concatenate([owners, owners])
        left, right = np.concatenate([left, middle]), np.concatenate([middle, right])
    return totals


def _both_rules(
    function: Integrand, owners: Integers, left: Floats, right: Floats, outputs: int
) -> tuple[Floats, Floats]:
    """The Kronrod rule of every piece ``[Q, K]``, and its first value's distance from Gauss's."""
    fine = np.empty((len(owners), outputs))
    difference = np.empty(len(owners))
    for first in range(0, len(owners), BLOCK):
        rows = slice(first, first + BLOCK)
        half = 0.5 * (right[rows] - left[rows])
        places = (0.5 * (right[rows] + left[rows]))[:, None] + half[:, None] * NODES
        values = function(np.repeat(owners[rows], len(NODES)), places.ravel())
        values = values.reshape(-1, len(NODES), outputs)
        fine[rows] = half[:, None] * np.einsum("qmk,m->qk", values, KRONROD)
        difference[rows] = half * np.abs(values[:, :, 0] @ (KRONROD - GAUSS))
    return fine, difference
