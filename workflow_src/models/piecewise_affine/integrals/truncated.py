"""What is known of a Gaussian restricted to regions, and the way there and back by whitening."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workflow_src.models.piecewise_affine.partitions.cells import Floats

REACH = 9.0
"""A Gaussian restricted to a convex set is within so many deviations of its mode, to 1e-18."""
ROUNDING = 1e-6
"""How far below zero a whitened variance may be: tiny regions' are, by less, and matter less."""


@dataclass(frozen=True)
class Moments:
    """Of Gaussians restricted to regions.

    Attributes
    ----------
    log_mass:
        Logarithm of the Gaussian's mass on the region, ``[N, R]``; -inf only where the region is
        so far that the logarithm itself overflows.
    mean:
        E[z | z in region], ``[N, R, S]``; finite also where the mass underflows.
    second:
        E[z z' | z in region], ``[N, R, S, S]``; symmetric.
    """

    log_mass: Floats
    mean: Floats
    second: Floats


def cholesky_factors(covariances: Floats) -> Floats:
    """Lower factors of covariances ``[..., S, S]``; ValueError where one is not a covariance."""
    try:
        factors: Floats = np.linalg.cholesky(np.asarray(covariances, dtype=np.float64))
    except np.linalg.LinAlgError as error:
        raise ValueError("a covariance is not positive definite") from error
    return factors


def sensible(nearest: Floats, mass: Floats, first: Floats, second: Floats) -> tuple[Floats, Floats]:
    """E[u] and E[u u'] from integrals of 1, u and u u', ``[Q]``, ``[Q, S]`` and ``[Q, S, S]``.

    Some thousand deviations away rounding may leave no mass, or moments that no distribution has:
    there they are those of the ``nearest`` point, ``[Q, S]``.
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        mean, square = first / mass[:, None], second / mass[:, None, None]
        variances = np.einsum("qii->qi", square) - mean * mean
        known = (mass > 0) & (variances > -ROUNDING).all(axis=1)
        known &= (np.abs(mean - nearest) < 1 + REACH).all(axis=1)
    points = nearest[:, :, None] * nearest[:, None, :]
    return np.where(known[:, None], mean, nearest), np.where(known[:, None, None], square, points)


def from_white(
    means: Floats, factors: Floats, first: Floats, second: Floats
) -> tuple[Floats, Floats]:
    """E[z] ``[..., S]`` and E[z z'] ``[..., S, S]`` of z = mean + factor u, from those of u."""
    shift = np.einsum("...ij,...j->...i", factors, first)
    spread = factors @ second @ np.swapaxes(factors, -1, -2)
    crossed = means[..., :, None] * shift[..., None, :]
    squares = means[..., :, None] * means[..., None, :]
    half = 0.5 * (spread + squares) + crossed
    return means + shift, half + np.swapaxes(half, -1, -2)
