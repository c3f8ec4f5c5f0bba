"""Convolutions and dense layers of a bank of runs, with their parameters' shapes and first values.

Shapes use R = runs in the bank, M = images or samples. A map is
``[M, R, channels, height, width]``: the runs stand beside the channels, so that one grouped
convolution serves the bank, and channels of several maps are joined along axis 2. Rows are
``[R, M, features]``. Parameters have the run axis in front.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

Parameters = Mapping[str, Tensor]
Shapes = dict[str, tuple[int, ...]]

SIDE = 3
"""Rows and columns of a kernel, except of those that only mix channels."""


def kernel_shapes(prefix: str, inputs: int, outputs: int, side: int = SIDE) -> Shapes:
    """Parameter shapes of one run's convolution between so many channels."""
    return {f"{prefix}.weight": (outputs, inputs, side, side), f"{prefix}.bias": (outputs,)}


def transposed_kernel_shapes(prefix: str, inputs: int, outputs: int) -> Shapes:
    """Parameter shapes of one run's transposed convolution, whose kernel has the inputs first."""
    return {f"{prefix}.transposed": (inputs, outputs, SIDE, SIDE), f"{prefix}.bias": (outputs,)}


def dense_shapes(prefix: str, inputs: int, outputs: int) -> Shapes:
    """Parameter shapes of one run's dense layer; without inputs it is a bias."""
    weight = {f"{prefix}.weight": (outputs, inputs)} if inputs else {}
    return {**weight, f"{prefix}.bias": (outputs,)}


def convolution(parameters: Parameters, prefix: str, maps: Tensor, stride: int = 1) -> Tensor:
    """The convolution of maps [M, R, inputs, h, w]; sides are divided by the stride, rounded up."""
    kernel, bias = parameters[f"{prefix}.weight"], parameters[f"{prefix}.bias"]
    runs = maps.shape[1]
    result = torch.nn.functional.conv2d(
        maps.flatten(1, 2),
        kernel.flatten(0, 1),
        bias.flatten(),
        stride=stride,
        padding=kernel.shape[-1] // 2,
        groups=runs,
    )
    return result.reshape(len(maps), runs, -1, *result.shape[2:])


def transposed_convolution(
    parameters: Parameters, prefix: str, maps: Tensor, size: tuple[int, int]
) -> Tensor:
    """Maps of ``size`` from maps of half of it, rounded up.

    The adjoint of a convolution with stride 2 and the same kernel.
    """
    kernel, bias = parameters[f"{prefix}.transposed"], parameters[f"{prefix}.bias"]
    runs = maps.shape[1]
    result = torch.nn.functional.conv_transpose2d(
        maps.flatten(1, 2),
        kernel.flatten(0, 1),
        bias.flatten(),
        stride=2,
        padding=SIDE // 2,
        output_padding=tuple(
            fine - (2 * coarse - 1) for fine, coarse in zip(size, maps.shape[-2:], strict=True)
        ),
        groups=runs,
    )
    return result.reshape(len(maps), runs, -1, *result.shape[2:])


def dense(parameters: Parameters, prefix: str, rows: Tensor) -> Tensor:
    """The dense layer of rows [R, M, inputs]; only its bias where there are no inputs."""
    bias = parameters[f"{prefix}.bias"].unsqueeze(1)
    if not rows.shape[2]:
        return bias.expand(-1, rows.shape[1], -1)
    return torch.baddbmm(bias, rows, parameters[f"{prefix}.weight"].transpose(1, 2))


def initial_layer(name: str, shape: Sequence[int], generator: torch.Generator) -> Tensor:
    """The first value of a layer's parameter: normal with variance 1 / inputs, biases 0.

    It is what SELU units ask for; the paper does not say how it starts. Each output of a transposed
    convolution with stride 2 sees a quarter of the kernel.
    """
    if name.endswith(".bias"):
        return torch.zeros(*shape)
    if name.endswith(".transposed"):
        inputs = shape[0] * math.prod(shape[2:]) / 4
    else:
        inputs = math.prod(shape[1:])
    return torch.empty(*shape).normal_(generator=generator) / math.sqrt(inputs)
