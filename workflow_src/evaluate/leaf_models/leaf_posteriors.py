"""Which leaf of a circuit explains which part of a test image, one by one and by label.

A sum node is a latent variable (section 3.1 of the SPVAE paper), so that the leaves of a
super-pixel share the responsibility for it; they are clusters that nobody named.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workflow_src.evaluate.leaf_models.pictures import Drawing
from workflow_src.models.banks import Parameters
from workflow_src.models.leaf_models import LeafModel

SINGLE_IMAGES = 12
"""Images that are kept one by one; of each label in turn."""


@dataclass(frozen=True)
class LeafPosteriors:
    """Probabilities of leaves given images; they sum to 1 over the components of a region.

    Attributes
    ----------
    images:
        Single images as shares of the full range, [n, h, w].
    labels:
        Theirs, [n].
    responsibilities:
        Theirs, [n, regions, components].
    label_names:
        The labels that occur, as text, ascending.
    mean_responsibilities:
        Means over all images of a label, [labels, regions, components].
    """

    images: NDArray[np.float32]
    labels: NDArray[np.integer]
    responsibilities: NDArray[np.float32]
    label_names: NDArray[np.str_]
    mean_responsibilities: NDArray[np.float32]


def leaf_posteriors(
    model: LeafModel,
    drawing: Drawing,
    parameters: Parameters,
    images: Tensor,
    labels: NDArray[np.integer],
    leaf_bounds: Tensor,
) -> LeafPosteriors:
    """Responsibilities of the leaves for images ``[N, D]`` whose leaves have bounds ``[L, N]``.

    The bounds stand for the log densities that are not known; what they leave out may differ from
    leaf to leaf.
    """
    rows, columns, components = drawing.leaf_layout(model)
    found = drawing.responsibilities(model, parameters, leaf_bounds).T
    shares = found.reshape(-1, rows * columns, components).cpu().numpy()
    first = _of_each_label_in_turn(labels)[:SINGLE_IMAGES]
    chosen = images[torch.tensor(first, device=images.device)] / model.leaves.likelihood.full_range
    shape = (-1, model.images.height, model.images.width)
    names = np.unique(labels)
    return LeafPosteriors(
        images=chosen.to(torch.float32).reshape(shape).cpu().numpy(),
        labels=labels[first],
        responsibilities=shares[first],
        label_names=names.astype(np.str_),
        mean_responsibilities=np.stack(
            [shares[labels == name].mean(axis=0, dtype=np.float64) for name in names]
        ).astype(np.float32),
    )


def _of_each_label_in_turn(labels: NDArray[np.integer]) -> NDArray[np.int64]:
    """Numbers of the images: the first of every label, the second of every label, and so on."""
    turn = np.empty(len(labels), dtype=np.int64)
    for name in np.unique(labels):
        turn[labels == name] = np.arange(np.count_nonzero(labels == name))
    return np.lexsort((labels, turn)).astype(np.int64)
