"""Banks against one network at a time, and their start."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import truncnorm

from workflow_src.models.banks import initial_mlp_parameter, mlp, mlp_shapes, softplus_linear


def random_bank(members: int, widths: list[int]) -> dict[str, torch.Tensor]:
    """Small weights: above 20, torch's softplus is its argument, which is off by up to 2e-9."""
    generator = torch.Generator().manual_seed(0)
    return {
        name: 0.5 * torch.randn(members, *shape, dtype=torch.float64, generator=generator)
        for name, shape in mlp_shapes("net", widths).items()
    }


@pytest.mark.parametrize("hidden", [[4], [4, 6], [5, 5, 5]])
def test_a_bank_is_its_networks_one_by_one(numpy_perceptron: Any, hidden: list[int]) -> None:
    parameters = random_bank(3, [2, *hidden, 7])
    inputs = torch.randn(3, 2, 8, dtype=torch.float64)
    found = mlp(parameters, "net", len(hidden), inputs)
    for member in range(3):
        alone = {name: value[member].numpy() for name, value in parameters.items()}
        for sample in range(8):
            expected = numpy_perceptron(alone, "net", inputs[member, :, sample].numpy())
            np.testing.assert_allclose(found[member, :, sample], expected, rtol=1e-13, atol=1e-13)


def test_softplus_linear_gradients() -> None:
    generator = torch.Generator().manual_seed(1)
    shapes = [(2, 3, 5), (2, 4, 3), (2, 4, 1)]
    arguments = tuple(
        torch.randn(shape, dtype=torch.float64, generator=generator, requires_grad=True)
        for shape in shapes
    )
    assert torch.autograd.gradcheck(softplus_linear, arguments)


def test_softplus_linear_gradients_where_the_inputs_are_data() -> None:
    inputs = torch.randn(2, 3, 5, dtype=torch.float64)
    weight = torch.randn(2, 4, 3, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(2, 4, 1, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda w, b: softplus_linear(inputs, w, b), (weight, bias))


@pytest.mark.parametrize("value", [-1e4, -100.0, 0.0, 100.0, 1e4])
def test_softplus_is_safe_far_out(value: float) -> None:
    bias = torch.full((1, 1, 1), value, requires_grad=True)
    outputs = softplus_linear(torch.zeros(1, 1, 1), torch.zeros(1, 1, 1), bias)
    assert outputs.item() == pytest.approx(np.logaddexp(0, value))
    outputs.sum().backward()
    assert bias.grad is not None
    assert bias.grad.item() == pytest.approx(1 / (1 + math.exp(-value)) if value > -700 else 0)


def test_initial_weights_are_truncated_normal_and_biases_zero() -> None:
    inputs = 50
    weights = initial_mlp_parameter(
        "net.0.weight", (200, inputs), 10, torch.Generator().manual_seed(2)
    )
    assert weights.shape == (10, 200, inputs)
    before = math.sqrt(2.6 / inputs)
    expected = truncnorm(-2, 2, scale=before).std()
    # A sample deviation's own error is below deviation / sqrt(2 n).
    assert weights.std().item() == pytest.approx(expected, rel=4 / math.sqrt(2 * weights.numel()))
    assert expected**2 == pytest.approx(2 / inputs, rel=0.01)
    assert weights.abs().max().item() <= 2 * before
    biases = initial_mlp_parameter("net.0.bias", (200, 1), 10, torch.Generator())
    assert biases.shape == (10, 200, 1)
    assert biases.eq(0).all()


def test_members_start_from_different_weights() -> None:
    weights = initial_mlp_parameter("net.0.weight", (4, 4), 3, torch.Generator().manual_seed(3))
    assert not torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[1], weights[2])
