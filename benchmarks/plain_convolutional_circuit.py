"""A DGC-SPN as one writes it first: pad, unfold, log of sums of exponentials, autograd.

Maps are ``[N, channels, rows, columns]`` as torch has them. Expected uses of weights are gradients
with respect to their logarithms, by autograd; so are the leaves' probabilities.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

CENTROIDS = "leaves.centroids"


def plain_log_density(logs: Mapping[str, Tensor], leaves: Tensor) -> Tensor:
    """Log densities ``[N]`` of leaves ``[N, components, rows, columns]``, given log weights."""
    below = leaves
    layers = sum(name.startswith("sums.") for name in logs)
    for layer in range(layers):
        dilation = 2**layer
        padded = functional.pad(below, [dilation] * 4)
        products = _combinations(padded) if layer == 0 else _patches(padded, dilation).sum(dim=2)
        largest = products.amax(dim=1, keepdim=True).detach()
        shares = (products - largest).exp()
        local = logs[f"sums.{layer}.weights"].exp()
        below = torch.einsum("nchw,hwsc->nshw", shares, local).log() + largest
    last = 2**layers
    behind = 2 * last - below.shape[2]
    products = _patches(functional.pad(below, [0, behind, 0, behind]), last).sum(dim=2)
    weighted = products + logs["root.weights"].permute(2, 0, 1)
    return weighted.flatten(1).logsumexp(dim=1)


def plain_step(
    parameters: Mapping[str, Tensor], pixels: Tensor, step_size: float
) -> tuple[Tensor, dict[str, Tensor]]:
    """Log densities ``[N]`` of pixels ``[N, rows, columns]``, and the parameters after a step."""
    centroids = parameters[CENTROIDS].squeeze(3)
    logs = {
        name: value.log().requires_grad_()
        for name, value in parameters.items()
        if not name.startswith("leaves.")
    }
    residual = pixels.unsqueeze(1) - centroids.permute(2, 0, 1)
    leaves = (-0.5 * residual**2 - 0.5 * math.log(2 * math.pi)).requires_grad_()
    log_densities = plain_log_density(logs, leaves)
    flows, *uses = torch.autograd.grad(log_densities.sum(), [leaves, *logs.values()])
    result = {}
    for name, used in zip(logs, uses, strict=True):
        total = used.sum() if name == "root.weights" else used.sum(dim=-1, keepdim=True)
        result[name] = torch.lerp(parameters[name], used / total, step_size).clamp(min=1e-30)
    means = (flows * pixels.unsqueeze(1)).sum(dim=0) / flows.sum(dim=0)
    moved = torch.lerp(centroids, means.permute(1, 2, 0), step_size)
    return log_densities.detach(), {**parameters, **result, CENTROIDS: moved.unsqueeze(3)}


def _patches(padded: Tensor, dilation: int) -> Tensor:
    """The four values of every 2 x 2 patch, ``[N, channels, 4, rows, columns]``."""
    images, channels, height, width = padded.shape
    patches = functional.unfold(padded, 2, dilation=dilation)
    return patches.view(images, channels, 4, height - dilation, width - dilation)


def _combinations(padded: Tensor) -> Tensor:
    """Sums of every choice of a channel at each of the four positions of a patch."""
    corners = _patches(padded, 1)
    images, _, _, height, width = corners.shape
    result = corners.new_zeros(images, 1, height, width)
    for corner in range(4):
        one = corners[:, :, corner].unsqueeze(1)
        result = (result.unsqueeze(2) + one).flatten(1, 2)
    return result
