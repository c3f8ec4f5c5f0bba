"""Training of small mixture networks on images of two kinds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from support.training import World
from torch import Tensor

from workflow_src.layouts import Shape, parse
from workflow_src.models.convolutional_mixtures.network import MixtureNetwork
from workflow_src.train.layerwise_ascent.trainer import train
from workflow_src.train.training import Outcome

SPEC = {
    "model": "dcgmm",
    "data_set": "digits",
    "likelihood": "gaussian",
    "fraction": 1.0,
    "seed": 0,
    "protocol": "authors",
    "stream": "full",
    "learning_rate": 0.011,
    "final_learning_rate": 0.01,
    "centroid_rate": 1.0,
    "precision_rate": 0.1,
    "weight_rate": 0.2,
    "classifier_rate": 0.01,
    "batch_size": 10,
    "maximum_epochs": 3,
    "delay": 0.3,
    "annealing_window": 4,
    "annealing_decrease": 0.9,
    "annealing_threshold": 0.5,
    "final_sigma": 0.01,
    "validations": 5,
}

TWO_LAYERS = "F(3,1)-G(4)-F(2,1)-G(4)"


@dataclass
class SmallModel:
    """A network on 4 x 4 images, and a classifier of two classes on its top layer, if any."""

    network: MixtureNetwork
    classifier: str = "none"

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        shapes = self.network.parameter_shapes()
        if self.classifier != "none":
            inputs = self.network.shapes[-1].channels
            shapes |= {"classifier.weight": (inputs, 2), "classifier.bias": (2,)}
        return shapes

    def initial_parameters(self, generator: torch.Generator) -> dict[str, Tensor]:
        zeros = {
            name: torch.zeros(shape)
            for name, shape in self.parameter_shapes().items()
            if name.startswith("classifier")
        }
        return self.network.initial_parameters(generator) | zeros

    def classifier_inputs(self, activities: Sequence[Tensor]) -> Tensor:
        return activities[-1].flatten(2)


@dataclass(frozen=True)
class Training:
    """Trains variants of one small run; 40 batches of 10 images pass three times."""

    images: dict[str, Tensor]

    def model(self, notation: str = TWO_LAYERS, classifier: str = "none") -> SmallModel:
        return SmallModel(MixtureNetwork(parse(notation), Shape(4, 4, 1)), classifier)

    def spec(self, **changed: Any) -> dict[str, Any]:
        return {**SPEC, **changed}

    def run(
        self,
        specs: list[dict[str, Any]],
        states: list[Any] | None = None,
        world: World | None = None,
        model: SmallModel | None = None,
        images: dict[str, Tensor] | None = None,
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
def layered() -> Training:
    generator = torch.Generator().manual_seed(0)
    kinds = torch.rand(2, 16, generator=generator)
    images, labels = {}, {}
    for name, count in (("train", 400), ("validation", 60)):
        kind = torch.randint(2, (count,), generator=generator)
        noise = 0.1 * torch.randn(count, 16, generator=generator)
        images[name] = (kinds[kind] + noise).clamp(0, 1)
        labels[f"{name}_labels"] = kind
    return Training(images | labels)
