"""Annealing: components of a grid learn with their neighbours, ever fewer of them.

After Gepperth and Pfuelb, "Gradient-based training of Gaussian Mixture Models for high-dimensional
streaming data", which the DCGMM paper trains by. In training a component's score is smoothed over
its neighbours on a square grid that is a torus, by a Gaussian of width sigma; where the smoothed
loss no longer rises from one window of steps to the next, sigma and the step size shrink.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor


def initial_sigma(components: int) -> float:
    """Where the width of a grid of so many components starts, in steps of the grid."""
    return 0.25 * math.sqrt(2 * components)


def neighbourhood(components: int, sigma: float) -> Tensor:
    """What of each component's sample its neighbours take, [K, K] in float64; rows add up to 1.

    Row k holds exp(-distance^2 / (2 sigma^2)) for the distances of k on the torus, normalised.

    Raises
    ------
    ValueError
        If the components make no square grid.
    """
    side = math.isqrt(components)
    if side * side != components:
        raise ValueError(f"{components} components make no square grid; 25 and 49 do")
    places = torch.arange(side)
    apart = (places.unsqueeze(0) - places.unsqueeze(1)).abs()
    squares = torch.minimum(apart, side - apart).square().double()
    distances = squares.reshape(side, 1, side, 1) + squares.reshape(1, side, 1, side)
    weights = torch.exp(-distances.reshape(components, components) / (2 * sigma**2))
    return weights / weights.sum(dim=1, keepdim=True)


@dataclass(frozen=True)
class AnnealingSettings:
    """How a training anneals.

    Attributes
    ----------
    window:
        Steps that a loss is averaged over.
    decrease:
        What sigma and the step size are multiplied by.
    threshold:
        A window without gain is one whose gain over the last one, as a share of what was gained
        since the first, is below it, and above minus twice it.
    final_sigma, learning_rate, final_learning_rate:
        Where sigma ends, and where the step size starts and ends.
    """

    window: int
    decrease: float
    threshold: float
    final_sigma: float
    learning_rate: float
    final_learning_rate: float


@dataclass(frozen=True)
class Annealing:
    """Where one layer of one run is.

    Attributes
    ----------
    sigma:
        Width of the neighbourhood.
    learning_rate:
        Step size.
    windows:
        How many are complete.
    first, last:
        Mean smoothed loss of the first window and of the last complete one, in nats.
    """

    sigma: float
    learning_rate: float
    windows: int = 0
    first: float = 0.0
    last: float = 0.0

    @staticmethod
    def start(components: int, settings: AnnealingSettings) -> Annealing:
        """Of a layer that begins to learn."""
        return Annealing(initial_sigma(components), settings.learning_rate)

    def after(self, mean: float, settings: AnnealingSettings) -> Annealing:
        """After one more window, whose mean loss this is."""
        if self.windows == 0:
            return replace(self, windows=1, first=mean, last=mean)
        following = replace(self, windows=self.windows + 1, last=mean)
        gained = self.last - self.first
        # Without any gain so far there is nothing to compare with.
        if self.windows == 1 or gained == 0:
            return following
        ratio = (mean - self.last) / gained
        if not -2 * settings.threshold < ratio < settings.threshold:
            return following
        return replace(
            following,
            sigma=max(self.sigma * settings.decrease, settings.final_sigma),
            learning_rate=max(self.learning_rate * settings.decrease, settings.final_learning_rate),
        )

    def numbers(self) -> list[float]:
        """All of it, for `of`."""
        return [self.sigma, self.learning_rate, float(self.windows), self.first, self.last]

    @staticmethod
    def of(numbers: list[float]) -> Annealing:
        """The one that gave these `numbers`."""
        sigma, learning_rate, windows, first, last = numbers
        return Annealing(sigma, learning_rate, int(windows), first, last)
