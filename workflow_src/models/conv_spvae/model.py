"""A sum-product network whose leaves are convolutional variational autoencoders.

The Conv-SPVAE of section 4 of the paper.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workflow_src.models.convolutional_autoencoders import ConvolutionalAutoencoderBank
from workflow_src.models.images import ImageFacts
from workflow_src.models.likelihoods import likelihood
from workflow_src.models.super_pixels import SuperPixelModel, super_pixel_grid


def build(images: ImageFacts, hyperparameters: Mapping[str, Any]) -> SuperPixelModel:
    """The Conv-SPVAE with the hyperparameters that model.yaml declares.

    Raises
    ------
    ValueError
        If the images cannot be cut as they say; see `super_pixel_grid`.
    """
    grid = super_pixel_grid(images, hyperparameters)
    leaves = ConvolutionalAutoencoderBank(
        members=grid.circuit.leaf_nodes,
        pixels=grid.height * grid.width,
        width=grid.width,
        latent_dimensions=hyperparameters["latent_dimensions"],
        hidden_units=hyperparameters["hidden_units"],
        first_filters=hyperparameters["first_filters"],
        second_filters=hyperparameters["second_filters"],
        stride=hyperparameters["stride"],
        likelihood=likelihood(images.likelihood, images.levels),
    )
    return SuperPixelModel(images, leaves, grid.circuit)
