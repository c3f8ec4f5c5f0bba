"""Expectation maximisation with the exact posterior, run by run.

Beside what every validation has, a row of history tells of the epochs since the last one
``smallest_step`` (smallest share of the way to a block's maximum that was accepted; 0 where no
block moved, 1 at the start) and ``rejected_blocks`` (how many no step could better).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from workflow_src.models.piecewise_affine.inference.expectations import (
    DeepGenerativeNetwork,
    expected_statistics,
)
from workflow_src.models.piecewise_affine.maximisation.em import (
    Expected,
    SweepResult,
    SweepSettings,
    em_sweep,
    robbins_monro_step,
)
from workflow_src.train.piecewise_affine.epochs import (
    MEMORY_BYTES,
    NUMERICAL_ERRORS,
    Columns,
    EpochBank,
)
from workflow_src.train.training import Hooks, Tensors

log = logging.getLogger(__name__)


class ExpectationMaximisationBank(EpochBank):
    """Runs by expectation maximisation, one after another.

    Attributes
    ----------
    densities:
        Of each run, as it is now; None where a sweep left what can be computed with.
    """

    densities: list[DeepGenerativeNetwork | None]
    _expected: list[Expected | None]

    def begin(self) -> None:
        self._take(self.starts())

    def go_on(self, saved: Sequence[Mapping[str, Tensor]]) -> None:
        self._take(saved)

    def train_epochs(self, epochs: int, hooks: Hooks) -> list[Columns]:
        if not epochs:
            return [_columns([], 0.0) for _ in self.members]
        found = []
        for index in range(len(self.members)):
            started = self.now()
            sweeps = self._sweeps(index, epochs, hooks)
            found.append(_columns(sweeps, self.now() - started))
        self.step += epochs
        return found

    def generator_parameters(self, index: int) -> Tensors:
        density = self.densities[index]
        if density is None:
            shapes = self.model.parameter_shapes().items()
            return {
                name: torch.full(shape, torch.nan, dtype=torch.float64) for name, shape in shapes
            }
        return self.model.parameters_of(density)

    def kept(self, index: int) -> Tensors:
        return self.generator_parameters(index)

    def moving(self, index: int) -> Tensors:
        return self.generator_parameters(index)

    def keep(self, staying: Sequence[int]) -> None:
        self.densities = [self.densities[index] for index in staying]
        self._expected = [self._expected[index] for index in staying]

    def _take(self, parameters: Sequence[Mapping[str, Tensor]]) -> None:
        self.densities = [self.model.generative_network(one) for one in parameters]
        self._expected = [None] * len(parameters)
        self._expectation = partial(
            expected_statistics, memory_bytes=MEMORY_BYTES, device=str(self.device)
        )
        self._settings = SweepSettings(
            order=self.spec["block_order"],
            damping=self.spec["damping"],
            backtracking=self.spec["backtracking"] == "halving",
            refresh=self.spec["expectation_refresh"],
            weight_prior=self.weight_prior,
            expanded_prior=self.spec["parameter_expansion"] == "latent_prior",
            memory_bytes=MEMORY_BYTES,
        )

    def _sweeps(self, index: int, epochs: int, hooks: Hooks) -> list[SweepResult]:
        """The sweeps of one run in so many epochs."""
        sweeps = []
        first = self.step * self.batches_per_epoch
        for number in range(first, first + epochs * self.batches_per_epoch):
            self.raise_if_stopped(hooks)
            density = self.densities[index]
            if density is None:
                break
            try:
                sweep = self._sweep(index, density, number)
            except NUMERICAL_ERRORS as error:
                log.warning("a sweep of seed %d left all numbers: %s", self.seed(index), error)
                self.densities[index] = None
            else:
                self.densities[index] = sweep.model
                sweeps.append(sweep)
        return sweeps

    def _sweep(self, index: int, density: DeepGenerativeNetwork, number: int) -> SweepResult:
        """Over all points, or over the batch of that number."""
        whole = self.batches_per_epoch == 1
        return self._whole(index, density) if whole else self._part(index, density, number)

    def _whole(self, index: int, density: DeepGenerativeNetwork) -> SweepResult:
        """A sweep over all points."""
        sweep = em_sweep(
            density,
            self.training_points(index),
            self._settings,
            start=self._expected[index],
            expectation=self._expectation,
        )
        self._expected[index] = sweep.expected
        return sweep

    def _part(self, index: int, density: DeepGenerativeNetwork, number: int) -> SweepResult:
        """A sweep over the batch of that number, in steps that shorten."""
        shortened = robbins_monro_step(number, decay=self.spec["step_decay"])
        batch = self.members[index].next_images()
        return em_sweep(
            density,
            self.all_training_points()[batch],
            replace(self._settings, damping=self.spec["damping"] * shortened),
            expectation=self._expectation,
        )


def _columns(sweeps: Sequence[SweepResult], seconds: float) -> Columns:
    steps = [sweep.smallest_step for sweep in sweeps if sweep.smallest_step > 0]
    return {
        "seconds": seconds,
        "smallest_step": float(min(steps, default=0 if sweeps else 1)),
        "rejected_blocks": float(sum(sweep.rejected for sweep in sweeps)),
    }
