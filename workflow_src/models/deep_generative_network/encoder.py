"""The Gaussian encoder of a variational autoencoder: a perceptron of leaky ReLUs.

Part of variational training alone: the decoder is the deep generative network itself.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

Tensors = dict[str, Tensor]

LEAK = 0.1
"""Slope of the hidden units below 0; the paper does not say."""


@dataclass(frozen=True)
class Encoder:
    """q(z | x): Gaussian with a mean and a diagonal covariance for each point.

    Shapes use R = runs in the bank, N = points, D = values of a point, S = latent dimensions.

    Attributes
    ----------
    widths:
        D, the hidden layers' units, 2 S: means, then logarithms of standard deviations.
    """

    widths: tuple[int, ...]

    @classmethod
    def shaped(cls, values: int, units: int, layers: int, latent_dimensions: int) -> Encoder:
        """The encoder with so many hidden layers of so many units."""
        return cls((values, *([units] * layers), 2 * latent_dimensions))

    @classmethod
    def of(cls, parameters: Mapping[str, Tensor]) -> Encoder:
        """The encoder that one run's parameters, without a run axis, belong to."""
        layers = sum(name.startswith("encoder.weights.") for name in parameters)
        shapes = [parameters[f"encoder.weights.{layer}"].shape for layer in range(1, layers + 1)]
        return cls((shapes[0][1], *(shape[0] for shape in shapes)))

    @property
    def layers(self) -> int:
        """The last, linear one among them."""
        return len(self.widths) - 1

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of one run's parameters, by name."""
        shapes: dict[str, tuple[int, ...]] = {}
        for layer, (inputs, outputs) in enumerate(pairwise(self.widths), start=1):
            shapes[f"encoder.weights.{layer}"] = (outputs, inputs)
            shapes[f"encoder.biases.{layer}"] = (outputs,)
        return shapes

    def initial_parameters(self, generator: torch.Generator) -> Tensors:
        """One run's, float64: normal weights of variance 2 / inputs (1 / inputs in the last)."""
        parameters: Tensors = {}
        for name, shape in self.parameter_shapes().items():
            if name.startswith("encoder.biases."):
                parameters[name] = torch.zeros(shape, dtype=torch.float64)
                continue
            gain = 1 if name == f"encoder.weights.{self.layers}" else 2
            weights = torch.randn(shape, generator=generator, dtype=torch.float64)
            parameters[name] = weights * math.sqrt(gain / shape[1])
        return parameters

    def __call__(self, parameters: Mapping[str, Tensor], points: Tensor) -> tuple[Tensor, Tensor]:
        """Means and logarithms of standard deviations, [R, N, S] each, of points [R, N, D]."""
        values = points
        for layer in range(1, self.layers + 1):
            weights = parameters[f"encoder.weights.{layer}"]
            biases = parameters[f"encoder.biases.{layer}"]
            values = torch.baddbmm(biases.unsqueeze(1), values, weights.transpose(1, 2))
            if layer < self.layers:
                values = torch.nn.functional.leaky_relu(values, LEAK)
        means, log_deviations = values.chunk(2, dim=-1)
        return means, log_deviations
