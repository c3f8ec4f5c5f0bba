"""Trains a bank of runs of one shape together until each has stopped on its own.

Algorithm 1 of the SPVAE paper with Adam, validation at a fixed interval, early stopping and the
best point restored (section 4). Every run has random streams of its own, so that its batches and
noise do not depend on who shares the bank; a run that has stopped leaves the bank. This module
knows tensors and plain values only: files and records belong to the shard job.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from workflow_src.models.leaf_models import LeafModel, bound, noise_shape, stack_runs
from workflow_src.models.random_streams import run_stream
from workflow_src.plan.seeds import seed
from workflow_src.train.gradient.member import BEST, Member
from workflow_src.train.gradient.optimizer import BankAdam
from workflow_src.train.training import (
    Hooks,
    InterruptedTrainingError,
    Outcome,
    Progress,
    State,
    Tensors,
)

_VALIDATION_CHUNK = 256  # images; part of what is computed, since the noise is drawn per chunk
_BATCHES_AHEAD = 128  # steps whose image numbers go to the device at once: each time it waits

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
    by_step: dict[int, list[int]] = {}
    for run, state in enumerate(states):
        by_step.setdefault(state[1]["step"] if state else 0, []).append(run)
    # Runs that were interrupted at different steps cannot share one optimizer step counter.
    for step in sorted(by_step, reverse=True):
        runs = by_step[step]
        bank = _Bank(model, runs, [specs[r] for r in runs], on_device, device)
        bank.start([states[run] for run in runs])
        yield from bank.train(hooks)


class _Bank:
    """Runs at one common step, with their parameters stacked."""

    def __init__(
        self,
        model: LeafModel,
        runs: Sequence[int],
        specs: Sequence[Mapping[str, Any]],
        images: Mapping[str, Tensor],
        device: torch.device,
    ) -> None:
        self.model = model
        self.images = images
        self.device = device
        self.together = tuple(runs)
        self.runs = list(runs)
        self.members = [Member(spec, len(images["train"])) for spec in specs]
        self.objective = specs[0]["objective"]
        self.samples = specs[0]["importance_samples"]
        self.interval = specs[0]["validation_interval"]
        self.step = 0
        self.states: list[State] = []
        self.optimizer: BankAdam

    def start(self, states: Sequence[State | None]) -> None:
        """Begin from fresh parameters, or go on from states that share one step."""
        known = [state for state in states if state is not None]
        rate = self.members[0].spec["learning_rate"]
        if not known:
            fresh = [initial_parameters(self.model, member.spec) for member in self.members]
            self.optimizer = BankAdam(self._placed(stack_runs(fresh)), rate)
            return
        for member, (tensors, facts) in zip(self.members, known, strict=True):
            member.restore(facts, tensors)
        self.step = self.members[0].step
        names = self.model.parameter_shapes()
        stacked = {name: torch.stack([tensors[name] for tensors, _ in known]) for name in names}
        self.optimizer = BankAdam(self._placed(stacked), rate)
        self.optimizer.restore_moments([tensors for tensors, _ in known], self.step)

    def train(self, hooks: Hooks) -> Iterator[Outcome]:
        while self.members:
            started = time.perf_counter()
            try:
                training = self._train_interval(hooks)
            except InterruptedTrainingError:
                self._save(hooks)
                raise
            validation = self._validate()
            seconds = (time.perf_counter() - started) / len(self.members)
            for i, member in enumerate(self.members):
                member.step = self.step
                member.device_seconds += seconds
                member.validated(training[i], validation[i], self._parameters_of(i))
            yield from self._leavers()
            # Streams of noise begin anew at every validation, so only here is a state complete.
            self.states = [self._state_of(i) for i in range(len(self.members))]
            if self.members:
                best = max(member.stopping.best for member in self.members)
                hooks.progress(Progress(self.step, len(self.members), best))
                if hooks.saving_is_due():
                    self._save(hooks)

    def _save(self, hooks: Hooks) -> None:
        """Hand over the states of the last validation; before the first one there are none."""
        for run, state in zip(self.runs, self.states, strict=False):
            hooks.save(run, state)

    def _train_interval(self, hooks: Hooks) -> list[float]:
        """Train to the next validation; each run's mean bound over the batches, in nats."""
        generators = [
            run_stream("training noise", member.spec, self.device, step=self.step)
            for member in self.members
        ]
        last = min(
            (self.step // self.interval + 1) * self.interval,
            min(member.spec["maximum_steps"] for member in self.members),
        )
        batch_size = self.members[0].spec["batch_size"]
        total = torch.zeros(len(self.members), device=self.device)
        taken = last - self.step
        for pixels in self._batches(taken):
            if hooks.stop_is_wanted():
                raise InterruptedTrainingError
            bounds = bound(
                self.model,
                self.optimizer.parameters,
                pixels,
                self._noise(generators, batch_size),
                self.objective,
            ).mean(dim=1)
            self.optimizer.maximise(bounds.sum())
            total += bounds.detach()
            self.step += 1
        means: list[float] = (total / taken).tolist()
        return means

    @torch.no_grad()
    def _validate(self) -> list[float]:
        """Each run's mean validation bound in nats, with the same noise each time."""
        generators = [
            run_stream("validation noise", member.spec, self.device) for member in self.members
        ]
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

    def _leavers(self) -> Iterator[Outcome]:
        """Yield the runs that are over and compact the bank."""
        verdicts = [member.verdict() for member in self.members]
        staying = [i for i, verdict in enumerate(verdicts) if verdict is None]
        leaving = [
            _outcome(run, self.together, member, *verdict)
            for run, member, verdict in zip(self.runs, self.members, verdicts, strict=True)
            if verdict is not None
        ]
        if leaving and staying:
            self.optimizer = self.optimizer.keeping(staying, self.step)
        if leaving:
            self.runs = [self.runs[i] for i in staying]
            self.members = [self.members[i] for i in staying]
        yield from leaving

    def _batches(self, steps: int) -> Iterator[Tensor]:
        """The next batches of every run, each [R, D, N]."""
        train = self.images["train"]
        for first in range(0, steps, _BATCHES_AHEAD):
            ahead = [
                [member.next_images() for member in self.members]
                for _ in range(min(_BATCHES_AHEAD, steps - first))
            ]
            for indices in torch.from_numpy(np.array(ahead)).to(self.device):
                yield train[indices].transpose(1, 2).to(torch.float32).contiguous()

    def _noise(self, generators: Sequence[torch.Generator], images: int) -> Tensor:
        shape = noise_shape(self.model, self.samples, images)
        noise = torch.empty(len(generators), *shape, device=self.device)
        for i, generator in enumerate(generators):
            noise[i].normal_(generator=generator)
        return noise

    def _parameters_of(self, index: int) -> Tensors:
        parameters = self.optimizer.parameters
        return {name: value[index].detach().clone() for name, value in parameters.items()}

    def _state_of(self, index: int) -> State:
        member = self.members[index]
        tensors = self.optimizer.run_state(index)
        tensors |= {BEST + name: value for name, value in member.best_parameters.items()}
        return tensors, member.facts()

    def _placed(self, parameters: Tensors) -> Tensors:
        return {name: value.to(self.device) for name, value in parameters.items()}


def initial_parameters(model: LeafModel, spec: Mapping[str, Any]) -> Tensors:
    """Where a run starts; drawn on the CPU, so that it is the same point on every device."""
    value = seed(
        "initial parameters",
        model=spec["model"],
        data_set=spec["data_set"],
        likelihood=spec["likelihood"],
        seed=spec["seed"],
    )
    return model.initial_parameters(torch.Generator().manual_seed(value))


def _outcome(run: int, bank: tuple[int, ...], member: Member, state: str, reason: str) -> Outcome:
    return Outcome(
        run=run,
        bank=bank,
        state=state,
        reason=reason,
        parameters=member.best_parameters,
        best_validation_bound=member.stopping.best if member.best_parameters else None,
        best_step=member.best_step,
        steps=member.step,
        device_seconds=member.device_seconds,
        history=member.history,
    )
