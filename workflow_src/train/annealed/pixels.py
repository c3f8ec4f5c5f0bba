"""Training images as models with latent variables take them: probabilities become black or white.

Images for the Bernoulli likelihood are stored as levels, whose share of the largest is the
probability of white. In validation and test they have been drawn once, by preparation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from workflow_src.models.images import ImageFacts
from workflow_src.plan.seeds import seed

_AT_ONCE = 1000  # images; part of what is drawn


class TrainingPixels:
    """The training images of one data set.

    Parameters
    ----------
    stored:
        ``[images, D]``, on the CPU, as prepared.
    facts:
        Their likelihood and largest level.
    spec:
        The canonical spec of any run of a bank.
    device:
        Where batches are taken.

    Attributes
    ----------
    values:
        ``[images, D]``, on the device: what batches are taken from.
    is_drawn:
        Whether batches of it are still to be drawn, in `drawn`.
    """

    def __init__(
        self, stored: Tensor, facts: ImageFacts, spec: Mapping[str, Any], device: torch.device
    ) -> None:
        self._scale = 1
        if facts.likelihood == "bernoulli":
            if spec["binarisation"] == "once" and facts.levels > 1:
                stored = _drawn_once(stored, facts.levels, spec["data_set"])
            else:
                self._scale = facts.levels
        self._stored = stored
        self.values = stored.to(device)
        self.is_drawn = self._scale > 1

    def mean(self, images: Tensor) -> Tensor:
        """The mean [D] of images by number, of probabilities in [0, 1] where they are Bernoulli."""
        total = torch.zeros(self._stored.shape[1], dtype=torch.float64)
        for chunk in torch.split(images, _AT_ONCE):
            total += self._stored[chunk].double().sum(dim=0)
        return (total / (len(images) * self._scale)).to(torch.float32)

    def drawn(self, batch: Tensor, uniform: Tensor | None) -> Tensor:
        """Pixels of a batch of `values`; black or white by ``uniform`` [0, 1) of its shape."""
        values = batch.to(torch.float32)
        if uniform is None:
            return values
        return (uniform < values / self._scale).to(torch.float32)


def _drawn_once(stored: Tensor, levels: int, data_set: str) -> Tensor:
    """Black and white images that depend on nothing but the data set; drawn on the CPU."""
    generator = torch.Generator().manual_seed(seed("binarisation", data_set=data_set))
    drawn = torch.empty(stored.shape, dtype=torch.uint8)
    for first in range(0, len(stored), _AT_ONCE):
        probabilities = stored[first : first + _AT_ONCE].to(torch.float32) / levels
        uniform = torch.rand(probabilities.shape, generator=generator)
        drawn[first : first + _AT_ONCE] = uniform < probabilities
    return drawn
