"""What the objective of training says of test images: both bounds, and where the divergence is.

All of it at the temperature at which training ended and with the moving statistics, block by block
of images; the cut into blocks is fixed, so that no memory budget decides what is drawn.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workflow_src.evaluate.latent_variables.subject import Subject, drawn
from workflow_src.models.latent_variables import Tensors

IMAGES_PER_BLOCK = 16
DRAWS = 100


@dataclass(frozen=True)
class Divergences:
    """Divergences of the groups of latent variables from their priors, in nats.

    Attributes
    ----------
    blocks:
        Means over the images of each block, shape [blocks, groups].
    images:
        Images of each block, shape [blocks].
    """

    blocks: NDArray[np.float64]
    images: NDArray[np.int64]

    def groups(self) -> NDArray[np.float64]:
        """Means over all images, shape [groups]."""
        shares = self.images / self.images.sum()
        mean: NDArray[np.float64] = shares @ self.blocks
        return mean

    def standard_error(self) -> float:
        """Of the sum over groups, over images; NaN where all images are one block.

        Blocks are drawn like images, so that the spread of their means tells that of the mean.
        """
        count = len(self.images)
        if count < 2:
            return float("nan")
        totals = self.blocks.sum(axis=1)
        shares = self.images / self.images.sum()
        off = shares * (totals - shares @ totals)
        return float(np.sqrt(count / (count - 1) * (off**2).sum()))


@torch.no_grad()
def training_bounds(subject: Subject, images: Tensor) -> dict[str, NDArray[np.float64]]:
    """One-sample bounds of images [N, D] by name, each [N]: means over `DRAWS` draws of noise.

    Raises
    ------
    MemoryBudgetError
        If one block does not fit the budget.
    """
    subject.rows_that_fit(IMAGES_PER_BLOCK * DRAWS, subject.memory_bytes)
    found: dict[str, list[NDArray[np.float64]]] = {}
    for pixels, noise in _blocks(subject, "training bounds", images, DRAWS):
        bounds = subject.model.training_bounds(subject.parameters, subject.state, pixels, noise)
        for name, values in bounds.items():
            means = values[0].double().reshape(DRAWS, -1).mean(dim=0)
            found.setdefault(name, []).append(means.cpu().numpy())
    return {name: np.concatenate(values) for name, values in found.items()}


@torch.no_grad()
def group_divergences(subject: Subject, images: Tensor, log_partition: float) -> Divergences:
    """Divergences on images [N, D]; the first group's is from a prior with this log Z.

    Raises
    ------
    MemoryBudgetError
        If one block does not fit the budget.
    """
    subject.rows_that_fit(IMAGES_PER_BLOCK, subject.memory_bytes)
    rows, counts = [], []
    for pixels, noise in _blocks(subject, "divergences", images, 1):
        divergences = subject.model.group_divergences(
            subject.parameters, subject.state, pixels, noise
        )
        rows.append(divergences[0].double().cpu().numpy())
        counts.append(pixels.shape[1])
    blocks = np.stack(rows)
    blocks[:, 0] += log_partition
    return Divergences(blocks, np.array(counts, dtype=np.int64))


def _blocks(
    subject: Subject, purpose: str, images: Tensor, draws: int
) -> Iterator[tuple[Tensor, Tensors]]:
    """Every block's pixels [1, draws * images, D], draw after draw, with noise for them."""
    for number, block in enumerate(torch.split(images, IMAGES_PER_BLOCK)):
        pixels = block.to(torch.float32).repeat(draws, 1).unsqueeze(0)
        shapes = subject.model.training_noise(pixels.shape[1])
        streams = subject.streams(purpose, shapes, block=number)
        yield pixels, drawn(shapes, streams, subject.device)
