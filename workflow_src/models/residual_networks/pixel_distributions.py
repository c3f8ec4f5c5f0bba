"""Distributions of one pixel, all its channels, given the outputs of a convolutional decoder.

Shapes: outputs ``[M, R, outputs, h, w]``, pixels ``[M, R, channels, h, w]`` in the data's units
(0 to ``levels``), see `layers`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from workflow_src.models.images import ImageFacts
from workflow_src.models.residual_networks.discretised_logistic import DiscretisedLogisticMixture


class PixelDistribution(Protocol):
    """The family of a pixel's distribution; pixels are independent given the outputs."""

    @property
    def outputs(self) -> int:
        """Numbers that it takes for one pixel."""
        ...

    @property
    def levels(self) -> int:
        """The largest value of a channel."""
        ...

    def log_density(self, outputs: Tensor, pixels: Tensor) -> Tensor:
        """Log probability in nats of every pixel, its channels together, [M, R, h, w]."""
        ...

    def sample(self, outputs: Tensor, generator: torch.Generator) -> Tensor:
        """Pixels drawn, [M, R, channels, h, w]."""
        ...

    def mean(self, outputs: Tensor) -> Tensor:
        """Expected pixels as shares of the full range, [M, R, channels, h, w]."""
        ...

    def first_bias(self, mean: float) -> Tensor:
        """Outputs [outputs] to start from, where the mean pixel is this share of the range."""
        ...


@dataclass(frozen=True)
class Bernoulli:
    """Binary values, independent by channel; an output is the logit of 1."""

    channels: int

    @property
    def outputs(self) -> int:
        return self.channels

    @property
    def levels(self) -> int:
        return 1

    def log_density(self, outputs: Tensor, pixels: Tensor) -> Tensor:
        return (pixels * outputs - torch.nn.functional.softplus(outputs)).sum(dim=2)

    def sample(self, outputs: Tensor, generator: torch.Generator) -> Tensor:
        return torch.bernoulli(self.mean(outputs), generator=generator)

    def mean(self, outputs: Tensor) -> Tensor:
        return torch.sigmoid(outputs)

    def first_bias(self, mean: float) -> Tensor:
        share = min(max(mean, 0.001), 0.999)
        return torch.full((self.channels,), math.log(share / (1 - share)))


def pixel_distribution(images: ImageFacts) -> PixelDistribution:
    """The distribution that the images' likelihood names.

    Raises
    ------
    ValueError
        If there is none of that name.
    """
    if images.likelihood == "bernoulli":
        return Bernoulli(images.channels)
    if images.likelihood == "discretised_logistic":
        return DiscretisedLogisticMixture(images.channels, images.levels)
    raise ValueError(f"no distribution of pixels for the likelihood {images.likelihood}")
