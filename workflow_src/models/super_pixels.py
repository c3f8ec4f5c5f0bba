"""A density of images made of a circuit over autoencoders of super-pixels.

Section 3 of the SPVAE paper, with any kind of bank: a circuit picks one autoencoder per
super-pixel; each leaf enters the circuit by its bound (Theorems 1 and 2).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from workflow_src.models.banks import Parameters
from workflow_src.models.circuits.circuit import Circuit
from workflow_src.models.circuits.region_graph import RegionGraph, super_pixel_region_graph
from workflow_src.models.images import ImageFacts
from workflow_src.models.leaf_banks import GaussianLatentBank


@dataclass(frozen=True)
class SuperPixelModel:
    """A circuit over a bank of autoencoders. Shapes as in `LeafModel`."""

    images: ImageFacts
    leaves: GaussianLatentBank
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
        picked = pixels.index_select(1, self._pixel_indices(pixels.device))
        return picked.view(runs, self.leaves.members, self.leaves.pixels, images)

    def combine(self, parameters: Parameters, leaf_bounds: Tensor) -> Tensor:
        return self.circuit.log_density(parameters, leaf_bounds)

    def _pixel_indices(self, device: torch.device) -> Tensor:
        """Pixel numbers of all leaves one after another, [L * P]; kept per device."""
        if device not in self._indices_by_device:
            graph = self.circuit.graph
            numbers = [
                pixel
                for region in graph.leaf_regions
                for _ in range(self.circuit.leaf_components)
                for pixel in graph.scopes[region]
            ]
            self._indices_by_device[device] = torch.tensor(numbers, device=device)
        return self._indices_by_device[device]

    @cached_property
    def _indices_by_device(self) -> dict[torch.device, Tensor]:
        return {}


@dataclass(frozen=True)
class SuperPixelGrid:
    """A circuit whose leaf regions are rectangles of one size, ``height`` by ``width`` pixels."""

    circuit: Circuit
    height: int
    width: int


def super_pixel_grid(images: ImageFacts, hyperparameters: Mapping[str, Any]) -> SuperPixelGrid:
    """The circuit that the hyperparameters of an SPVAE ask for.

    Raises
    ------
    ValueError
        If the split step leaves super-pixels of different sizes, which one bank cannot hold, or
        the image whole, which leaves the circuit nothing to do.
    """
    step = hyperparameters["split_step"]
    graph = super_pixel_region_graph(
        hyperparameters["region_graph"],
        images.height,
        images.width,
        step,
        hyperparameters["repetitions"],
        hyperparameters["structure_seed"],
    )
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
    width = leaf_region_width(graph, images.width)
    return SuperPixelGrid(circuit, sizes.pop() // width, width)


def leaf_region_width(graph: RegionGraph, image_width: int) -> int:
    """Pixels in a row of a leaf region; the leaf regions are rectangles of one size."""
    first = graph.scopes[graph.leaf_regions[0]]
    return sum(1 for pixel in first if pixel // image_width == first[0] // image_width)
