"""Bounds at the temperature of training: whose weights they are of, and of what distribution."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from support.dvaepp import all_images, random_bank, tiny
from support.latent_variables import SPEC, FakeModel, SmoothableModel, checkpoint

from workflow_src.evaluate.latent_variables.measurement import measure
from workflow_src.evaluate.latent_variables.models import MeasuredModel
from workflow_src.evaluate.latent_variables.subject import Subject, subject_of
from workflow_src.evaluate.measurement import Measurement
from workflow_src.models.images import ImageFacts

ASKED = {
    "importance_samples": [2, 6],
    "samples": 0,
    "global_samples": 0,
    "inverse_cdfs": False,
    "training_bounds": False,
    "smoothed_bound": True,
}
MACHINE = {"annealed_importance_sampling": (2.0, 0.3)}


def measured(model: FakeModel, **asked: Any) -> Measurement:
    subject = subject_of(model, checkpoint(model), SPEC, torch.device("cpu"), 1 << 30)
    generator = torch.Generator().manual_seed(2)
    images = torch.randint(0, 2, (20, model.images.pixels), generator=generator)
    return measure(subject, images.to(torch.uint8), ASKED | asked)


def by_name(found: Measurement) -> dict[tuple[str, int | None], dict[str, Any]]:
    return {(row["metric"], row["importance_samples"]): row for row in found.metrics}


def test_bounds_are_those_of_the_smoothed_models_weights() -> None:
    rows = by_name(found := measured(SmoothableModel(estimates=MACHINE)))
    arrays = found.arrays["smoothed_bounds"]
    for number, count in enumerate((2, 6)):
        limit, smoothed = (rows[f"test_{name}bound", count] for name in ("", "smoothed_"))
        # The same noise and the same log Z, whose error the bound carries.
        assert smoothed["value"] == pytest.approx(limit["value"] + 0.25, abs=1e-5)
        assert smoothed["standard_error"] == pytest.approx(limit["standard_error"], rel=1e-4)
        assert smoothed["standard_error"] > 0.3
        assert smoothed["value"] == pytest.approx(float(arrays["bounds"][number].mean()), rel=1e-5)
    assert float(arrays["log_partition"]) == 2.0
    assert float(arrays["log_partition_standard_error"]) == 0.3
    assert arrays["importance_samples"].tolist() == [2, 6]


def test_bits_per_dimension_are_those_of_integers() -> None:
    facts = ImageFacts(2, 3, "discretised_logistic", 255, 3)
    rows = by_name(measured(SmoothableModel(facts)))
    for count in (2, 6):
        nats, bits = (
            rows["test_smoothed_bound", count],
            rows["test_smoothed_bits_per_dimension", count],
        )
        assert bits["value"] == pytest.approx(-nats["value"] / (18 * math.log(2)))
        assert bits["standard_error"] == pytest.approx(nats["standard_error"] / 18 / math.log(2))


@pytest.mark.parametrize(
    ("model", "asked"), [(FakeModel(), True), (SmoothableModel(), False), (FakeModel(), False)]
)
def test_without_such_weights_or_unasked_there_is_nothing(model: FakeModel, asked: bool) -> None:
    found = measured(model, smoothed_bound=asked)
    assert "smoothed_bounds" not in found.arrays
    assert not any("smoothed" in metric for metric, _ in by_name(found))


def test_a_model_that_is_its_own_smoothed_one_is_not_weighed_twice() -> None:
    class Normal(FakeModel):
        calls = 0

        def smoothed(self) -> FakeModel:
            return self

        def log_weights(self, *arguments: Any) -> torch.Tensor:
            Normal.calls += 1
            return super().log_weights(*arguments)

    rows = by_name(measured(Normal(), smoothed_bound=False))
    calls, Normal.calls = Normal.calls, 0
    again = by_name(measured(Normal()))
    assert Normal.calls == calls
    for count in (2, 6):
        assert again["test_smoothed_bound", count]["value"] == rows["test_bound", count]["value"]


@pytest.mark.parametrize(
    "values",
    [
        {"global_latents": "boltzmann_machine", "local_latents": "bernoulli"},
        {"global_latents": "bernoulli", "global_groups": 1},
    ],
)
def test_probabilities_of_all_images_sum_to_one(values: dict[str, Any]) -> None:
    model: MeasuredModel = tiny(**{"inverse_temperature": 2, **values})
    parameters, state = random_bank(tiny(**values), 1, 0.4)
    for name, value in parameters.items():
        if name.startswith("upsample") and name.endswith(("weight", "transposed")):
            # So that pixels depend on the global codes more than they do at first.
            value *= 3
    subject = Subject(
        model,
        {name: value.float() for name, value in parameters.items()},
        {name: value.float() for name, value in state.items() if not name.startswith("chains")},
        SPEC,
        torch.device("cpu"),
        1 << 28,
    )
    found = measure(subject, all_images(4), ASKED | {"importance_samples": [3000]})
    smoothed, limit = (
        np.exp(found.arrays[name]["bounds"].astype(np.float64)[0])
        for name in ("smoothed_bounds", "bounds")
    )
    assert smoothed.sum() == pytest.approx(1, abs=0.03)
    assert np.abs(smoothed - limit).max() > 0.003
