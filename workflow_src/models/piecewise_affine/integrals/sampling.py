"""An estimate, with its error, of what is not computed exactly: four dimensions or more.

Mixture importance sampling: components N(mode of the Gaussian within region w, its covariance),
weighed by the balance heuristic (density of the whole mixture), so no draw has a large weight.

Shapes: N points, R regions, S latent dimensions, M draws.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from workflow_src.models.piecewise_affine.integrals.modes import constrained_modes
from workflow_src.models.piecewise_affine.integrals.truncated import Moments, cholesky_factors
from workflow_src.models.piecewise_affine.partitions.cells import (
    Floats,
    Integers,
    Partition,
    region_by_half_spaces,
)

RegionOf = Callable[[Floats], Integers]
"""From points ``[M, S]`` to the regions they lie in, ``[M]``."""

EVEN_SHARE = 0.3
"""Share of the draws that goes to all regions alike; the rest by their part of the integral."""
NEGLIGIBLE = 40.0
"""A region whose largest density is e^-40 of the largest one's gets no more than an even share."""
BLOCK = 1 << 22
"""Draws times regions that are compared at once."""


@dataclass(frozen=True)
class EstimatedMoments:
    """Estimates from importance sampling, with standard errors (relative ones: of logarithms).

    Attributes
    ----------
    moments:
        As `Moments`. Where no draw fell into a region: log_mass -inf, and its mode as mean. The
        masses of a partition's regions do not sum to 1, and the means and second moments, ratios
        of estimates, have no errors here: they are not exact, and biased by order 1 / draws.
    log_mass_error:
        Standard error of ``moments.log_mass``, ``[N, R]``; inf where no draw fell.
    log_total:
        log sum_w exp(log_weights + log_mass), ``[N]``: the log likelihood, if the weights are the
        logarithms of N(x; b_w, Sx + A_w A_w').
    log_total_error:
        Standard error of it, ``[N]``.
    """

    moments: Moments
    log_mass_error: Floats
    log_total: Floats
    log_total_error: Floats


def estimated_moments(
    partition: Partition,
    means: Floats,
    covariances: Floats,
    log_weights: Floats,
    draws: int,
    generator: np.random.Generator,
    region_of: RegionOf | None = None,
) -> EstimatedMoments:
    """An estimate of `moments.moments` for any S, and of the sum weighed by ``log_weights [N, R]``.

    ``draws`` per point, shared among the regions by their share of the integral (as its largest
    density tells). ``region_of`` finds a draw's region; without it every half-space is tested.
    """
    find = region_of or (lambda latents: region_by_half_spaces(partition, latents))
    modes = constrained_modes(partition, means, covariances)
    points, regions, dimensions = modes.shape
    means = np.broadcast_to(means, modes.shape)
    factors = np.broadcast_to(
        cholesky_factors(covariances), (points, regions, dimensions, dimensions)
    )
    log_weights = np.broadcast_to(log_weights, (points, regions))
    estimates = [
        _of_one_point(*arguments, draws, generator, find)
        for arguments in zip(means, factors, modes, log_weights, strict=True)
    ]
    mean, second, log_mass, error, total, total_error = map(np.stack, zip(*estimates, strict=True))
    return EstimatedMoments(Moments(log_mass, mean, second), error, total, total_error)


def _of_one_point(
    means: Floats,
    factors: Floats,
    modes: Floats,
    log_weights: Floats,
    draws: int,
    generator: np.random.Generator,
    find: RegionOf,
) -> tuple[Floats, ...]:
    """Mean, second moment, log mass and its error by region; log of the weighed sum, its error."""
    regions, dimensions = means.shape
    counts = _shares(means, factors, modes, log_weights, draws)
    component = np.repeat(np.arange(regions), counts)
    noise = generator.standard_normal((len(component), dimensions))
    latents = modes[component] + np.einsum("mij,mj->mi", factors[component], noise)
    hit = find(latents)
    log_ratio = _log_densities(latents, means[hit], factors[hit]) - _log_mixture(
        latents, modes, factors, counts
    )
    # Summed over draws, exp(log_ratio) estimates masses: the mixture's density counts all draws.
    largest = np.full(regions, -np.inf)
    np.maximum.at(largest, hit, log_ratio)
    largest = np.where(np.isfinite(largest), largest, 0.0)
    ratio = np.exp(log_ratio - largest[hit])
    mass = np.bincount(hit, ratio, regions)
    with np.errstate(divide="ignore", invalid="ignore"):
        log_mass = np.log(mass) + largest
        error = _relative_error(ratio, hit, component, counts, regions) / mass
    known = mass > 0
    safe = np.where(known, mass, 1.0)
    mean, second = modes.copy(), modes[:, :, None] * modes[:, None, :]
    for row in range(dimensions):
        sums = np.bincount(hit, ratio * latents[:, row], regions) / safe
        mean[known, row] = sums[known]
        for column in range(dimensions):
            products = ratio * latents[:, row] * latents[:, column]
            sums = np.bincount(hit, products, regions) / safe
            second[known, row, column] = sums[known]
    terms = log_ratio + log_weights[hit]
    total = logsumexp(terms)
    shares = np.exp(terms - total)
    none = np.zeros(len(hit), dtype=np.int64)
    total_error = _relative_error(shares, none, component, counts, 1)[0]
    return mean, second, log_mass, np.where(known, error, np.inf), total, total_error


def _shares(
    means: Floats, factors: Floats, modes: Floats, log_weights: Floats, draws: int
) -> Integers:
    """Draws of each region's component, ``[R]``: at least two each, for their variance."""
    height = log_weights + _log_densities(modes, means, factors)
    height = height + np.log(np.einsum("rii->ri", factors)).sum(axis=1)
    share = np.exp(np.clip(height - height.max(), -NEGLIGIBLE, 0))
    share = EVEN_SHARE / len(share) + (1 - EVEN_SHARE) * share / share.sum()
    counts: Integers = np.maximum(2, np.round(draws * share)).astype(np.int64)
    return counts


def _log_densities(latents: Floats, means: Floats, factors: Floats) -> Floats:
    """log N(z; mean, factor factor') of ``[M, S]``, each with its own Gaussian."""
    white = np.linalg.solve(factors, (latents - means)[..., None])[..., 0]
    size = np.log(np.einsum("mii->mi", factors)).sum(axis=1)
    scale = size + 0.5 * latents.shape[1] * np.log(2 * np.pi)
    densities: Floats = -0.5 * (white**2).sum(axis=1) - scale
    return densities


def _log_mixture(latents: Floats, modes: Floats, factors: Floats, counts: Integers) -> Floats:
    """log of the sum over components of draws times density, at ``latents [M, S]``."""
    inverse = np.linalg.inv(factors)
    size = np.log(np.einsum("rii->ri", factors)).sum(axis=1)
    heights = np.log(counts) - size - 0.5 * latents.shape[1] * np.log(2 * np.pi)
    shifts = np.einsum("rij,rj->ri", inverse, modes)
    found = np.empty(len(latents))
    step = max(1, BLOCK // (len(modes) * latents.shape[1]))
    for start in range(0, len(latents), step):
        rows = slice(start, start + step)
        white = np.einsum("rij,mj->mri", inverse, latents[rows]) - shifts
        found[rows] = logsumexp(heights - 0.5 * (white**2).sum(axis=-1), axis=1)
    return found


def _relative_error(
    values: Floats, groups: Integers, component: Integers, counts: Integers, number: int
) -> Floats:
    """Standard errors of the sums of ``values`` by group, draws being strata by component.

    ``[number]``: the sum over components of n times the variance within its n draws.
    """
    cells = groups * len(counts) + component
    used, cells = np.unique(cells, return_inverse=True)
    sums, squares = np.bincount(cells, values), np.bincount(cells, values**2)
    sizes = counts[used % len(counts)]
    # Of the n draws of a component, those in other groups count as 0.
    variances = (squares - sums**2 / sizes) * sizes / (sizes - 1)
    totals = np.bincount(used // len(counts), variances, number)
    errors: Floats = np.sqrt(np.maximum(totals, 0))
    return errors
