"""Distributions of latent variables: normal ones, and binary ones smoothed for training.

A variable's distribution is given by the outputs of a network: for a normal one its mean and the
logarithm of its standard deviation, for a binary one its logit. All is elementwise; tensors
broadcast. In the binary limit binary variables are bits; normal ones stay what they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor

from workflow_src.models.binary_latents.hierarchical_encoder import binary_states
from workflow_src.models.smoothings.smoothing import Smoothing

_LARGEST_LOG_DEVIATION = 5.0

Outputs = tuple[Tensor, ...]
"""What a network says about variables: one tensor for each of `LatentDistribution.outputs`."""


class LatentDistribution(Protocol):
    """How variables are drawn and compared."""

    @property
    def outputs(self) -> int:
        """Numbers that a network gives for one variable."""
        ...

    @property
    def noise(self) -> Literal["uniform", "normal"]:
        """The noise that a sample is made of."""
        ...

    def sample(self, posterior: Outputs, noise: Tensor) -> Tensor:
        """Variables for training, differentiable in the outputs."""
        ...

    def limit_sample(self, posterior: Outputs, noise: Tensor) -> Tensor:
        """Variables in the binary limit."""
        ...

    def divergence(
        self, posterior: Outputs, prior: Outputs, values: Tensor, noise: Tensor
    ) -> Tensor:
        """KL(q || p), or an estimate of it from the values that `sample` made of the noise."""
        ...

    def log_ratio(
        self, posterior: Outputs, prior: Outputs, values: Tensor, noise: Tensor
    ) -> Tensor:
        """log q - log p of the values that `sample` made of the noise."""
        ...

    def limit_log_ratio(
        self, posterior: Outputs, prior: Outputs, values: Tensor, noise: Tensor
    ) -> Tensor:
        """log q - log p of the values that `limit_sample` made of the noise."""
        ...


@dataclass(frozen=True)
class Normal:
    """Normal variables; the second output is squeezed into +-5 on its way to log sigma.

    The paper does not squeeze. Without a bound, one large output makes sigma overflow; up to a
    tenth of the bound it changes next to nothing.
    """

    @property
    def outputs(self) -> int:
        return 2

    @property
    def noise(self) -> Literal["uniform", "normal"]:
        return "normal"

    def sample(self, posterior: Outputs, noise: Tensor) -> Tensor:
        return posterior[0] + torch.exp(_log_deviation(posterior)) * noise

    def limit_sample(self, posterior: Outputs, noise: Tensor) -> Tensor:
        return self.sample(posterior, noise)

    def divergence(
        self, posterior: Outputs, prior: Outputs, values: Tensor, noise: Tensor
    ) -> Tensor:
        log_ratio = _log_deviation(posterior) - _log_deviation(prior)
        shift = (posterior[0] - prior[0]) * torch.exp(-_log_deviation(prior))
        return 0.5 * (torch.expm1(2 * log_ratio) + shift * shift) - log_ratio

    def log_ratio(
        self, posterior: Outputs, prior: Outputs, values: Tensor, noise: Tensor
    ) -> Tensor:
        own, other = _log_deviation(posterior), _log_deviation(prior)
        standard = (values - posterior[0]) * torch.exp(-own)
        compared = (values - prior[0]) * torch.exp(-other)
        return other - own + 0.5 * (compared * compared - standard * standard)

    def limit_log_ratio(
        self, posterior: Outputs, prior: Outputs, values: Tensor, noise: Tensor
    ) -> Tensor:
        return self.log_ratio(posterior, prior, values, noise)


@dataclass(frozen=True)
class SmoothedBernoulli:
    """Binary variables by the marginal bound of equation 5: smoothed under q and under p."""

    smoothing: Smoothing
    inverse_temperature: float

    @property
    def outputs(self) -> int:
        return 1

    @property
    def noise(self) -> Literal["uniform", "normal"]:
        return "uniform"

    def sample(self, posterior: Outputs, noise: Tensor) -> Tensor:
        return self.smoothing.sample(noise, posterior[0], self.inverse_temperature)

    def limit_sample(self, posterior: Outputs, noise: Tensor) -> Tensor:
        return binary_states(noise, posterior[0])

    def divergence(
        self, posterior: Outputs, prior: Outputs, values: Tensor, noise: Tensor
    ) -> Tensor:
        return self.log_ratio(posterior, prior, values, noise)

    def log_ratio(
        self, posterior: Outputs, prior: Outputs, values: Tensor, noise: Tensor
    ) -> Tensor:
        return self.smoothing.log_density_ratio(
            values, noise, posterior[0], prior[0], self.inverse_temperature
        )

    def limit_log_ratio(
        self, posterior: Outputs, prior: Outputs, values: Tensor, noise: Tensor
    ) -> Tensor:
        own, other = posterior[0], prior[0]
        softplus = torch.nn.functional.softplus
        return values * (own - other) - softplus(own) + softplus(other)


def _log_deviation(outputs: Outputs) -> Tensor:
    bound = _LARGEST_LOG_DEVIATION
    return bound * torch.tanh(outputs[1] / bound)
