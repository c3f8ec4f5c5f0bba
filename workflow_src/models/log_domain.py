"""Arithmetic on logarithms of densities, safe where a density is zero."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def log_sum_exp(values: Tensor, dim: int) -> Tensor:
    """log sum exp along ``dim``, which has zero gradient where every value is -inf."""
    result: Tensor = _LogSumExp.apply(values, dim)  # type: ignore[no-untyped-call]
    return result


class _LogSumExp(torch.autograd.Function):
    """log-sum-exp whose gradient is the softmax, and 0 instead of NaN for a sum of nothing."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, dim: int) -> Tensor:
        largest = values.amax(dim=dim, keepdim=True)
        # An all -inf slice has no finite shift; any will do. A +inf or NaN must come through.
        shift = torch.where(largest == -torch.inf, torch.zeros_like(largest), largest)
        shares = (values - shift).exp_()
        total = shares.sum(dim=dim, keepdim=True)
        ctx.dim = dim
        if ctx.needs_input_grad[0]:
            ctx.save_for_backward(shares, total)
        return (total.log() + shift).squeeze(dim)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        shares, total = ctx.saved_tensors
        inverse = torch.where(total == 0, torch.zeros_like(total), 1 / total)
        return shares * (inverse * gradients[0].unsqueeze(ctx.dim)), None
