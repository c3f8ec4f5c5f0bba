"""Sharpening: what foldings blur in backwards mode is corrected by the mixture layer above.

Section IV-C of Gepperth, "A new perspective on probabilistic image modeling". A folding in
backwards mode takes means of patches that overlap, and a max-pooling repeats values; neither has
the statistics that the mixture layers learned. So below every folding the control signal climbs
the loss of the next mixture layer above it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from workflow_src.layouts import Block, Folding, Mixture, Pooling, Shape
from workflow_src.models.convolutional_mixtures.backward import (
    LayerParameters,
    mixture_number,
    of_chosen,
)
from workflow_src.models.convolutional_mixtures.folding import fold
from workflow_src.models.convolutional_mixtures.network import MixtureNetwork
from workflow_src.models.convolutional_mixtures.pooling import pool

BATCH = 100
"""Images of whose mean loss the paper's programs take the gradient, which makes steps as much
smaller. Here it is always 100, however many are drawn, so that no image depends on the others."""


def loses_information(blocks: Sequence[Block], shapes: Sequence[Shape]) -> bool:
    """Whether backwards mode has to guess: at a pooling, or where a folding's patches overlap.

    Else there is nothing to sharpen. ``shapes`` are the sizes before each block and after the last.
    """
    return any(
        isinstance(block, Pooling)
        or (isinstance(block, Folding) and block.stride < block.size and after.positions > 1)
        for block, after in zip(blocks, shapes[1:], strict=True)
    )


def sharpened(
    network: MixtureNetwork,
    parameters: Mapping[str, Tensor],
    index: int,
    control: Tensor,
    *,
    steps: int,
    rate: float,
) -> Tensor:
    """The control signal below a folding after gradient ascent, ``[R, N, H, W, C]``.

    Parameters
    ----------
    index:
        Of the folding among the blocks.
    control:
        What the folding made in backwards mode.
    steps:
        I; the paper makes 300.
    rate:
        What gradients are multiplied by; see `ascent_direction`.
    """
    for _ in range(steps):
        control = control + rate * ascent_direction(network, parameters, index, control)
    return control


def ascent_direction(
    network: MixtureNetwork, parameters: Mapping[str, Tensor], index: int, control: Tensor
) -> Tensor:
    """Gradient by the control signal of the mean loss, where as many as `BATCH` images share it.

    The loss is that of the next mixture layer above the folding at ``index``: the mean over
    positions and over `BATCH` images of the largest component's score. Through what lies between,
    foldings and poolings, gradients are propagated.
    """
    target = target_index(network.blocks, index)
    with torch.enable_grad():
        start = control.detach().requires_grad_()
        inputs = start
        for block in network.blocks[index:target]:
            if isinstance(block, Pooling):
                inputs = pool(inputs, block)
            elif isinstance(block, Folding):
                inputs = fold(inputs, block)
    number = mixture_number(network.blocks, target)
    slopes = best_score_slopes(network, parameters, number, inputs.detach())
    positions = network.shapes[target].positions
    (direction,) = torch.autograd.grad(inputs, start, slopes.div_(BATCH * positions))
    return direction


def best_score_slopes(
    network: MixtureNetwork, parameters: Mapping[str, Tensor], number: int, inputs: Tensor
) -> Tensor:
    """Derivatives of max_k s_k at every position by the layer's inputs, ``[R, N, h, w, D]``.

    The best component's d^2 (mu - x).
    """
    layer = LayerParameters.of(parameters, number)
    best = network.log_scores(parameters, number, inputs).argmax(dim=-1)
    slopes = of_chosen(layer.centroids, best).sub_(inputs)
    return slopes.mul_(of_chosen(layer.precision_roots.square(), best))


def target_index(blocks: Sequence[Block], index: int) -> int:
    """Where among the blocks the next mixture layer above the one at ``index`` is."""
    return next(
        above for above in range(index + 1, len(blocks)) if isinstance(blocks[above], Mixture)
    )
