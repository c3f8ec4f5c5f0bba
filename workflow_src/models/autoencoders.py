"""A bank of variational autoencoders with perceptrons.

Encoder and decoder of section 4 of the SPVAE paper, with the parameterisation of its authors'
program: separate perceptrons for the mean of q(z | x), for its precision = 1 + f^2, and for every
output of the decoder.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from workflow_src.models.banks import Parameters, initial_mlp_parameter, mlp, mlp_shapes
from workflow_src.models.leaf_banks import GaussianLatentBank, Posterior


@dataclass(frozen=True)
class AutoencoderBank(GaussianLatentBank):
    """Autoencoders whose networks have equal hidden layers. Shapes as in `GaussianLatentBank`."""

    hidden_units: int
    hidden_layers: int

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        hidden = [self.hidden_units] * self.hidden_layers
        shapes: dict[str, tuple[int, ...]] = {}
        for output in ("mean", "precision"):
            widths = [self.pixels, *hidden, self.latent_dimensions]
            shapes |= mlp_shapes(f"encoder.{output}", widths)
        for output in self.likelihood.outputs:
            widths = [self.latent_dimensions, *hidden, self.pixels]
            shapes |= mlp_shapes(f"decoder.{output}", widths)
        return shapes

    def initial_parameters(self, generator: torch.Generator) -> dict[str, Tensor]:
        return {
            name: initial_mlp_parameter(name, shape, self.members, generator)
            for name, shape in self.parameter_shapes().items()
        }

    def encode(self, parameters: Parameters, pixels: Tensor) -> Posterior:
        """The perceptrons see shares of the full pixel range, also where pixels are counts: their
        initialisation is made for inputs of about that size.
        """
        shares = pixels / self.likelihood.full_range
        mean = mlp(parameters, "encoder.mean", self.hidden_layers, shares)
        precision_output = mlp(parameters, "encoder.precision", self.hidden_layers, shares)
        return mean, -0.5 * torch.log1p(precision_output * precision_output)

    def decode(self, parameters: Parameters, codes: Tensor) -> dict[str, Tensor]:
        return {
            output: mlp(parameters, f"decoder.{output}", self.hidden_layers, codes)
            for output in self.likelihood.outputs
        }

    def values_per_sample(self) -> int:
        widest = max(self.hidden_units, self.latent_dimensions)
        # Noise and codes, two layers at a time, decoder outputs and the likelihood's intermediates.
        return self.members * (4 * self.latent_dimensions + 2 * widest + 8 * self.pixels)
