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
    mixture_number,
    of_chosen,
    places_in_patches,
)
from workflow_src.models.convolutional_mixtures.folding import fold
from workflow_src.models.convolutional_mixtures.mixture_layer import MixtureLayer
from workflow_src.models.convolutional_mixtures.network import MixtureNetwork
from workflow_src.models.convolutional_mixtures.patches import patches
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
    positions and over `BATCH` images of the largest component's score. Through what lies between
    the two but for the last block, gradients are propagated.
    """
    target = target_index(network.blocks, index)
    last = network.blocks[target - 1]
    folding = last if isinstance(last, Folding) else None
    through = network.blocks[index : target if folding is None else target - 1]
    layer = network.layers[mixture_number(network.blocks, target) - 1]
    scale = 1 / (BATCH * layer.before.positions)
    if not through:
        return best_score_slopes(layer, parameters, control, folding).mul_(scale)
    with torch.enable_grad():
        start = control.detach().requires_grad_()
        activities = start
        for block in through:
            if isinstance(block, Pooling):
                activities = pool(activities, block)
            elif isinstance(block, Folding):
                activities = fold(activities, block)
    slopes = best_score_slopes(layer, parameters, activities.detach(), folding)
    (direction,) = torch.autograd.grad(activities, start, slopes.mul_(scale))
    return direction


def best_score_slopes(
    layer: MixtureLayer,
    parameters: Mapping[str, Tensor],
    activities: Tensor,
    folding: Folding | None,
) -> Tensor:
    """Derivatives by activities of the best components' scores, summed over positions.

    ``[R, N, h, w, C]``, as the activities are, before the ``folding`` that lies right below the
    layer, if one does.

    Notes
    -----
    A patch adds d^2 (mu - x) of its best component to the values that it holds. A value is the same
    in all patches that hold it, so that the sums of d^2 mu and of d^2 suffice.
    """
    natural = layer.natural_parameters(parameters)
    best = patches(layer, activities, folding).scores(natural).argmax(dim=-1)
    size = 1 if folding is None else folding.size
    # Of both together: [R, P, K, f * f, 2 C].
    factors = torch.cat(
        [
            values.reshape(*values.shape[:-1], size * size, -1)
            for values in (natural.linear, -2 * natural.quadratic)
        ],
        dim=-1,
    )
    told = activities.new_zeros(*activities.shape[:-1], factors.shape[-1])
    places = places_in_patches(folding or Folding(1, 1), *best.shape[2:])
    for number, (rows, columns) in enumerate(places):
        told[:, :, rows, columns] += of_chosen(factors[..., number, :], best)
    pull, precision = told.tensor_split(2, dim=-1)
    return pull - precision * activities


def target_index(blocks: Sequence[Block], index: int) -> int:
    """Where among the blocks the next mixture layer above the one at ``index`` is."""
    return next(
        above for above in range(index + 1, len(blocks)) if isinstance(blocks[above], Mixture)
    )
