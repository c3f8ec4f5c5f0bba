"""Mixture of two exponentials on [0, 1]; section 3.1 and appendix A of the DVAE++ paper.

r(zeta | 0) decays like exp(-beta zeta) and r(zeta | 1) is its mirror image. Against mpmath, float32
samples are exact to their last place or two for probabilities from 1e-6 to 1 - 1e-6 and inverse
temperatures up to 30: see `OverlappingExponential.sample`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from workflow_src.models.smoothings import inverse_cdf
from workflow_src.models.smoothings.inverse_cdf import InverseTemperature
from workflow_src.models.smoothings.overlapping import OverlappingMixture


@dataclass(frozen=True)
class OverlappingExponential(OverlappingMixture):
    """Truncated exponentials that start at 0 and at 1; densities with respect to Lebesgue."""

    def sample(
        self, uniform: Tensor, logits: Tensor, inverse_temperature: InverseTemperature
    ) -> Tensor:
        """The stable root of appendix A's quadratic in m = exp(-beta zeta).

        With p = 1 - q and d = exp(-beta): p m^2 + b m - q d = 0, b = (rho - p) - d (rho - q),
        where each sign of b has a form of the root without cancellation. The gradient is the
        implicit one, -(dF/dl) / q(zeta) = p q (1 - m) (1 - d / m) / (beta sqrt(b^2 + 4 p q d)).
        """
        rho, p, q, beta = inverse_cdf.widened(uniform, logits, inverse_temperature)
        d = torch.exp(-beta)
        b = (rho - p) - d * (rho - q)
        root = torch.sqrt(b * b + 4 * p * q * d)
        m = torch.where(b > 0, 2 * q * d / (b + root), (root - b) / (2 * p))
        zeta = (-torch.log(m) / beta).clamp(0, 1)

        def derivative() -> Tensor:
            overlap = torch.expm1(-beta * zeta) * torch.expm1(-beta * (1 - zeta))
            return p * q * overlap / (beta * root)

        value = zeta.to(torch.result_type(uniform, logits))
        return inverse_cdf.with_derivative(logits, value, derivative)

    def component_log_densities(
        self, zeta: Tensor, inverse_temperature: InverseTemperature
    ) -> tuple[Tensor, Tensor]:
        beta = torch.as_tensor(inverse_temperature, dtype=zeta.dtype)
        constant = torch.log(beta) - torch.log(-torch.expm1(-beta))
        return constant - beta * zeta, constant - beta * (1 - zeta)

    def log_ratio(self, zeta: Tensor, inverse_temperature: InverseTemperature) -> Tensor:
        return inverse_temperature * (2 * zeta - 1)
