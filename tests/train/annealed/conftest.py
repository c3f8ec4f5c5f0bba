"""Training of a tiny model with latent variables on images of two kinds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from support.tiny_latent_model import TinyModel
from support.training import World
from torch import Tensor

from workflow_src.models.images import ImageFacts
from workflow_src.train.annealed.trainer import train
from workflow_src.train.training import Outcome

SPEC = {
    "model": "discrete_vae",
    "data_set": "digits",
    "likelihood": "bernoulli",
    "fraction": 1.0,
    "seed": 0,
    "protocol": "authors",
    "stream": "full",
    "optimizer": "adam",
    "learning_rate": 0.02,
    "epsilon": 1e-3,
    "second_moment_decay": 0.999,
    "learning_rate_schedule": "constant",
    "plateau_factor": 0.5,
    "plateau_patience": 2,
    "batch_size": 8,
    "maximum_steps": 24,
    "kl_annealing": 0.3,
    "weight_decay": 0.0,
    "binarisation": "each_batch",
    "validation_interval": 4,
    "validation_samples": 5,
    "validation_images": 0,
}


@dataclass(frozen=True)
class Training:
    """Trains variants of one tiny run on images of six pixels."""

    images: dict[str, Tensor]
    levels: int = 16

    def model(self) -> TinyModel:
        return TinyModel(ImageFacts(2, 3, "bernoulli", self.levels))

    def spec(self, **changed: Any) -> dict[str, Any]:
        return {**SPEC, **changed}

    def run(
        self,
        specs: list[dict[str, Any]],
        states: list[Any] | None = None,
        world: World | None = None,
        images: dict[str, Tensor] | None = None,
        model: TinyModel | None = None,
    ) -> dict[int, Outcome]:
        outcomes = train(
            model or self.model(),
            specs,
            images or self.images,
            torch.device("cpu"),
            states or [None] * len(specs),
            (world or World()).hooks(),
        )
        return {outcome.run: outcome for outcome in outcomes}


@pytest.fixture(scope="session")
def annealed() -> Training:
    """Images of two kinds: the left or the right half is rather white."""
    generator = torch.Generator().manual_seed(0)
    kinds = torch.tensor([[14, 14, 3, 1, 2, 3], [1, 2, 3, 3, 14, 13]], dtype=torch.uint8)
    train_images = kinds[torch.randint(2, (200,), generator=generator)]
    levels = kinds[torch.randint(2, (40,), generator=generator)]
    validation = (torch.rand(40, 6, generator=generator) < levels / 16).to(torch.uint8)
    return Training({"train": train_images, "validation": validation})
