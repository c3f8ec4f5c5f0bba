"""Factorial Bernoulli distributions given by logits: of latent units, and of binary pixels.

All sums run over the last axis; the others broadcast. Values are in nats and finite for logits to
+-1e4 in float32.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import softplus


def log_probability(values: Tensor, logits: Tensor) -> Tensor:
    """log of prod p^z (1 - p)^(1 - z), also for z between 0 and 1, where it is linear in z."""
    return (values * logits - softplus(logits)).sum(dim=-1)


def entropy(logits: Tensor) -> Tensor:
    """H(q), summed over the units."""
    return (softplus(logits) - torch.sigmoid(logits) * logits).sum(dim=-1)


def divergence(logits: Tensor, prior_logits: Tensor) -> Tensor:
    """KL(q || p) in closed form, summed over the units."""
    cross = torch.sigmoid(logits) * (logits - prior_logits)
    return (cross - softplus(logits) + softplus(prior_logits)).sum(dim=-1)


def pixel_log_likelihood(pixels: Tensor, logits: Tensor) -> Tensor:
    """log p(x | z) [...] of pixels [..., D], which broadcast, under decoder outputs [..., D]."""
    result: Tensor = _PixelLogLikelihood.apply(pixels, logits)  # type: ignore[no-untyped-call]
    return result


class _PixelLogLikelihood(torch.autograd.Function):
    """Sum of x f - softplus(f) over the pixels, which keeps nothing but its arguments.

    The derivative x - sigmoid(f) is made of differentiable operations: REBAR derives it again.
    """

    @staticmethod
    def forward(ctx: Any, pixels: Tensor, logits: Tensor) -> Tensor:
        ctx.save_for_backward(pixels, logits)
        return torch.mul(pixels, logits).sub_(softplus(logits)).sum(dim=-1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, Tensor]:
        pixels, logits = ctx.saved_tensors
        return None, (pixels - torch.sigmoid(logits)) * gradients[0].unsqueeze(-1)
