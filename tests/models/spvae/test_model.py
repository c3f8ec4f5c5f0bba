"""SPVAE: the published sizes, which pixel belongs to which leaf, and images put together."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from workflow_src.models.images import ImageFacts
from workflow_src.models.spvae import drawing
from workflow_src.models.spvae.model import build
from workflow_src.models.super_pixels import SuperPixelModel

SIDES = {"mnist": (28, 7), "svhn": (32, 8), "cifar10": (32, 8)}


def spvae(side: int, step: int, likelihood: str = "gaussian", **changed: Any) -> SuperPixelModel:
    hyperparameters = {
        "hidden_units": 3,
        "latent_dimensions": 2,
        "hidden_layers": 2,
        "split_step": step,
        "region_graph": "poon_domingos",
        "repetitions": 1,
        "structure_seed": 0,
        "leaf_components": 2,
        "sum_components": 2,
    }
    return build(ImageFacts(side, side, likelihood, 255), hyperparameters | changed)


@pytest.mark.parametrize(
    ("data_set", "likelihood", "hidden_units", "latent_dimensions", "published"),
    [
        ("mnist", "gaussian", 30, 25, 413_352),
        ("svhn", "gaussian", 32, 25, 511_080),
        ("cifar10", "gaussian", 32, 25, 511_080),
        ("mnist", "binomial", 30, 25, 310_024),
        ("svhn", "binomial", 32, 50, 461_480),
        ("cifar10", "binomial", 30, 25, 353_704),
    ],
)
def test_table_2_parameter_counts(
    data_set: str, likelihood: str, hidden_units: int, latent_dimensions: int, published: int
) -> None:
    side, step = SIDES[data_set]
    model = spvae(
        side, step, likelihood, hidden_units=hidden_units, latent_dimensions=latent_dimensions
    )
    assert model.parameter_count() == published


def test_three_hidden_layers_have_one_square_matrix_more() -> None:
    two, three = (spvae(8, 2, hidden_units=5, hidden_layers=layers) for layers in (2, 3))
    # Four networks in each of 32 leaves, 5 x 5 weights and 5 biases.
    assert three.parameter_count() - two.parameter_count() == 32 * 4 * 30


def test_every_leaf_sees_its_own_super_pixel() -> None:
    model = spvae(8, 2)
    image = torch.arange(64.0)
    seen = model.leaf_pixels(image.view(1, 64, 1))[0, :, :, 0]
    assert seen.shape == (32, 4)
    square = image.view(8, 8)
    for leaf in range(32):
        row, column = divmod(leaf // 2, 4)
        expected = square[2 * row : 2 * row + 2, 2 * column : 2 * column + 2].flatten()
        assert torch.equal(seen[leaf], expected)


def test_an_image_is_put_together_from_the_leaves_picked() -> None:
    model = spvae(8, 2)
    draws = 3
    values = torch.rand(32, 4, draws)
    components = torch.randint(0, 2, (draws, 16), generator=torch.Generator().manual_seed(0))
    images = drawing.assemble(model, values, components).view(8, 8, draws)
    for draw in range(draws):
        for region in range(16):
            row, column = divmod(region, 4)
            patch = images[2 * row : 2 * row + 2, 2 * column : 2 * column + 2, draw]
            leaf = 2 * region + int(components[draw, region])
            assert torch.equal(patch.flatten(), values[leaf, :, draw])


def test_an_image_taken_apart_and_put_together_is_the_same() -> None:
    model = spvae(6, 2)
    images = torch.rand(1, 36, 5)
    components = torch.zeros(5, 9, dtype=torch.int64)
    assert torch.equal(drawing.assemble(model, model.leaf_pixels(images)[0], components), images[0])


def test_sampled_components_are_the_circuits(enumerate_leaf_sets: Any) -> None:
    model = spvae(4, 2)
    parameters = model.initial_parameters(torch.Generator().manual_seed(1))
    draws = 5000
    drawn = drawing.sample_components(model, parameters, draws, torch.Generator().manual_seed(2))
    assert drawn is not None
    marginal = np.zeros(4)
    for components, probability in enumerate_leaf_sets(model.circuit, parameters).items():
        marginal += probability * np.array(components)
    np.testing.assert_allclose(drawn.double().mean(dim=0), marginal, atol=4.5 * 0.5 / draws**0.5)


def test_a_step_that_leaves_unequal_super_pixels_is_refused() -> None:
    with pytest.raises(ValueError, match="split_step 3 cuts 8 x 8"):
        spvae(8, 3)


@pytest.mark.parametrize("step", [8, 9])
def test_a_step_that_leaves_the_image_whole_is_refused(step: int) -> None:
    with pytest.raises(ValueError, match=f"split_step {step}"):
        spvae(8, step)


def test_a_random_circuit_has_the_same_leaves() -> None:
    cuts = spvae(6, 2)
    random = spvae(6, 2, region_graph="random", repetitions=3, structure_seed=1)
    assert random.leaves == cuts.leaves
    images = torch.rand(1, 36, 5)
    assert torch.equal(random.leaf_pixels(images), cuts.leaf_pixels(images))
    assert drawing.leaf_layout(random) == drawing.leaf_layout(cuts) == (3, 3, 2)
    other = spvae(6, 2, region_graph="random", repetitions=3, structure_seed=2)
    assert other.circuit.graph != random.circuit.graph != cuts.circuit.graph
