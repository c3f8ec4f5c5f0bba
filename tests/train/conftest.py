"""A tiny model, tiny data and hooks that the training tests share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch

from workflow_src.models.images import ImageFacts
from workflow_src.models.spvae.model import build
from workflow_src.train.gradient.trainer import Hooks, Outcome, train

SPEC = {
    "model": "spvae",
    "data_set": "digits",
    "likelihood": "gaussian",
    "fraction": 1.0,
    "seed": 0,
    "protocol": "authors",
    "stream": "full",
    "hidden_units": 3,
    "latent_dimensions": 1,
    "hidden_layers": 2,
    "split_step": 2,
    "leaf_components": 2,
    "sum_components": 2,
    "importance_samples": 2,
    "batch_size": 8,
    "learning_rate": 0.01,
    "stopping": "eleven_below_best",
    "validation_interval": 4,
    "maximum_steps": 24,
}


@dataclass
class World:
    """Hooks that count steps, keep states as copies, and may ask to stop."""

    stop_after_steps: int | None = None
    steps: int = 0
    states: dict[int, Any] = field(default_factory=dict)
    told: list[Any] = field(default_factory=list)

    def hooks(self) -> Hooks:
        return Hooks(
            save=self.states.__setitem__,
            saving_is_due=lambda: True,
            stop_is_wanted=self._stop_is_wanted,
            progress=self.told.append,
        )

    def _stop_is_wanted(self) -> bool:
        if self.stop_after_steps is not None and self.steps >= self.stop_after_steps:
            return True
        self.steps += 1
        return False


@dataclass(frozen=True)
class Training:
    """Trains variants of one tiny run on 4x4 images."""

    model: Any
    images: dict[str, torch.Tensor]

    def spec(self, **changed: Any) -> dict[str, Any]:
        return {**SPEC, **changed}

    def run(
        self,
        specs: list[dict[str, Any]],
        states: list[Any] | None = None,
        world: World | None = None,
        images: dict[str, torch.Tensor] | None = None,
    ) -> dict[int, Outcome]:
        outcomes = train(
            self.model,
            specs,
            images or self.images,
            torch.device("cpu"),
            states or [None] * len(specs),
            (world or World()).hooks(),
        )
        return {outcome.run: outcome for outcome in outcomes}


@pytest.fixture(scope="session")
def training() -> Training:
    generator = torch.Generator().manual_seed(0)
    base = torch.rand(1, 16, generator=generator)
    images = {
        name: (base + 0.2 * torch.randn(count, 16, generator=generator)).clamp(0, 1)
        for name, count in (("train", 200), ("validation", 40))
    }
    return Training(build(ImageFacts(4, 4, "gaussian", 16), SPEC), images)


@pytest.fixture
def world() -> Callable[..., World]:
    return World


@pytest.fixture(scope="session")
def assert_same_outcome() -> Callable[[Outcome, Outcome], None]:
    """Two outcomes are equal bit for bit, but for the seconds they took."""

    def untimed(outcome: Outcome) -> list[dict[str, float]]:
        return [{k: v for k, v in row.items() if k != "device_seconds"} for row in outcome.history]

    def check(first: Outcome, second: Outcome) -> None:
        assert (first.state, first.reason) == (second.state, second.reason)
        assert (first.steps, first.best_step) == (second.steps, second.best_step)
        assert first.best_validation_bound == second.best_validation_bound
        assert untimed(first) == untimed(second)
        assert first.parameters.keys() == second.parameters.keys()
        for name, value in first.parameters.items():
            assert torch.equal(value, second.parameters[name]), name

    return check
