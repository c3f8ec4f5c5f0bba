"""The training of classifiers against torch's own optimizer, and resumed against uninterrupted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from support.training import World
from torch import Tensor
from torch.nn import functional

from workflow_src.models.convolutional_classifier.model import ConvolutionalClassifier, build
from workflow_src.models.images import ImageFacts
from workflow_src.train.classification.stopping import ended
from workflow_src.train.classification.trainer import bank_key, initial_parameters, train
from workflow_src.train.training import InterruptedTrainingError, Outcome

SPEC: dict[str, Any] = {
    "model": "convolutional_classifier",
    "data_set": "digits",
    "likelihood": "gaussian",
    "fraction": 1.0,
    "seed": 0,
    "protocol": "authors",
    "stream": "full",
    "filters": 4,
    "dense_units": 12,
    "dropout": 0.1,
    "learning_rate": 0.003,
    "batch_size": 40,
    "maximum_epochs": 3,
    "validation_interval": 1,
}


@pytest.fixture(scope="module")
def digits() -> dict[str, Tensor]:
    images, labels = load_digits(return_X_y=True)
    pixels = torch.tensor(images / 16, dtype=torch.float32)
    return {
        "train": pixels[:200],
        "validation": pixels[200:260],
        "train_labels": torch.tensor(labels[:200]),
        "validation_labels": torch.tensor(labels[200:260]),
    }


def classifier(spec: dict[str, Any]) -> ConvolutionalClassifier:
    return build(ImageFacts(8, 8, spec["likelihood"], 16), spec)


def trained(
    specs: list[dict[str, Any]],
    images: dict[str, Tensor],
    states: list[Any] | None = None,
    world: World | None = None,
) -> dict[int, Outcome]:
    outcomes = train(
        classifier(specs[0]),
        specs,
        images,
        torch.device("cpu"),
        states or [None] * len(specs),
        (world or World()).hooks(),
    )
    return {outcome.run: outcome for outcome in outcomes}


def test_whole_batches_without_dropout_are_steps_of_adam(digits: dict[str, Tensor]) -> None:
    spec = SPEC | {"dropout": 0.0, "batch_size": 200, "maximum_epochs": 4}
    model = classifier(spec)
    parameters = {
        name: value.requires_grad_() for name, value in initial_parameters(model, spec).items()
    }
    optimizer = torch.optim.Adam(parameters.values(), lr=spec["learning_rate"])
    losses = []
    for _ in range(4):
        found = model.class_log_probabilities(parameters, digits["train"])
        loss = functional.nll_loss(found, digits["train_labels"])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(loss.item())
    outcome = trained([spec], digits)[0]
    assert [-row["training_bound"] for row in outcome.history] == pytest.approx(losses, rel=1e-4)
    for name, value in outcome.parameters.items():
        torch.testing.assert_close(value, parameters[name].detach(), rtol=1e-3, atol=1e-4)


def test_the_best_validation_is_kept_with_its_cross_entropy(digits: dict[str, Tensor]) -> None:
    outcome = trained([SPEC], digits)[0]
    assert (outcome.state, outcome.steps) == ("completed", 3)
    found = classifier(SPEC).class_log_probabilities(outcome.parameters, digits["validation"])
    loss = functional.nll_loss(found.double(), digits["validation_labels"]).item()
    assert outcome.best_validation_bound == pytest.approx(-loss, rel=1e-6)
    assert outcome.best_validation_bound == max(row["validation_bound"] for row in outcome.history)
    best = next(row for row in outcome.history if row["step"] == outcome.best_step)
    accuracy = (found.argmax(dim=1) == digits["validation_labels"]).double().mean().item()
    assert best["validation_accuracy"] == pytest.approx(accuracy)


def test_it_learns_what_digits_look_like(digits: dict[str, Tensor]) -> None:
    sizes = {"filters": 8, "dense_units": 32, "learning_rate": 0.01}
    spec = SPEC | sizes | {"maximum_epochs": 30, "validation_interval": 20, "seed": 1}
    outcome = trained([spec], digits)[0]
    assert [row["step"] for row in outcome.history] == [20, 30]
    assert outcome.history[-1]["validation_accuracy"] > 0.75


def test_resumed_training_is_bit_identical(
    digits: dict[str, Tensor], assert_same_outcome: Callable[[Outcome, Outcome], None]
) -> None:
    specs = [SPEC | {"seed": seed} for seed in (0, 1)]
    whole = trained(specs, digits)
    world = World(stop_after_steps=8)
    with pytest.raises(InterruptedTrainingError):
        trained(specs, digits, world=world)
    assert world.states[0][1]["step"] == 1
    resumed = trained(specs, digits, [world.states[0], world.states[1]])
    for run in (0, 1):
        assert_same_outcome(whole[run], resumed[run])


def test_a_run_in_a_bank_is_the_run_alone(digits: dict[str, Tensor]) -> None:
    specs = [SPEC | {"seed": seed} for seed in (0, 1, 2)]
    together, alone = trained(specs, digits), trained([specs[1]], digits)[0]
    # Adam goes through a bank's numbers in other blocks, which round otherwise at their ends.
    for one, other in zip(together[1].history, alone.history, strict=True):
        assert one["validation_bound"] == pytest.approx(other["validation_bound"], rel=1e-5)
    for name, value in alone.parameters.items():
        torch.testing.assert_close(together[1].parameters[name], value, rtol=1e-3, atol=1e-5)
    first, second = (together[run].parameters["dense.3.weight"] for run in (0, 1))
    assert not torch.equal(first, second)


def test_counts_give_what_shares_give(digits: dict[str, Tensor]) -> None:
    counts = {
        name: (value * 16).round().to(torch.uint8) if not name.endswith("labels") else value
        for name, value in digits.items()
    }
    found = [
        trained([SPEC | {"likelihood": one, "seed": 3}], images)[0].history[-1]
        for one, images in (("gaussian", digits), ("binomial", counts))
    ]
    assert all(np.isfinite(row["validation_bound"]) for row in found)
    # Streams are of the likelihood, so that only the size of the bounds is alike.
    assert found[0]["validation_bound"] == pytest.approx(found[1]["validation_bound"], abs=0.7)


def test_a_run_whose_numbers_end_has_diverged(digits: dict[str, Tensor]) -> None:
    outcome = trained([SPEC | {"learning_rate": 1e30}], digits)[0]
    assert outcome.state == "diverged"
    assert "bound was" in outcome.reason


def test_images_without_labels_are_refused(digits: dict[str, Tensor]) -> None:
    unlabelled = {name: digits[name] for name in ("train", "validation", "train_labels")}
    with pytest.raises(ValueError, match="the validation images have no labels"):
        trained([SPEC], unlabelled)
    with pytest.raises(ValueError, match="the train labels run from 2 to 11; expected 0 to 9"):
        trained([SPEC], digits | {"train_labels": digits["train_labels"] + 2})


def test_runs_of_one_rhythm_share_a_bank() -> None:
    assert bank_key(SPEC) == bank_key(SPEC | {"seed": 7, "protocol": "text", "stream": "restart"})
    for other in ({"learning_rate": 0.01}, {"fraction": 0.5}, {"filters": 8}):
        assert bank_key(SPEC) != bank_key(SPEC | other)


def test_it_ends_after_all_epochs_and_not_before() -> None:
    assert ended(SPEC, [-1.0, -2.0, -3.0], 2) is None
    assert ended(SPEC, [-1.0], 3) == "all planned epochs were made"
