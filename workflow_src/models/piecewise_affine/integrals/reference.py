"""The paper's route to the moments, written plainly: the reference that the fast ones are held to.

Lemma 4 and appendix B of "Analytical Probability Distributions and EM-Learning for Deep Generative
Networks", corrected: Delaunay simplices, inclusion-exclusion over the complements of their faces,
moments of Gaussians below at most S bounds with F, G and H (Tallis). Unbounded regions are cut at
a far box. It subtracts numbers of size 1, so that it knows no tails.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from scipy.stats import multivariate_normal, norm

from workflow_src.models.piecewise_affine.partitions.cells import Floats, Partition
from workflow_src.models.piecewise_affine.partitions.triangulation import (
    clipped_vertices,
    simplices,
)

FAR = 60.0
"""Half the side of the box at which unbounded regions are cut, if not told."""


def reference_moments(
    partition: Partition, region: int, mean: Floats, covariance: Floats, far: float = FAR
) -> tuple[float, Floats, Floats]:
    """Mass, E[z 1] ``[S]`` and E[z z' 1] ``[S, S]`` (not divided by the mass) on one region."""
    corner = np.full(partition.dimensions, far)
    vertices = clipped_vertices(partition, region, -corner, corner)
    return moments_of_simplices(simplices(vertices), mean, covariance)


def moments_of_simplices(
    corners: Floats, mean: Floats, covariance: Floats
) -> tuple[float, Floats, Floats]:
    """Mass, E[z 1] and E[z z' 1] of N(mean, covariance) on simplices ``[T, S + 1, S]``."""
    mass, first, second = 0.0, np.zeros(len(mean)), np.zeros((len(mean), len(mean)))
    for simplex in corners:
        normals, offsets = _outside_of_faces(simplex)
        for size in range(len(mean) + 1):
            for faces in combinations(range(len(offsets)), size):
                chosen = list(faces)
                cone = _cone(normals[chosen], offsets[chosen], mean, covariance)
                sign = (-1) ** size
                mass += sign * cone[0]
                first += sign * cone[1]
                second += sign * cone[2]
    return mass, first, second


def _outside_of_faces(simplex: Floats) -> tuple[Floats, Floats]:
    """Normals and offsets of ``normal z <= offset`` beyond each face of ``simplex [S + 1, S]``."""
    inward = np.linalg.inv(np.column_stack([simplex, np.ones(len(simplex))])).T
    lengths = np.linalg.norm(inward[:, :-1], axis=1)
    return inward[:, :-1] / lengths[:, None], -inward[:, -1] / lengths


def _cone(
    normals: Floats, offsets: Floats, mean: Floats, covariance: Floats
) -> tuple[float, Floats, Floats]:
    """Mass, E[z 1] and E[z z' 1] where ``normals z <= offsets`` (equations 14 to 16, corrected)."""
    if not len(offsets):
        return 1.0, mean, covariance + np.outer(mean, mean)
    bounds = offsets - normals @ mean
    inner = normals @ covariance @ normals.T
    mass = _below(bounds, inner)
    slopes, curvatures = _first_derivatives(bounds, inner), _second_derivatives(bounds, inner)
    spread = covariance @ normals.T
    shift = -spread @ slopes
    square = mass * covariance + spread @ curvatures @ spread.T
    crossed = np.outer(mean, shift)
    return mass, mass * mean + shift, square + crossed + crossed.T + mass * np.outer(mean, mean)


def _below(bounds: Floats, covariance: Floats) -> float:
    """P(y <= bounds) of a centred Gaussian of as many dimensions as there are bounds."""
    if not len(bounds):
        return 1.0
    if len(bounds) == 1:
        return float(norm.cdf(bounds[0] / np.sqrt(covariance[0, 0])))
    return float(
        multivariate_normal.cdf(bounds, np.zeros(len(bounds)), covariance, allow_singular=True)
    )


def _density_and_rest(bounds: Floats, covariance: Floats, chosen: list[int]) -> float:
    """Density of the chosen values at their bounds times P(rest below theirs | chosen there)."""
    rest = [row for row in range(len(bounds)) if row not in chosen]
    own = covariance[np.ix_(chosen, chosen)]
    gain = covariance[np.ix_(rest, chosen)] @ np.linalg.inv(own)
    density = multivariate_normal.pdf(bounds[chosen], np.zeros(len(chosen)), own)
    left = covariance[np.ix_(rest, rest)] - gain @ covariance[np.ix_(chosen, rest)]
    return float(density) * _below(bounds[rest] - gain @ bounds[chosen], left)


def _first_derivatives(bounds: Floats, covariance: Floats) -> Floats:
    """F: of the mass by each bound."""
    return np.array([_density_and_rest(bounds, covariance, [row]) for row in range(len(bounds))])


def _second_derivatives(bounds: Floats, covariance: Floats) -> Floats:
    """H = G - diag((a F + (S * G) 1) / diag S), G the mixed second derivatives of the mass.

    The signs are those of upper bounds a; for lower ones, a changes its sign.
    """
    count = len(bounds)
    mixed = np.zeros((count, count))
    for row, column in combinations(range(count), 2):
        value = _density_and_rest(bounds, covariance, [row, column])
        mixed[row, column] = mixed[column, row] = value
    slopes = _first_derivatives(bounds, covariance)
    diagonal = (bounds * slopes + (covariance * mixed).sum(axis=1)) / np.diag(covariance)
    curvatures: Floats = mixed - np.diag(diagonal)
    return curvatures
