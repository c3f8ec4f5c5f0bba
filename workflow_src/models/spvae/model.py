"""A sum-product network whose leaves are variational autoencoders over super-pixels.

Section 3 of the SPVAE paper: a Poon-Domingos circuit picks one autoencoder per super-pixel; each
leaf enters the circuit by its importance-weighted bound (Theorem 2).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from workflow_src.models.autoencoders import AutoencoderBank
from workflow_src.models.banks import Parameters
from workflow_src.models.circuits.circuit import Circuit
from workflow_src.models.circuits.region_graph import poon_domingos
from workflow_src.models.images import ImageFacts
from workflow_src.models.likelihoods import likelihood


@dataclass(frozen=True)
class Spvae:
    """A circuit over a bank of autoencoders. Shapes as in `LeafModel`."""

    images: ImageFacts
    leaves: AutoencoderBank
    circuit: Circuit

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        leaves = {
            name: (self.leaves.members, *shape)
            for name, shape in self.leaves.parameter_shapes().items()
        }
        return leaves | self.circuit.parameter_shapes()

    def initial_parameters(self, generator: torch.Generator) -> dict[str, Tensor]:
        leaves = self.leaves.initial_parameters(generator)
        return leaves | self.circuit.initial_parameters(generator)

    def parameter_count(self) -> int:
        return self.leaves.parameter_count() + self.circuit.parameter_count()

    def leaf_pixels(self, pixels: Tensor) -> Tensor:
        runs, _, images = pixels.shape
        picked = pixels.index_select(1, self._pixel_indices.to(pixels.device))
        return picked.view(runs, self.leaves.members, self.leaves.pixels, images)

    def combine(self, parameters: Parameters, leaf_bounds: Tensor) -> Tensor:
        return self.circuit.log_density(parameters, leaf_bounds)

    @cached_property
    def _pixel_indices(self) -> Tensor:
        """Pixel numbers of all leaves one after another, [L * P]."""
        graph = self.circuit.graph
        return torch.tensor(
            [
                pixel
                for region in graph.leaf_regions
                for _ in range(self.circuit.leaf_components)
                for pixel in graph.scopes[region]
            ]
        )


def build(images: ImageFacts, hyperparameters: Mapping[str, Any]) -> Spvae:
    """The SPVAE with the hyperparameters that model.yaml declares.

    Raises
    ------
    ValueError
        If the split step leaves super-pixels of different sizes, which one bank cannot hold, or
        the image whole, which leaves the circuit nothing to do.
    """
    step = hyperparameters["split_step"]
    graph = poon_domingos(images.height, images.width, step)
    if not graph.partitions:
        raise ValueError(
            f"split_step {step} does not split {images.height} x {images.width} images; "
            "it must be smaller than one of the sides"
        )
    sizes = {len(graph.scopes[region]) for region in graph.leaf_regions}
    if len(sizes) != 1:
        raise ValueError(
            f"split_step {step} cuts {images.height} x {images.width} images into super-pixels "
            f"of {sorted(sizes)} pixels; it must divide both sides evenly"
        )
    circuit = Circuit(graph, hyperparameters["leaf_components"], hyperparameters["sum_components"])
    return Spvae(
        images,
        AutoencoderBank(
            members=circuit.leaf_nodes,
            pixels=sizes.pop(),
            latent_dimensions=hyperparameters["latent_dimensions"],
            hidden_units=hyperparameters["hidden_units"],
            hidden_layers=hyperparameters["hidden_layers"],
            likelihood=likelihood(images.likelihood, images.levels),
        ),
        circuit,
    )
