"""Trains a bank of runs of one shape together until each has stopped on its own.

Algorithm 1 of the SPVAE paper with Adam, validation at a fixed interval, early stopping and the
best point restored (section 4).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from workflow_src.models.leaf_models import LeafModel, bound, noise_shape, stack_runs
from workflow_src.train.gradient.optimizer import BankAdam
from workflow_src.train.gradient.stopping import ended
from workflow_src.train.loop import Bank, by_step, starting_point
from workflow_src.train.training import (
    Hooks,
    InterruptedTrainingError,
    Outcome,
    State,
    Tensors,
)

_VALIDATION_CHUNK = 256  # images; part of what is computed, since the noise is drawn per chunk

# What may differ between the runs of one bank. Their rhythm may not: a run that is validated
# because another ends there would not be the run that it is alone.
_FREE_WITHIN_A_BANK = ("fraction", "seed", "stream", "stopping", "protocol")


def bank_key(spec: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    """Runs whose specs give equal keys may share a bank."""
    return tuple((k, v) for k, v in sorted(spec.items()) if k not in _FREE_WITHIN_A_BANK)


def train(
    model: LeafModel,
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
        ``train`` and ``validation``, ``[images, D]``, floats in [0, 1] or integer counts.
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
    """
    on_device = {name: value.to(device) for name, value in images.items()}
    for runs in by_step(states):
        bank = _LeafBank(model, runs, [specs[run] for run in runs], on_device, device)
        bank.start([states[run] for run in runs])
        yield from bank.train(hooks)


class _LeafBank(Bank):
    """Runs of a model of leaves, with their parameters stacked."""

    optimizer: BankAdam

    def __init__(
        self,
        model: LeafModel,
        runs: Sequence[int],
        specs: Sequence[Mapping[str, Any]],
        images: Mapping[str, Tensor],
        device: torch.device,
    ) -> None:
        super().__init__(runs, specs, images, device, ended)
        self.model = model
        self.objective = self.spec["objective"]
        self.samples = self.spec["importance_samples"]

    def begin(self) -> None:
        fresh = [initial_parameters(self.model, member.spec) for member in self.members]
        placed = {name: value.to(self.device) for name, value in stack_runs(fresh).items()}
        self.optimizer = BankAdam(placed, self.spec["learning_rate"])

    def go_on(self, saved: Sequence[Mapping[str, Tensor]]) -> None:
        stacked = self.stacked(saved, list(self.model.parameter_shapes()))
        self.optimizer = BankAdam(stacked, self.spec["learning_rate"])
        self.optimizer.restore_moments(saved, self.step)

    def train_interval(self, steps: int, hooks: Hooks) -> list[dict[str, float]]:
        training = self._train(steps, hooks)
        validation = self._validate()
        return [
            {"training_bound": one, "validation_bound": other}
            for one, other in zip(training, validation, strict=True)
        ]

    def kept(self, index: int) -> Tensors:
        parameters = self.optimizer.parameters
        return {name: value[index].detach().clone() for name, value in parameters.items()}

    def moving(self, index: int) -> Tensors:
        return self.optimizer.run_state(index)

    def keep(self, staying: Sequence[int]) -> None:
        self.optimizer = self.optimizer.keeping(staying)

    def _train(self, steps: int, hooks: Hooks) -> list[float]:
        """Train so many steps; each run's mean bound over the batches, in nats."""
        generators = self.streams("training noise", step=self.step)
        batch_size = self.spec["batch_size"]
        total = torch.zeros(len(self.members), device=self.device)
        for stored in self.batches(steps):
            if hooks.stop_is_wanted():
                raise InterruptedTrainingError
            bounds = bound(
                self.model,
                self.optimizer.parameters,
                stored.transpose(1, 2).to(torch.float32).contiguous(),
                self._noise(generators, batch_size),
                self.objective,
            ).mean(dim=1)
            self.optimizer.maximise(bounds.sum())
            total += bounds.detach()
            self.step += 1
        means: list[float] = (total / steps).tolist()
        return means

    @torch.no_grad()
    def _validate(self) -> list[float]:
        """Each run's mean validation bound in nats, with the same noise each time."""
        generators = self.streams("validation noise")
        parameters = {name: value.detach() for name, value in self.optimizer.parameters.items()}
        total = torch.zeros(len(self.members), dtype=torch.float64, device=self.device)
        validation = self.images["validation"]
        for chunk in torch.split(validation, _VALIDATION_CHUNK):
            pixels = chunk.T.to(torch.float32).expand(len(self.members), -1, -1)
            noise = self._noise(generators, len(chunk))
            bounds = bound(self.model, parameters, pixels, noise, self.objective)
            total += bounds.double().sum(dim=1)
        means: list[float] = (total / len(validation)).tolist()
        return means

    def _noise(self, generators: Sequence[torch.Generator], images: int) -> Tensor:
        shape = noise_shape(self.model, self.samples, images)
        noise = torch.empty(len(generators), *shape, device=self.device)
        for i, generator in enumerate(generators):
            noise[i].normal_(generator=generator)
        return noise


def initial_parameters(model: LeafModel, spec: Mapping[str, Any]) -> Tensors:
    """Where a run starts."""
    return model.initial_parameters(starting_point("initial parameters", spec))
