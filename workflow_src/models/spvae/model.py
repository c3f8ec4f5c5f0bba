"""A sum-product network whose leaves are variational autoencoders over super-pixels.

The SPVAE of section 3 of the paper, with perceptrons.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workflow_src.models.autoencoders import AutoencoderBank
from workflow_src.models.images import ImageFacts
from workflow_src.models.likelihoods import likelihood
from workflow_src.models.super_pixels import SuperPixelModel, super_pixel_grid


def build(images: ImageFacts, hyperparameters: Mapping[str, Any]) -> SuperPixelModel:
    """The SPVAE with the hyperparameters that model.yaml declares.

    Raises
    ------
    ValueError
        If the images cannot be cut as they say; see `super_pixel_grid`.
    """
    grid = super_pixel_grid(images, hyperparameters)
    leaves = AutoencoderBank(
        members=grid.circuit.leaf_nodes,
        pixels=grid.height * grid.width,
        latent_dimensions=hyperparameters["latent_dimensions"],
        hidden_units=hyperparameters["hidden_units"],
        hidden_layers=hyperparameters["hidden_layers"],
        likelihood=likelihood(images.likelihood, images.levels),
    )
    return SuperPixelModel(images, leaves, grid.circuit)
