"""Adaptive Gauss-Kronrod quadrature of many integrals at once, each over pieces of its own.

Every integrand f is a Gaussian's mass in slices of a convex set, as a function of where they are:
log-concave, and f(l t) >= l^2 f(t) for 0 < l < 1 at distances t from the set's densest point, in up
to three dimensions. Far from the origin it rises and falls within a tiny share of a piece, unseen
by any node. Two things keep it in sight: limits no farther from the densest point than a few times
what it takes to fall to nothing, and the values at both ends of a piece, which must not fall out of
sight before the first node, nor change in a layer thinner than that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from workflow_src.models.piecewise_affine.partitions.cells import Floats, Integers

TOLERANCE = 1e-9
"""Difference of the two rules, as a share of the integral, up to which a piece is taken.

The finer rule's own error is about the square of it.
"""
ROUNDS = 40
"""Halvings of a piece, at most."""
MOST_OPEN = 64
"""Pieces of one integral that are halved at once, at most, or twice as many as it began with.

More of them only chase rounding errors: what these leave is told, and `checked`.
"""
UNMET = 1e-3
"""Share of an integral that may be in doubt. The differences far overstate what is wrong."""
DIGITS = 1e-9
"""The same for each squared deviation from the origin: so far away, all is known to fewer digits.

Of a logarithm of about half that square, it is a billionth.
"""
BLOCK = 2048
"""Pieces whose nodes are evaluated at once."""
PROBES = np.concatenate([-(0.25 ** np.arange(1, 18)), 0.25 ** np.arange(17, 0, -1)])
"""Places around the densest point, in shares of the way to the limits, that are looked at first."""
NOTHING = 1e-30
"""Share of the largest value beyond which a falling integrand is not integrated."""

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
NODES = np.concatenate([[-1.0], -_HALF_NODES, [0.0], _HALF_NODES[::-1], [1.0]])
"""Nodes of the 21-point Kronrod rule on (-1, 1), every second one a Gauss node, and both ends."""
KRONROD = np.concatenate(
    [[0.0], _HALF_WEIGHTS, [0.149445554002916905664936468389821], _HALF_WEIGHTS[::-1], [0.0]]
)
GAUSS = np.zeros(23)
GAUSS[2::2] = [*np.polynomial.legendre.leggauss(10)[1], 0.0]
TO_FIRST = 1 - _HALF_NODES[0]
"""From an end to the first node, for half a piece."""


def _extrapolating() -> Floats:
    """How far the values at both ends are off the polynomial through the others: ``[2, 23]``.

    Lagrange's polynomials through the Kronrod nodes, at -1 and at 1.
    """
    inner = NODES[1:-1]
    apart = inner[:, None] - inner + np.eye(len(inner))
    weights = np.zeros((2, len(NODES)))
    for row, end in enumerate((-1.0, 1.0)):
        away = np.where(np.eye(len(inner), dtype=bool), 1.0, end - inner)
        weights[row, 1:-1] = -(away / apart).prod(axis=1)
    weights[0, 0] = weights[1, -1] = 1.0
    return weights


EXTRAPOLATING = _extrapolating()

Integrand = Callable[[Integers, Floats], Floats]
"""From the integral's number and the place, both ``[Q]``, to K values ``[Q, K]``.

The first is positive and tells how finely the pieces are halved.
"""


@dataclass(frozen=True)
class Integrals:
    """``values [P, K]``; ``unmet [P]``: differences of the rules where they were too large.

    Summed over the pieces that were taken all the same, for the first of the K values.
    """

    values: Floats
    unmet: Floats


def integrals(
    function: Integrand, bounds: Floats, outputs: int, densest: Floats | None = None
) -> Integrals:
    """P integrals of K = ``outputs`` values each.

    ``bounds [P, B]``, in ascending order, are the limits of each integral and the places between
    them where its integrand is not smooth; ``densest [P]``, one of them, is where the convex set
    that is sliced is densest: without it, peaks far narrower than the pieces may go unseen.
    """
    count = len(bounds)
    if densest is not None:
        bounds = _within_sight(function, bounds, densest)
    totals, unmet = np.zeros((count, outputs)), np.zeros(count)
    owners = np.repeat(np.arange(count), bounds.shape[1] - 1)
    left, right = bounds[:, :-1].ravel(), bounds[:, 1:].ravel()
    most = np.maximum(MOST_OPEN, 2 * (bounds[:, 1:] > bounds[:, :-1]).sum(axis=1))
    for halvings in range(ROUNDS + 1):
        open_ = right > left
        owners, left, right = owners[open_], left[open_], right[open_]
        if not len(owners):
            break
        fine, difference = _both_rules(function, owners, left, right, outputs)
        known = totals[:, 0] + np.bincount(owners, fine[:, 0], count)
        short = difference > TOLERANCE * known[owners]
        given_up = (np.bincount(owners[short], minlength=count) > most)[owners]
        given_up = short & (given_up | (halvings == ROUNDS))
        unmet += np.bincount(owners[given_up], difference[given_up], count)
        done = ~short | given_up
        np.add.at(totals, owners[done], fine[done])
        owners, left, right = _halved(owners[~done], left[~done], right[~done])
    return Integrals(totals, unmet)


def checked(unmet: Floats, totals: Floats, floor: Floats) -> None:
    """ArithmeticError where more of ``totals [P]`` is in doubt than may be.

    ``floor [P]`` are the squared distances of the sets' densest points from the origin.
    """
    allowed = np.maximum(UNMET, DIGITS * floor) * totals
    short = np.flatnonzero(unmet > allowed)
    if len(short):
        worst = short[np.argmax(unmet[short] - allowed[short])]
        raise ArithmeticError(
            f"{len(short)} of {len(totals)} integrals did not converge: at "
            f"{floor[worst] ** 0.5:.3g} deviations from the mean, "
            f"{unmet[worst]:.3g} of {totals[worst]:.3g} is in doubt"
        )


def _halved(owners: Integers, left: Floats, right: Floats) -> tuple[Integers, Floats, Floats]:
    middle = 0.5 * (left + right)
    return (
        np.concatenate([owners, owners]),
        np.concatenate([left, middle]),
        np.concatenate([middle, right]),
    )


def _within_sight(function: Integrand, bounds: Floats, densest: Floats) -> Floats:
    """Bounds, the limits among them not far beyond where the integrand falls to `NOTHING`.

    They are of the `PROBES` the last one before the first where there is something, and the first
    one after the last. Between them the integrand, being log-concave, is wide enough to be seen.
    """
    lowest, highest = bounds[:, :1], bounds[:, -1:]
    middle = np.clip(densest[:, None], lowest, highest)
    inner = middle + np.where(PROBES < 0, middle - lowest, highest - middle) * PROBES
    owners = np.repeat(np.arange(len(bounds)), len(PROBES))
    values = function(owners, inner.ravel())[:, 0].reshape(inner.shape)
    seen = values > NOTHING * values.max(axis=1, keepdims=True)
    nowhere = ~seen.any(axis=1)
    places = np.concatenate([lowest, inner, highest], axis=1)
    before = np.where(nowhere, 0, seen.argmax(axis=1))
    after = np.where(nowhere, 0, seen[:, ::-1].argmax(axis=1))
    rows = np.arange(len(bounds))
    return np.clip(bounds, places[rows, before][:, None], places[rows, -1 - after][:, None])


def _both_rules(
    function: Integrand, owners: Integers, left: Floats, right: Floats, outputs: int
) -> tuple[Floats, Floats]:
    """The Kronrod rule of every piece ``[Q, K]``, and how far its first value may be off ``[Q]``.

    That is its distance from Gauss's rule; and at least what an end's value adds up to on the way
    to the first node, as far as it is not the one of the polynomial through the nodes.
    """
    fine = np.empty((len(owners), outputs))
    difference = np.empty(len(owners))
    for first in range(0, len(owners), BLOCK):
        rows = slice(first, first + BLOCK)
        half = 0.5 * (right[rows] - left[rows])
        places = (0.5 * (right[rows] + left[rows]))[:, None] + half[:, None] * NODES
        values = function(np.repeat(owners[rows], len(NODES)), places.ravel())
        values = values.reshape(-1, len(NODES), outputs)
        fine[rows] = half[:, None] * np.einsum("qmk,m->qk", values, KRONROD)
        density = values[:, :, 0]
        hidden = TO_FIRST * np.abs(density @ EXTRAPOLATING.T).max(axis=1)
        difference[rows] = half * np.maximum(np.abs(density @ (KRONROD - GAUSS)), hidden)
    return fine, difference
