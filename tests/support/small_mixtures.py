"""Small deep convolutional mixtures with parameters as if trained, and images for them."""

from __future__ import annotations

from typing import Any

import torch

from workflow_src.models.dcgmm.model import DeepConvolutionalMixture, build
from workflow_src.models.images import ImageFacts

HYPERPARAMETERS = {
    "layout": "F(4,1)-G(9)",
    "classifier": "none",
    "top_values": 2,
    "noise_divisor": 20.0,
    "sharpening_steps": 10,
    "sharpening_rate": 1.0,
}

DEEP = "F(3,1)-G(4)-P(2,2)-F(2,1)-G(9)"


def model(side: int = 4, channels: int = 1, **changed: Any) -> DeepConvolutionalMixture:
    facts = ImageFacts(side, side, "gaussian", 255, channels)
    return build(facts, {**HYPERPARAMETERS, **changed})


def trained(one: DeepConvolutionalMixture, seed: int = 0) -> dict[str, torch.Tensor]:
    """Parameters apart from each other, as trained ones are, in float64."""
    generator = torch.Generator().manual_seed(seed)
    parameters = {}
    for name, shape in one.parameter_shapes().items():
        values = torch.rand(shape, generator=generator, dtype=torch.float64)
        parameters[name] = 1 + 3 * values if name.endswith("roots") else values
    return parameters


def pixels_of(one: DeepConvolutionalMixture, count: int = 30, seed: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, one.images.pixels, generator=generator, dtype=torch.float64)
