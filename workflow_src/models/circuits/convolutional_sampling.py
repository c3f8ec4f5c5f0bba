"""Top-down draws of a convolutional circuit: which leaf component stands at every pixel.

Every sum on the way is a latent variable. Ancestral sampling takes its weights for probabilities;
given evidence they are multiplied with what the children found on the way up, which makes draws
from the exact posterior. A draw's induced tree reaches few positions of a plane, so each layer is a
list of places of all draws at once, without any loop over draws.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from workflow_src.models.circuits.convolutional import (
    ROOT,
    ConvolutionalCircuit,
    UpwardPass,
    sum_weights,
)
from workflow_src.models.circuits.convolutional_geometry import ProductLayer


@dataclass(frozen=True)
class _Places:
    """Positions of a plane that draws reach, and the channel at each; all ``[A]``."""

    draw: Tensor
    row: Tensor
    column: Tensor
    channel: Tensor


def draw_components(
    circuit: ConvolutionalCircuit,
    weights: Mapping[str, Tensor],
    draws: int,
    generator: torch.Generator,
    evidence: UpwardPass | None = None,
) -> Tensor:
    """The leaf component at every pixel of every draw, ``[height, width, draws]`` int64.

    Parameters
    ----------
    circuit:
        The structure.
    weights:
        One run's, as `ConvolutionalCircuit.parameter_shapes` says.
    draws:
        How many.
    generator:
        Source of randomness, on the device of the weights.
    evidence:
        What the way up found of ``draws`` images, kept; the i-th draw is from the posterior given
        the i-th image. None draws from the circuit itself.
    """
    root = weights[ROOT]
    places = _root_places(root, draws, generator, evidence)
    for i in reversed(range(1, len(circuit.sum_planes))):
        places = _children(circuit.geometry.products[i + 1], places)
        share = evidence.shares[i - 1] if evidence is not None else None
        scores = weights[sum_weights(i)][places.row, places.column, places.channel]
        if share is not None:
            scores = scores * share[places.row, places.column, :, places.draw]
        places = _Places(places.draw, places.row, places.column, _picked(scores, generator))
    places = _children(circuit.geometry.products[1], places)
    return _leaves(circuit, weights[sum_weights(0)], places, draws, generator, evidence)


def _root_places(
    weights: Tensor, draws: int, generator: torch.Generator, evidence: UpwardPass | None
) -> _Places:
    """One position and channel of the last products for each draw."""
    # In float64: there are many channels, and their weights differ by orders of magnitude.
    scores = weights.flatten().double()
    if evidence is None:
        chosen = torch.multinomial(scores, draws, replacement=True, generator=generator)
    else:
        chosen = _picked(scores * evidence.shares[-1].view(-1, draws).T, generator)
    channels, columns = weights.shape[2], weights.shape[1]
    place = chosen // channels
    draw = torch.arange(draws, device=weights.device)
    return _Places(draw, place // columns, place % columns, chosen % channels)


def _children(layer: ProductLayer, places: _Places) -> _Places:
    """The positions below that the products at these places join, in their channel."""
    rows = torch.stack([places.row + shift for shift in layer.shifts], dim=1)
    columns = torch.stack([places.column + shift for shift in layer.shifts], dim=1)
    rows = rows.unsqueeze(2).expand(-1, -1, 2)
    columns = columns.unsqueeze(1).expand(-1, 2, -1)
    inside = (rows >= 0) & (rows < layer.below.height)
    inside = inside & (columns >= 0) & (columns < layer.below.width)
    draw = places.draw[:, None, None].expand_as(rows)[inside]
    channel = places.channel[:, None, None].expand_as(rows)[inside]
    return _Places(draw, rows[inside], columns[inside], channel)


def _leaves(
    circuit: ConvolutionalCircuit,
    weights: Tensor,
    places: _Places,
    draws: int,
    generator: torch.Generator,
    evidence: UpwardPass | None,
) -> Tensor:
    """Choose a combination at every place of the first sums, and take it apart."""
    height, width = circuit.geometry.height, circuit.geometry.width
    k = circuit.leaf_components
    scores = weights[places.row, places.column, places.channel]
    if evidence is not None:
        corners = [
            evidence.leaves[places.row + down, places.column + right, :, places.draw]
            for down in (0, 1)
            for right in (0, 1)
        ]
        for axis, corner in enumerate(corners):
            shape = [-1, 1, 1, 1, 1]
            shape[1 + axis] = k
            scores = (scores.view(-1, k, k, k, k) * corner.view(shape)).flatten(1)
    combination = _picked(scores, generator)
    components = torch.zeros(height + 2, width + 2, draws, dtype=torch.int64, device=weights.device)
    for axis, (down, right) in enumerate(((0, 0), (0, 1), (1, 0), (1, 1))):
        component = combination // k ** (3 - axis) % k
        components[places.row + down, places.column + right, places.draw] = component
    return components[1:-1, 1:-1]


def _picked(scores: Tensor, generator: torch.Generator) -> Tensor:
    """One index for each row of ``scores [A, choices]``, with probabilities in their ratios."""
    # Scaled up first: a sum's value may be a small share, whose parts could be rounded to 0.
    largest = scores.amax(dim=1, keepdim=True)
    return torch.multinomial(scores / largest, 1, generator=generator).squeeze(1)
