"""Mixture of two logistic distributions on the real line; appendix B of the DVAE++ paper.

Centred at 0 and 1, both with scale s = 1 / beta.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid, softplus

from workflow_src.models.smoothings import inverse_cdf
from workflow_src.models.smoothings.inverse_cdf import InverseTemperature
from workflow_src.models.smoothings.overlapping import OverlappingMixture


@dataclass(frozen=True)
class OverlappingLogistic(OverlappingMixture):
    """Logistic distributions around 0 and 1; zeta is any real number."""

    def sample(
        self, uniform: Tensor, logits: Tensor, inverse_temperature: InverseTemperature
    ) -> Tensor:
        """The root of appendix B's quadratic, with its unknown centred between the components.

        With m = exp(-beta (zeta - 1/2)), k = exp(-beta / 2) and p = 1 - q:
        rho k m^2 + b m - (1 - rho) k = 0, b = (rho - p) + k^2 (rho - q); nothing overflows for
        large beta. The gradient is the implicit one. Noise of 0 or 1 would be infinite: it is
        taken as the middle of the outermost step of its type.
        """
        within = inverse_cdf.inside(uniform)
        rho, p, q, beta = inverse_cdf.widened(within, logits, inverse_temperature)
        k = torch.exp(-beta / 2)
        b = (rho - p) + k * k * (rho - q)
        root = torch.sqrt(b * b + 4 * rho * (1 - rho) * k * k)
        m = torch.where(b > 0, 2 * (1 - rho) * k / (b + root), (root - b) / (2 * rho * k))
        scaled = -torch.log(m)

        def derivative() -> Tensor:
            up, down = scaled + beta / 2, scaled - beta / 2
            above, below = torch.sigmoid(up), torch.sigmoid(-down)
            # sigmoid(up) - sigmoid(down), without cancellation
            gap = above * below * -torch.expm1(-beta)
            density = p * above * torch.sigmoid(-up) + q * below * torch.sigmoid(down)
            return p * q * gap / (beta * density)

        value = (0.5 + scaled / beta).to(torch.result_type(uniform, logits))
        return inverse_cdf.with_derivative(logits, value, derivative)

    def component_log_densities(
        self, zeta: Tensor, inverse_temperature: InverseTemperature
    ) -> tuple[Tensor, Tensor]:
        beta = torch.as_tensor(inverse_temperature, dtype=zeta.dtype)
        zero, one = beta * zeta, beta * (zeta - 1)
        return (
            torch.log(beta) + logsigmoid(zero) + logsigmoid(-zero),
            torch.log(beta) + logsigmoid(one) + logsigmoid(-one),
        )

    def log_ratio(self, zeta: Tensor, inverse_temperature: InverseTemperature) -> Tensor:
        zero, one = inverse_temperature * zeta, inverse_temperature * (zeta - 1)
        return zero - one + 2 * (softplus(-zero) - softplus(-one))
