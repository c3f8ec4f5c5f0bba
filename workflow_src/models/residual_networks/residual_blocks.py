"""Residual blocks with squeeze-and-excitation (Hu et al. 2017) and sequences of them.

Section 6.2, appendix G and Table 4 of the DVAE++ paper: two convolutions and a skip connection, any
change of size in the first convolution (a stride of 2 down, transposed up), squeeze-and-excitation
with ratio 4, ELU after convolutions, SELU in dense layers, no normalisation. The paper leaves the
rest open; here

- ELU comes before each convolution (He et al. 2016b), so that a block's result has either sign and
  a network's last block can give means and logits, as Table 4's rows for q(h) and p(h) need;
- the skip connection is the identity where size and channels stay, otherwise a convolution of one
  pixel, which takes every second pixel on the way down and repeats pixels on the way up;
- the excitation scales the second convolution's result, before the skip connection is added.

Maps are ``[M, R, channels, height, width]``, see `layers`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import elu, selu

from workflow_src.models.residual_networks.layers import (
    Parameters,
    Shapes,
    convolution,
    dense,
    dense_shapes,
    kernel_shapes,
    transposed_convolution,
    transposed_kernel_shapes,
)

REDUCTION = 4
"""Channels for each hidden unit of the squeeze-and-excitation unit."""

Resize = Literal["keep", "down", "up"]
_ARROWS: dict[str, Resize] = {"↓": "down", "↑": "up"}


@dataclass(frozen=True)
class Block:
    """One residual block.

    Attributes
    ----------
    channels:
        That it gives.
    resize:
        How it changes height and width.
    projected:
        Whether its skip connection mixes channels even where it could be the identity.
    """

    channels: int
    resize: Resize = "keep"
    projected: bool = False


def blocks(text: str) -> tuple[Block, ...]:
    """Blocks as Table 4 writes them: ``32↓ 32 64↓``.

    Raises
    ------
    ValueError
        If a word is no number of channels with at most one arrow.
    """
    found = []
    for word in text.split():
        number = word.rstrip("".join(_ARROWS))
        arrow = word[len(number) :]
        if not number.isdecimal() or int(number) < 1 or len(arrow) > 1:
            raise ValueError(f"{word!r} is not a number of channels with at most one arrow")
        found.append(Block(int(number), _ARROWS.get(arrow, "keep")))
    return tuple(found)


def stride_after(network: Sequence[Block], stride: int) -> int:
    """Pixels of the image between neighbours of a network's result; ``stride`` before it.

    Raises
    ------
    ValueError
        If the network leads to finer maps than the image.
    """
    for block in network:
        if block.resize == "up" and stride == 1:
            raise ValueError("a network leads to maps that are finer than the image")
        stride = {"keep": stride, "down": 2 * stride, "up": stride // 2}[block.resize]
    return stride


def network_shapes(prefix: str, inputs: int, network: Sequence[Block]) -> Shapes:
    """Parameter shapes of one run's sequence of blocks on so many channels."""
    shapes: Shapes = {}
    for position, block in enumerate(network):
        shapes |= _block_shapes(f"{prefix}.{position}", inputs, block)
        inputs = block.channels
    return shapes


def residual_network(
    parameters: Parameters,
    prefix: str,
    maps: Tensor,
    network: Sequence[Block],
    size: tuple[int, int] | None = None,
    stride: int = 1,
) -> Tensor:
    """The blocks one after another.

    ``size`` is the image's and ``stride`` that of ``maps``; they say how large the maps become on
    the way up, and are not needed where no block leads there.
    """
    for position, block in enumerate(network):
        stride = stride_after([block], stride)
        target = size_at(size, stride) if block.resize == "up" and size else None
        maps = _residual_block(parameters, f"{prefix}.{position}", maps, block, target)
    return maps


def size_at(size: tuple[int, int], stride: int) -> tuple[int, int]:
    """Height and width of a map with every ``stride``-th pixel of an image, from the first."""
    return -(-size[0] // stride), -(-size[1] // stride)


def excited(parameters: Parameters, prefix: str, maps: Tensor) -> Tensor:
    """Maps with every channel scaled by what a small network makes of all channels' means."""
    means = maps.mean(dim=(3, 4)).transpose(0, 1)
    hidden = selu(dense(parameters, f"{prefix}.squeeze", means))
    scales = torch.sigmoid(dense(parameters, f"{prefix}.excite", hidden))
    return maps * scales.transpose(0, 1)[..., None, None]


def excitation_shapes(prefix: str, channels: int) -> Shapes:
    """Parameter shapes of one run's squeeze-and-excitation unit."""
    hidden = max(channels // REDUCTION, 1)
    return {
        **dense_shapes(f"{prefix}.squeeze", channels, hidden),
        **dense_shapes(f"{prefix}.excite", hidden, channels),
    }


def _block_shapes(prefix: str, inputs: int, block: Block) -> Shapes:
    first = transposed_kernel_shapes if block.resize == "up" else kernel_shapes
    shapes = {
        **first(f"{prefix}.first", inputs, block.channels),
        **kernel_shapes(f"{prefix}.second", block.channels, block.channels),
        **excitation_shapes(prefix, block.channels),
    }
    if _projects(inputs, block):
        shapes |= kernel_shapes(f"{prefix}.skip", inputs, block.channels, side=1)
    return shapes


def _projects(inputs: int, block: Block) -> bool:
    return block.projected or inputs != block.channels or block.resize != "keep"


def _residual_block(
    parameters: Parameters, prefix: str, maps: Tensor, block: Block, target: tuple[int, int] | None
) -> Tensor:
    active = elu(maps)
    if block.resize == "up":
        if target is None:
            raise ValueError("a block that leads up needs the size of the image")
        values = transposed_convolution(parameters, f"{prefix}.first", active, target)
    else:
        stride = 2 if block.resize == "down" else 1
        values = convolution(parameters, f"{prefix}.first", active, stride)
    values = convolution(parameters, f"{prefix}.second", elu(values))
    return excited(parameters, prefix, values) + _skipped(parameters, prefix, maps, block, target)


def _skipped(
    parameters: Parameters, prefix: str, maps: Tensor, block: Block, target: tuple[int, int] | None
) -> Tensor:
    if not _projects(maps.shape[2], block):
        return maps
    stride = 2 if block.resize == "down" else 1
    projected = convolution(parameters, f"{prefix}.skip", maps, stride)
    if target is None:
        return projected
    repeated = projected.repeat_interleave(2, dim=3).repeat_interleave(2, dim=4)
    return repeated[..., : target[0], : target[1]]
