"""Foldings against eq. (10) position by position, their adjoint, and max-pooling against torch."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from workflow_src.layouts import Folding, Mixture, Pooling, Shape, shapes
from workflow_src.models.convolutional_mixtures.backward import upsample
from workflow_src.models.convolutional_mixtures.folding import fold
from workflow_src.models.convolutional_mixtures.pooling import pool


def numbers(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize(
    ("size", "stride", "channels"), [(1, 1, 1), (3, 1, 1), (3, 1, 2), (4, 2, 3), (8, 1, 2)]
)
def test_a_patch_is_ordered_by_row_column_and_channel(
    size: int, stride: int, channels: int
) -> None:
    below = numbers(2, 3, 8, 8, channels)
    folded = fold(below, Folding(size, stride))
    side = (8 - size) // stride + 1
    assert folded.shape == (2, 3, side, side, size * size * channels)
    for row, column, place in itertools.product(range(side), range(side), range(folded.shape[-1])):
        in_patch, channel = divmod(place, channels)
        dy, dx = divmod(in_patch, size)
        source = below[:, :, row * stride + dy, column * stride + dx, channel]
        assert torch.equal(folded[:, :, row, column, place], source)


def test_a_patch_that_holds_everything_is_not_copied() -> None:
    below = numbers(2, 3, 8, 8, 2)
    assert fold(below, Folding(8, 1)).data_ptr() == below.data_ptr()


@given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 3), st.integers(1, 3))
@settings(max_examples=30, deadline=None)
def test_folding_has_an_adjoint(size: int, stride: int, steps: int, channels: int) -> None:
    stride = min(stride, size)
    side = size + steps * stride
    below = numbers(1, 2, side, side, channels)
    above = numbers(1, 2, steps + 1, steps + 1, size * size * channels, seed=1)
    planes = above.view(2, (steps + 1) ** 2, size, size, channels).permute(0, 4, 2, 3, 1)
    added = functional.fold(planes.reshape(2, -1, (steps + 1) ** 2), side, size, stride=stride)
    left = (fold(below, Folding(size, stride)) * above).sum()
    torch.testing.assert_close(left, (below[0].permute(0, 3, 1, 2) * added).sum())


@pytest.mark.parametrize("side", [20, 21])
@pytest.mark.parametrize("ceil", [False, True])
@pytest.mark.parametrize(("size", "stride"), [(2, 2), (3, 2), (3, 3)])
def test_pooling_is_torchs(side: int, ceil: bool, size: int, stride: int) -> None:
    below = numbers(2, 3, side, side, 4)
    pooled = pool(below, Pooling(size, stride, ceil))
    for run in range(2):
        planes = below[run].permute(0, 3, 1, 2).contiguous()
        expected = functional.max_pool2d(planes, size, stride, ceil_mode=ceil)
        assert torch.equal(pooled[run], expected.permute(0, 2, 3, 1))
    blocks = (Pooling(size, stride, ceil), Folding(pooled.shape[2], 1), Mixture(4, False))
    assert shapes(blocks, Shape(side, side, 4))[1] == Shape(*pooled.shape[2:])


@pytest.mark.parametrize(("side", "ceil"), [(20, False), (21, False), (21, True)])
def test_pooling_what_was_repeated_gives_it_back(side: int, ceil: bool) -> None:
    block = Pooling(2, 2, ceil)
    pooled = numbers(1, 2, (side + ceil) // 2, (side + ceil) // 2, 3)
    assert torch.equal(pool(upsample(pooled, block, Shape(side, side, 3)), block), pooled)
