"""Families of single pixels whose log density is linear in sufficient statistics of the pixel.

log p(x) = sum_s theta_s T_s(x) - A + log h(x), for many components at once. Parameters of a family
are kept in its own terms (mean and variance, or probability), ``[..., pixels, components]``, and a
step of expectation maximisation has a closed form in them: equation (6) and section 3.5 of Peharz
et al., "Einsum networks" (ICML 2020), with expectation parameters that move by a step size.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

_LEAST_PROBABILITY = 1e-6
"""Of a binomial, and of its complement: those of EinsumNetworks."""


class ExponentialFamily(Protocol):
    """A family of densities of one pixel; shapes broadcast, and parameters are of equal shape."""

    @property
    def names(self) -> tuple[str, ...]:
        """Its parameters."""
        ...

    def initial(self, shape: tuple[int, ...], generator: torch.Generator) -> dict[str, Tensor]:
        """Random parameters."""
        ...

    def statistics(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """T(x), as many as there are parameters, each shaped like the pixels."""
        ...

    def natural(self, parameters: Mapping[str, Tensor]) -> tuple[tuple[Tensor, ...], Tensor]:
        """theta, one for each statistic, and the log normaliser A."""
        ...

    def log_base(self, pixels: Tensor) -> Tensor:
        """log h(x) in nats."""
        ...

    def maximised(
        self, parameters: Mapping[str, Tensor], means: Sequence[Tensor], rate: Tensor
    ) -> dict[str, Tensor]:
        """Parameters after a step of size ``rate`` towards statistics with these ``means``."""
        ...

    def expected(self, parameters: Mapping[str, Tensor]) -> Tensor:
        """E[x]."""
        ...

    def drawn(self, parameters: Mapping[str, Tensor], generator: torch.Generator) -> Tensor:
        """One pixel for each parameter."""
        ...


@dataclass(frozen=True)
class Normal:
    """Normal pixels, with a variance between two bounds; T(x) = (x, x^2).

    In float32 the squares cancel: a log density is off by about 1e-7 x^2 / variance.

    Attributes
    ----------
    minimum_variance, maximum_variance:
        In squares of the pixels' range. A maximum over the variance alone is where it is clipped.
    """

    minimum_variance: float
    maximum_variance: float

    def __post_init__(self) -> None:
        if not 0 < self.minimum_variance <= self.maximum_variance:
            raise ValueError(
                f"variances from {self.minimum_variance} to {self.maximum_variance} are none; "
                "minimum_variance must be positive and no larger than maximum_variance"
            )

    @property
    def names(self) -> tuple[str, ...]:
        return ("mean", "variance")

    def initial(self, shape: tuple[int, ...], generator: torch.Generator) -> dict[str, Tensor]:
        """Standard normal means and variance 1, clipped (the start of EinsumNetworks)."""
        variance = min(max(1.0, self.minimum_variance), self.maximum_variance)
        return {
            "mean": torch.randn(shape, generator=generator),
            "variance": torch.full(shape, variance),
        }

    def statistics(self, pixels: Tensor) -> tuple[Tensor, ...]:
        return pixels, pixels * pixels

    def natural(self, parameters: Mapping[str, Tensor]) -> tuple[tuple[Tensor, ...], Tensor]:
        mean, variance = parameters["mean"], parameters["variance"]
        scaled = mean / variance
        log_normaliser = 0.5 * (scaled * mean + torch.log(variance))
        return (scaled, -0.5 / variance), log_normaliser

    def log_base(self, pixels: Tensor) -> Tensor:
        return torch.full_like(pixels, -0.5 * math.log(2 * math.pi))

    def maximised(
        self, parameters: Mapping[str, Tensor], means: Sequence[Tensor], rate: Tensor
    ) -> dict[str, Tensor]:
        mean, variance = parameters["mean"], parameters["variance"]
        difference = means[0] - mean
        # E[x^2] moves by the rate; this is what remains of it without a difference of squares.
        target = (means[1] - means[0].square()) + (1 - rate) * difference.square()
        moved = torch.lerp(variance, target, rate)
        return {
            "mean": mean + rate * difference,
            "variance": moved.clamp_(self.minimum_variance, self.maximum_variance),
        }

    def expected(self, parameters: Mapping[str, Tensor]) -> Tensor:
        return parameters["mean"]

    def drawn(self, parameters: Mapping[str, Tensor], generator: torch.Generator) -> Tensor:
        mean = parameters["mean"]
        noise = torch.randn(mean.shape, generator=generator, device=mean.device, dtype=mean.dtype)
        return mean + parameters["variance"].sqrt() * noise


@dataclass(frozen=True)
class Binomial:
    """Binomial counts from 0 to ``levels``; T(x) = x."""

    levels: int

    @property
    def names(self) -> tuple[str, ...]:
        return ("probability",)

    def initial(self, shape: tuple[int, ...], generator: torch.Generator) -> dict[str, Tensor]:
        """Probabilities uniform in [0.01, 0.99] (the start of EinsumNetworks)."""
        return {"probability": 0.01 + 0.98 * torch.rand(shape, generator=generator)}

    def statistics(self, pixels: Tensor) -> tuple[Tensor, ...]:
        return (pixels,)

    def natural(self, parameters: Mapping[str, Tensor]) -> tuple[tuple[Tensor, ...], Tensor]:
        log_failure = torch.log1p(-parameters["probability"])
        return (torch.log(parameters["probability"]) - log_failure,), -self.levels * log_failure

    def log_base(self, pixels: Tensor) -> Tensor:
        """log of the binomial coefficient.

        Raises
        ------
        ValueError
            If a pixel is no whole number from 0 to ``levels``.
        """
        counts = pixels.to(torch.int64)
        wrong = (counts != pixels) | (counts < 0) | (counts > self.levels)
        if bool(wrong.any()):
            raise ValueError(
                f"binomial pixels are counts from 0 to {self.levels}, not "
                f"{pixels[wrong][0].item()}; images for it must not be scaled to [0, 1]"
            )
        return _log_coefficients(self.levels, pixels.device, pixels.dtype)[counts]

    def maximised(
        self, parameters: Mapping[str, Tensor], means: Sequence[Tensor], rate: Tensor
    ) -> dict[str, Tensor]:
        moved = torch.lerp(parameters["probability"], means[0] / self.levels, rate)
        return {"probability": moved.clamp_(_LEAST_PROBABILITY, 1 - _LEAST_PROBABILITY)}

    def expected(self, parameters: Mapping[str, Tensor]) -> Tensor:
        return self.levels * parameters["probability"]

    def drawn(self, parameters: Mapping[str, Tensor], generator: torch.Generator) -> Tensor:
        probability = parameters["probability"]
        trials = torch.full_like(probability, self.levels)
        return torch.binomial(trials, probability, generator=generator)


@functools.cache
def _log_coefficients(levels: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """log(levels choose k) for every count k, [levels + 1]."""
    return torch.tensor(
        [
            math.lgamma(levels + 1) - math.lgamma(count + 1) - math.lgamma(levels - count + 1)
            for count in range(levels + 1)
        ],
        dtype=dtype,
        device=device,
    )
