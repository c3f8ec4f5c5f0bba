"""Maximisers of concave quadratics, alone or together with the log prior of the weights.

Every problem is: which change d of the values maximises g'd - d'Kd / 2 + log prior(values + d),
with K positive semidefinite. K is often singular (a dead unit, fewer regions than weights), so that
many changes are best: the ones here leave alone what does not matter. Problems come in batches of P
with n values each.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from workflow_src.models.piecewise_affine.maximisation.weight_priors import WeightPrior

Array: TypeAlias = NDArray[np.float64]
Booleans: TypeAlias = NDArray[np.bool_]

RELATIVE_CUT = 1e-12
"""Eigenvalues of the scaled curvature below this share of the largest count as zero by default."""

LARGEST_SPECTRUM = 1024
"""Unknowns up to which small eigenvalues are cut off; beyond, a ridge as large as the cut.

It needs no spectrum, which takes long. What curves more than the ridge is solved for as before;
what curves less moves less the less it curves, instead of not at all."""

PROXIMITY = 1e-10
"""The least such ridge, as a share of the scaled curvature's diagonal."""

POWER_STEPS = 20
"""Of the power method for the largest eigenvalue, to which that ridge is relative."""

REFINEMENTS = 3
"""Further solves for what is left of the gradient."""

TOLERANCE = 1e-11
"""Of the optimality of a maximiser with a prior, as a share of the terms that cancel in it."""

MOST_PASSES = 300
"""Of coordinate ascent with its Newton steps; tens are usual.

Where a nearly singular curvature keeps the tolerance from being met, what they have reached is
taken if it misses optimality by no more than `ACCEPTED`; otherwise `UnsolvedError` is raised.
"""

ACCEPTED = 1e-8
"""Of the optimality of what is taken after `MOST_PASSES`, as the tolerance."""


class UnsolvedError(ValueError):
    """A maximiser that was not found, or that rounding leaves unknown."""


def best_values(
    gradient: Array,
    curvature: Array,
    values: Array,
    penalised: Booleans,
    prior: WeightPrior,
    relative_cut: float = RELATIVE_CUT,
) -> Array:
    """The best values for gradient and present values ``[P, n]`` and curvature ``[P, n, n]``.

    The prior holds for the ``penalised [n]`` values; under a uniform one these must lie inside.
    Zeros (laplace) and bounds (uniform) are met exactly. ``relative_cut`` is that of `least_change`
    without a prior and under a gaussian one (whose own curvature counts); under the other two
    nothing is cut off: they themselves hold the weights where the data say little.

    `UnsolvedError` where no maximiser under a laplace or uniform prior was reached.
    """
    if prior.kind == "none" or not penalised.any():
        return values + least_change(gradient, curvature, relative_cut)
    if prior.kind == "gaussian":
        precision = penalised / prior.scale**2
        curvature = curvature + np.diag(precision)
        return values + least_change(gradient - precision * values, curvature, relative_cut)
    return _composite(gradient, curvature, values, penalised, prior)


def least_change(gradient: Array, curvature: Array, relative_cut: float = RELATIVE_CUT) -> Array:
    """The maximiser of g'd - d'Kd / 2 that is least in size, each value in units of its curvature.

    These units make it the same however a network's units are rescaled. ``[P, n]``; one curvature
    ``[1, n, n]`` serves all problems. What curves less than ``relative_cut`` of the most curved
    direction, in these units, is left alone (damped, beyond `LARGEST_SPECTRUM` unknowns).
    """
    scales, scaled = _scaled(curvature)
    large = curvature.shape[-1] > LARGEST_SPECTRUM
    if large:
        inverse = _proximal(scaled, max(PROXIMITY, relative_cut * _largest_eigenvalue(scaled)))
    else:
        inverse = _spectral(scaled, relative_cut)
    change = inverse(gradient / scales) / scales
    for _ in range(REFINEMENTS):
        change += inverse((gradient - _times(curvature, change)) / scales) / scales
    return change


def _scaled(curvature: Array) -> tuple[Array, Array]:
    """Units that make a curvature's diagonal 1 (infinite where it is 0), and it in these units."""
    diagonal = np.diagonal(curvature, axis1=-2, axis2=-1)
    curved = diagonal > 0
    scales = np.where(curved, np.sqrt(np.where(curved, diagonal, 1)), np.inf)
    return scales, curvature / scales[..., :, None] / scales[..., None, :]


def _spectral(matrices: Array, relative_cut: float) -> Callable[[Array], Array]:
    """The pseudo-inverse of symmetric matrices, small eigenvalues being taken for zero."""
    values, vectors = np.linalg.eigh(matrices)
    kept = values > relative_cut * values[..., -1:]
    inverse = np.where(kept, 1 / np.where(kept, values, 1), 0)
    across = np.swapaxes(vectors, -1, -2)
    return lambda right: _times(vectors, _times(across, right) * inverse)


def _proximal(matrices: Array, ridge: float) -> Callable[[Array], Array]:
    """The inverse after a small ridge; refined, it tends to the pseudo-inverse."""
    diagonal = ridge * np.eye(matrices.shape[-1])
    factors = [cho_factor(matrix + diagonal) for matrix in matrices]
    if len(factors) == 1:
        return lambda right: np.asarray(cho_solve(factors[0], right.T).T)
    return lambda right: np.stack(
        [cho_solve(factor, row) for factor, row in zip(factors, right, strict=True)]
    )


def _largest_eigenvalue(matrices: Array) -> float:
    """Of positive semidefinite matrices, within a tenth or so: a ridge asks for no more."""
    vectors = np.random.default_rng(0).normal(size=matrices.shape[:-1])
    for _ in range(POWER_STEPS):
        lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
        vectors = _times(matrices, vectors / np.where(lengths > 0, lengths, 1))
    return float(np.linalg.norm(vectors, axis=-1).max())


def optimality(gradient: Array, values: Array, penalised: Booleans, prior: WeightPrior) -> Array:
    """How far each value is from optimal, ``[P, n]``: 0 everywhere is the certificate of a maximum.

    It is the distance from 0 to the superdifferential of the whole objective at ``values``, where
    ``gradient [P, n]`` is that of the quadratic part there.
    """
    distance = np.abs(gradient)
    if prior.kind == "gaussian":
        prior_distance = np.abs(gradient - values / prior.scale**2)
    elif prior.kind == "laplace":
        pull = 1 / prior.scale
        at_zero = np.maximum(distance - pull, 0)
        prior_distance = np.where(values == 0, at_zero, np.abs(gradient - pull * np.sign(values)))
    elif prior.kind == "uniform":
        outwards = np.maximum(-gradient * np.sign(values), 0)
        prior_distance = np.where(np.abs(values) == prior.scale, outwards, distance)
        prior_distance = np.where(np.abs(values) > prior.scale, np.inf, prior_distance)
    else:
        prior_distance = distance
    return np.where(penalised, prior_distance, distance)


def _composite(
    gradient: Array, curvature: Array, start: Array, penalised: Booleans, prior: WeightPrior
) -> Array:
    """Coordinate ascent, after every pass of which Newton steps end on what no bound holds.

    Each move raises the objective. A pass of coordinate ascent settles which values are at zero
    (laplace) or at a bound (uniform) and frees others; the Newton steps then go to the maximum over
    the values that are free, stopping where one meets zero or a bound and joins those held. So the
    free sets are finitely many, and none comes twice.
    """
    values = start.copy()
    slope = gradient.copy()
    for _ in range(MOST_PASSES):
        _ascend_coordinates(values, slope, curvature, penalised, prior)
        for _ in range(values.shape[1] + REFINEMENTS):
            slope, rounding = _slope(gradient, curvature, values - start, prior)
            values, met = _newton_step(values, slope, curvature, penalised, prior, rounding)
            if not met:
                break
        slope, rounding = _slope(gradient, curvature, values - start, prior)
        distance = optimality(slope, values, penalised, prior)
        if (distance <= rounding).all():
            return values
    if (distance <= rounding * (ACCEPTED / TOLERANCE)).all():
        return values
    raise UnsolvedError(
        f"no maximum under a {prior.kind} prior of scale {prior.scale:g} after {MOST_PASSES} "
        f"passes: its condition is missed by {distance.max():.2g}"
    )


def _slope(
    gradient: Array, curvature: Array, change: Array, prior: WeightPrior
) -> tuple[Array, Array]:
    """The quadratic's gradient after a change, ``[P, n]``, and what in it counts as 0, [P, 1]."""
    terms = np.abs(gradient) + _times(np.abs(curvature), np.abs(change)) + 1 / prior.scale
    rounding = TOLERANCE * terms.max(axis=1, keepdims=True)
    return gradient - _times(curvature, change), rounding


def _ascend_coordinates(
    values: Array, slope: Array, curvature: Array, penalised: Booleans, prior: WeightPrior
) -> None:
    """Each value in turn to its best given the others; ``values`` and ``slope`` in place."""
    for number, with_prior in enumerate(penalised):
        own = curvature[:, number, number]
        curved = own > 0
        before = values[:, number].copy()
        after = before + np.where(curved, slope[:, number] / np.where(curved, own, 1), 0)
        if with_prior and prior.kind == "laplace":
            pull = np.where(curved, 1 / (prior.scale * np.where(curved, own, 1)), np.inf)
            after = np.sign(after) * np.maximum(np.abs(after) - pull, 0)
        elif with_prior:
            after = np.clip(after, -prior.scale, prior.scale)
        values[:, number] = after
        slope -= curvature[:, :, number] * (after - before)[:, None]


def _newton_step(
    values: Array,
    slope: Array,
    curvature: Array,
    penalised: Booleans,
    prior: WeightPrior,
    rounding: Array,
) -> tuple[Array, bool]:
    """Towards the maximiser over the values that are free; and whether any met zero or a bound."""
    if prior.kind == "laplace":
        free = ~penalised | (values != 0)
        slope = slope - penalised * np.sign(values) / prior.scale
    else:
        free = ~penalised | (np.abs(values) < prior.scale)
    masked = curvature * free[:, :, None] * free[:, None, :]
    move = _ascent(slope * free, masked, rounding)
    limits = np.zeros_like(values) if prior.kind == "laplace" else np.sign(move) * prior.scale
    with np.errstate(divide="ignore", invalid="ignore"):
        reach = (limits - values) / move
    reach = np.where(penalised & free & (move != 0) & (reach > 0), reach, np.inf)
    share = np.minimum(reach.min(axis=1, keepdims=True), 1)
    return np.where(reach <= share, limits, values + share * move), bool((share < 1).any())


def _ascent(slope: Array, curvature: Array, rounding: Array) -> Array:
    """Where a Newton step leads; along what does not curve, far up the slope if there is one.

    There is one under a laplace prior, whose pull also acts where the data say nothing.
    """
    scales, scaled = _scaled(curvature)
    pull = slope / scales
    if curvature.shape[-1] > LARGEST_SPECTRUM:
        return np.asarray(_proximal(scaled, PROXIMITY)(pull) / scales)
    eigenvalues, vectors = np.linalg.eigh(scaled)
    least = np.maximum(RELATIVE_CUT * eigenvalues[:, -1:], np.finfo(float).tiny)
    along = _times(np.swapaxes(vectors, 1, 2), pull)
    level = np.abs(along) <= np.linalg.norm(rounding / scales, axis=1, keepdims=True)
    along = np.where((eigenvalues <= least) & level, 0, along)
    return _times(vectors, along / np.maximum(eigenvalues, least)) / scales


def _times(matrices: Array, vectors: Array) -> Array:
    return np.asarray(np.einsum("...ij,...j->...i", matrices, vectors))
