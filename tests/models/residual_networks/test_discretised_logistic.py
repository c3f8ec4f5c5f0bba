"""The mixture of discretised logistics against differences of CDFs in float64, and its levels."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import expit
from torch import Tensor

from workflow_src.models.residual_networks.discretised_logistic import DiscretisedLogisticMixture


def outputs_for(family: DiscretisedLogisticMixture, scale: float, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    shape = (1, 1, family.outputs, 1, 1)
    return scale * torch.randn(shape, generator=generator, dtype=torch.float64)


def images_of(values: Tensor) -> Tensor:
    """[number, channels] as pixels [number, 1, channels, 1, 1]."""
    return values.double()[:, None, :, None, None]


def test_a_colour_pixel_takes_a_hundred_numbers() -> None:
    assert DiscretisedLogisticMixture(3, 255).outputs == 100
    assert DiscretisedLogisticMixture(1, 255).outputs == 30


@pytest.mark.parametrize("scale", [0.3, 3.0, 30.0])
def test_256_levels_of_a_gray_pixel_sum_to_one(scale: float) -> None:
    family = DiscretisedLogisticMixture(1, 255)
    pixels = images_of(torch.arange(256)[:, None])
    outputs = outputs_for(family, scale).expand(256, -1, -1, -1, -1)
    total = torch.logsumexp(family.log_density(outputs, pixels), dim=0)
    torch.testing.assert_close(total, torch.zeros_like(total), rtol=0, atol=1e-12)


def test_all_colours_of_few_levels_sum_to_one() -> None:
    family = DiscretisedLogisticMixture(3, 5)
    pixels = images_of(torch.cartesian_prod(*[torch.arange(6)] * 3))
    outputs = outputs_for(family, 2.0).expand(len(pixels), -1, -1, -1, -1)
    total = torch.logsumexp(family.log_density(outputs, pixels), dim=0)
    torch.testing.assert_close(total, torch.zeros_like(total), rtol=0, atol=1e-12)


def test_colours_are_as_the_formula_says() -> None:
    family = DiscretisedLogisticMixture(3, 255)
    outputs = outputs_for(family, 1.0, seed=4)
    pixel = np.array([17.0, 200.0, 255.0])
    raw = outputs.flatten().numpy()
    weights = np.exp(raw[:10]) / np.exp(raw[:10]).sum()
    means, log_scales = raw[10:40].reshape(3, 10), raw[40:70].reshape(3, 10)
    first, second, third = np.tanh(raw[70:]).reshape(3, 10)
    x = pixel / 127.5 - 1
    shifted = [means[0], means[1] + first * x[0], means[2] + second * x[0] + third * x[1]]
    mass = weights
    for value, mean, log_scale, level in zip(x, shifted, log_scales, pixel, strict=True):
        above = expit((value + 1 / 255 - mean) / np.exp(log_scale)) if level < 255 else 1.0
        below = expit((value - 1 / 255 - mean) / np.exp(log_scale)) if level > 0 else 0.0
        mass = mass * (above - below)
    own = family.log_density(outputs, images_of(torch.tensor(pixel)[None]))
    assert own.item() == pytest.approx(np.log(mass.sum()), rel=1e-9)


def test_far_levels_are_finite_in_single_precision_and_have_gradients() -> None:
    family = DiscretisedLogisticMixture(3, 255)
    outputs = (40 * outputs_for(family, 1.0)).float().requires_grad_()
    for pixel in ([0, 0, 0], [255, 255, 255], [0, 255, 128]):
        value = family.log_density(outputs, images_of(torch.tensor([pixel])).float()).sum()
        (gradient,) = torch.autograd.grad(value, outputs)
        assert value.isfinite()
        assert gradient.isfinite().all()


def test_draws_have_the_probabilities_of_their_levels() -> None:
    family = DiscretisedLogisticMixture(3, 2)
    outputs = outputs_for(family, 1.0, seed=2)
    colours = torch.cartesian_prod(*[torch.arange(3)] * 3)
    each = outputs.expand(len(colours), -1, -1, -1, -1)
    expected = family.log_density(each, images_of(colours)).exp().flatten()
    count = 40_000
    drawn = family.sample(
        outputs.float().expand(count, -1, -1, -1, -1), torch.Generator().manual_seed(0)
    )
    numbers = (drawn.flatten(1) @ torch.tensor([9.0, 3.0, 1.0])).long()
    observed = torch.bincount(numbers, minlength=27)
    statistic = ((observed - count * expected) ** 2 / (count * expected)).sum().item()
    assert statistic < 60  # chi-square with 26 degrees of freedom: exceeded once in 6000 seeds


def test_the_mean_of_one_narrow_component_is_its_place() -> None:
    family = DiscretisedLogisticMixture(1, 255, components=1)
    outputs = torch.tensor([0.0, 0.5, -6.0]).view(1, 1, 3, 1, 1)
    assert family.mean(outputs).item() == pytest.approx(0.75, abs=1e-6)
