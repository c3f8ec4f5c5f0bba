"""The VAE: the published sizes, and its one leaf."""

from __future__ import annotations

import pytest
import torch

from workflow_src.models.images import ImageFacts
from workflow_src.models.vae import drawing
from workflow_src.models.vae.model import build
from workflow_src.models.whole_images import WholeImageModel


def vae(side: int, likelihood: str, hidden_units: int, latent_dimensions: int) -> WholeImageModel:
    hyperparameters = {
        "hidden_units": hidden_units,
        "latent_dimensions": latent_dimensions,
        "hidden_layers": 2,
    }
    return build(ImageFacts(side, side, likelihood, 255), hyperparameters)


@pytest.mark.parametrize(
    ("side", "likelihood", "hidden_units", "latent_dimensions", "published"),
    [
        (28, "gaussian", 300, 200, 1_545_168),
        (32, "gaussian", 300, 100, 1_713_448),
        (32, "gaussian", 300, 50, 1_653_348),
        (28, "binomial", 300, 200, 1_158_584),
        (32, "binomial", 600, 100, 3_108_024),
        (32, "binomial", 600, 200, 3_288_224),
    ],
)
def test_table_2_parameter_counts(
    side: int, likelihood: str, hidden_units: int, latent_dimensions: int, published: int
) -> None:
    assert vae(side, likelihood, hidden_units, latent_dimensions).parameter_count() == published


def test_its_one_leaf_sees_the_whole_image_and_makes_it() -> None:
    model = vae(4, "binomial", 3, 2)
    images = torch.rand(2, 16, 5)
    leaves = model.leaf_pixels(images)
    assert leaves.shape == (2, 1, 16, 5)
    assert torch.equal(leaves[:, 0], images)
    assert torch.equal(drawing.assemble(model, leaves[0], None), images[0])
    assert drawing.sample_components(model, {}, 5, torch.Generator()) is None
