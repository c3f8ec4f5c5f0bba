"""A density of images made of one autoencoder over the whole image.

The models that SPVAEs are compared with (section 4 of the SPVAE paper), with any kind of bank.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from workflow_src.models.banks import Parameters
from workflow_src.models.images import ImageFacts
from workflow_src.models.leaf_banks import GaussianLatentBank


@dataclass(frozen=True)
class WholeImageModel:
    """A density of images whose one leaf is the whole image. Shapes as in `LeafModel`."""

    images: ImageFacts
    leaves: GaussianLatentBank

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
