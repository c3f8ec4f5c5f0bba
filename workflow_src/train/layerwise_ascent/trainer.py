"""Trains deep convolutional Gaussian mixtures: all layers in every step, each by its own loss.

Gepperth, "A new perspective on probabilistic image modeling", section IV-A, and the paper's
appendix on gradient-based training. Layers above wait for a share of the steps. The loss of a layer
that learns is smoothed over neighbouring components, ever less (`annealing`).

A row of history has, beside what every one has, ``layer_1_loss`` and so on, the mean validation
loss of each layer in nats, and ``layer_1_sigma`` and so on, the widths of their neighbourhoods;
with a classifier also ``classifier_cross_entropy`` (validation, nats) and ``classifier_accuracy``.
The bounds are the top layer's loss, without smoothing. The last point is kept.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from workflow_src.data.subsets import subset_size
from workflow_src.models.convolutional_mixtures.annealing import AnnealingSettings
from workflow_src.models.convolutional_mixtures.network import MixtureNetwork
from workflow_src.train.layerwise_ascent.annealed_layers import AnnealedLayers
from workflow_src.train.layerwise_ascent.ascent import move_classifier, move_layer
from workflow_src.train.layerwise_ascent.stopping import ended
from workflow_src.train.loop import Bank, by_step, starting_point
from workflow_src.train.member import Member
from workflow_src.train.training import (
    Hooks,
    InterruptedTrainingError,
    Outcome,
    State,
    Tensors,
)

_FREE_WITHIN_A_BANK = ("seed", "stream", "protocol")

_BATCHES_AHEAD = 128  # steps whose image numbers go to the device at once
_AT_ONCE = 200  # validation images; bounds what a validation holds


class LayeredMixture(Protocol):
    """What is trained.

    Attributes
    ----------
    network:
        Its layers.
    classifier:
        ``none``, or the name of which activities a linear classifier sees.
    """

    network: MixtureNetwork
    classifier: str

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """Of one run, by name."""

    def initial_parameters(self, generator: torch.Generator) -> dict[str, Tensor]:
        """Of one run."""

    def classifier_inputs(self, activities: Sequence[Tensor]) -> Tensor:
        """What the classifier sees, [R, N, F], of the activities after each block."""


def bank_key(spec: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    """Runs whose specs give equal keys may share a bank."""
    return tuple((k, v) for k, v in sorted(spec.items()) if k not in _FREE_WITHIN_A_BANK)


def train(
    model: LayeredMixture,
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
        ``train`` and ``validation``, [images, D], real numbers; for a classifier also
        ``train_labels`` and ``validation_labels``, [images], whole numbers from 0 on.
    device:
        Where to compute; the images are moved there.
    states:
        A saved state to go on from, or None, for every run.
    hooks:
        See `Hooks`.

    Raises
    ------
    InterruptedTrainingError
        When ``hooks.stop_is_wanted`` says so.
    ValueError
        If a classifier has no labels to learn.
    """
    if model.classifier != "none" and not {"train_labels", "validation_labels"} <= set(images):
        raise ValueError(
            f"the classifier {model.classifier!r} learns labels, and the data set "
            f"{specs[0]['data_set']} has none; take classifier none, or images with labels"
        )
    placed = {name: value.to(device) for name, value in images.items()}
    for runs in by_step(states):
        bank = _LayeredBank(model, runs, [specs[run] for run in runs], placed, device)
        bank.start([states[run] for run in runs])
        yield from bank.train(hooks)


class _LastPointMember(Member):
    """A run whose point is the last one with a finite bound."""

    def validated(self, measured: Mapping[str, float], parameters: dict[str, Tensor]) -> None:
        if math.isfinite(measured["validation_bound"]):
            self.best_bound = -math.inf
        super().validated(measured, parameters)


class _LayeredBank(Bank):
    """Runs of one layout: their parameters, in place, and their annealing."""

    parameters: Tensors

    def __init__(
        self,
        model: LayeredMixture,
        runs: Sequence[int],
        specs: Sequence[Mapping[str, Any]],
        images: Mapping[str, Tensor],
        device: torch.device,
    ) -> None:
        super().__init__(runs, specs, images, device, ended)
        self.members = [_LastPointMember(spec, len(images["train"]), ended) for spec in specs]
        self.model = model
        self.steps = planned_steps(self.spec, len(images["train"]))
        layers = model.network.layers
        share = self.spec["delay"]
        # Rounded, since three tenths of a thousand steps are a little more in floating point.
        waits = [round(share * below * self.steps, 6) for below in range(len(layers))]
        self._starts = [math.ceil(wait) for wait in waits]
        self._settings = AnnealingSettings(
            window=self.spec["annealing_window"],
            decrease=self.spec["annealing_decrease"],
            threshold=self.spec["annealing_threshold"],
            final_sigma=self.spec["final_sigma"],
            learning_rate=self.spec["learning_rate"],
            final_learning_rate=self.spec["final_learning_rate"],
        )
        self.annealed = self._begun(len(self.members))

    def begin(self) -> None:
        starts = [
            self.model.initial_parameters(starting_point("initial parameters", member.spec))
            for member in self.members
        ]
        self.parameters = self.stacked(starts, list(self.model.parameter_shapes()))

    def go_on(self, saved: Sequence[Mapping[str, Tensor]]) -> None:
        self.parameters = self.stacked(saved, list(self.model.parameter_shapes()))
        self.annealed.restore(saved)

    @torch.no_grad()
    def train_interval(self, steps: int, hooks: Hooks) -> list[dict[str, float]]:
        total = torch.zeros(len(self.members), dtype=torch.float64, device=self.device)
        for numbers in self._numbers(steps):
            if hooks.stop_is_wanted():
                raise InterruptedTrainingError
            total += self._make_step(numbers)
            self.step += 1
        columns = {"training_bound": total / steps, **self._validated()}
        values = {name: column.tolist() for name, column in columns.items()}
        rows = [{name: values[name][i] for name in values} for i in range(len(self.members))]
        for run, row in enumerate(rows):
            for number, sigma in enumerate(self.annealed.sigmas(run), start=1):
                row[f"layer_{number}_sigma"] = sigma
        return rows

    def kept(self, index: int) -> Tensors:
        return {name: value[index].clone() for name, value in self.parameters.items()}

    def moving(self, index: int) -> Tensors:
        return self.kept(index) | self.annealed.run_state(index)

    def keep(self, staying: Sequence[int]) -> None:
        states = [self.annealed.run_state(run) for run in staying]
        self.parameters = {n: value[list(staying)] for n, value in self.parameters.items()}
        self.annealed = self._begun(len(staying))
        self.annealed.restore(states)

    def _begun(self, runs: int) -> AnnealedLayers:
        components = [layer.block.components for layer in self.model.network.layers]
        return AnnealedLayers(components, self._starts, runs, self._settings, self.device)

    def _numbers(self, steps: int) -> Iterator[Tensor]:
        """Numbers [R, N] of the images in the next batches of every run."""
        for first in range(0, steps, _BATCHES_AHEAD):
            ahead = [
                [member.next_images() for member in self.members]
                for _ in range(min(_BATCHES_AHEAD, steps - first))
            ]
            yield from torch.from_numpy(np.array(ahead)).to(self.device)

    def _make_step(self, numbers: Tensor) -> Tensor:
        """One step of every layer; the top layer's loss [R] before it."""
        network = self.model.network
        pixels = self.images["train"][numbers].to(torch.float32)
        steps, loss, activities = network.training_step(
            self.parameters,
            network.as_images(pixels),
            self.annealed.neighbourhoods,
            self.annealed.learning(self.step),
        )
        for layer, step, rates in zip(network.layers, steps, self.annealed.rates, strict=True):
            if step.gradients:
                move_layer(self.parameters, layer, step.gradients, rates, self.spec)
        self.annealed.observe(self.step, [step.objective for step in steps])
        if self.model.classifier != "none":
            move_classifier(
                self.parameters,
                self.model.classifier_inputs(activities),
                self.images["train_labels"][numbers],
                self.spec["classifier_rate"],
            )
        return loss

    def _validated(self) -> dict[str, Tensor]:
        """What a validation tells, [R] each in float64."""
        network, runs = self.model.network, len(self.members)
        images = self.images["validation"]
        total = torch.zeros(len(network.layers), runs, dtype=torch.float64, device=self.device)
        for chunk in torch.split(images, _AT_ONCE):
            pixels = chunk.to(torch.float32).expand(runs, -1, -1)
            losses = network.layer_losses(self.parameters, network.as_images(pixels))
            total += losses.double().sum(dim=2)
        means = total / len(images)
        found = {"validation_bound": means[-1]}
        found |= {f"layer_{i}_loss": mean for i, mean in enumerate(means, start=1)}
        return found | (self._classified() if self.model.classifier != "none" else {})

    def _classified(self) -> dict[str, Tensor]:
        """Cross-entropy and accuracy on the validation images."""
        network, runs = self.model.network, len(self.members)
        images, labels = self.images["validation"], self.images["validation_labels"]
        weight, bias = self.parameters["classifier.weight"], self.parameters["classifier.bias"]
        entropy = torch.zeros(runs, dtype=torch.float64, device=self.device)
        right = torch.zeros_like(entropy)
        parts = (torch.split(images, _AT_ONCE), torch.split(labels, _AT_ONCE))
        for chunk, wanted in zip(*parts, strict=True):
            pixels = chunk.to(torch.float32).expand(runs, -1, -1)
            activities = network.forward(self.parameters, network.as_images(pixels))
            inputs = self.model.classifier_inputs(activities)
            shares = torch.baddbmm(bias.unsqueeze(1), inputs, weight).log_softmax(dim=2)
            places = wanted.expand(runs, -1)
            entropy -= shares.gather(2, places.unsqueeze(2)).double().sum(dim=(1, 2))
            right += (shares.argmax(dim=2) == places).double().sum(dim=1)
        count = len(images)
        return {"classifier_cross_entropy": entropy / count, "classifier_accuracy": right / count}

    def _next_validation(self) -> int:
        done = len(self.members[0].history)
        return math.ceil(self.steps * (done + 1) / int(self.spec["validations"]))


def planned_steps(spec: Mapping[str, Any], train_images: int) -> int:
    """Steps of a whole training; at least one before every validation."""
    kept = subset_size(train_images, spec["fraction"])
    steps = math.ceil(spec["maximum_epochs"] * kept / spec["batch_size"])
    return max(int(steps), int(spec["validations"]))
