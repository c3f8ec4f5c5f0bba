"""Partitions into skewed boxes, on which a Gaussian's moments are products of one-dimensional ones.

In the coordinates w of z = skew w the boxes are those between levels of each axis, infinite at the
ends, and the Gaussian has independent coordinates. Moments along an axis are mpmath's.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import mpmath
import numpy as np

from workflow_src.models.piecewise_affine.partitions.cells import (
    Intervals,
    Partition,
    Polygons,
    Polyhedra,
)

DIGITS = 80
Array = np.ndarray[Any, np.dtype[np.float64]]


@lru_cache
def truncated_normal(lower: float, upper: float) -> tuple[float, float, float]:
    """log mass, mean and variance of the standard normal between two bounds."""
    with mpmath.workdps(DIGITS):
        a, b = mpmath.mpf(lower), mpmath.mpf(upper)

        def below(place: Any) -> Any:
            return mpmath.erfc(-place / mpmath.sqrt(2)) / 2

        def density(place: Any) -> Any:
            return mpmath.npdf(place) if mpmath.isfinite(place) else mpmath.mpf(0)

        def weighed(place: Any) -> Any:
            return place * density(place) if mpmath.isfinite(place) else mpmath.mpf(0)

        mass = below(b) - below(a) if a < 0 else below(-a) - below(-b)
        mean = (density(a) - density(b)) / mass
        variance = 1 + (weighed(a) - weighed(b)) / mass - mean**2
        return float(mpmath.log(mass)), float(mean), float(variance)


@dataclass(frozen=True)
class SkewedBoxes:
    """``levels``: finite, ascending, of each axis; ``skew [S, S]`` of positive determinant."""

    levels: tuple[tuple[float, ...], ...]
    skew: Array

    @property
    def bounds(self) -> list[tuple[tuple[float, float], ...]]:
        """The limits of every box along every axis."""
        axes = [(-np.inf, *levels, np.inf) for levels in self.levels]
        return list(itertools.product(*[list(itertools.pairwise(axis)) for axis in axes]))

    def partition(self) -> Partition:
        """The boxes as the partition of their dimension."""
        match len(self.levels):
            case 1:
                lower, upper = np.array(self.bounds)[:, 0].T
                return Intervals(*self._half_spaces(), lower, upper)
            case 2:
                return self._polygons()
        return self._polyhedra()

    def gaussian(self, means: Array, deviations: Array) -> tuple[Array, Array]:
        """Mean and covariance in z of independent coordinates w."""
        return self.skew @ means, self.skew @ np.diag(deviations**2) @ self.skew.T

    def moments(self, means: Array, deviations: Array) -> tuple[Array, Array, Array]:
        """log mass ``[R]``, mean ``[R, S]`` and second moment ``[R, S, S]`` of each box in z."""
        log_mass, first, second = [], [], []
        for box in self.bounds:
            found = np.array(
                [
                    truncated_normal(*((np.array(sides) - mean) / deviation))
                    for sides, mean, deviation in zip(box, means, deviations, strict=True)
                ]
            )
            log_mass.append(found[:, 0].sum())
            mean = self.skew @ (means + deviations * found[:, 1])
            spread = self.skew @ np.diag(deviations**2 * found[:, 2]) @ self.skew.T
            first.append(mean)
            second.append(spread + np.outer(mean, mean))
        return np.array(log_mass), np.array(first), np.array(second)

    def _half_spaces(self) -> tuple[Any, ...]:
        """signs, interior, normals, offsets and first of `Partition`; right, top, left, bottom."""
        dual = np.linalg.inv(self.skew)
        normals, offsets, first, interior = [], [], [0], []
        for box in self.bounds:
            for side, sign in ((1, 1.0), (0, -1.0)):
                for axis, sides in enumerate(box):
                    if np.isfinite(sides[side]):
                        length = np.linalg.norm(dual[axis])
                        normals.append(sign * dual[axis] / length)
                        offsets.append(sign * sides[side] / length)
            first.append(len(offsets))
            interior.append(self.skew @ np.array([_middle(*sides) for sides in box]))
        size = len(self.levels)
        return (
            np.zeros((len(first) - 1, 1), dtype=bool),
            np.array(interior),
            np.array(normals).reshape(-1, size),
            np.array(offsets, dtype=np.float64),
            np.array(first),
        )

    def _polygons(self) -> Polygons:
        parts = self._half_spaces()
        starts, ends, edge = np.empty(len(parts[3])), np.empty(len(parts[3])), 0
        for box in self.bounds:
            (left, right), (bottom, top) = box
            corners = {
                "right": ((right, bottom), (right, top)),
                "top": ((right, top), (left, top)),
                "left": ((left, top), (left, bottom)),
                "bottom": ((left, bottom), (right, bottom)),
            }
            levels = {"right": right, "top": top, "left": left, "bottom": bottom}
            for side, level in levels.items():
                if np.isfinite(level):
                    normal = parts[2][edge]
                    tangent = np.array([-normal[1], normal[0]])
                    places = [
                        tangent @ self.skew @ np.array(corner)
                        if np.isfinite(corner).all()
                        else infinite
                        for corner, infinite in zip(corners[side], (-np.inf, np.inf), strict=True)
                    ]
                    starts[edge], ends[edge] = places
                    edge += 1
        return Polygons(*parts, starts, ends)

    def _polyhedra(self) -> Polyhedra:
        vertices, rays, first_vertex, first_ray, face_points = [], [], [0], [0], []
        for box in self.bounds:
            middle = np.array([_middle(*sides) for sides in box])
            for side, (axis, sides) in itertools.product((1, 0), enumerate(box)):
                if np.isfinite(sides[side]):
                    face = np.where(np.arange(len(box)) == axis, sides[side], middle)
                    face_points.append(self.skew @ face)
            for axis, sides in enumerate(box):
                direction = self.skew[:, axis] / np.linalg.norm(self.skew[:, axis])
                rays += [np.sign(side) * direction for side in sides if np.isinf(side)]
            finite = [[side for side in sides if np.isfinite(side)] or [0.0] for sides in box]
            vertices += [self.skew @ np.array(corner) for corner in itertools.product(*finite)]
            first_vertex.append(len(vertices))
            first_ray.append(len(rays))
        return Polyhedra(
            *self._half_spaces(),
            np.array(vertices),
            np.array(first_vertex),
            np.array(rays).reshape(-1, len(self.levels)),
            np.array(first_ray),
            np.array(face_points).reshape(-1, len(self.levels)),
        )


def _middle(lower: float, upper: float) -> float:
    if np.isfinite(lower) and np.isfinite(upper):
        return 0.5 * (lower + upper)
    if np.isfinite(lower):
        return lower + 1
    return upper - 1 if np.isfinite(upper) else 0.0
