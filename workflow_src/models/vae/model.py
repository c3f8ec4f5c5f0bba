"""The variational autoencoder over whole images, trained by the importance-weighted bound.

Section 4 of the SPVAE paper; equation 2 is the bound. It is a bank of one autoencoder per run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from workflow_src.models.autoencoders import AutoencoderBank
from workflow_src.models.banks import Parameters
from workflow_src.models.images import ImageFacts
from workflow_src.models.likelihoods import likelihood


@dataclass(frozen=True)
class Vae:
    """A density of images whose one leaf is the whole image. Shapes as in `LeafModel`."""

    images: ImageFacts
    leaves: AutoencoderBank

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        return {name: (1, *shape) for name, shape in self.leaves.parameter_shapes().items()}

    def initial_parameters(self, generator: torch.Generator) -> dict[str, Tensor]:
        return self.leaves.initial_parameters(generator)

    def parameter_count(self) -> int:
        return self.leaves.parameter_count()

    def leaf_pixels(self, pixels: Tensor) -> Tensor:
        return pixels.unsqueeze(1)

    def combine(self, parameters: Parameters, leaf_bounds: Tensor) -> Tensor:
        return leaf_bounds[:, 0]


def build(images: ImageFacts, hyperparameters: Mapping[str, Any]) -> Vae:
    """The VAE with the hyperparameters that model.yaml declares."""
    return Vae(
        images,
        AutoencoderBank(
            members=1,
            pixels=images.pixels,
            latent_dimensions=hyperparameters["latent_dimensions"],
            hidden_units=hyperparameters["hidden_units"],
            hidden_layers=hyperparameters["hidden_layers"],
            likelihood=likelihood(images.likelihood, images.levels),
        ),
    )
