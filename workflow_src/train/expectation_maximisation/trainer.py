"""Trains a bank of circuits by expectation maximisation, batch by batch, for planned epochs.

Section 3.5 of Peharz et al., "Einsum networks" (ICML 2020), which the DCGMM paper trains its
RAT-SPNs and PD-SPNs by (section V): every step moves the expectation parameters a share of the way
to the maximum for its images. Of a run, the best validation is kept. A step of a bank's history is
an epoch.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from workflow_src.data.subsets import subset_size
from workflow_src.train.expectation_maximisation.stopping import ended
from workflow_src.train.loop import Bank, by_step, starting_point
from workflow_src.train.training import (
    Hooks,
    InterruptedTrainingError,
    Outcome,
    State,
    Tensors,
)

_VALIDATION_CHUNK = 256  # images; of all runs at once

_FREE_WITHIN_A_BANK = ("fraction", "seed", "stream", "protocol")


class ExpectationModel(Protocol):
    """A model with expected statistics and a maximum that follows from them.

    R = runs, N = images, D = values of an image; parameters and statistics have R in front.
    """

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """Of one run."""
        ...

    def initial_parameters(self, generator: torch.Generator, images: Tensor) -> Tensors:
        """Where one run starts, given its training images [N, D]."""
        ...

    def expectations(
        self, parameters: Mapping[str, Tensor], pixels: Tensor
    ) -> tuple[Tensor, Tensors]:
        """Log densities [R, N] of images [R, N, D], and statistics summed over the images."""
        ...

    def maximised(
        self, parameters: Mapping[str, Tensor], statistics: Mapping[str, Tensor], step_size: float
    ) -> Tensors:
        """Parameters after a step towards the maximum."""
        ...

    def log_density(self, parameters: Mapping[str, Tensor], pixels: Tensor) -> Tensor:
        """Log densities [R, N] of images [R, N, D]."""
        ...


def bank_key(spec: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    """Runs whose specs give equal keys may share a bank."""
    return tuple((k, v) for k, v in sorted(spec.items()) if k not in _FREE_WITHIN_A_BANK)


def train(
    model: ExpectationModel,
    specs: Sequence[Mapping[str, Any]],
    images: Mapping[str, Tensor],
    device: torch.device,
    states: Sequence[State | None],
    hooks: Hooks,
) -> Iterator[Outcome]:
    """Train runs with equal `bank_key` and yield each as it ends.

    Runs on different fractions of the images have epochs of different lengths, and are trained one
    fraction after the other.

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
    on_device = {name: images[name].to(device) for name in ("train", "validation")}
    for fraction in sorted({spec["fraction"] for spec in specs}):
        members = [run for run, spec in enumerate(specs) if spec["fraction"] == fraction]
        for together in by_step([states[run] for run in members]):
            runs = [members[place] for place in together]
            bank = _ExpectationBank(model, runs, [specs[run] for run in runs], on_device, device)
            bank.start([states[run] for run in runs])
            yield from bank.train(hooks)


class _ExpectationBank(Bank):
    """Runs of one structure on equally many images.

    Attributes
    ----------
    parameters:
        With a run axis in front.
    batches_per_epoch:
        As many as hold all images.
    """

    parameters: Tensors

    def __init__(
        self,
        model: ExpectationModel,
        runs: Sequence[int],
        specs: Sequence[Mapping[str, Any]],
        images: Mapping[str, Tensor],
        device: torch.device,
    ) -> None:
        kept = subset_size(len(images["train"]), specs[0]["fraction"])
        batch = min(specs[0]["batch_size"] or kept, kept)
        super().__init__(
            runs, [{**spec, "batch_size": batch} for spec in specs], images, device, ended
        )
        self.model = model
        self.batches_per_epoch = math.ceil(kept / batch)

    def begin(self) -> None:
        fresh = []
        for member in self.members:
            own = self.images["train"][torch.from_numpy(member.subset).to(self.device)]
            fresh.append(initial_parameters(self.model, member.spec, own))
        self.parameters = self.stacked(fresh, list(self.model.parameter_shapes()))

    def go_on(self, saved: Sequence[Mapping[str, Tensor]]) -> None:
        self.parameters = self.stacked(saved, list(self.model.parameter_shapes()))

    @torch.no_grad()
    def train_interval(self, steps: int, hooks: Hooks) -> list[dict[str, float]]:
        total = torch.zeros(len(self.members), dtype=torch.float64, device=self.device)
        for _ in range(steps):
            total += self._train_epoch(hooks)
            self.step += 1
        training: list[float] = (total / steps).tolist()
        return [
            {"training_bound": one, "validation_bound": other}
            for one, other in zip(training, self._validate(), strict=True)
        ]

    def kept(self, index: int) -> Tensors:
        return {name: value[index].clone() for name, value in self.parameters.items()}

    def moving(self, index: int) -> Tensors:
        return self.kept(index)

    def keep(self, staying: Sequence[int]) -> None:
        places = torch.tensor(staying, device=self.device)
        self.parameters = {
            name: value.index_select(0, places) for name, value in self.parameters.items()
        }

    def _train_epoch(self, hooks: Hooks) -> Tensor:
        """A pass over the images; each run's mean log density before the steps, [R] in nats."""
        total = torch.zeros(len(self.members), dtype=torch.float64, device=self.device)
        batches_per_step = self.spec["batches_per_step"] or self.batches_per_epoch
        statistics: Tensors = {}
        for number, stored in enumerate(self.batches(self.batches_per_epoch), start=1):
            if hooks.stop_is_wanted():
                raise InterruptedTrainingError
            densities, found = self.model.expectations(self.parameters, stored.to(torch.float32))
            total += densities.double().mean(dim=1)
            statistics = {
                name: statistics[name] + value if statistics else value
                for name, value in found.items()
            }
            if number % batches_per_step == 0 or number == self.batches_per_epoch:
                self.parameters = self.model.maximised(
                    self.parameters, statistics, self.spec["step_size"]
                )
                statistics = {}
        return total / self.batches_per_epoch

    def _validate(self) -> list[float]:
        """Each run's mean log density of the validation images, in nats."""
        total = torch.zeros(len(self.members), dtype=torch.float64, device=self.device)
        validation = self.images["validation"]
        for chunk in torch.split(validation, _VALIDATION_CHUNK):
            pixels = chunk.to(torch.float32).expand(len(self.members), -1, -1)
            total += self.model.log_density(self.parameters, pixels).double().sum(dim=1)
        means: list[float] = (total / len(validation)).tolist()
        return means

    def _next_validation(self) -> int:
        interval: int = self.spec["validation_interval"]
        following = (self.step // interval + 1) * interval
        return int(min(following, self.spec["maximum_epochs"]))


def initial_parameters(model: ExpectationModel, spec: Mapping[str, Any], images: Tensor) -> Tensors:
    """Where a run starts, given its training images [N, D]."""
    return model.initial_parameters(starting_point("initial parameters", spec), images)
