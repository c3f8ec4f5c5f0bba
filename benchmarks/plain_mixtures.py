"""A layer of Gaussian mixtures as one writes it first: differences of everything, and autograd."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from workflow_src.layouts import Block, Folding, Pooling, Shape, shapes


class PlainNetwork(torch.nn.Module):
    """One run of shared mixture layers; images are [N, C, H, W]."""

    def __init__(self, blocks: Sequence[Block], images: Shape) -> None:
        super().__init__()
        self.blocks = blocks
        self.centroids = torch.nn.ParameterList()
        self.roots = torch.nn.ParameterList()
        self.logits = torch.nn.ParameterList()
        for block, before in zip(blocks, shapes(blocks, images), strict=False):
            if isinstance(block, Folding | Pooling):
                continue
            size = (block.components, before.channels)
            self.centroids.append(torch.rand(size) * 0.2 - 0.1)
            self.roots.append(torch.full(size, math.sqrt(20)))
            self.logits.append(torch.zeros(block.components))

    def losses(self, images: Tensor, neighbourhoods: Sequence[Tensor]) -> list[Tensor]:
        """Smoothed losses of all layers; no gradient crosses layers."""
        found: list[Tensor] = []
        activities = images
        for block in self.blocks:
            if isinstance(block, Folding):
                side = (activities.shape[-1] - block.size) // block.stride + 1
                patches = functional.unfold(activities, block.size, stride=block.stride)
                activities = patches.unflatten(2, (side, side))
            elif isinstance(block, Pooling):
                activities = functional.max_pool2d(
                    activities, block.size, block.stride, ceil_mode=block.ceil
                )
            else:
                layer = len(found)
                scores = self._scores(activities.permute(0, 2, 3, 1), layer)
                smoothed = (scores.unsqueeze(-2) * neighbourhoods[layer]).sum(dim=-1)
                found.append(smoothed.amax(dim=-1).mean())
                activities = scores.detach().softmax(dim=-1).permute(0, 3, 1, 2)
        return found

    def _scores(self, inputs: Tensor, layer: int) -> Tensor:
        roots = self.roots[layer]
        squares = ((inputs.unsqueeze(-2) - self.centroids[layer]) * roots).square().sum(dim=-1)
        constant = self.logits[layer].log_softmax(dim=0) + roots.log().sum(dim=1)
        return constant - inputs.shape[-1] * math.log(2 * math.pi) / 2 - squares / 2
