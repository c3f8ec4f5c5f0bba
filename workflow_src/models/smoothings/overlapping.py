"""What mixtures of two overlapping components have in common; sections 3 and 4.2 of the paper."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from workflow_src.models.smoothings.inverse_cdf import InverseTemperature


class OverlappingMixture(ABC):
    """(1 - q) r(zeta | 0) + q r(zeta | 1), whose components have densities on the same support."""

    @property
    def has_component_densities(self) -> bool:
        return True

    @abstractmethod
    def sample(
        self, uniform: Tensor, logits: Tensor, inverse_temperature: InverseTemperature
    ) -> Tensor:
        """zeta at which the mixture's CDF is ``uniform``."""

    @abstractmethod
    def component_log_densities(
        self, zeta: Tensor, inverse_temperature: InverseTemperature
    ) -> tuple[Tensor, Tensor]:
        """log r(zeta | 0) and log r(zeta | 1)."""

    @abstractmethod
    def log_ratio(self, zeta: Tensor, inverse_temperature: InverseTemperature) -> Tensor:
        """log r(zeta | 1) - log r(zeta | 0)."""

    def log_density(
        self, zeta: Tensor, logits: Tensor, inverse_temperature: InverseTemperature
    ) -> Tensor:
        zero, one = self.component_log_densities(zeta, inverse_temperature)
        return torch.logaddexp(zero + logsigmoid(-logits), one + logsigmoid(logits))

    def log_density_ratio(
        self,
        zeta: Tensor,
        uniform: Tensor,
        logits: Tensor,
        prior_logits: Tensor,
        inverse_temperature: InverseTemperature,
    ) -> Tensor:
        ratio = self.log_ratio(zeta, inverse_temperature)
        over, under = (
            torch.logaddexp(logsigmoid(-one), logsigmoid(one) + ratio)
            for one in (logits, prior_logits)
        )
        return over - under

    def posterior(
        self, zeta: Tensor, logits: Tensor, inverse_temperature: InverseTemperature
    ) -> Tensor:
        return torch.sigmoid(logits + self.log_ratio(zeta, inverse_temperature))
