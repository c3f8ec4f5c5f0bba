"""Pixel likelihoods p(x | z) of a decoder's outputs, summed over the pixels.

Gaussian with mean and standard deviation, and binomial; section 4 of the SPVAE paper, with the
parameterisation of its authors' program: mean = sigmoid(f), precision = 1 + g^2 (so that the
standard deviation is at most 1), success probability = sigmoid(f) squeezed away from 0 and 1.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

# Keeps log p and log(1 - p) finite in float32.
_PROBABILITY_MARGIN = 1e-7


class Likelihood(Protocol):
    """The family of p(x | z): which decoder outputs it needs and what they mean."""

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the decoder's networks, one value per pixel each."""
        ...

    @property
    def full_range(self) -> float:
        """The largest pixel value; encoders see pixels as shares of it."""
        ...

    def log_density(self, pixels: Tensor, outputs: Mapping[str, Tensor]) -> Tensor:
        """Log density [bank, K, N] of ``pixels [bank, P, 1, N]`` under outputs [bank, P, K, N]."""
        ...

    def mean(self, outputs: Mapping[str, Tensor]) -> Tensor:
        """Expected pixels as a share of the full range, in [0, 1], shaped like the outputs."""
        ...

    def sample(self, outputs: Mapping[str, Tensor], generator: torch.Generator) -> Tensor:
        """Pixels drawn from p(x | z) in the data's units, shaped like the outputs."""
        ...


@dataclass(frozen=True)
class Gaussian:
    """Independent normal pixels; densities in nats with respect to pixels in [0, 1]."""

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("mean", "precision")

    @property
    def full_range(self) -> float:
        return 1.0

    def log_density(self, pixels: Tensor, outputs: Mapping[str, Tensor]) -> Tensor:
        result: Tensor = _GaussianLogDensity.apply(  # type: ignore[no-untyped-call]
            pixels, outputs["mean"], outputs["precision"]
        )
        return result

    def mean(self, outputs: Mapping[str, Tensor]) -> Tensor:
        return torch.sigmoid(outputs["mean"])

    def sample(self, outputs: Mapping[str, Tensor], generator: torch.Generator) -> Tensor:
        deviation = torch.rsqrt(1 + outputs["precision"] ** 2)
        noise = torch.randn(
            deviation.shape, generator=generator, device=deviation.device, dtype=deviation.dtype
        )
        return self.mean(outputs) + deviation * noise


class _GaussianLogDensity(torch.autograd.Function):
    """Sum over pixels of log N(x; sigmoid(f), 1 / (1 + g^2)), with its derivatives in closed form.

    The derivatives with respect to f and g are computed on the way forward, where their parts are
    at hand: d/df = precision (x - m) m (1 - m) and d/dg = g (1 / precision - (x - m)^2).
    """

    @staticmethod
    def forward(ctx: Any, pixels: Tensor, mean_output: Tensor, precision_output: Tensor) -> Tensor:
        mean = torch.sigmoid(mean_output)
        residual = pixels - mean
        squared_output = precision_output * precision_output
        squared_residual = residual * residual
        # log precision - precision (x - m)^2, with precision = 1 + squared_output
        terms = torch.log1p(squared_output).sub_(squared_residual)
        terms.addcmul_(squared_output, squared_residual, value=-1)
        dimensions = pixels.shape[1]
        result = terms.sum(dim=1).mul_(0.5).sub_(0.5 * dimensions * math.log(2 * math.pi))
        if any(ctx.needs_input_grad):
            precision = squared_output.add_(1)
            slope = torch.addcmul(mean, mean, mean, value=-1)
            for_mean = residual.mul_(precision).mul_(slope)
            for_precision = precision.reciprocal_().sub_(squared_residual).mul_(precision_output)
            ctx.save_for_backward(for_mean, for_precision)
        return result

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, Tensor, Tensor]:
        for_mean, for_precision = ctx.saved_tensors
        gradient = gradients[0].unsqueeze(1)
        return None, for_mean * gradient, for_precision * gradient


@dataclass(frozen=True)
class Binomial:
    """Independent binomial counts from 0 to ``levels``; probabilities in nats."""

    levels: int

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("probability",)

    @property
    def full_range(self) -> float:
        return float(self.levels)

    def log_density(self, pixels: Tensor, outputs: Mapping[str, Tensor]) -> Tensor:
        table = _log_coefficients(self.levels, pixels.device, pixels.dtype)
        coefficient = table[pixels.to(torch.int64)].sum(dim=1)
        terms: Tensor = _BinomialLogTerms.apply(  # type: ignore[no-untyped-call]
            pixels, outputs["probability"], float(self.levels)
        )
        return terms + coefficient

    def probability(self, outputs: Mapping[str, Tensor]) -> Tensor:
        squeezed = torch.sigmoid(outputs["probability"]) * (1 - 2 * _PROBABILITY_MARGIN)
        return squeezed + _PROBABILITY_MARGIN

    def mean(self, outputs: Mapping[str, Tensor]) -> Tensor:
        return self.probability(outputs)

    def sample(self, outputs: Mapping[str, Tensor], generator: torch.Generator) -> Tensor:
        probability = self.probability(outputs)
        trials = torch.full_like(probability, self.levels)
        return torch.binomial(trials, probability, generator=generator)


@functools.cache
def _log_coefficients(levels: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """log(levels choose k) for every count k, [levels + 1]; lgamma per pixel is slow."""
    return torch.tensor(
        [
            math.lgamma(levels + 1) - math.lgamma(count + 1) - math.lgamma(levels - count + 1)
            for count in range(levels + 1)
        ],
        dtype=dtype,
        device=device,
    )


class _BinomialLogTerms(torch.autograd.Function):
    """Sum over pixels of x log p + (n - x) log(1 - p), p = squeezed sigmoid(f), and d/df of it.

    With s = sigmoid(f) and the margin m, p = m + (1 - 2m) s, which agrees with
    log p = log(m + (1 - 2m) s) without cancellation at either end:
    1 - p = m + (1 - 2m) (1 - s) with 1 - s = sigmoid(-f).
    """

    @staticmethod
    def forward(ctx: Any, pixels: Tensor, output: Tensor, trials: float) -> Tensor:
        scale, margin = 1 - 2 * _PROBABILITY_MARGIN, _PROBABILITY_MARGIN
        success = torch.sigmoid(output)
        failure = torch.sigmoid(-output)
        p = success * scale + margin
        not_p = failure * scale + margin
        failures = trials - pixels
        result = (p.log() * pixels).add_(not_p.log() * failures).sum(dim=1)
        if ctx.needs_input_grad[1]:
            derivative = p.reciprocal_().mul_(pixels).sub_(not_p.reciprocal_().mul_(failures))
            ctx.save_for_backward(derivative.mul_(success).mul_(failure).mul_(scale))
        return result

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, Tensor, None]:
        (derivative,) = ctx.saved_tensors
        return None, derivative * gradients[0].unsqueeze(1), None


def likelihood(name: str, levels: int) -> Likelihood:
    """The likelihood called ``name``.

    Raises
    ------
    ValueError
        If there is none of that name.
    """
    if name == "gaussian":
        return Gaussian()
    if name == "binomial":
        return Binomial(levels)
    raise ValueError(f"unknown likelihood {name!r}; known are gaussian and binomial")
