"""The variational autoencoder over whole images, with convolutions.

Section 4 of the SPVAE paper; it is a bank of one autoencoder per run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workflow_src.models.convolutional_autoencoders import ConvolutionalAutoencoderBank
from workflow_src.models.images import ImageFacts
from workflow_src.models.likelihoods import likelihood
from workflow_src.models.whole_images import WholeImageModel


def build(images: ImageFacts, hyperparameters: Mapping[str, Any]) -> WholeImageModel:
    """The Conv-VAE with the hyperparameters that model.yaml declares."""
    leaves = ConvolutionalAutoencoderBank(
        members=1,
        pixels=images.pixels,
        width=images.width,
        latent_dimensions=hyperparameters["latent_dimensions"],
        hidden_units=hyperparameters["hidden_units"],
        first_filters=hyperparameters["first_filters"],
        second_filters=hyperparameters["second_filters"],
        stride=hyperparameters["stride"],
        likelihood=likelihood(images.likelihood, images.levels),
    )
    return WholeImageModel(images, leaves)
