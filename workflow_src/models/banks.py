"""Banks: many networks of one shape, evaluated by one batched product.

A bank member is one network; the members may be the leaves of one model, the runs of one shard, or
both. Samples run along the last axis (``[bank, features, samples]``), which keeps the long axis
contiguous: on a CPU this makes the batched products two to four times as fast as the other order.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

Parameters = Mapping[str, Tensor]


def mlp_shapes(prefix: str, widths: Sequence[int]) -> dict[str, tuple[int, ...]]:
    """Parameter shapes of one multilayer perceptron with the given layer widths.

    ``widths`` is ``(inputs, hidden..., outputs)``; layer ``i`` has ``{prefix}.{i}.weight`` of shape
    ``(outputs, inputs)`` and ``{prefix}.{i}.bias`` of shape ``(outputs, 1)``.
    """
    shapes: dict[str, tuple[int, ...]] = {}
    for layer, (inputs, outputs) in enumerate(pairwise(widths)):
        shapes |= linear_shapes(f"{prefix}.{layer}", outputs, inputs)
    return shapes


def linear_shapes(prefix: str, outputs: int, inputs: int) -> dict[str, tuple[int, ...]]:
    """Parameter shapes of one linear layer."""
    return {f"{prefix}.weight": (outputs, inputs), f"{prefix}.bias": (outputs, 1)}


def initial_mlp_parameter(
    name: str, shape: Sequence[int], members: int, generator: torch.Generator
) -> Tensor:
    """One parameter of a bank of perceptrons, shape ``(members, *shape)``; biases are zero."""
    if name.endswith(".bias"):
        return torch.zeros(members, *shape)
    return initial_weight((members, *shape), shape[-1], generator)


def initial_weight(shape: Sequence[int], inputs: int, generator: torch.Generator) -> Tensor:
    """Weights of units with so many inputs (the SPVAE authors' initialisation).

    They are normal with variance 2.6 / inputs, truncated at two standard deviations, which leaves a
    variance of about 2 / inputs.
    """
    deviation = math.sqrt(2.6 / inputs)
    return torch.nn.init.trunc_normal_(
        torch.empty(*shape), std=deviation, a=-2 * deviation, b=2 * deviation, generator=generator
    )


def mlp(parameters: Parameters, prefix: str, hidden_layers: int, inputs: Tensor) -> Tensor:
    """A bank of perceptrons with softplus hidden units and linear outputs.

    Shapes: inputs ``[bank, features, samples]``; the result ``[bank, outputs, samples]``.
    Parameters carry the bank axis in front.
    """
    values = inputs
    for layer in range(hidden_layers):
        weight, bias = parameters[f"{prefix}.{layer}.weight"], parameters[f"{prefix}.{layer}.bias"]
        values = softplus_linear(values, weight, bias)
    last = hidden_layers
    return linear(
        values, parameters[f"{prefix}.{last}.weight"], parameters[f"{prefix}.{last}.bias"]
    )


def linear(inputs: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """``weight @ inputs + bias`` for every bank member."""
    return torch.baddbmm(bias, weight, inputs)


def softplus_linear(inputs: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """``softplus(weight @ inputs + bias)`` for every bank member."""
    result: Tensor = _SoftplusLinear.apply(  # type: ignore[no-untyped-call]
        inputs, weight, bias
    )
    return result


class _SoftplusLinear(torch.autograd.Function):
    """A linear layer and its softplus, which keep the derivative instead of the pre-activation.

    The derivative (the logistic function) overwrites the pre-activation in place, so that the
    backward pass is one multiplication and no extra memory is held.
    """

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        pre_activation = torch.baddbmm(bias, weight, inputs)
        outputs = torch.nn.functional.softplus(pre_activation)
        if any(ctx.needs_input_grad):
            ctx.save_for_backward(inputs, weight, pre_activation.sigmoid_())
        return outputs

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor, Tensor]:
        inputs, weight, derivative = ctx.saved_tensors
        gradient = gradients[0] * derivative
        for_inputs = None
        if ctx.needs_input_grad[0]:
            for_inputs = torch.bmm(weight.transpose(1, 2), gradient)
        for_weight = torch.bmm(gradient, inputs.transpose(1, 2))
        return for_inputs, for_weight, gradient.sum(dim=2, keepdim=True)


def softplus(values: Tensor) -> Tensor:
    """``log(1 + exp(values))``, which keeps nothing but its result for the backward pass."""
    result: Tensor = _Softplus.apply(values)  # type: ignore[no-untyped-call]
    return result


class _Softplus(torch.autograd.Function):
    """The next layer keeps the result anyway, and the derivative is 1 - exp(-result)."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        outputs = torch.nn.functional.softplus(values)
        ctx.save_for_backward(outputs)
        return outputs

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (outputs,) = ctx.saved_tensors
        return torch.neg(outputs).expm1_().mul_(gradients[0]).neg_()
