"""The decoder by scales is a distribution over images, and draws from it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from support.dvaepp import all_images
from torch import Tensor

from workflow_src.models.images import ImageFacts
from workflow_src.models.residual_networks.conditional_decoder import (
    ConditionalDecoder,
    scales_of_pixels,
)
from workflow_src.models.residual_networks.pixel_distributions import pixel_distribution
from workflow_src.models.residual_networks.residual_blocks import blocks


def decoder(images: ImageFacts, **values: Any) -> ConditionalDecoder:
    size = (images.height, images.width)
    fields: dict[str, Any] = {
        "codes": 3,
        "stride": 2,
        "context": blocks("4"),
        "stages": (blocks("4↑"),),
        "image_input": blocks("2"),
        "first_stride": 2,
    }
    fields |= values
    return ConditionalDecoder(size, images.channels, pixel_distribution(images), **fields)


def random_parameters(one: ConditionalDecoder, runs: int = 1) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(5)
    return {
        name: 0.7 * torch.randn(runs, *shape, generator=generator, dtype=torch.float64)
        for name, shape in one.parameter_shapes("d").items()
    }


@pytest.mark.parametrize(
    ("size", "counts"),
    [((28, 28), [16, 33, 147, 588]), ((32, 32), [16, 48, 192, 768]), ((5, 9), [2, 4, 9, 30])],
)
def test_every_pixel_belongs_to_one_scale(size: tuple[int, int], counts: list[int]) -> None:
    """28: 4 x 4, then 7 x 7, 14 x 14 and all pixels without those before."""
    scales = scales_of_pixels(size, (8, 4, 2, 1), torch.device("cpu"))
    assert torch.bincount(scales.flatten(), minlength=4).tolist() == counts
    assert scales[0, 0] == 0
    assert scales[4, 4] == 1
    assert scales[2, 4] == 2
    assert scales[4, 5] == 3


@pytest.mark.parametrize(
    ("images", "values"),
    [
        (ImageFacts(2, 2, "bernoulli", 1), {}),
        (ImageFacts(2, 2, "bernoulli", 1), {"image_input": ()}),
        (ImageFacts(3, 3, "bernoulli", 1), {}),
        (
            ImageFacts(3, 3, "bernoulli", 1),
            {"first_stride": 4, "stages": (blocks("4"), blocks("3↑"))},
        ),
        (ImageFacts(2, 2, "discretised_logistic", 1, 3), {}),
        (ImageFacts(2, 1, "discretised_logistic", 6, 1), {}),
    ],
)
def test_all_images_sum_to_one_given_codes(images: ImageFacts, values: dict[str, Any]) -> None:
    one = decoder(images, **values)
    pixels = all_images(images.pixels, images.levels)
    maps = pixels.view(-1, 1, images.channels, images.height, images.width)
    side = (-(-images.height // 2), -(-images.width // 2))
    codes = torch.randn(1, 1, 3, *side, dtype=torch.float64).expand(len(maps), -1, -1, -1, -1)
    log_density = one.log_density(random_parameters(one), "d", codes, maps)
    assert torch.logsumexp(log_density, dim=0).item() == pytest.approx(0, abs=1e-10)


def test_codes_of_many_samples_belong_to_their_images() -> None:
    """Code m belongs to image m modulo N."""
    one = decoder(ImageFacts(4, 4, "bernoulli", 1), first_stride=2)
    parameters = random_parameters(one, runs=2)
    images = torch.randint(0, 2, (3, 2, 1, 4, 4)).double()
    codes = torch.randn(6, 2, 3, 2, 2, dtype=torch.float64)
    together = one.log_density(parameters, "d", codes, images)
    for code in range(6):
        image = images[code % 3 : code % 3 + 1]
        alone = one.log_density(parameters, "d", codes[code : code + 1], image)
        torch.testing.assert_close(together[code], alone[0])


@pytest.mark.parametrize("image_input", [blocks("2"), ()])
def test_draws_have_the_probabilities_of_their_images(image_input: Any) -> None:
    one = decoder(ImageFacts(2, 2, "bernoulli", 1), image_input=image_input)
    parameters = random_parameters(one)
    code = torch.randn(
        1, 1, 3, 1, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(2)
    )
    every = all_images(4).view(-1, 1, 1, 2, 2)
    expected = one.log_density(parameters, "d", code.expand(16, -1, -1, -1, -1), every)
    probabilities = expected.exp().flatten()
    count = 40_000
    drawn, means = one.sample(
        parameters, "d", code.expand(count, -1, -1, -1, -1), torch.Generator().manual_seed(3)
    )
    numbers = (drawn.flatten(1) @ torch.tensor([8.0, 4, 2, 1]).double()).long()
    observed = torch.bincount(numbers, minlength=16)
    statistic = ((observed - count * probabilities) ** 2 / (count * probabilities)).sum().item()
    assert statistic < 45  # chi-square with 15 degrees of freedom: exceeded once in 10,000 seeds
    error = (means - drawn).mean(dim=0).abs().max()
    assert error < 0.5 / count**0.5 * 5


def test_scales_that_the_features_do_not_give_are_refused() -> None:
    with pytest.raises(ValueError, match="do not give scales"):
        decoder(ImageFacts(4, 4, "bernoulli", 1), first_stride=8)
    with pytest.raises(ValueError, match="not 1"):
        decoder(ImageFacts(4, 4, "bernoulli", 1), stride=4, image_input=())
