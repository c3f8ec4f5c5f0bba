"""The Concrete (Gumbel-softmax) relaxation of a binary variable; Maddison et al. (2016).

zeta = sigmoid(beta (l + logit(uniform))), at temperature 1 / beta. It is no mixture over z: there
is no r(zeta | z), and only the marginal bound can be formed with it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from workflow_src.models.smoothings import inverse_cdf
from workflow_src.models.smoothings.inverse_cdf import InverseTemperature


@dataclass(frozen=True)
class Concrete:
    """Densities with respect to Lebesgue measure on (0, 1).

    In float32 zeta is 0 or 1 for many samples. What must not saturate is therefore computed from
    its logit: `sample_logit`, `logit_log_density` and `log_density_ratio`.
    """

    @property
    def has_component_densities(self) -> bool:
        return False

    def sample(
        self, uniform: Tensor, logits: Tensor, inverse_temperature: InverseTemperature
    ) -> Tensor:
        scaled = _scaled(uniform, logits, inverse_temperature)
        return torch.sigmoid(scaled).to(torch.result_type(uniform, logits))

    def sample_logit(
        self, uniform: Tensor, logits: Tensor, inverse_temperature: InverseTemperature
    ) -> Tensor:
        """The logit of `sample`; differentiable in the temperature, too, and more than once."""
        scaled = _scaled(uniform, logits, inverse_temperature)
        return scaled.to(torch.result_type(uniform, logits))

    def log_density(
        self, zeta: Tensor, logits: Tensor, inverse_temperature: InverseTemperature
    ) -> Tensor:
        """log q(zeta); zeta that rounds to 0 or 1 counts as the nearest number of its type."""
        limits = torch.finfo(zeta.dtype)
        within = zeta.clamp(limits.tiny, 1 - limits.eps / 2)
        below, above = torch.log(within), torch.log1p(-within)
        density = self.logit_log_density(below - above, logits, inverse_temperature)
        return density - below - above

    def logit_log_density(
        self, zeta_logit: Tensor, logits: Tensor, inverse_temperature: InverseTemperature
    ) -> Tensor:
        """Log density of zeta's logit, on the real line: logistic around beta l with scale beta."""
        beta = torch.as_tensor(inverse_temperature, dtype=zeta_logit.dtype)
        return _log_logistic(zeta_logit / beta - logits) - torch.log(beta)

    def log_density_ratio(
        self,
        zeta: Tensor,
        uniform: Tensor,
        logits: Tensor,
        prior_logits: Tensor,
        inverse_temperature: InverseTemperature,
    ) -> Tensor:
        """From the noise: the ratio is that of two logistic densities, at any temperature."""
        standard = torch.logit(inverse_cdf.inside(uniform))
        return _log_logistic(standard) - _log_logistic(standard + logits - prior_logits)

    def component_log_densities(
        self, zeta: Tensor, inverse_temperature: InverseTemperature
    ) -> tuple[Tensor, Tensor]:
        raise _no_components()

    def log_ratio(self, zeta: Tensor, inverse_temperature: InverseTemperature) -> Tensor:
        raise _no_components()

    def posterior(
        self, zeta: Tensor, logits: Tensor, inverse_temperature: InverseTemperature
    ) -> Tensor:
        raise _no_components()


def _scaled(uniform: Tensor, logits: Tensor, inverse_temperature: InverseTemperature) -> Tensor:
    """beta (l + logit(uniform)) in float64, where sigmoid's derivative does not round to 0."""
    noise = torch.logit(inverse_cdf.inside(uniform).double())
    return inverse_temperature * (logits.double() + noise)


def _log_logistic(values: Tensor) -> Tensor:
    return logsigmoid(values) + logsigmoid(-values)


def _no_components() -> ValueError:
    return ValueError("the Concrete relaxation has no density of zeta given z")
