"""Gaussian approximations q(z | x) = N(m, V) of the posterior: ELBO, divergence, the best one.

Exact through the moments of q cut to each region up to three latent dimensions. From four on
bounds and divergences are estimates by draws of q, with errors, and there is no best Gaussian. The
divergence of the best Gaussian is the approximation gap; what an encoder's q has more than it is
the amortisation gap.

Shapes: N points, R regions, S latent dimensions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workflow_src.models.piecewise_affine.inference.drawn_bounds import drawn_expected_log_joints
from workflow_src.models.piecewise_affine.inference.expectations import (
    MEMORY_BYTES,
    DeepGenerativeNetwork,
    Posterior,
    e_step,
    log_likelihoods_with_errors,
    point_chunks,
)
from workflow_src.models.piecewise_affine.inference.regions import (
    LOG_TWO_PI,
    RegionGaussians,
    WhitenedPoints,
    region_gaussians,
)
from workflow_src.models.piecewise_affine.inference.truncated import (
    TruncatedMoments,
    is_exact,
    truncated_moments,
)
from workflow_src.models.piecewise_affine.partitions.enumeration import Partition
from workflow_src.models.piecewise_affine.solvers.minimisation import minimised

Array: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Gaussians:
    """One Gaussian for each point: means ``[N, S]`` and covariances ``[N, S, S]``."""

    means: Array
    covariances: Array

    def rows(self, chosen: slice | NDArray[np.int64]) -> Gaussians:
        """Those of some of the points."""
        return Gaussians(self.means[chosen], self.covariances[chosen])

    def entropies(self) -> Array:
        """-E_q[log q] in nats, ``[N]``."""
        latent = self.means.shape[1]
        return np.asarray(
            latent / 2 * (1 + LOG_TWO_PI) + np.linalg.slogdet(self.covariances)[1] / 2
        )


@dataclass(frozen=True, eq=False)
class BestGaussians(Gaussians):
    """The result of a search for each point.

    Attributes
    ----------
    converged:
        Whether the search that found it ended at a local optimum, ``[N]``; where False it ran out
        of steps, and a better Gaussian may be near.
    """

    converged: NDArray[np.bool_]


def evidence_lower_bounds(
    model: DeepGenerativeNetwork,
    partition: Partition,
    points: Array,
    approximations: Gaussians,
    memory_bytes: int = MEMORY_BYTES,
) -> Array:
    """E_q[log p(x, z) - log q(z)] in nats of points ``[N, D]``, ``[N]``: exact for S <= 3.

    An estimate from S = 4 on, whose error `evidence_lower_bounds_with_errors` tells.
    """
    known = (model, partition, points, approximations, memory_bytes)
    return evidence_lower_bounds_with_errors(*known)[0]


def evidence_lower_bounds_with_errors(
    model: DeepGenerativeNetwork,
    partition: Partition,
    points: Array,
    approximations: Gaussians,
    memory_bytes: int = MEMORY_BYTES,
) -> tuple[Array, Array]:
    """Evidence lower bounds and their standard errors, ``[N]`` each; 0 where they are exact."""
    found, errors = approximations.entropies(), np.zeros(len(points))
    if not is_exact(partition):
        values = np.asarray(points, dtype=np.float64)
        q = (approximations.means, approximations.covariances)
        joint, errors = drawn_expected_log_joints(model, values, *q, memory_bytes)
        return found + joint, errors
    for piece in _pieces(model, partition, points, approximations, memory_bytes):
        found[piece.rows] += piece.expected_log_joint().numpy()
    return found, errors


def divergences(
    model: DeepGenerativeNetwork,
    partition: Partition,
    points: Array,
    approximations: Gaussians,
    memory_bytes: int = MEMORY_BYTES,
) -> Array:
    """KL(q(z) || p(z | x)) in nats, ``[N]``: exact for S <= 3.

    It is the difference of log p(x) and of what the posterior's pieces make of E_q[log p(x, z)],
    with (6) in place of the likelihood. Rounding is relative to those, so that a divergence of 0
    may come out as little below it as 1e-12 times their size. An estimate from S = 4 on, whose
    error `divergences_with_errors` tells and which may be as far below 0.
    """
    return divergences_with_errors(model, partition, points, approximations, memory_bytes)[0]


def divergences_with_errors(
    model: DeepGenerativeNetwork,
    partition: Partition,
    points: Array,
    approximations: Gaussians,
    memory_bytes: int = MEMORY_BYTES,
) -> tuple[Array, Array]:
    """Divergences and their standard errors, ``[N]`` each; 0 where they are exact."""
    found, errors = log_likelihoods_with_errors(model, partition, points, memory_bytes)
    if not is_exact(partition):
        known = (model, partition, points, approximations, memory_bytes)
        bounds, bound_errors = evidence_lower_bounds_with_errors(*known)
        return found - bounds, np.hypot(errors, bound_errors)
    found -= approximations.entropies()
    for piece in _pieces(model, partition, points, approximations, memory_bytes):
        found[piece.rows] -= piece.expected_log_pieces().numpy()
    return found, errors


def best_gaussians(
    model: DeepGenerativeNetwork,
    partition: Partition,
    points: Array,
    starts: int = 4,
    memory_bytes: int = MEMORY_BYTES,
) -> BestGaussians:
    """For each point the Gaussian of smallest KL(q || p(z | x)) among ``starts`` local searches.

    The first search starts from the posterior's moments, the others from its regions, likely ones
    far from earlier starts first. Each follows exact gradients; the result is a local optimum where
    it says that it has converged. ``ValueError`` from four latent dimensions on: there the
    gradients would be estimates.
    """
    if not is_exact(partition):
        raise ValueError(
            f"the best Gaussian is sought with exact moments, which {partition.dimensions} latent "
            "dimensions do not have"
        )
    values = np.asarray(points, dtype=np.float64)
    latent = partition.dimensions
    best = BestGaussians(
        np.zeros((len(values), latent)),
        np.zeros((len(values), latent, latent)),
        np.zeros(len(values), dtype=bool),
    )
    gaussians, projection = region_gaussians(model, partition)
    for rows, posterior in e_step(model, partition, values, memory_bytes // 2):
        at = projection.points(values[rows])
        lowest = np.full(len(at.remainder), np.inf)
        for start in _starts(posterior, gaussians, starts):
            search = _Search(partition, gaussians, at, start)
            ended = minimised(search.objective, search.start())
            better = ended.values < lowest
            lowest[better] = ended.values[better]
            found = search.gaussians_at(np.arange(len(ended.places)), ended.places)
            chosen = np.arange(rows.start, rows.stop)[better]
            best.means[chosen] = found.means[better]
            best.covariances[chosen] = found.covariances[better]
            best.converged[chosen] = ended.converged[better]
    return best


@dataclass(frozen=True, eq=False)
class _Piece:
    """Some points, and their q cut to every region."""

    rows: slice
    gaussians: RegionGaussians
    at: WhitenedPoints
    moments: TruncatedMoments

    def expected_log_joint(self) -> Tensor:
        """E_q[log p(x, z)], ``[N]``: log p(x, z) at the regions' means, less the spread there."""
        joint = self.gaussians.log_joint_densities(
            self.at.coordinates, self.at.remainder, self.moments.mean
        )
        return (self._masses() * (joint - 0.5 * self._curved_spread())).sum(dim=1)

    def expected_log_pieces(self) -> Tensor:
        """E_q[log N(x; b_w, Sx + A_w A_w') + log N(z; mu_w, S_w)], ``[N]``: the same, by (6)."""
        means = self.gaussians.means(self.at.coordinates)
        densities = self.gaussians.log_densities(self.at.coordinates, self.at.remainder, means)
        log_root = self.gaussians.likelihood_constant - self.gaussians.log_constants
        away = self.moments.mean - means
        distance = torch.einsum("nrs,rst,nrt->nr", away, self.gaussians.precisions, away)
        constant = log_root - self.gaussians.latent_dimensions / 2 * LOG_TWO_PI
        pieces = densities + constant - 0.5 * (distance + self._curved_spread())
        return (self._masses() * pieces).sum(dim=1)

    def _masses(self) -> Tensor:
        return self.moments.log_mass.exp()

    def _curved_spread(self) -> Tensor:
        """trace(S_w^-1 Cov_q[z | w]), ``[N, R]``."""
        return torch.einsum("rst,nrst->nr", self.gaussians.precisions, self.moments.spread())


def _pieces(
    model: DeepGenerativeNetwork,
    partition: Partition,
    points: Array,
    approximations: Gaussians,
    memory_bytes: int,
) -> Iterator[_Piece]:
    values = np.asarray(points, dtype=np.float64)
    gaussians, projection = region_gaussians(model, partition)
    for rows in point_chunks(len(values), partition, memory_bytes):
        at = projection.points(values[rows])
        yield _piece(partition, gaussians, at, approximations.rows(rows), rows)


def _piece(
    partition: Partition,
    gaussians: RegionGaussians,
    at: WhitenedPoints,
    approximations: Gaussians,
    rows: slice,
) -> _Piece:
    means = torch.from_numpy(np.ascontiguousarray(approximations.means))[:, None]
    covariances = torch.from_numpy(np.ascontiguousarray(approximations.covariances))[:, None]
    return _Piece(rows, gaussians, at, truncated_moments(partition, means, covariances))


@dataclass(frozen=True, eq=False)
class _Search:
    """Minus the ELBO of q = N(m0 + L0 t, L L'), L = L0 B, over t and lower triangular B.

    m0 and L0 are those of the start, so that every unknown is of size 1 at any noise. B has the
    exponentials of its unknowns on its diagonal.
    """

    partition: Partition
    gaussians: RegionGaussians
    at: WhitenedPoints
    origin: Gaussians

    def start(self) -> Array:
        """Zeros, ``[N, S + S (S + 1) / 2]``: the start itself."""
        points, latent = self.origin.means.shape
        return np.zeros((points, latent + latent * (latent + 1) // 2))

    def gaussians_and_factors(
        self, rows: NDArray[np.int64], places: Array
    ) -> tuple[Gaussians, Array, Array, Array]:
        """q at places ``[M, P]``, and its L0, B and L."""
        latent = self.origin.means.shape[1]
        lower, diagonal = np.tril_indices(latent), np.diag_indices(latent)
        origin: Array = np.asarray(np.linalg.cholesky(self.origin.covariances[rows]))
        inner = np.zeros((len(rows), latent, latent))
        inner[:, lower[0], lower[1]] = places[:, latent:]
        inner[:, diagonal[0], diagonal[1]] = np.exp(inner[:, diagonal[0], diagonal[1]])
        factors = origin @ inner
        means = self.origin.means[rows] + np.einsum("nst,nt->ns", origin, places[:, :latent])
        return Gaussians(means, factors @ factors.transpose(0, 2, 1)), origin, inner, factors

    def gaussians_at(self, rows: NDArray[np.int64], places: Array) -> Gaussians:
        """q at places ``[M, P]``."""
        return self.gaussians_and_factors(rows, places)[0]

    def objective(self, rows: NDArray[np.int64], places: Array) -> tuple[Array, Array]:
        """Values ``[M]`` and exact gradients ``[M, P]``.

        With z = m + L e, the gradients of E_q[f] are E[grad f] and E[grad f (z - m)'] L^-T: f is
        continuous and quadratic on each region, so both are sums of cut moments.
        """
        q, origin, inner, factors = self.gaussians_and_factors(rows, places)
        chosen = torch.from_numpy(rows)
        at = WhitenedPoints(self.at.coordinates[chosen], self.at.remainder[chosen])
        piece = _piece(self.partition, self.gaussians, at, q, slice(0, len(rows)))
        values = -(piece.expected_log_joint().numpy() + q.entropies())
        slope, turned = self._expected_gradients(piece, torch.from_numpy(q.means))
        by_factor = np.linalg.solve(factors, turned.transpose(0, 2, 1)).transpose(0, 2, 1)
        by_inner = origin.transpose(0, 2, 1) @ by_factor
        latent = q.means.shape[1]
        diagonal = np.arange(latent)
        by_inner[:, diagonal, diagonal] *= inner[:, diagonal, diagonal]
        by_inner[:, diagonal, diagonal] += 1.0
        lower = np.tril_indices(latent)
        by_place = np.einsum("nst,ns->nt", origin, slope)
        return values, -np.concatenate([by_place, by_inner[:, lower[0], lower[1]]], axis=1)

    def _expected_gradients(self, piece: _Piece, centres: Tensor) -> tuple[Array, Array]:
        """E_q[grad f] ``[N, S]`` and E_q[grad f (z - m)'] ``[N, S, S]``, f = log p(x, z)."""
        moments, precisions = piece.moments, self.gaussians.precisions
        masses = moments.log_mass.exp()
        means = self.gaussians.means(piece.at.coordinates)
        pull = torch.einsum("rst,nrt->nrs", precisions, means - moments.mean)
        slope = torch.einsum("nr,nrs->ns", masses, pull)
        away = moments.mean - centres[:, None]
        turned = torch.einsum("nr,nrs,nrt->nst", masses, pull, away)
        spread = torch.einsum("nr,rst,nrtu->nsu", masses, precisions, moments.spread())
        return slope.numpy(), (turned - spread).numpy()


def _starts(posterior: Posterior, gaussians: RegionGaussians, count: int) -> Iterator[Gaussians]:
    """The posterior's moments, then regions by probability and distance from earlier starts."""
    covariance = posterior.latent_covariance()
    floor = gaussians.covariances.numpy()
    # A posterior within one tiny cell has next to no spread, and rounding can take what is left.
    least = 1e-6 * np.trace(floor, axis1=1, axis2=2).min() / floor.shape[1]
    first = Gaussians(posterior.latent_mean(), covariance + least * np.eye(floor.shape[1]))
    yield first
    away = np.ones_like(posterior.log_probability)
    means, rows = first.means, np.arange(len(first.means))
    spread = np.maximum(np.trace(covariance, axis1=1, axis2=2), least)
    for _ in range(1, count):
        distance = np.square(posterior.mean - means[:, None]).sum(axis=2) / spread[:, None]
        away = np.minimum(away, -np.expm1(-distance))
        region = np.argmax(posterior.probability * away, axis=1)
        means, spread = posterior.mean[rows, region], np.trace(floor[region], axis1=1, axis2=2)
        yield Gaussians(means, floor[region])
