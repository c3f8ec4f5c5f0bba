"""The covariance of the noise by numbers that are free, as gradients need them.

It is the square of the starting deviation times exp(f) (isotropic), times diag(exp(f)) (diagonal),
or times L L' with the lower triangle of L in f, the logarithms of its diagonal among them (full).
So f is 0 at the start, and the covariance there is to the last bit what the model starts with.

Shapes use R = runs in the bank, N = points, D = values of a point.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from workflow_src.models.deep_generative_network.model import noise_shape
from workflow_src.models.piecewise_affine.noise import NoiseKind


@dataclass(frozen=True)
class FreeNoise:
    """From free numbers to covariances.

    Attributes
    ----------
    kind:
        What the covariance is free to be.
    values:
        D.
    deviation:
        Standard deviation before training.
    """

    kind: NoiseKind
    values: int
    deviation: float

    def start(self) -> Tensor:
        """Of one run, float64."""
        return torch.zeros(noise_shape(self.kind, self.values), dtype=torch.float64)

    def packed(self, free: Tensor) -> Tensor:
        """The covariances as the model packs them, [R, ...]."""
        scale = self.deviation**2
        if self.kind != "full":
            return scale * free.exp()
        factors = self._factors(free)
        rows, columns = torch.tril_indices(self.values, self.values, device=free.device)
        return scale * (factors @ factors.transpose(1, 2))[:, rows, columns]

    def log_density(self, residuals: Tensor, free: Tensor) -> Tensor:
        """Of residuals [R, N, D] under each run's noise, in nats, [R, N]."""
        constant = self.values * (math.log(2 * math.pi) + 2 * math.log(self.deviation))
        scaled = residuals / self.deviation
        if self.kind == "full":
            factors = self._factors(free)
            white = torch.linalg.solve_triangular(factors, scaled.transpose(1, 2), upper=False)
            square: Tensor = white.square().sum(dim=1)
            log_determinant: Tensor = 2 * factors.diagonal(dim1=1, dim2=2).log().sum(dim=1)
        else:
            logs = free.reshape(len(free), -1).expand(-1, self.values)
            square = (scaled.square() * (-logs).exp().unsqueeze(1)).sum(dim=2)
            log_determinant = logs.sum(dim=1)
        density: Tensor = -(constant + log_determinant.unsqueeze(1) + square) / 2
        return density

    def _factors(self, free: Tensor) -> Tensor:
        """L [R, D, D] of a full covariance."""
        rows, columns = torch.tril_indices(self.values, self.values, device=free.device)
        entries = torch.where(rows == columns, free.exp(), free)
        factors = free.new_zeros(len(free), self.values, self.values)
        return factors.index_put(
            (torch.arange(len(free), device=free.device)[:, None], rows, columns), entries
        )
