"""The variational autoencoder of Table VIII of the DCGMM paper, over images of 32 x 32 pixels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workflow_src.models.deep_convolutional_autoencoders import (
    SIDE,
    DeepConvolutionalAutoencoderBank,
)
from workflow_src.models.images import ImageFacts
from workflow_src.models.likelihoods import likelihood
from workflow_src.models.whole_images import WholeImageModel


def build(images: ImageFacts, hyperparameters: Mapping[str, Any]) -> WholeImageModel:
    """The deep Conv-VAE with the hyperparameters that model.yaml declares.

    Raises
    ------
    ValueError
        If images are not 32 x 32 pixels.
    """
    if (images.height, images.width) != (SIDE, SIDE):
        raise ValueError(
            f"the layers of a deep Conv-VAE fit images of {SIDE} x {SIDE} pixels, not "
            f"{images.height} x {images.width}; take a data set of that size, or conv_vae"
        )
    leaves = DeepConvolutionalAutoencoderBank(
        members=1,
        pixels=images.pixels,
        latent_dimensions=hyperparameters["latent_dimensions"],
        likelihood=likelihood(images.likelihood, images.levels),
        channels=images.channels,
        channel_divisor=hyperparameters["channel_divisor"],
    )
    return WholeImageModel(images, leaves)
