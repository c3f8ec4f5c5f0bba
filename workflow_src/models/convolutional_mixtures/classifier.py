"""A linear classifier on the activities of mixture layers, forwards and backwards.

Section III-F of Gepperth, "A new perspective on probabilistic image modeling". Activities are
``[R, N, h, w, K]``; what they are flattened to is ordered by layer (the lowest first), row, column
and component. Parameters are ``classifier.weight`` [R, inputs, S] and ``classifier.bias`` [R, S].
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from workflow_src.layouts import Block, Shape
from workflow_src.models.convolutional_mixtures.backward import mixture_indices

CLASSES = 10
"""S."""

CONFIDENCE = 0.95
"""Of a class that is asked for, when the classifier runs backwards; the others share the rest."""

CHOICES = ("none", "highest", "two_highest", "lowest")


def classifier_blocks(choice: str, blocks: Sequence[Block]) -> tuple[int, ...]:
    """Where among the blocks the mixture layers are that a classifier sees, the lowest first.

    Raises
    ------
    ValueError
        If there is no such choice, or the layout has no two mixture layers for it.
    """
    layers = mixture_indices(blocks)
    if choice == "two_highest" and len(layers) < 2:
        layout = "-".join(map(str, blocks))
        raise ValueError(
            f"classifier two_highest needs two mixture layers, and the layout {layout} has one; "
            "take classifier highest, or a deeper layout"
        )
    found = {
        "none": (),
        "highest": layers[-1:],
        "two_highest": layers[-2:],
        "lowest": layers[:1],
    }.get(choice)
    if found is None:
        raise ValueError(f"unknown classifier {choice!r}; known are {', '.join(CHOICES)}")
    return found


def classifier_shapes(seen: Sequence[int], shapes: Sequence[Shape]) -> dict[str, tuple[int, ...]]:
    """Shapes of one run's parameters; none if the classifier sees no block.

    ``shapes`` are the sizes before each block and after the last one.
    """
    if not seen:
        return {}
    inputs = sum(_size(shapes[index + 1]) for index in seen)
    return {"classifier.weight": (inputs, CLASSES), "classifier.bias": (CLASSES,)}


def classifier_inputs(seen: Sequence[int], activities: Sequence[Tensor]) -> Tensor:
    """What a classifier sees, ``[R, N, inputs]``, of the activities after each block."""
    return torch.cat([activities[index].flatten(2) for index in seen], dim=2)


def log_probabilities(parameters: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
    """log p(class), ``[R, N, S]``, for inputs ``[R, N, inputs]``."""
    weight, bias = parameters["classifier.weight"], parameters["classifier.bias"]
    return torch.log_softmax(inputs @ weight + bias.unsqueeze(1), dim=2)


def class_control(
    parameters: Mapping[str, Tensor], label: int, seen: Sequence[int], shapes: Sequence[Shape]
) -> Tensor:
    """The control signal ``[R, 1, h, w, K]`` of the highest block seen that asks for a class.

    Equation 13, an approximate inverse of the classifier: (log T - b) W^T, minus its own minimum
    so that nothing is negative, where T is 0.95 for the class. If two layers are seen, the lower
    one's part is left aside: the upper one's draws decide there. Logits may be shifted by any
    constant without a change of probabilities; that makes no difference here where each input's
    weights add up to 0, as training keeps it if they do at the start.

    Raises
    ------
    ValueError
        If there is no such class.
    """
    if not 0 <= label < CLASSES:
        raise ValueError(f"there is no class {label}; classes are 0 to {CLASSES - 1}")
    weight, bias = parameters["classifier.weight"], parameters["classifier.bias"]
    wanted = torch.full_like(bias, math.log((1 - CONFIDENCE) / (CLASSES - 1)))
    wanted[:, label] = math.log(CONFIDENCE)
    inverse = (weight @ (wanted - bias).unsqueeze(2)).squeeze(2)
    shape = shapes[seen[-1] + 1]
    control = inverse[:, -_size(shape) :]
    control = control - control.min(dim=1, keepdim=True).values
    return control.view(len(control), 1, shape.height, shape.width, shape.channels)


def _size(shape: Shape) -> int:
    return shape.positions * shape.channels
