"""Both kinds of banked convolution against torch's own modules, one member at a time."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from torch import Tensor
from torch.nn.functional import conv2d, conv_transpose2d

from workflow_src.models.convolutions import (
    FeatureMap,
    PatchConvolution,
    RowConvolution,
    convolution,
    kernel_shapes,
    transposed_kernel_shapes,
)

BANK, SAMPLES = 3, 4
KINDS = [RowConvolution, PatchConvolution]
Kind = type[RowConvolution] | type[PatchConvolution]
# Even and odd, larger than the kernel and smaller, not square.
SIZES = [(8, 8), (7, 7), (5, 6), (2, 2), (1, 3)]


def randn(*shape: int) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, requires_grad=True)


def as_images(features: Tensor, source: FeatureMap) -> Tensor:
    """One member's [features, S] as [S, channels, height, width]."""
    rows = features.view(source.height, source.channels, source.width, -1)
    return rows.permute(3, 1, 0, 2)


def gradients(value: Tensor, weights: Tensor, arguments: list[Tensor]) -> list[Tensor]:
    return list(torch.autograd.grad((value * weights).sum(), arguments))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("size", "stride"), list(product(SIZES, (1, 2, 3))))
def test_a_convolution_is_each_members_own(kind: Kind, size: tuple[int, int], stride: int) -> None:
    fine = FeatureMap(2, *size)
    coarse = fine.convolved(3, stride)
    values, kernel = randn(BANK, fine.features, SAMPLES), randn(BANK, 3, 2, 3, 3)
    bias, weights = randn(BANK, 3, 1), randn(BANK, coarse.features, SAMPLES).detach()
    found = kind(fine, coarse, stride).forward(values, kernel, bias)
    found_gradients = gradients(found, weights, [values, kernel, bias])
    for member in range(BANK):
        alone = torch.nn.Conv2d(2, 3, 3, stride, padding=1, dtype=torch.float64)
        alone.weight.data, alone.bias.data = kernel[member].detach(), bias[member, :, 0].detach()
        own = values[member].detach().requires_grad_()
        expected = alone(as_images(own, fine))
        torch.testing.assert_close(
            as_images(found[member], coarse), expected, rtol=1e-10, atol=1e-10
        )
        expected_gradients = gradients(
            expected, as_images(weights[member], coarse), [own, alone.weight, alone.bias]
        )
        for mine, theirs in zip(found_gradients, expected_gradients, strict=True):
            torch.testing.assert_close(mine[member].view_as(theirs), theirs, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("size", "stride"), list(product(SIZES, (1, 2))))
def test_a_transposed_convolution_leads_back_to_the_size_before(
    kind: Kind, size: tuple[int, int], stride: int
) -> None:
    fine = FeatureMap(2, *size)
    coarse = fine.convolved(3, stride)
    values, kernel = randn(BANK, coarse.features, SAMPLES), randn(BANK, 3, 2, 3, 3)
    bias, weights = randn(BANK, 2, 1), randn(BANK, fine.features, SAMPLES).detach()
    found = kind(fine, coarse, stride).transposed(values, kernel, bias)
    found_gradients = gradients(found, weights, [values, kernel, bias])
    for member in range(BANK):
        alone = torch.nn.ConvTranspose2d(3, 2, 3, stride, padding=1, dtype=torch.float64)
        alone.weight.data, alone.bias.data = kernel[member].detach(), bias[member, :, 0].detach()
        own = values[member].detach().requires_grad_()
        # torch finds the padding that leads to the size that is asked for.
        expected = alone(as_images(own, coarse), output_size=size)
        torch.testing.assert_close(as_images(found[member], fine), expected, rtol=1e-10, atol=1e-10)
        expected_gradients = gradients(
            expected, as_images(weights[member], fine), [own, alone.weight, alone.bias]
        )
        for mine, theirs in zip(found_gradients, expected_gradients, strict=True):
            torch.testing.assert_close(mine[member].view_as(theirs), theirs, rtol=1e-10, atol=1e-10)


# Strides of a map, from the one that changes slowest: samples last is contiguous.
@pytest.mark.parametrize("order", [(0, 2, 1), (2, 1, 0), (1, 2, 0), (2, 0, 1)])
@pytest.mark.parametrize("kind", KINDS)
def test_maps_may_lie_in_memory_in_any_order(kind: Kind, order: tuple[int, int, int]) -> None:
    fine = FeatureMap(2, 5, 6)
    coarse = fine.convolved(3, 2)
    shape, back = (BANK, coarse.features, SAMPLES), [order.index(axis) for axis in range(3)]
    values = randn(*(shape[axis] for axis in order)).permute(back)
    assert values.shape == shape
    assert not values.is_contiguous()
    kernel, bias = randn(BANK, 3, 2, 3, 3), randn(BANK, 2, 1)
    weights = randn(SAMPLES, BANK, fine.features).detach().permute(1, 2, 0)
    way = kind(fine, coarse, 2)
    found = way.transposed(values, kernel, bias)
    found_gradients = gradients(found, weights, [values, kernel, bias])
    there = way.forward(found, kernel, torch.zeros_like(bias[:, :1]).expand(-1, 3, 1))
    for member in range(BANK):
        own, filters = values[member].detach().requires_grad_(), kernel[member].detach()
        filters.requires_grad_()
        offset = bias[member, :, 0].detach().requires_grad_()
        images = as_images(own.contiguous(), coarse)
        expected = conv_transpose2d(
            images, filters, offset, stride=2, padding=1, output_padding=(0, 1)
        )
        again = conv2d(expected, filters, stride=2, padding=1)
        torch.testing.assert_close(as_images(found[member], fine), expected, rtol=1e-10, atol=1e-10)
        torch.testing.assert_close(as_images(there[member], coarse), again, rtol=1e-10, atol=1e-10)
        expected_gradients = gradients(
            expected, as_images(weights[member].contiguous(), fine), [own, filters, offset]
        )
        for mine, theirs in zip(found_gradients, expected_gradients, strict=True):
            torch.testing.assert_close(
                mine[member].reshape(theirs.shape), theirs, rtol=1e-10, atol=1e-10
            )


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_of_a_convolution_reach_maps_in_any_order(kind: Kind) -> None:
    fine = FeatureMap(2, 5, 6)
    coarse = fine.convolved(3, 2)
    values = randn(SAMPLES, BANK, fine.features).permute(1, 2, 0)
    kernel, bias = randn(BANK, 3, 2, 3, 3), randn(BANK, 3, 1)
    weights = randn(SAMPLES, coarse.features, BANK).detach().permute(2, 1, 0)
    found = kind(fine, coarse, 2).forward(values, kernel, bias)
    (gradient,) = gradients(found, weights, [values])
    for member in range(BANK):
        own = values[member].detach().contiguous().requires_grad_()
        expected = conv2d(as_images(own, fine), kernel[member], bias[member, :, 0], 2, 1)
        torch.testing.assert_close(
            as_images(found[member], coarse), expected, rtol=1e-10, atol=1e-10
        )
        theirs = torch.autograd.grad(
            expected, own, as_images(weights[member].contiguous(), coarse)
        )[0]
        torch.testing.assert_close(gradient[member], theirs, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_kernels_have_the_shapes_that_are_declared(kind: Kind) -> None:
    fine = FeatureMap(2, 4, 4)
    way = kind(fine, fine.convolved(3, 2), 2)
    shapes = kernel_shapes("to", 3, 2) | transposed_kernel_shapes("back", 2, 3)
    given = {name: randn(BANK, *shape) for name, shape in shapes.items()}
    there = way.forward(randn(BANK, 32, SAMPLES), given["to.weight"], given["to.bias"])
    back = way.transposed(there, given["back.weight"], given["back.bias"])
    assert back.shape == (BANK, 32, SAMPLES)


@pytest.mark.parametrize("kind", KINDS)
def test_pixels_need_no_gradient(kind: Kind) -> None:
    fine = FeatureMap(1, 4, 4)
    kernel = randn(BANK, 2, 1, 3, 3)
    pixels = torch.rand(BANK, 16, SAMPLES, dtype=torch.float64)
    kind(fine, fine.convolved(2, 1), 1).forward(pixels, kernel, randn(BANK, 2, 1)).sum().backward()
    # The middle tap meets every pixel once.
    assert kernel.grad is not None
    torch.testing.assert_close(kernel.grad[:, 0, 0, 1, 1], pixels.sum(dim=(1, 2)))


def test_narrow_maps_go_by_rows_and_wide_ones_by_patches() -> None:
    kinds = {
        width: type(convolution(FeatureMap(4, 8, width), FeatureMap(8, 8, width), 1))
        for width in (2, 7, 8, 14, 28, 32)
    }
    assert {width for width, kind in kinds.items() if kind is RowConvolution} == {2, 7, 8}
