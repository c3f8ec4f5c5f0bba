"""The way from fresh or saved states to outcomes that every trainer's bank goes.

Intervals of training with a validation at the end of each; the best point is kept; a run that is
over leaves the bank. Every run has random streams of its own, so that its batches and noise do not
depend on who shares the bank. This module knows tensors and plain values only: files and records
belong to the shard job.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from workflow_src.models.random_streams import run_stream
from workflow_src.plan.seeds import seed
from workflow_src.train.endings import Ended
from workflow_src.train.member import Member
from workflow_src.train.names import BEST
from workflow_src.train.training import (
    Hooks,
    InterruptedTrainingError,
    Outcome,
    Progress,
    State,
    Tensors,
)

_BATCHES_AHEAD = 128  # steps whose image numbers go to the device at once: each time it waits


def by_step(states: Sequence[State | None]) -> Iterator[list[int]]:
    """The places of runs whose states are of one step, the farthest first.

    Runs that were interrupted at different steps cannot share one optimizer step counter.
    """
    found: dict[int, list[int]] = {}
    for run, state in enumerate(states):
        found.setdefault(state[1]["step"] if state else 0, []).append(run)
    for step in sorted(found, reverse=True):
        yield found[step]


class Bank(ABC):
    """Runs at one common step that are trained together.

    Parameters
    ----------
    runs:
        Their places in the list of all specs.
    specs:
        Their canonical specs, of one rhythm.
    images:
        ``train`` and ``validation``, on the device.
    ended:
        The trainer's stopping rule.
    """

    def __init__(
        self,
        runs: Sequence[int],
        specs: Sequence[Mapping[str, Any]],
        images: Mapping[str, Tensor],
        device: torch.device,
        ended: Ended,
    ) -> None:
        self.images = images
        self.device = device
        self.together = tuple(runs)
        self.runs = list(runs)
        self.members = [Member(spec, len(images["train"]), ended) for spec in specs]
        self.spec = specs[0]
        self.step = 0
        self.states: list[State] = []

    @abstractmethod
    def begin(self) -> None:
        """Start from fresh parameters."""

    @abstractmethod
    def go_on(self, saved: Sequence[Mapping[str, Tensor]]) -> None:
        """Go on at `step` from tensors that `moving` gave, one mapping for each run."""

    @abstractmethod
    def train_interval(self, steps: int, hooks: Hooks) -> list[dict[str, float]]:
        """Train so many steps and validate; each run's row of history, without step and seconds.

        Raises
        ------
        InterruptedTrainingError
            When ``hooks.stop_is_wanted`` says so, which is asked before every step.
        """

    @abstractmethod
    def kept(self, index: int) -> Tensors:
        """Copies of what a run's checkpoint holds if this is its best point."""

    @abstractmethod
    def moving(self, index: int) -> Tensors:
        """Copies of all that a run goes on from, beside its best point and facts."""

    @abstractmethod
    def keep(self, staying: Sequence[int]) -> None:
        """Drop the tensors of all other runs."""

    def start(self, states: Sequence[State | None]) -> None:
        """Begin, or go on from states that share one step."""
        known = [state for state in states if state is not None]
        if not known:
            self.begin()
            return
        for member, (tensors, facts) in zip(self.members, known, strict=True):
            member.restore(facts, tensors)
        self.step = self.members[0].step
        self.go_on([tensors for tensors, _ in known])

    def train(self, hooks: Hooks) -> Iterator[Outcome]:
        """Train until every run is over; yields each outcome as it comes."""
        while self.members:
            started = time.perf_counter()
            steps = self._next_validation() - self.step
            try:
                rows = self.train_interval(steps, hooks)
            except InterruptedTrainingError:
                self._save(hooks)
                raise
            seconds = (time.perf_counter() - started) / len(self.members)
            for i, member in enumerate(self.members):
                member.step = self.step
                member.device_seconds += seconds
                member.validated(rows[i], self.kept(i))
            yield from self._leavers()
            # Streams of noise begin anew at every validation, so only here is a state complete.
            self.states = [self._state_of(i) for i in range(len(self.members))]
            if self.members:
                best = max(member.best_bound for member in self.members)
                hooks.progress(Progress(self.step, len(self.members), best))
                if hooks.saving_is_due():
                    self._save(hooks)

    def batches(self, steps: int) -> Iterator[Tensor]:
        """The next batches of every run as they are stored, each [R, N, D]."""
        train = self.images["train"]
        for first in range(0, steps, _BATCHES_AHEAD):
            ahead = [
                [member.next_images() for member in self.members]
                for _ in range(min(_BATCHES_AHEAD, steps - first))
            ]
            for indices in torch.from_numpy(np.array(ahead)).to(self.device):
                yield train[indices]

    def streams(self, purpose: str, **axes: int) -> list[torch.Generator]:
        """Each run's stream for a purpose, on the device."""
        return [run_stream(purpose, m.spec, self.device, **axes) for m in self.members]

    def stacked(self, runs: Sequence[Mapping[str, Tensor]], names: Sequence[str]) -> Tensors:
        """Tensors of those names of several runs on one run axis, on the device."""
        return {name: torch.stack([run[name] for run in runs]).to(self.device) for name in names}

    def _next_validation(self) -> int:
        interval: int = self.spec["validation_interval"]
        following = (self.step // interval + 1) * interval
        return int(min(following, self.spec["maximum_steps"]))

    def _save(self, hooks: Hooks) -> None:
        """Hand over the states of the last validation; before the first one there are none."""
        for run, state in zip(self.runs, self.states, strict=False):
            hooks.save(run, state)

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
            self.keep(staying)
        if leaving:
            self.runs = [self.runs[i] for i in staying]
            self.members = [self.members[i] for i in staying]
        yield from leaving

    def _state_of(self, index: int) -> State:
        member = self.members[index]
        best = {BEST + name: value for name, value in member.best_parameters.items()}
        return self.moving(index) | best, member.facts()


def starting_point(purpose: str, spec: Mapping[str, Any]) -> torch.Generator:
    """The stream behind a run's start, on the CPU, so that it is one point on every device."""
    value = seed(
        purpose,
        model=spec["model"],
        data_set=spec["data_set"],
        likelihood=spec["likelihood"],
        seed=spec["seed"],
    )
    return torch.Generator().manual_seed(value)


def _outcome(run: int, bank: tuple[int, ...], member: Member, state: str, reason: str) -> Outcome:
    return Outcome(
        run=run,
        bank=bank,
        state=state,
        reason=reason,
        parameters=member.best_parameters,
        best_validation_bound=member.best_bound if member.best_parameters else None,
        best_step=member.best_step,
        steps=member.step,
        device_seconds=member.device_seconds,
        history=member.history,
    )
