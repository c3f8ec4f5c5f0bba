"""The covariance Sx of Gaussian observation noise: isotropic, diagonal or full.

Float64 throughout. The covariance enters inference only through a whitening map L^-1 with
L L' = Sx and through log det Sx.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

Array = NDArray[np.float64]
NoiseKind = Literal["isotropic", "diagonal", "full"]


@dataclass(frozen=True, eq=False)
class NoiseCovariance:
    """The covariance of x given z.

    Attributes
    ----------
    kind:
        isotropic (one variance for all values), diagonal (one each) or full.
    values:
        Variances: a scalar ``[]``, ``[D]``, or the covariance ``[D, D]``.
    dimensions:
        D.
    """

    kind: NoiseKind
    values: Array
    dimensions: int

    def __post_init__(self) -> None:
        values = np.asarray(self.values, dtype=np.float64)
        object.__setattr__(self, "values", values)
        if self.kind not in get_args(NoiseKind):
            raise ValueError(f"noise covariance is one of {get_args(NoiseKind)}, not {self.kind!r}")
        size = self.dimensions
        shape = {"isotropic": (), "diagonal": (size,), "full": (size, size)}[self.kind]
        if values.shape != shape:
            raise ValueError(
                f"{self.kind} noise of {size} values has shape {shape}, not {values.shape}"
            )
        diagonal = np.diagonal(values) if self.kind == "full" else values
        if not np.all(np.isfinite(values)) or not np.all(diagonal > 0):
            raise ValueError("noise variances must be finite and above zero")
        if self.kind == "full" and not np.allclose(values, values.T, rtol=1e-9, atol=0):
            raise ValueError("a noise covariance must be symmetric")

    @classmethod
    def isotropic(cls, variance: float, dimensions: int) -> NoiseCovariance:
        """Sx = variance I."""
        return cls("isotropic", np.asarray(variance, dtype=np.float64), dimensions)

    @classmethod
    def diagonal(cls, variances: Array) -> NoiseCovariance:
        """Sx = diag(variances), ``[D]``."""
        return cls("diagonal", variances, len(variances))

    @classmethod
    def full(cls, covariance: Array) -> NoiseCovariance:
        """Sx = covariance, ``[D, D]``; ValueError where it is not positive definite (when used)."""
        return cls("full", covariance, len(covariance))

    def matrix(self) -> Array:
        """Sx, ``[D, D]``."""
        if self.kind == "full":
            return self.values
        return np.diag(self.variances())

    def variances(self) -> Array:
        """The diagonal of Sx, ``[D]``."""
        if self.kind == "full":
            return np.diagonal(self.values).copy()
        return np.broadcast_to(self.values, (self.dimensions,)).copy()

    def standard_deviation(self) -> float:
        """Square root of the mean variance: one number for every kind."""
        return float(np.sqrt(self.variances().mean()))

    def log_determinant(self) -> float:
        """log det Sx."""
        if self.kind == "full":
            return float(2 * np.log(np.diagonal(self._factor)).sum())
        return float(np.log(self.variances()).sum())

    def whiten(self, vectors: Array) -> Array:
        """L^-1 v along the last axis, ``[..., D]``, where L L' = Sx."""
        if self.kind == "full":
            rows = vectors.reshape(-1, self.dimensions)
            whitened = solve_triangular(self._factor, rows.T, lower=True).T
            return np.asarray(whitened.reshape(vectors.shape))
        return np.asarray(vectors / np.sqrt(self.values))

    def colour(self, vectors: Array) -> Array:
        """L v along the last axis, ``[..., D]``: turns standard normal draws into noise."""
        if self.kind == "full":
            return np.asarray(vectors @ self._factor.T)
        return np.asarray(vectors * np.sqrt(self.values))

    def solve(self, vectors: Array) -> Array:
        """Sx^-1 v along the last axis, ``[..., D]``."""
        if self.kind == "full":
            rows = self.whiten(vectors).reshape(-1, self.dimensions)
            solved = solve_triangular(self._factor, rows.T, lower=True, trans="T").T
            return np.asarray(solved.reshape(vectors.shape))
        return np.asarray(vectors / self.values)

    def part(self, indices: NDArray[np.int64]) -> NoiseCovariance:
        """The noise of some of the values."""
        size = len(indices)
        if self.kind == "isotropic":
            return NoiseCovariance(self.kind, self.values, size)
        if self.kind == "diagonal":
            return NoiseCovariance(self.kind, self.values[indices], size)
        return NoiseCovariance(self.kind, self.values[np.ix_(indices, indices)], size)

    @cached_property
    def _factor(self) -> Array:
        try:
            return np.asarray(np.linalg.cholesky(self.values), dtype=np.float64)
        except np.linalg.LinAlgError as error:
            raise ValueError("the noise covariance is not positive definite") from error
