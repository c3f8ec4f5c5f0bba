"""Layers, blocks and normalisation of a bank against plain modules, one for each run."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from workflow_src.models.residual_networks.layers import convolution, kernel_shapes
from workflow_src.models.residual_networks.normalisation import normalised, normalised_by_batch
from workflow_src.models.residual_networks.residual_blocks import (
    Block,
    blocks,
    network_shapes,
    residual_network,
    size_at,
    stride_after,
)


class PlainBlock(nn.Module):
    """Written from the description alone, for one run."""

    def __init__(self, inputs: int, outputs: int, resize: str, padding: tuple[int, int]) -> None:
        super().__init__()
        self.up = resize == "up"
        stride = 1 if resize == "keep" else 2
        if self.up:
            self.first: nn.Module = nn.ConvTranspose2d(inputs, outputs, 3, 2, 1, padding)
        else:
            self.first = nn.Conv2d(inputs, outputs, 3, stride, 1)
        self.second = nn.Conv2d(outputs, outputs, 3, 1, 1)
        self.skip = nn.Conv2d(inputs, outputs, 1, 1 if self.up else stride)
        self.squeeze = nn.Linear(outputs, max(outputs // 4, 1))
        self.excite = nn.Linear(max(outputs // 4, 1), outputs)

    def forward(self, values: Tensor) -> Tensor:
        branch = self.second(nn.functional.elu(self.first(nn.functional.elu(values))))
        means = branch.mean(dim=(2, 3))
        gates = torch.sigmoid(self.excite(nn.functional.selu(self.squeeze(means))))
        skipped = self.skip(values)
        if self.up:
            skipped = nn.functional.interpolate(skipped, scale_factor=2, mode="nearest")
            skipped = skipped[..., : branch.shape[2], : branch.shape[3]]
        result: Tensor = branch * gates[:, :, None, None] + skipped
        return result


def bank_of(modules: list[nn.Module], prefix: str) -> dict[str, Tensor]:
    named = [dict(module.named_parameters()) for module in modules]
    stacked = {name: torch.stack([one[name].detach() for one in named]) for name in named[0]}
    transposed = isinstance(getattr(modules[0], "first", None), nn.ConvTranspose2d)
    return {
        f"{prefix}.{'first.transposed' if transposed and name == 'first.weight' else name}": value
        for name, value in stacked.items()
    }


@pytest.mark.parametrize(
    ("size", "block", "result"),
    [
        ((7, 5), Block(8), (7, 5)),
        ((28, 28), Block(8, "down"), (14, 14)),
        ((7, 7), Block(8, "down"), (4, 4)),
        ((4, 4), Block(8, "up"), (7, 7)),
        ((4, 4), Block(8, "up"), (8, 8)),
        ((1, 3), Block(8, "up"), (2, 5)),
    ],
)
def test_a_block_of_two_runs_is_two_plain_blocks(
    size: tuple[int, int], block: Block, result: tuple[int, int]
) -> None:
    torch.manual_seed(0)
    padding = (result[0] - 2 * size[0] + 1, result[1] - 2 * size[1] + 1)
    plain = [PlainBlock(3, 8, block.resize, padding).double() for _ in range(2)]
    parameters = bank_of(plain, "net.0")  # type: ignore[arg-type]
    shapes = network_shapes("net", 3, [block])
    assert {name: tuple(value.shape[1:]) for name, value in parameters.items()} == shapes

    maps = torch.randn(5, 2, 3, *size, dtype=torch.float64)
    image = (result[0], result[1]) if block.resize == "up" else None
    own = residual_network(parameters, "net", maps, [block], image, 2 if image else 1)
    expected = torch.stack([one(maps[:, run]) for run, one in enumerate(plain)], dim=1)
    assert own.shape[3:] == result
    torch.testing.assert_close(own, expected, rtol=1e-12, atol=1e-12)


def test_equal_sizes_and_channels_are_skipped_as_they_are() -> None:
    shapes = network_shapes("net", 6, [Block(6)])
    parameters = {name: torch.zeros(1, *shape) for name, shape in shapes.items()}
    maps = torch.randn(2, 1, 6, 3, 3)
    torch.testing.assert_close(residual_network(parameters, "net", maps, [Block(6)]), maps)
    assert "net.0.skip.weight" in network_shapes("net", 6, [Block(6, projected=True)])


def test_the_published_sizes() -> None:
    """Table 4: 28 pixels go over 14 and 7 to 4; appendix G: 32 go over 16 to 8, and to 1."""
    assert [size_at((28, 28), 2**halvings)[0] for halvings in range(6)] == [28, 14, 7, 4, 2, 1]
    assert size_at((32, 32), stride_after(blocks("64↓ 64 256↓ 256"), 1)) == (8, 8)
    assert size_at((32, 32), stride_after(blocks("512↓ 512 1024↓ 1024↓"), 4)) == (1, 1)


@pytest.mark.parametrize("text", ["32x", "↓", "8↓↓", "0"])
def test_a_word_that_is_no_block_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="channels"):
        blocks(text)


def test_up_beyond_the_image_is_refused() -> None:
    with pytest.raises(ValueError, match="finer than the image"):
        stride_after(blocks("8↑"), 1)


def test_a_convolution_of_two_runs_does_not_mix_them() -> None:
    shapes = kernel_shapes("layer", 2, 3)
    parameters = {name: torch.randn(2, *shape) for name, shape in shapes.items()}
    maps = torch.randn(4, 2, 2, 5, 5)
    changed = maps.clone()
    changed[:, 1] += 1
    before, after = (convolution(parameters, "layer", values) for values in (maps, changed))
    torch.testing.assert_close(before[:, 0], after[:, 0], rtol=0, atol=0)
    assert not torch.equal(before[:, 1], after[:, 1])


def test_normalisation_is_the_librarys_module_for_every_run() -> None:
    torch.manual_seed(1)
    modules = [nn.BatchNorm2d(3, eps=1e-2, momentum=0.2).double() for _ in range(2)]
    for module in modules:
        nn.init.normal_(module.weight)
        nn.init.normal_(module.bias)
    parameters = {
        "n.scale": torch.stack([module.weight.detach() for module in modules]),
        "n.shift": torch.stack([module.bias.detach() for module in modules]),
    }
    state = {
        "n.moving_mean": torch.zeros(2, 3).double(),
        "n.moving_variance": torch.ones(2, 3).double(),
    }
    for _ in range(3):
        maps = 3 + 2 * torch.randn(6, 2, 3, 4, 5, dtype=torch.float64)
        own, state = normalised_by_batch(parameters, state, "n", maps)
        expected = torch.stack([module(maps[:, i]) for i, module in enumerate(modules)], dim=1)
        torch.testing.assert_close(own, expected)
    means = torch.stack([module.running_mean for module in modules])  # type: ignore[misc]
    torch.testing.assert_close(state["n.moving_mean"], means)
    for module in modules:
        module.eval()
    own = normalised(parameters, state, "n", maps)
    expected = torch.stack([module(maps[:, i]) for i, module in enumerate(modules)], dim=1)
    torch.testing.assert_close(own, expected)
