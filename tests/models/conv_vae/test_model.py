"""The Conv-VAE: the published sizes."""

from __future__ import annotations

import pytest
import torch

from workflow_src.config.models import model_declaration
from workflow_src.models.conv_vae import drawing
from workflow_src.models.conv_vae.model import build
from workflow_src.models.images import ImageFacts
from workflow_src.models.whole_images import WholeImageModel


def conv_vae(side: int, likelihood: str, hidden_units: int, latent: int) -> WholeImageModel:
    declared = model_declaration("conv_vae").hyperparameters
    defaults = {name: one.default for name, one in declared.items() if one.default is not None}
    given = {"hidden_units": hidden_units, "latent_dimensions": latent}
    return build(ImageFacts(side, side, likelihood, 255), defaults | given)


@pytest.mark.parametrize(
    ("side", "likelihood", "hidden_units", "latent_dimensions", "published"),
    [
        (28, "gaussian", 64, 200, 894_962),
        (32, "gaussian", 128, 150, 1_219_470),
        (28, "binomial", 64, 200, 894_673),
        (32, "binomial", 128, 200, 1_436_881),
        (32, "binomial", 128, 150, 1_219_181),
    ],
)
def test_table_2_parameter_counts(
    side: int, likelihood: str, hidden_units: int, latent_dimensions: int, published: int
) -> None:
    model = conv_vae(side, likelihood, hidden_units, latent_dimensions)
    assert model.parameter_count() == published
    made = model.initial_parameters(torch.Generator().manual_seed(0))
    assert {name: tuple(value.shape) for name, value in made.items()} == model.parameter_shapes()


def test_its_images_are_its_one_leafs() -> None:
    model = conv_vae(8, "gaussian", 3, 2)
    values = torch.rand(1, 64, 5)
    assert torch.equal(drawing.assemble(model, values, None), values[0])
