"""Scores of visible inputs against sums of normal log densities over what is visible."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import log_softmax
from scipy.stats import norm

from workflow_src.layouts import Shape, parse
from workflow_src.models.convolutional_mixtures.backward import LayerParameters
from workflow_src.models.convolutional_mixtures.inpainting import (
    activities_from_visible,
    hidden_inputs,
    visible_log_scores,
)
from workflow_src.models.convolutional_mixtures.network import MixtureNetwork


def stream(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def layer(places: int, dtype: torch.dtype = torch.float64) -> LayerParameters:
    generator = stream(places)
    shape = (2, places, 4, 5)
    return LayerParameters(
        centroids=torch.rand(shape, generator=generator, dtype=dtype),
        precision_roots=0.3 + 4 * torch.rand(shape, generator=generator, dtype=dtype),
        weight_logits=torch.randn(shape[:3], generator=generator, dtype=dtype),
    )


@pytest.mark.parametrize("places", [1, 6])
def test_scores_are_sums_over_visible_inputs(places: int) -> None:
    one = layer(places)
    inputs = torch.rand(2, 3, 2, 3, 5, generator=stream(1), dtype=torch.float64)
    hidden = torch.rand(2, 3, 5, generator=stream(2)) < 0.4
    hidden[0, 0], hidden[1, 1] = True, False
    found = visible_log_scores(one, inputs, hidden)
    for run, image, row, column in np.ndindex(2, 3, 2, 3):
        place = row * 3 + column if places > 1 else 0
        seen = (~hidden[row, column]).numpy()
        means, roots = (
            values[run, place].numpy() for values in (one.centroids, one.precision_roots)
        )
        densities = norm.logpdf(inputs[run, image, row, column].numpy(), means, 1 / roots)
        expected = densities[:, seen].sum(axis=1) + log_softmax(one.weight_logits[run, place])
        np.testing.assert_allclose(found[run, image, row, column], expected, rtol=1e-11)


def test_where_nothing_is_seen_the_weights_are_left() -> None:
    one = layer(1)
    inputs = torch.rand(2, 3, 1, 1, 5, generator=stream(1), dtype=torch.float64)
    found = visible_log_scores(one, inputs, torch.ones(1, 1, 5, dtype=torch.bool))
    expected = one.weight_logits.log_softmax(dim=-1).view(2, 1, 1, 1, 4).expand_as(found)
    torch.testing.assert_close(found, expected)


def test_single_precision_loses_nothing_on_many_inputs() -> None:
    generator = stream(3)
    shape = (1, 1, 2, 5929)
    means = torch.rand(shape, generator=generator)
    one = LayerParameters(means, torch.full(shape, 20**0.5), torch.zeros(1, 1, 2))
    inputs = (means[:, :, :1] + 0.01 * torch.randn(1, 1, 1, 5929, generator=generator)).unsqueeze(1)
    hidden = torch.rand(1, 1, 5929, generator=generator) < 0.5
    found = visible_log_scores(one, inputs, hidden)[0, 0, 0, 0]
    double = (inputs.double() - means.double()).square()[0, 0, 0] * ~hidden[0, 0]
    roots = one.precision_roots.double()[0, 0, :, 0]
    constant = (~hidden).sum() * (roots.log() - 0.5 * np.log(2 * np.pi)) - np.log(2)
    expected = constant - 0.5 * roots**2 * double.sum(dim=1)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-9)


def test_inputs_are_hidden_where_a_patch_holds_a_hidden_pixel() -> None:
    network = MixtureNetwork(parse("F(2,1)-G(4)-F(3,1)-G(4)"), Shape(4, 4, 2))
    hidden = torch.zeros(4, 4, 2, dtype=torch.bool)
    hidden[1, 2, 1] = True
    found = hidden_inputs(network, hidden)
    expected = torch.zeros(3, 3, 2, 2, 2, dtype=torch.bool)
    for row, column, fy, fx in np.ndindex(3, 3, 2, 2):
        expected[row, column, fy, fx, 1] = (row + fy, column + fx) == (1, 2)
    assert torch.equal(found, expected.view(3, 3, 8))


def test_a_pooled_value_is_hidden_where_one_of_its_values_is() -> None:
    network = MixtureNetwork(parse("P(2,2)-F(2,1)-G(4)"), Shape(4, 4, 1))
    hidden = torch.zeros(4, 4, 1, dtype=torch.bool)
    hidden[3, 0] = True
    assert hidden_inputs(network, hidden).flatten().tolist() == [False, False, True, False]


@pytest.mark.parametrize("notation", ["F(3,1)-G(4)-P(2,2)-F(2,1)-G(9)", "F(6,1)-G(9)"])
def test_activities_follow_from_visible_pixels_alone(notation: str) -> None:
    network = MixtureNetwork(parse(notation), Shape(6, 6, 1))
    generator = stream(6)
    parameters = {
        name: value.unsqueeze(0).double()
        for name, value in network.initial_parameters(generator).items()
    }
    images = torch.rand(1, 5, 6, 6, 1, generator=generator, dtype=torch.float64)
    hidden = torch.zeros(6, 6, 1, dtype=torch.bool)
    usual = network.forward(parameters, images)
    nothing_hidden = activities_from_visible(network, parameters, images, hidden)
    for found, expected in zip(reversed(nothing_hidden), reversed(usual), strict=False):
        torch.testing.assert_close(found, expected)
    hidden[:, 3:] = True
    filled = activities_from_visible(network, parameters, images, hidden)
    other = images.clone()
    other[:, :, :, 3:] = torch.rand(1, 5, 6, 3, 1, generator=generator, dtype=torch.float64)
    for found, expected in zip(
        activities_from_visible(network, parameters, other, hidden), filled, strict=True
    ):
        assert torch.equal(found, expected)
    assert not torch.allclose(filled[-1], usual[-1])
