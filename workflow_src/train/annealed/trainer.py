"""Trains a bank of models with latent variables under schedules, for a set number of steps.

Section 7 and appendices F to H of the DVAE++ paper: Adam or AdaMax with a step size that decays, a
divergence whose weight rises from 0 to 1, persistent chains that move before every step, and the
point of the best validation in the binary limit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from workflow_src.models.latent_variables import (
    LatentVariableModel,
    LogPartition,
    NoiseShape,
    Schedule,
    draw_noise,
)
from workflow_src.train.annealed.optimizer import AnnealedOptimizer, OptimizerSettings
from workflow_src.train.annealed.pixels import TrainingPixels
from workflow_src.train.annealed.schedules import (
    comparable_bounds,
    kl_weight,
    learning_rate,
    progress,
)
from workflow_src.train.annealed.stopping import ended
from workflow_src.train.annealed.validation import validation_bounds
from workflow_src.train.loop import Bank, by_step, starting_point
from workflow_src.train.names import CHAINS, STATE
from workflow_src.train.training import (
    Hooks,
    InterruptedTrainingError,
    Outcome,
    State,
    Tensors,
)

_FREE_WITHIN_A_BANK = ("fraction", "seed", "stream", "protocol")


def bank_key(spec: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    """Runs whose specs give equal keys may share a bank."""
    return tuple((k, v) for k, v in sorted(spec.items()) if k not in _FREE_WITHIN_A_BANK)


def train(
    model: LatentVariableModel,
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
        ``train`` and ``validation``, ``[images, D]``, integers up to the model's largest level;
        for the Bernoulli likelihood validation is black and white.
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
    pixels = TrainingPixels(images["train"], model.images, specs[0], device)
    validation = images["validation"][: specs[0]["validation_images"] or None].to(device)
    for runs in by_step(states):
        bank = _AnnealedBank(model, runs, [specs[run] for run in runs], pixels, validation, device)
        bank.start([states[run] for run in runs])
        yield from bank.train(hooks)


class _AnnealedBank(Bank):
    """Runs of a model with latent variables: parameters, moving state and schedules.

    Attributes
    ----------
    state:
        What moves without a gradient, ``[R, ...]`` by name.
    """

    optimizer: AnnealedOptimizer
    state: Tensors

    def __init__(
        self,
        model: LatentVariableModel,
        runs: Sequence[int],
        specs: Sequence[Mapping[str, Any]],
        pixels: TrainingPixels,
        validation: Tensor,
        device: torch.device,
    ) -> None:
        images = {"train": pixels.values, "validation": validation}
        super().__init__(runs, specs, images, device, ended)
        self.model = model
        self.pixels = pixels
        self.noise_shapes = model.training_noise(self.spec["batch_size"])
        self.settings = OptimizerSettings(
            rule=self.spec["optimizer"],
            epsilon=self.spec["epsilon"],
            second_moment_decay=self.spec["second_moment_decay"],
            weight_decay=self.spec["weight_decay"],
            decayed=model.decayed,
            auxiliary=model.auxiliary,
        )

    def begin(self) -> None:
        parameters, states = [], []
        for member in self.members:
            mean = self.pixels.mean(torch.from_numpy(member.subset))
            parameters.append(initial_parameters(self.model, member.spec, mean))
            states.append(initial_state(self.model, member.spec, mean))
        placed = self.stacked(parameters, list(self.model.parameter_shapes()))
        self.optimizer = AnnealedOptimizer(placed, self.settings)
        self.state = self.stacked(states, list(self.model.state_shapes()))

    def go_on(self, saved: Sequence[Mapping[str, Tensor]]) -> None:
        parameters = self.stacked(saved, list(self.model.parameter_shapes()))
        self.optimizer = AnnealedOptimizer(parameters, self.settings)
        self.optimizer.restore_moments(saved, self.step)
        names = [STATE + name for name in self.model.state_shapes()]
        stacked = self.stacked(saved, names)
        self.state = {name.removeprefix(STATE): value for name, value in stacked.items()}

    def train_interval(self, steps: int, hooks: Hooks) -> list[dict[str, float]]:
        before = self._partition_before()
        training, rates = self._train(steps, hooks)
        validation, found = self._validate(), self._partition()
        partition = found.value.double()
        columns = {
            # The bound of a step lacks the partition function, which moves from step to step.
            "training_bound": training - (before + partition) / 2,
            "validation_bound": validation - partition,
            "learning_rate": torch.tensor(rates, dtype=torch.float64),
            "kl_weight": torch.full_like(partition, kl_weight(self.spec, self.step - 1)),
            "log_partition": partition,
            "log_partition_error": found.standard_error.double(),
        }
        values = {name: column.tolist() for name, column in columns.items()}
        return [{name: values[name][i] for name in values} for i in range(len(self.members))]

    def kept(self, index: int) -> Tensors:
        parameters = {name: value[index].clone() for name, value in self._parameters().items()}
        return parameters | {
            STATE + name: value[index].clone()
            for name, value in self.state.items()
            if not name.startswith(CHAINS)
        }

    def moving(self, index: int) -> Tensors:
        state = {STATE + name: value[index].clone() for name, value in self.state.items()}
        return self.optimizer.run_state(index) | state

    def keep(self, staying: Sequence[int]) -> None:
        self.optimizer = self.optimizer.keeping(staying)
        self.state = {name: value[list(staying)] for name, value in self.state.items()}

    def _train(self, steps: int, hooks: Hooks) -> tuple[Tensor, list[float]]:
        """Train so many steps; mean bounds [R] over the batches in nats, and the last rates."""
        noise_streams = self.streams("training noise", step=self.step)
        pixel_streams = self.streams("binarisation", step=self.step)
        chain_streams = self.streams("chains", step=self.step)
        validated = [comparable_bounds(member.history) for member in self.members]
        total = torch.zeros(len(self.members), dtype=torch.float64, device=self.device)
        rates: list[float] = []
        for stored in self.batches(steps):
            if hooks.stop_is_wanted():
                raise InterruptedTrainingError
            rates = [learning_rate(self.spec, self.step, bounds) for bounds in validated]
            schedule = Schedule(progress(self.spec, self.step), kl_weight(self.spec, self.step))
            with torch.no_grad():
                self.state |= self.model.advance(self._parameters(), self.state, chain_streams)
            step = self.model.training_step(
                self.optimizer.parameters,
                self.state,
                self._drawn(stored, pixel_streams),
                draw_noise(self.noise_shapes, noise_streams, self.device),
                schedule,
            )
            self.optimizer.maximise(step.objective.sum(), rates)
            self.state |= step.state
            total += step.bound
            self.step += 1
        return total / steps, rates

    @torch.no_grad()
    def _validate(self) -> Tensor:
        """Bounds without partition function, [R] in nats, with the same noise each time."""
        return validation_bounds(
            self.model,
            self._parameters(),
            self.state,
            self.images["validation"],
            self.spec["validation_samples"],
            self.streams("validation noise"),
        )

    @torch.no_grad()
    def _partition(self) -> LogPartition:
        """The log partition functions, with the same noise each time."""
        streams = self.streams("validation partition")
        return self.model.log_partition(self._parameters(), streams, "training")

    def _partition_before(self) -> Tensor:
        """Log partition functions [R] at the last validation, or at the start."""
        if not self.step:
            return self._partition().value.double()
        known = [member.history[-1]["log_partition"] for member in self.members]
        return torch.tensor(known, dtype=torch.float64, device=self.device)

    def _drawn(self, stored: Tensor, streams: Sequence[torch.Generator]) -> Tensor:
        """Pixels [R, N, D] of a batch as it is stored."""
        if not self.pixels.is_drawn:
            return self.pixels.drawn(stored, None)
        shape = {"uniform": NoiseShape("uniform", tuple(stored.shape[1:]))}
        return self.pixels.drawn(stored, draw_noise(shape, streams, self.device)["uniform"])

    def _parameters(self) -> Tensors:
        return {name: value.detach() for name, value in self.optimizer.parameters.items()}


def initial_parameters(
    model: LatentVariableModel, spec: Mapping[str, Any], mean: Tensor
) -> Tensors:
    """Where a run starts; ``mean`` [D] is its mean training image."""
    return model.initial_parameters(starting_point("initial parameters", spec), mean)


def initial_state(model: LatentVariableModel, spec: Mapping[str, Any], mean: Tensor) -> Tensors:
    """What moves without a gradient, at the start of a run."""
    return model.initial_state(starting_point("initial state", spec), mean)
