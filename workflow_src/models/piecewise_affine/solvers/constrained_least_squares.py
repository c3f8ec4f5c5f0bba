"""Least squares under linear constraints, at any ratio of singular values, singular ones included.

Which borders bind is a least distance problem in coordinates that make every singular direction
equally steep: no ridge, which would hide slopes that are small beside it. Directions of no slope
get a small one, for the smallest solution among equals. On those borders the problem is linear and
is solved as it is; what comes out must satisfy the conditions of an optimum.

Shapes: K rows, S unknowns, F half-spaces, r = rank.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from workflow_src.models.piecewise_affine.solvers.least_distance import nearest_to_origin

Array: TypeAlias = NDArray[np.float64]

FLAT = 1e-12
"""Singular values below this share of the largest of all regions are rounding and count as 0:
in a region of dead units products of weights cancel, and need not cancel exactly."""

FAINT = (1e-2, 1e-4, 1e-6, 1e-8)
"""Slopes tried, relative to the smallest that counts, for directions that have none."""

SLACK = 1e-9
"""What a solution may miss a half-space by, relative to 1 + its offset."""

LENGTH_ROUNDING = 1e-13
"""The same relative to a solution's length, where that is large."""

CONDITION = 1e-6
"""What may be left of a residual that borders must hold, relative to its parts."""

ROUNDED = 1e-8
"""Part of the whole target that one direction's residual is compared with at least."""

MOST_SETS = 50_000
"""Sets of borders that are gone through where no least distance problem finds the right one."""


def constrained_least_squares(
    system: Array, target: Array, normals: Array, offsets: Array, size: float
) -> Array | None:
    """argmin |target - system z|^2 under normals z <= offsets, the smallest z among equals.

    ``system`` is ``[K, S]``; singular values below `FLAT` times ``size`` are rounding and count
    as 0. None where no z satisfies the constraints; ``ValueError`` where no solution was found that
    satisfies the conditions of an optimum.
    """
    problem = _problem(system, target, normals, offsets, size)
    if problem.is_feasible(problem.free):
        return problem.free
    if nearest_to_origin(normals, offsets) is None:
        return None
    for faint in FAINT if problem.rank < system.shape[1] else FAINT[:1]:
        borders = problem.binding(faint)
        if borders is not None:
            found = problem.on_borders(borders)
            if problem.is_optimal(found):
                return found
    return _among_all_borders(problem)


@dataclass(frozen=True, eq=False)
class _Problem:
    """The problem and the singular value decomposition of its system.

    Attributes
    ----------
    steep:
        Directions with a slope, ``[S, r]``; ``flat`` the others, ``[S, S - r]``.
    values, heights:
        Singular values ``[r]``, and the target in their directions, ``[r]``.
    free:
        The smallest solution without constraints, ``[S]``.
    """

    system: Array
    target: Array
    normals: Array
    offsets: Array
    size: float
    steep: Array
    flat: Array
    values: Array
    heights: Array
    free: Array

    @property
    def rank(self) -> int:
        return len(self.values)

    def is_feasible(self, latent: Array) -> bool:
        return bool(np.all(self.normals @ latent <= self.offsets + self.slack(latent)))

    def slack(self, latent: Array) -> Array:
        """What rounding may put a solution beyond its borders, ``[F]``."""
        length = float(np.linalg.norm(latent))
        return np.asarray(SLACK * (1 + np.abs(self.offsets)) + LENGTH_ROUNDING * length)

    def binding(self, faint: float) -> NDArray[np.int64] | None:
        """The borders that bind if flat directions have a faint slope; None if none were found."""
        least = self.values[-1] * faint if self.rank else 1.0
        scales = np.concatenate([self.values, np.full(self.flat.shape[1], least)])
        turned = self.normals @ np.concatenate([self.steep, self.flat], axis=1) / scales
        lengths = np.linalg.norm(turned, axis=1)
        distances = (self.offsets - self.normals @ self.free) / lengths
        nearest = nearest_to_origin(turned / lengths[:, None], distances)
        return None if nearest is None else nearest.active

    def on_borders(self, borders: NDArray[np.int64]) -> Array:
        """Least squares on some borders alone, ``[S]``; the smallest among equals."""
        normals, offsets = self.normals[borders], self.offsets[borders]
        if not len(normals):
            return self.free
        _, values, rows = np.linalg.svd(normals)
        moving = rows[int((values > FLAT).sum()) :].T
        fixed = pseudo_inverse(normals, 1.0) @ offsets
        rest = pseudo_inverse(self.system @ moving, self.size) @ (self.target - self.system @ fixed)
        return np.asarray(fixed + moving @ rest)

    def is_optimal(self, latent: Array) -> bool:
        """Feasible, and borders that it lies on hold back what pulls: downhill, then to 0.

        Each direction's pull is compared with the numbers that it is a difference of, so that a
        small slope counts as much as a large one.
        """
        if not self.is_feasible(latent):
            return False
        held = self.normals[self.normals @ latent >= self.offsets - self.slack(latent)]
        length = float(np.linalg.norm(latent))
        pull = self.values * (self.steep.T @ latent) - self.heights
        parts = np.abs(self.heights) + self.values * length
        parts = parts + ROUNDED * float(np.linalg.norm(self.target))
        parts = np.where(parts > 0, parts, 1.0)
        downhill = (held @ self.steep / self.values).T / parts[:, None]
        inward = (held @ self.flat).T / (length or 1.0)
        return _is_held(downhill, pull / parts) and _is_held(
            inward, self.flat.T @ latent / (length or 1.0)
        )


def _problem(system: Array, target: Array, normals: Array, offsets: Array, size: float) -> _Problem:
    latent = system.shape[1]
    missing = max(0, latent - len(system))
    tall = np.vstack([system, np.zeros((missing, latent))])
    left, values, rows = np.linalg.svd(tall, full_matrices=False)
    rank = int((values > FLAT * size).sum())
    steep, flat, values = rows[:rank].T, rows[rank:].T, values[:rank]
    heights = left[: len(system), :rank].T @ target
    free = np.asarray(steep @ (heights / values))
    return _Problem(system, target, normals, offsets, size, steep, flat, values, heights, free)


def _is_held(directions: Array, pull: Array) -> bool:
    """Whether some directions ``[P, F]``, with weights of at least 0, cancel a pull ``[P]``."""
    if not len(pull) or np.linalg.norm(pull) <= CONDITION:
        return True
    lengths = np.linalg.norm(directions, axis=0)
    usable = lengths > 0
    if not usable.any():
        return False
    try:
        left = nnls(directions[:, usable] / lengths[usable], -pull)[1]
    except RuntimeError:  # Too many steps: not shown.
        return False
    return bool(left <= CONDITION)


def _among_all_borders(problem: _Problem) -> Array:
    """The best feasible solution on any set of at most S borders: slow and sure."""
    count, latent = problem.normals.shape
    sizes = range(1, min(latent, count) + 1)
    if sum(math.comb(count, size) for size in sizes) > MOST_SETS:
        raise ValueError("no minimum under linear constraints was found that is one")
    best, found = (np.inf, np.inf), None
    for borders in itertools.chain.from_iterable(
        itertools.combinations(range(count), size) for size in sizes
    ):
        candidate = problem.on_borders(np.array(borders))
        if not problem.is_feasible(candidate):
            continue
        pull = problem.values * (problem.steep.T @ candidate) - problem.heights
        reached = (float(np.square(pull).sum()), float(np.linalg.norm(candidate)))
        if reached < best:
            best, found = reached, candidate
    if found is None:
        raise ValueError("no minimum under linear constraints was found that is one")
    return found


def pseudo_inverse(matrices: Array, size: float) -> Array:
    """Of ``[..., K, S]``, ``[..., S, K]``, with singular values far below ``size`` counted as 0."""
    left, values, right = np.linalg.svd(matrices, full_matrices=False)
    kept = values > FLAT * size
    inverse = np.where(kept, 1 / np.where(kept, values, 1.0), 0.0)
    turned = np.swapaxes(right, -1, -2) * inverse[..., None, :]
    return np.asarray(turned @ np.swapaxes(left, -1, -2))
