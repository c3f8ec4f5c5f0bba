"""A mixture network as one writes it first: broadcasts, torch.distributions, autograd."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from workflow_src.layouts import Folding, Mixture, Pooling, parse


def plain_scores(
    notation: str, parameters: Mapping[str, Tensor], images: Tensor
) -> list[tuple[Tensor, int]]:
    """Of one run: each layer's log-scores [N, h, w, K] and its mixtures; images [N, H, W, C].

    What a layer passes on has no gradient.
    """
    found, activities = [], images
    for block in parse(notation):
        if isinstance(block, Folding):
            rows = [
                [
                    activities[:, y : y + block.size, x : x + block.size].flatten(1)
                    for x in range(0, activities.shape[2] - block.size + 1, block.stride)
                ]
                for y in range(0, activities.shape[1] - block.size + 1, block.stride)
            ]
            activities = torch.stack([torch.stack(row, dim=1) for row in rows], dim=1)
        elif isinstance(block, Pooling):
            planes = activities.permute(0, 3, 1, 2).contiguous()
            pooled = functional.max_pool2d(planes, block.size, block.stride, ceil_mode=block.ceil)
            activities = pooled.permute(0, 2, 3, 1)
        else:
            scores, places = _scores(parameters, len(found) + 1, block, activities)
            found.append((scores, places))
            activities = scores.softmax(dim=-1).detach()
    return found


def plain_objectives(
    notation: str,
    parameters: Mapping[str, Tensor],
    images: Tensor,
    neighbourhoods: Sequence[Tensor],
) -> tuple[list[float], dict[str, Tensor]]:
    """Of one run: every layer's smoothed loss, and the gradients of their sum by autograd.

    A layer of independent positions counts so many times.
    """
    leaves = {name: value.clone().requires_grad_() for name, value in parameters.items()}
    losses, total = [], torch.zeros((), dtype=images.dtype)
    for (scores, places), near in zip(
        plain_scores(notation, leaves, images), neighbourhoods, strict=True
    ):
        smoothed = (scores.unsqueeze(-2) * near).sum(dim=-1)
        loss = smoothed.max(dim=-1).values.mean()
        losses.append(loss.item())
        total = total + places * loss
    total.backward()
    return losses, {name: value.grad for name, value in leaves.items()}


def _scores(
    parameters: Mapping[str, Tensor], number: int, block: Mixture, activities: Tensor
) -> tuple[Tensor, int]:
    names = ("centroids", "precision_roots", "weight_logits")
    means, roots, logits = (parameters[f"layer_{number}.{name}"] for name in names)
    sizes = activities.shape[1:3] if block.independent else (1, 1)
    means, roots, logits = (value.unflatten(0, sizes) for value in (means, roots, logits))
    densities = torch.distributions.Normal(means, 1 / roots).log_prob(activities.unsqueeze(-2))
    return logits.log_softmax(dim=-1) + densities.sum(dim=-1), sizes[0] * sizes[1]
