"""The Conv-SPVAE: the published sizes, and super-pixels of all data sets."""

from __future__ import annotations

import pytest
import torch

from workflow_src.config.models import model_declaration
from workflow_src.models.conv_spvae import drawing
from workflow_src.models.conv_spvae.model import build
from workflow_src.models.images import ImageFacts
from workflow_src.models.leaf_models import bound, noise_shape, stack_runs
from workflow_src.models.super_pixels import SuperPixelModel


def conv_spvae(side: int, likelihood: str, hidden_units: int, latent: int) -> SuperPixelModel:
    declared = model_declaration("conv_spvae").hyperparameters
    defaults = {name: one.default for name, one in declared.items() if one.default is not None}
    given = {"hidden_units": hidden_units, "latent_dimensions": latent, "split_step": side // 4}
    return build(ImageFacts(side, side, likelihood, 255), defaults | given)


@pytest.mark.parametrize(
    ("side", "likelihood", "hidden_units", "latent_dimensions", "published"),
    [
        (28, "gaussian", 64, 25, 32 * 39_296 + 1_576),
        (32, "gaussian", 64, 25, 1_604_648),
        (32, "gaussian", 32, 25, 1_028_136),
        (32, "binomial", 64, 25, 1_603_464),
    ],
)
def test_table_2_parameter_counts(
    side: int, likelihood: str, hidden_units: int, latent_dimensions: int, published: int
) -> None:
    model = conv_spvae(side, likelihood, hidden_units, latent_dimensions)
    assert model.parameter_count() == published
    made = model.initial_parameters(torch.Generator().manual_seed(0))
    assert {name: tuple(value.shape) for name, value in made.items()} == model.parameter_shapes()


@pytest.mark.parametrize("likelihood", ["gaussian", "binomial"])
@pytest.mark.parametrize("side", [8, 28, 32])
def test_a_run_in_a_bank_has_the_bound_that_it_has_alone(side: int, likelihood: str) -> None:
    model = conv_spvae(side, likelihood, 3, 2)
    generator = torch.Generator().manual_seed(0)
    runs = [model.initial_parameters(generator) for _ in range(2)]
    shares = torch.rand(2, side * side, 3, generator=generator)
    pixels = shares if likelihood == "gaussian" else (255 * shares).round()
    noise = torch.randn(2, *noise_shape(model, 4, 3), generator=generator)
    together = bound(model, stack_runs(runs), pixels, noise, "importance_weighted_bound")
    assert together.isfinite().all()
    for run in range(2):
        one = slice(run, run + 1)
        alone = bound(
            model, stack_runs(runs[one]), pixels[one], noise[one], "importance_weighted_bound"
        )
        torch.testing.assert_close(together[run], alone[0], rtol=1e-5, atol=1e-3)


def test_its_images_are_put_together_from_its_super_pixels() -> None:
    model = conv_spvae(8, "gaussian", 3, 2)
    images = torch.rand(1, 64, 5)
    components = torch.zeros(5, 16, dtype=torch.int64)
    assert drawing.leaf_layout(model) == (4, 4, 2)
    assert torch.equal(drawing.assemble(model, model.leaf_pixels(images)[0], components), images[0])
