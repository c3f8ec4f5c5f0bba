"""Trains a bank of classifiers together, for a planned number of passes over the images.

Appendix B of the DCGMM paper: Adam on the cross-entropy of the labels. A bound is minus the mean
cross-entropy in nats; the point of the best validation is kept. A step of a run's history is an
epoch, and its rows have ``validation_accuracy`` beside the bounds.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from workflow_src.data.subsets import subset_size
from workflow_src.models.convolutional_classifier.model import CLASSES, ConvolutionalClassifier
from workflow_src.train.classification.stopping import ended
from workflow_src.train.gradient.optimizer import BankAdam
from workflow_src.train.loop import Bank, by_step, starting_point
from workflow_src.train.training import (
    Hooks,
    InterruptedTrainingError,
    Outcome,
    State,
    Tensors,
)

_VALIDATION_CHUNK = 250  # images; more would only take more memory
_FREE_WITHIN_A_BANK = ("seed", "stream", "protocol")


def bank_key(spec: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    """Runs whose specs give equal keys may share a bank."""
    return tuple((k, v) for k, v in sorted(spec.items()) if k not in _FREE_WITHIN_A_BANK)


def train(
    model: ConvolutionalClassifier,
    specs: Sequence[Mapping[str, Any]],
    images: Mapping[str, Tensor],
    device: torch.device,
    states: Sequence[State | None],
    hooks: Hooks,
) -> Iterator[Outcome]:
    """Train runs with equal `bank_key` and yield each as it ends.

    Parameters
    ----------
    model:
        The structure that all runs share.
    specs:
        Canonical specs.
    images:
        ``train`` and ``validation``, ``[images, D]``, floats in [0, 1] or integer counts; and
        ``train_labels`` and ``validation_labels``, ``[images]``, whole numbers from 0.
    device:
        Where to compute; the images are moved there.
    states:
        A saved state to go on from, or None, for every run.
    hooks:
        See `Hooks`.

    Raises
    ------
    ValueError
        Where images have no labels, or other labels than there are classes.
    InterruptedTrainingError
        When ``hooks.stop_is_wanted`` says so.
    """
    _refuse_unlabelled(images)
    on_device = {name: value.to(device) for name, value in images.items()}
    for runs in by_step(states):
        bank = _ClassifierBank(model, runs, [specs[run] for run in runs], on_device, device)
        bank.start([states[run] for run in runs])
        yield from bank.train(hooks)


def _refuse_unlabelled(images: Mapping[str, Tensor]) -> None:
    for part in ("train", "validation"):
        labels = images.get(f"{part}_labels")
        if labels is None:
            raise ValueError(f"the {part} images have no labels; a classifier is trained on them")
        if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < CLASSES:
            raise ValueError(
                f"the {part} labels run from {int(labels.min())} to {int(labels.max())}; expected "
                f"0 to {CLASSES - 1}"
            )


class _ClassifierBank(Bank):
    """Runs of one classifier, with their parameters stacked."""

    optimizer: BankAdam

    def __init__(
        self,
        model: ConvolutionalClassifier,
        runs: Sequence[int],
        specs: Sequence[Mapping[str, Any]],
        images: Mapping[str, Tensor],
        device: torch.device,
    ) -> None:
        kept = subset_size(len(images["train"]), specs[0]["fraction"])
        batch = min(specs[0]["batch_size"], kept)
        super().__init__(
            runs, [{**spec, "batch_size": batch} for spec in specs], images, device, ended
        )
        self.model = model
        self.batch_size = batch
        self.batches_per_epoch = math.ceil(kept / batch)

    def begin(self) -> None:
        fresh = [initial_parameters(self.model, member.spec) for member in self.members]
        placed = self.stacked(fresh, list(self.model.parameter_shapes()))
        self.optimizer = BankAdam(placed, self.spec["learning_rate"])

    def go_on(self, saved: Sequence[Mapping[str, Tensor]]) -> None:
        stacked = self.stacked(saved, list(self.model.parameter_shapes()))
        self.optimizer = BankAdam(stacked, self.spec["learning_rate"])
        self.optimizer.restore_moments(saved, self.step * self.batches_per_epoch)

    def train_interval(self, steps: int, hooks: Hooks) -> list[dict[str, float]]:
        training = self._train(steps, hooks)
        bounds, accuracies = self._validate()
        return [
            {"training_bound": one, "validation_bound": bound, "validation_accuracy": accuracy}
            for one, bound, accuracy in zip(training, bounds, accuracies, strict=True)
        ]

    def kept(self, index: int) -> Tensors:
        parameters = self.optimizer.parameters
        return {name: value[index].detach().clone() for name, value in parameters.items()}

    def moving(self, index: int) -> Tensors:
        return self.optimizer.run_state(index)

    def keep(self, staying: Sequence[int]) -> None:
        self.optimizer = self.optimizer.keeping(staying)

    def _next_validation(self) -> int:
        interval: int = self.spec["validation_interval"]
        following = (self.step // interval + 1) * interval
        return int(min(following, self.spec["maximum_epochs"]))

    def _train(self, epochs: int, hooks: Hooks) -> list[float]:
        """Train so many epochs; each run's mean bound over the batches, in nats."""
        streams = self.streams("dropout", step=self.step)
        batches = epochs * self.batches_per_epoch
        total = torch.zeros(len(self.members), dtype=torch.float64, device=self.device)
        for _ in range(batches):
            if hooks.stop_is_wanted():
                raise InterruptedTrainingError
            numbers = self._next_numbers()
            found = self.model.log_probabilities(
                self.optimizer.parameters,
                self.images["train"][numbers],
                self._dropout(streams),
            )
            bounds = _of_labels(found, self.images["train_labels"][numbers]).mean(dim=1)
            self.optimizer.maximise(bounds.sum())
            total += bounds.detach().double()
        self.step += epochs
        means: list[float] = (total / batches).tolist()
        return means

    @torch.no_grad()
    def _validate(self) -> tuple[list[float], list[float]]:
        """Each run's mean validation bound in nats, and its accuracy."""
        runs = len(self.members)
        parameters = {name: value.detach() for name, value in self.optimizer.parameters.items()}
        bounds = torch.zeros(runs, dtype=torch.float64, device=self.device)
        right = torch.zeros(runs, dtype=torch.float64, device=self.device)
        pixels, labels = self.images["validation"], self.images["validation_labels"]
        chunks = zip(
            torch.split(pixels, _VALIDATION_CHUNK),
            torch.split(labels, _VALIDATION_CHUNK),
            strict=True,
        )
        for images, expected in chunks:
            found = self.model.log_probabilities(parameters, images.expand(runs, -1, -1))
            bounds += _of_labels(found, expected.expand(runs, -1)).double().sum(dim=1)
            right += (found.argmax(dim=-1) == expected).double().sum(dim=1)
        return (bounds / len(pixels)).tolist(), (right / len(pixels)).tolist()

    def _next_numbers(self) -> Tensor:
        """Numbers of the images in every run's next batch, ``[R, N]``."""
        numbers = np.stack([member.next_images() for member in self.members])
        return torch.from_numpy(numbers).to(self.device)

    def _dropout(self, streams: Sequence[torch.Generator]) -> Tensors | None:
        if not self.model.dropout:
            return None
        return {
            name: torch.stack(
                [torch.rand(shape, generator=one, device=self.device) for one in streams]
            )
            for name, shape in self.model.dropout_shapes(self.batch_size).items()
        }


def initial_parameters(model: ConvolutionalClassifier, spec: Mapping[str, Any]) -> Tensors:
    """Where a run starts."""
    return model.initial_parameters(starting_point("initial parameters", spec))


def _of_labels(log_probabilities: Tensor, labels: Tensor) -> Tensor:
    """Those of the labels, ``[R, N]``."""
    return log_probabilities.gather(-1, labels.unsqueeze(-1)).squeeze(-1)
