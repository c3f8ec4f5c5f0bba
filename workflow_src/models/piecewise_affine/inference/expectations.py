"""The exact E-step of a deep generative network: log p(x), region posteriors, their moments.

Theorem 1 of "Analytical Probability Distributions and EM-Learning for Deep Generative Networks",
with equations (6) and (7) corrected: with prior N(0, I), noise covariance Sx and g(z) = A_w z + b_w
on region w,

    p(x) = sum_w N(x; b_w, Sx + A_w A_w') P_w(x),    P_w(x) = mass of N(mu_w(x), S_w) on w,
    S_w = (I + A_w' Sx^-1 A_w)^-1,                   mu_w(x) = S_w A_w' Sx^-1 (x - b_w).

All in logarithms and float64, in chunks of points that fit a memory budget. Up to three latent
dimensions everything is exact; from four on it is an estimate (`log_likelihood_error`).

Shapes: N points, R regions, S latent dimensions, D values of a point.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workflow_src.models.piecewise_affine.generative_networks import (
    DeepGenerativeNetwork,
    sampled_points,
)
from workflow_src.models.piecewise_affine.inference.regions import region_gaussians
from workflow_src.models.piecewise_affine.inference.truncated import (
    USUAL_DRAWS,
    Draws,
    TruncatedMoments,
    estimated,
    is_exact,
    truncated_log_masses,
    truncated_moments,
)
from workflow_src.models.piecewise_affine.networks import AffineMaps
from workflow_src.models.piecewise_affine.partitions.enumeration import Partition

__all__ = [
    "MEMORY_BYTES",
    "DeepGenerativeNetwork",
    "ExpectedStatistics",
    "Posterior",
    "e_step",
    "expected_outputs",
    "expected_statistics",
    "log_likelihoods",
    "log_likelihoods_with_errors",
    "point_chunks",
    "sampled_points",
]

Array: TypeAlias = NDArray[np.float64]

MEMORY_BYTES = 512 * 1024**2
"""What an E-step may hold at once unless told otherwise."""

CACHE_BYTES = 12 * 1024**2
"""What a processor works on at once; larger chunks were measured to be up to twice as slow."""

FEWEST_POINTS = 64
"""Points below which work for each chunk outweighs that for each point."""


@dataclass(frozen=True, eq=False)
class Posterior:
    """What the E-step knows about a chunk of points.

    Attributes
    ----------
    log_likelihood:
        log p(x) in nats, ``[N]``.
    log_likelihood_error:
        Standard error of it, ``[N]``: 0 where it is exact (up to three latent dimensions).
    log_probability:
        log p(z in w | x), ``[N, R]``; the probabilities of a point sum to 1.
    mean:
        E[z | x, z in w], ``[N, R, S]``; finite also where the probability underflows.
    second:
        E[z z' | x, z in w], ``[N, R, S, S]``.

    From four latent dimensions on probabilities and moments are estimates too, without an error
    here: `posterior.posterior_moments` has theirs.
    """

    log_likelihood: Array
    log_likelihood_error: Array
    log_probability: Array
    mean: Array
    second: Array

    @property
    def probability(self) -> Array:
        """p(z in w | x), ``[N, R]``."""
        return np.exp(self.log_probability)

    def latent_mean(self) -> Array:
        """E[z | x], ``[N, S]``."""
        return np.asarray(np.einsum("nr,nrs->ns", self.probability, self.mean))

    def latent_covariance(self) -> Array:
        """Cov[z | x], ``[N, S, S]``."""
        mean = self.latent_mean()
        second = np.einsum("nr,nrst->nst", self.probability, self.second)
        return np.asarray(second - mean[:, :, None] * mean[:, None, :])


@dataclass(frozen=True, eq=False)
class ExpectedStatistics:
    """Sums over points of posterior moments: all that an M-step asks of the data.

    With e0 = p(z in w | x), e1 = E[z 1(z in w) | x] and E2 = E[z z' 1(z in w) | x], each point
    counted with its weight. Sums with x are of y = x - center: residuals are differences of them,
    and around the origin data far from it would leave no digits.

    Attributes
    ----------
    points:
        Sum of the weights; the number of points where no weights are given.
    log_likelihood:
        log p(x) of each point in nats, ``[N]``, not weighted.
    log_likelihood_error:
        Standard error of it, ``[N]``; 0 where it is exact, up to three latent dimensions. From four
        on the other sums are estimates too, of the same draws and without an error.
    mass:
        sum_x e0, ``[R]``.
    first:
        sum_x e1, ``[R, S]``.
    second:
        sum_x E2, ``[R, S, S]``.
    center:
        Any place near the points, ``[D]``; `expected_statistics` takes their mean.
    points_mass:
        sum_x y e0, ``[R, D]``.
    points_first:
        sum_x y e1', ``[R, D, S]``.
    squares:
        sum_x of y squared value by value, ``[D]``.
    outer:
        sum_x y y', ``[D, D]``; None unless the noise covariance is full.
    """

    points: float
    log_likelihood: Array
    log_likelihood_error: Array
    mass: Array
    first: Array
    second: Array
    center: Array
    points_mass: Array
    points_first: Array
    squares: Array
    outer: Array | None

    @property
    def total_log_likelihood(self) -> float:
        """Sum of log p(x) over the points in nats, not weighted."""
        return float(self.log_likelihood.sum())


def e_step(
    model: DeepGenerativeNetwork,
    partition: Partition,
    points: Array,
    memory_bytes: int = MEMORY_BYTES,
    device: str = "cpu",
    draws: Draws = USUAL_DRAWS,
) -> Iterator[tuple[slice, Posterior]]:
    """The posterior of points ``[N, D]``, chunk by chunk: which points, and what is known of them.

    ``device`` is where one latent dimension is computed (torch's name of it); more dimensions are
    always computed by the processor. ``draws`` are for estimates, from four dimensions on.
    """
    for placed in _chunks(model, partition, points, memory_bytes, device):
        chunk = _posterior(partition, placed, draws)
        yield (
            placed.rows,
            Posterior(
                log_likelihood=_array(chunk.log_likelihood),
                log_likelihood_error=_array(chunk.log_likelihood_error),
                log_probability=_array(chunk.log_probability),
                mean=_array(chunk.moments.mean),
                second=_array(chunk.moments.second),
            ),
        )


def log_likelihoods(
    model: DeepGenerativeNetwork,
    partition: Partition,
    points: Array,
    memory_bytes: int = MEMORY_BYTES,
    device: str = "cpu",
) -> Array:
    """log p(x) in nats of points ``[N, D]``, ``[N]``: exact for S <= 3.

    An estimate from S = 4 on, whose error `log_likelihoods_with_errors` tells.
    """
    return log_likelihoods_with_errors(model, partition, points, memory_bytes, device)[0]


def log_likelihoods_with_errors(
    model: DeepGenerativeNetwork,
    partition: Partition,
    points: Array,
    memory_bytes: int = MEMORY_BYTES,
    device: str = "cpu",
) -> tuple[Array, Array]:
    """log p(x) in nats and the standard error of its estimate, ``[N]`` each; 0 where exact."""
    found, errors = np.empty(len(points)), np.zeros(len(points))
    for placed in _chunks(model, partition, points, memory_bytes, device):
        if is_exact(partition):
            log_mass = truncated_log_masses(partition, placed.means, placed.covariances)
            found[placed.rows] = _array(torch.logsumexp(placed.log_densities + log_mass, dim=1))
        else:
            chunk = _posterior(partition, placed)
            found[placed.rows] = _array(chunk.log_likelihood)
            errors[placed.rows] = _array(chunk.log_likelihood_error)
    return found, errors


def expected_statistics(
    model: DeepGenerativeNetwork,
    partition: Partition,
    points: Array,
    weights: Array | None = None,
    memory_bytes: int = MEMORY_BYTES,
    device: str = "cpu",
) -> ExpectedStatistics:
    """The sums that the M-step needs, over points ``[N, D]`` with weights ``[N]`` (all 1)."""
    values = np.asarray(points, dtype=np.float64)
    shares = np.ones(len(values)) if weights is None else np.asarray(weights, dtype=np.float64)
    found, errors = np.empty(len(values)), np.empty(len(values))
    if not len(values):
        raise ValueError("expected statistics of no points")
    center = values.mean(axis=0)
    centered = values - center
    sums: _Sums | None = None
    for placed in _chunks(model, partition, values, memory_bytes, device):
        chunk = _posterior(partition, placed)
        found[placed.rows] = _array(chunk.log_likelihood)
        errors[placed.rows] = _array(chunk.log_likelihood_error)
        added = _sums(chunk, centered[placed.rows], shares[placed.rows])
        sums = added if sums is None else sums.plus(added)
    assert sums is not None  # There is a point, and so a chunk.
    return ExpectedStatistics(
        points=float(shares.sum()),
        log_likelihood=found,
        log_likelihood_error=errors,
        mass=_array(sums.mass),
        first=_array(sums.first),
        second=_array(sums.second),
        center=center,
        points_mass=_array(sums.points_mass),
        points_first=_array(sums.points_first.permute(1, 0, 2)),
        squares=np.einsum("n,nd,nd->d", shares, centered, centered),
        outer=(centered.T * shares) @ centered if model.noise.kind == "full" else None,
    )


def expected_outputs(maps: AffineMaps, posterior: Posterior) -> Array:
    """E[g(z) | x] of a chunk, ``[N, D]``, for any network's maps with the posterior's regions."""
    probability = posterior.probability
    first = probability[:, :, None] * posterior.mean
    linear = np.tensordot(first, maps.slopes, axes=([1, 2], [0, 2]))
    return np.asarray(probability @ maps.offsets + linear)


@dataclass(frozen=True, eq=False)
class _Placed:
    """A chunk before any integral: mu_w(x) ``[N, R, S]`` and log N(x; b_w, Sx + A_w A_w')."""

    rows: slice
    means: Tensor
    covariances: Tensor
    log_densities: Tensor


@dataclass(frozen=True, eq=False)
class _Chunk:
    """A chunk's posterior as tensors: log p(x) ``[N]``, its error, log p(w | x), moments."""

    log_likelihood: Tensor
    log_likelihood_error: Tensor
    log_probability: Tensor
    moments: TruncatedMoments


@dataclass(frozen=True, eq=False)
class _Sums:
    """Sums over the points of some chunks; ``points_first`` is ``[D, R, S]``."""

    mass: Tensor
    first: Tensor
    second: Tensor
    points_mass: Tensor
    points_first: Tensor

    def plus(self, other: _Sums) -> _Sums:
        return _Sums(
            self.mass + other.mass,
            self.first + other.first,
            self.second + other.second,
            self.points_mass + other.points_mass,
            self.points_first + other.points_first,
        )


def _sums(chunk: _Chunk, points: Array, weights: Array) -> _Sums:
    device = chunk.log_likelihood.device
    values = torch.from_numpy(points).to(device)
    probability = chunk.log_probability.exp() * torch.from_numpy(weights).to(device)[:, None]
    first = probability[:, :, None] * chunk.moments.mean
    second = torch.einsum("nr,nrst->rst", probability, chunk.moments.second)
    regions, latent = first.shape[1:]
    return _Sums(
        mass=probability.sum(dim=0),
        first=first.sum(dim=0),
        second=second,
        points_mass=probability.T @ values,
        points_first=(values.T @ first.reshape(len(first), -1)).reshape(-1, regions, latent),
    )


def _chunks(
    model: DeepGenerativeNetwork,
    partition: Partition,
    points: Array,
    memory_bytes: int,
    device: str,
) -> Iterator[_Placed]:
    values = np.asarray(points, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] != model.network.outputs:
        raise ValueError(f"points of {model.network.outputs} values, not of shape {values.shape}")
    place = device if partition.dimensions == 1 else "cpu"
    gaussians, projection = region_gaussians(model, partition, place)
    for rows in point_chunks(len(values), partition, memory_bytes, place):
        chunk = projection.points(values[rows], place)
        means = gaussians.means(chunk.coordinates)
        log_densities = gaussians.log_densities(chunk.coordinates, chunk.remainder, means)
        yield _Placed(rows, means, gaussians.covariances, log_densities)


def _posterior(partition: Partition, placed: _Placed, draws: Draws = USUAL_DRAWS) -> _Chunk:
    if is_exact(partition):
        moments = truncated_moments(partition, placed.means, placed.covariances)
        log_joint = placed.log_densities + moments.log_mass
        log_likelihood = torch.logsumexp(log_joint, dim=1)
        error = torch.zeros_like(log_likelihood)
        return _Chunk(log_likelihood, error, torch.log_softmax(log_joint, dim=1), moments)
    found = estimated(
        partition,
        placed.means,
        placed.covariances,
        placed.log_densities,
        draws,
        placed.rows.start,
    )
    log_joint = placed.log_densities + found.moments.log_mass
    # The probabilities must sum to 1, whatever the errors of the masses that they are made of.
    log_probability = torch.log_softmax(log_joint, dim=1)
    return _Chunk(found.log_total, found.log_total_error, log_probability, found.moments)


def point_chunks(
    points: int, partition: Partition, memory_bytes: int, device: str = "cpu"
) -> Iterator[slice]:
    """Slices of so many points that what is held for (points x regions) fits the budget.

    What is held was measured, for up to two dimensions; the integrals of three hold some 50 MB of
    their own. A processor gets less, for its caches, unless few points would be left in a slice.
    """
    latent = partition.dimensions
    held = 8 * (48 + 36 * latent) * partition.regions
    rows = max(1, memory_bytes // held)
    if device == "cpu":
        rows = min(rows, max(FEWEST_POINTS, CACHE_BYTES // held))
    for start in range(0, points, rows):
        yield slice(start, min(points, start + rows))


def _array(tensor: Tensor) -> Array:
    return np.asarray(tensor.detach().cpu().numpy())
