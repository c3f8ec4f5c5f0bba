"""A spike at 0 and an exponential on [0, 1]; Rolfe (2016), the baseline of the DVAE++ paper.

r(zeta | 0) is a Dirac delta at 0 and r(zeta | 1) grows like exp(beta zeta). Here z is known given
zeta, so that the gradient of nu cannot be had from a density.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from workflow_src.models.smoothings import inverse_cdf
from workflow_src.models.smoothings.inverse_cdf import InverseTemperature


@dataclass(frozen=True)
class SpikeAndExponential:
    """Densities with respect to Lebesgue measure on (0, 1] plus a unit of mass at 0."""

    @property
    def has_component_densities(self) -> bool:
        return True

    def sample(
        self, uniform: Tensor, logits: Tensor, inverse_temperature: InverseTemperature
    ) -> Tensor:
        """0 where z = 0, and else log(1 + (exp(beta) - 1) (rho - p) / q) / beta, with p = 1 - q.

        It is continuous in q, with the derivative p (1 - rho) / (q r(zeta | 1)) in the logit where
        z = 1 and none where z = 0. Positive wherever `hard` is 1.
        """
        rho, p, q, beta = inverse_cdf.widened(uniform, logits, inverse_temperature)
        kind = torch.result_type(uniform, logits)
        above = inverse_cdf.is_one(uniform, logits)
        remaining = torch.where(above, (1 - rho) / q, 1).clamp(0, 1)
        # The CDF of r(zeta | 1) at the sample, from whichever of p and q is the smaller.
        share = torch.where(p < q, (rho - p) / q, 1 - remaining).clamp(0, 1)
        zeta = torch.log1p(share * torch.expm1(beta)) / beta

        def derivative() -> Tensor:
            density = beta * torch.exp(-beta * (1 - zeta)) / -torch.expm1(-beta)
            return torch.where(above, p * remaining / density, 0)

        value = zeta.clamp(max=1).to(kind).clamp(min=torch.finfo(kind).tiny)
        return inverse_cdf.with_derivative(logits, torch.where(above, value, 0), derivative)

    def log_density(
        self, zeta: Tensor, logits: Tensor, inverse_temperature: InverseTemperature
    ) -> Tensor:
        """log(1 - q) at 0 and log q + log r(zeta | 1) above it.

        Its gradient is that of either piece: what a change of q moves over the edge is missing, for
        which there are `posterior` and `log_density_ratio`.
        """
        density = self._log_exponential(zeta, inverse_temperature)
        return torch.where(zeta > 0, logsigmoid(logits) + density, logsigmoid(-logits))

    def log_density_ratio(
        self,
        zeta: Tensor,
        uniform: Tensor,
        logits: Tensor,
        prior_logits: Tensor,
        inverse_temperature: InverseTemperature,
    ) -> Tensor:
        nu = self.posterior(zeta, logits, inverse_temperature)
        one = logsigmoid(logits) - logsigmoid(prior_logits)
        zero = logsigmoid(-logits) - logsigmoid(-prior_logits)
        return nu * one + (1 - nu) * zero

    def component_log_densities(
        self, zeta: Tensor, inverse_temperature: InverseTemperature
    ) -> tuple[Tensor, Tensor]:
        """Each is -inf where the other has all the mass."""
        above = zeta > 0
        zero = torch.where(above, -math.inf, torch.zeros_like(zeta))
        return zero, torch.where(above, self._log_exponential(zeta, inverse_temperature), -math.inf)

    def log_ratio(self, zeta: Tensor, inverse_temperature: InverseTemperature) -> Tensor:
        """inf where z = 1 and -inf where z = 0, without a gradient; to weight, use `posterior`."""
        return torch.where(zeta > 0, torch.full_like(zeta, math.inf), -math.inf)

    def posterior(
        self, zeta: Tensor, logits: Tensor, inverse_temperature: InverseTemperature
    ) -> Tensor:
        """z itself, with the derivative (1 - z) / (1 - q) in q that stands for its jump.

        As q grows by dq, the share dq of the noise goes over from z = 0 to z = 1 with zeta still at
        0, which is where the samples with z = 0 are. So the mean of the gradient of nu f(zeta) is
        the gradient of its mean, for every smooth f (Rolfe 2016, appendix). In the logit the
        derivative is (1 - z) q: bounded, so that q needs no cap.
        """
        nu: Tensor = _Posterior.apply(  # type: ignore[no-untyped-call]
            *inverse_cdf.expanded(zeta, logits)
        )
        return nu

    def _log_exponential(self, zeta: Tensor, inverse_temperature: InverseTemperature) -> Tensor:
        beta = torch.as_tensor(inverse_temperature, dtype=zeta.dtype)
        return torch.log(beta) - torch.log(-torch.expm1(-beta)) - beta * (1 - zeta)


class _Posterior(torch.autograd.Function):
    """1 where zeta > 0, with the gradient of `SpikeAndExponential.posterior`."""

    @staticmethod
    def forward(ctx: Any, zeta: Tensor, logits: Tensor) -> Tensor:
        above = zeta > 0
        ctx.save_for_backward(above, logits)
        return above.to(torch.result_type(zeta, logits))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, Tensor]:
        above, logits = ctx.saved_tensors
        return None, torch.where(above, 0, torch.sigmoid(logits)) * gradients[0]
