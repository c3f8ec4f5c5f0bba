"""A tiny model, tiny data, hooks and a small shard that the training tests share."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from support.shards import STUDY, Planned
from support.training import World

from workflow_src.config.data_sets import data_set
from workflow_src.config.loading import settings_from_mapping
from workflow_src.data.job import current_fingerprint, fetch_data_set, prepare_data_set
from workflow_src.models.images import ImageFacts
from workflow_src.models.spvae.model import build
from workflow_src.plan.layout import Layout
from workflow_src.plan.memberships import write_memberships
from workflow_src.plan.plan import build_plan
from workflow_src.train.gradient.trainer import train
from workflow_src.train.training import Outcome

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
    "region_graph": "poon_domingos",
    "repetitions": 4,
    "structure_seed": 0,
    "split_step": 2,
    "leaf_components": 2,
    "sum_components": 2,
    "objective": "importance_weighted_bound",
    "importance_samples": 2,
    "batch_size": 8,
    "learning_rate": 0.01,
    "stopping": "eleven_below_best",
    "validation_interval": 4,
    "maximum_steps": 24,
}


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


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with digits fetched and prepared for the Gaussian."""
    folder = tmp_path_factory.mktemp("data")
    layout, digits = Layout(data=folder, results=Path()), data_set("digits")
    fetch_data_set(digits, layout.raw("digits"), None)
    fingerprint = current_fingerprint(digits, "gaussian")
    output = layout.prepared("digits", "gaussian", fingerprint)
    prepare_data_set(digits, "gaussian", fingerprint, layout.raw("digits"), output)
    return folder


@pytest.fixture
def planned(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Planned]:
    def make(**training: Any) -> Planned:
        study = json.loads(json.dumps(STUDY))
        study["protocols"]["authors"]["training"] |= training
        (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(study))
        settings = settings_from_mapping(
            {
                "studies": [str(tmp_path / "tiny.yaml")],
                "seeds": [0, 1],
                "directories": {"data": str(data), "results": "results"},
            }
        )
        plan = build_plan(settings, root=tmp_path)
        write_memberships(plan)
        (shard,) = plan.shards
        monkeypatch.chdir(tmp_path)
        return Planned(
            tmp_path,
            tmp_path / plan.layout.shard_membership(shard.digest),
            tmp_path / plan.layout.shard_manifest(shard.digest),
        )

    return make
