"""What the inverse CDFs share: their arithmetic in float64, and a gradient that is given.

An inverse CDF is steep where the density is low: at inverse temperature 30 a rounding error of one
unit in float32's last place moves a sample by a hundredth. Inputs are therefore widened before
anything is subtracted, and only the result is rounded.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

InverseTemperature = float | Tensor
"""beta > 0; a tensor broadcasts against the samples."""

Derivative = Callable[[], Tensor]


def is_one(uniform: Tensor, logits: Tensor) -> Tensor:
    """Where z is 1: the noise is at least 1 - q, which is compared in float64."""
    return uniform >= torch.sigmoid(-logits.double())


def expanded(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Both in the shape that they broadcast to."""
    shape = torch.broadcast_shapes(first.shape, second.shape)  # type: ignore[no-untyped-call]
    return first.expand(shape), second.expand(shape)


def widened(
    uniform: Tensor, logits: Tensor, inverse_temperature: InverseTemperature
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """uniform, 1 - q, q and the inverse temperature in float64, without gradients."""
    wide = logits.detach().double()
    inverse = torch.as_tensor(inverse_temperature, dtype=torch.float64).detach()
    return uniform.detach().double(), torch.sigmoid(-wide), torch.sigmoid(wide), inverse


def inside(uniform: Tensor) -> Tensor:
    """The same without 0 and 1, which become the middles of the outermost steps of the type."""
    step = torch.finfo(uniform.dtype).eps
    return uniform.clamp(step / 4, 1 - step / 2)


def with_derivative(logits: Tensor, value: Tensor, derivative: Derivative) -> Tensor:
    """``value`` whose derivative in ``logits`` is what ``derivative`` computes, if it is needed."""
    if not (torch.is_grad_enabled() and logits.requires_grad):
        return value
    with torch.no_grad():
        slope = derivative().to(value.dtype)
    result: Tensor = _GivenDerivative.apply(  # type: ignore[no-untyped-call]
        logits.expand(value.shape), value, slope
    )
    return result


class _GivenDerivative(torch.autograd.Function):
    """An elementwise function that brings its value and its derivative with it."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, value: Tensor, derivative: Tensor) -> Tensor:
        ctx.save_for_backward(derivative)
        return value.view_as(value)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (derivative,) = ctx.saved_tensors
        return derivative * gradients[0], None, None
