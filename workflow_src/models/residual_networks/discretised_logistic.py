"""Mixtures of logistic distributions cut into levels, for gray and colour pixels.

Salimans et al. 2017 (PixelCNN++), which the DVAE++ paper takes for colour images with 10 components
and 100 outputs for a pixel: a component has one weight, a mean and a scale for each of 3 channels,
and 3 coefficients by which a channel's mean depends on the channels before it in the same pixel.
Pixels are independent given the outputs. A channel's value v in 0..L stands at x = 2 v / L - 1 and
gets the mass of (x - 1/L, x + 1/L); the first and last level get the tails, so that the levels'
probabilities sum to 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

_LARGEST_LOG_SCALE = 7.0
# Scales are kept between e^-7 (as in PixelCNN++), where a level is eight scales wide, and e^7,
# where all levels inside the range have about equal masses; beyond it, masses would underflow.


@dataclass(frozen=True)
class _Components:
    """What the outputs mean; K components, C channels, in front of the pixel axes.

    Attributes
    ----------
    log_weights:
        ``[M, R, K, h, w]``.
    means, log_scales:
        ``[M, R, C, K, h, w]``, of x in [-1, 1]; means without what other channels add.
    coefficients:
        ``[M, R, C (C - 1) / 2, K, h, w]`` in (-1, 1), for channel 1 on 0, 2 on 0, 2 on 1.
    """

    log_weights: Tensor
    means: Tensor
    log_scales: Tensor
    coefficients: Tensor

    def shifted(self, channel: int, before: list[Tensor]) -> Tensor:
        """Means of a channel given the values x of those before it."""
        mean = self.means[:, :, channel]
        first = channel * (channel - 1) // 2
        for earlier, value in enumerate(before):
            mean = mean + self.coefficients[:, :, first + earlier] * value
        return mean


@dataclass(frozen=True)
class DiscretisedLogisticMixture:
    """A `PixelDistribution` of values from 0 to ``levels``."""

    channels: int
    levels: int
    components: int = 10

    @property
    def outputs(self) -> int:
        return self.components * (1 + 2 * self.channels + self._pairs)

    def log_density(self, outputs: Tensor, pixels: Tensor) -> Tensor:
        parts = self._read(outputs)
        values = list((2 * pixels / self.levels - 1).unsqueeze(3).unbind(dim=2))
        total = parts.log_weights
        for channel, value in enumerate(values):
            centred = value - parts.shifted(channel, values[:channel])
            level = pixels[:, :, channel].unsqueeze(2)
            total = total + self._log_mass(centred, parts.log_scales[:, :, channel], level)
        return torch.logsumexp(total, dim=2)

    def sample(self, outputs: Tensor, generator: torch.Generator) -> Tensor:
        parts = self._read(outputs)
        races = parts.log_weights - _exponential(parts.log_weights, generator).log()
        chosen = races.argmax(dim=2, keepdim=True)
        values: list[Tensor] = []
        for channel in range(self.channels):
            mean = parts.shifted(channel, values).gather(2, chosen)
            scale = parts.log_scales[:, :, channel].gather(2, chosen).exp()
            uniform = torch.rand(scale.shape, generator=generator, device=scale.device)
            drawn = mean + scale * torch.logit(uniform, eps=1e-6)
            level = ((drawn.clamp(-1, 1) + 1) * self.levels / 2).round()
            values.append(2 * level / self.levels - 1)
        return ((torch.cat(values, dim=2) + 1) * self.levels / 2).round()

    def mean(self, outputs: Tensor) -> Tensor:
        """Expected shares, as if what lies outside [-1, 1] were cut off each component's mean."""
        parts = self._read(outputs)
        weights = parts.log_weights.exp()
        values: list[Tensor] = []
        for channel in range(self.channels):
            values.append(parts.shifted(channel, values).clamp(-1, 1))
        means = torch.stack([(weights * value).sum(dim=2) for value in values], dim=2)
        return (means + 1) / 2

    def first_bias(self, mean: float) -> Tensor:
        """Means evenly over the range and scales as wide as their distance, whatever the mean."""
        count, channels = self.components, self.channels
        grid = 2 * (torch.arange(count) + 0.5) / count - 1
        scales = torch.full((count * channels,), 1.0 / count).log()
        rest = torch.zeros(count * self._pairs)
        return torch.cat([torch.zeros(count), grid.repeat(channels), scales, rest])

    @property
    def _pairs(self) -> int:
        return len(list(combinations(range(self.channels), 2)))

    def _read(self, outputs: Tensor) -> _Components:
        count, channels = self.components, self.channels
        sizes = [count, count * channels, count * channels, count * self._pairs]
        weights, means, scales, coefficients = torch.split(outputs, sizes, dim=2)
        return _Components(
            torch.log_softmax(weights, dim=2),
            _by_component(means, channels),
            _by_component(scales, channels).clamp(-_LARGEST_LOG_SCALE, _LARGEST_LOG_SCALE),
            torch.tanh(_by_component(coefficients, self._pairs)),
        )

    def _log_mass(self, centred: Tensor, log_scales: Tensor, level: Tensor) -> Tensor:
        """Log mass of the levels, without cancellation.

        With s the logistic function and a > b, s(a) - s(b) = s(a) s(-b) (1 - exp(b - a)).
        """
        rates = torch.exp(-log_scales)
        half = rates / self.levels
        scaled = rates * centred
        below = logsigmoid(scaled + half)
        above = logsigmoid(half - scaled)
        inside = below + above + torch.log(-torch.expm1(-2 * half))
        return torch.where(level == 0, below, torch.where(level == self.levels, above, inside))


def _by_component(values: Tensor, rows: int) -> Tensor:
    """[M, R, rows x K, h, w] as [M, R, rows, K, h, w]."""
    count = values.shape[2] // rows if rows else 1
    return values.reshape(*values.shape[:2], rows, count, *values.shape[3:])


def _exponential(like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.empty_like(like).exponential_(generator=generator)
