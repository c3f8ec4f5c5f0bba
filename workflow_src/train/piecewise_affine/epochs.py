"""What all ways of training a deep generative network share: epochs, validation, and their history.

A step of a bank's history is an epoch, and the first row is that of the start, before any. Every
row has, beside the mean log-likelihoods in nats (``training_bound`` of the run's training points,
``validation_bound``; exact up to three latent dimensions, and estimates above),
``noise_standard_deviation`` (root of the mean variance) and ``region_count``. Its
``device_seconds`` are those of training alone: validation is the same measurement for every way of
training, and is left out.
"""

from __future__ import annotations

import logging
import math
import time
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import QhullError
from torch import Tensor

from workflow_src.data.subsets import subset_size
from workflow_src.models.deep_generative_network.model import GeneratorModel
from workflow_src.models.piecewise_affine.inference.expectations import (
    DeepGenerativeNetwork,
    log_likelihoods,
)
from workflow_src.models.piecewise_affine.maximisation.weight_priors import (
    WeightPrior,
    within_prior,
)
from workflow_src.models.piecewise_affine.partitions.enumeration import Partition, partition
from workflow_src.train.loop import Bank, starting_point
from workflow_src.train.member import Member
from workflow_src.train.piecewise_affine.stopping import ended
from workflow_src.train.training import Hooks, InterruptedTrainingError, Tensors

log = logging.getLogger(__name__)

NUMERICAL_ERRORS = (ArithmeticError, ValueError, QhullError)
"""What computing with numbers of any size may raise: one run ends by it, and not its shard."""

Array = NDArray[np.float64]
Columns = dict[str, float]

MEMORY_BYTES = 2**28
"""Budget of an expectation step. Part of what is computed: sums go chunk by chunk."""


class _EpochMember(Member):
    """A run whose seconds its bank measures itself."""

    def validated(self, measured: Mapping[str, float], parameters: dict[str, Tensor]) -> None:
        self.device_seconds = measured["device_seconds"]
        super().validated(measured, parameters)


class EpochBank(Bank):
    """Runs of one network, trained in epochs; their parameters are each way's own.

    Attributes
    ----------
    model:
        The network's shape.
    batches_per_epoch:
        As many as hold all points.
    """

    def __init__(
        self,
        model: GeneratorModel,
        runs: Sequence[int],
        specs: Sequence[Mapping[str, Any]],
        points: Mapping[str, Tensor],
        device: torch.device,
    ) -> None:
        kept = subset_size(len(points["train"]), specs[0]["fraction"])
        batch = min(specs[0]["batch_size"] or kept, kept)
        sized = [{**spec, "batch_size": batch} for spec in specs]
        super().__init__(runs, sized, points, device, ended)
        self.members = [_EpochMember(spec, len(points["train"]), ended) for spec in sized]
        self.model = model
        self.batches_per_epoch = math.ceil(kept / batch)
        self.weight_prior = WeightPrior(
            self.spec["weight_prior"], float(self.spec["weight_prior_scale"])
        )
        self._arrays = {name: value.cpu().numpy() for name, value in points.items()}

    @abstractmethod
    def train_epochs(self, epochs: int, hooks: Hooks) -> list[Columns]:
        """Train so many epochs (0: none), and advance `step`; each run's own columns of history.

        Among them ``seconds``, which each run's training took.
        """

    @abstractmethod
    def generator_parameters(self, index: int) -> Tensors:
        """A run's parameters as its model has them, on the CPU."""

    def encoder_columns(
        self, index: int, density: DeepGenerativeNetwork, regions: Partition, likelihood: float
    ) -> Columns:
        """What a validation tells of a run's encoder; ``likelihood`` is the training bound."""
        return {}

    def encoder_column_names(self) -> tuple[str, ...]:
        """The columns that `encoder_columns` gives."""
        return ()

    def train_interval(self, steps: int, hooks: Hooks) -> list[Columns]:
        trained = self.train_epochs(steps, hooks)
        rows = []
        for index, (member, own) in enumerate(zip(self.members, trained, strict=True)):
            seconds = member.device_seconds + own.pop("seconds")
            rows.append({"device_seconds": seconds, **self._measured(index), **own})
        return rows

    def training_points(self, index: int) -> Array:
        """The points that a run is trained on, [N, D]."""
        points, subset = self.all_training_points(), self.members[index].subset
        return points if len(subset) == len(points) else points[subset]

    def all_training_points(self) -> Array:
        """Those of the data set, that the numbers in a run's batches are of, [N, D]."""
        points: Array = self._arrays["train"]
        return points

    def starts(self) -> list[Tensors]:
        """Where each run starts, on the CPU."""
        found = []
        for member in self.members:
            parameters = initial_parameters(self.model, member.spec)
            if self.weight_prior.kind == "uniform":
                density = self.model.generative_network(parameters)
                clipped = within_prior(density.network, self.weight_prior)
                inside = DeepGenerativeNetwork(clipped, density.noise)
                parameters = self.model.parameters_of(inside)
            found.append(parameters)
        return found

    def density(self, index: int) -> DeepGenerativeNetwork | None:
        """A run's density; None where its numbers are not, or no longer, those of one."""
        return density_of(self.model, self.generator_parameters(index))

    def seed(self, index: int) -> int:
        """Of a run."""
        return int(self.members[index].spec["seed"])

    def raise_if_stopped(self, hooks: Hooks) -> None:
        """Asked before every step."""
        if hooks.stop_is_wanted():
            raise InterruptedTrainingError

    def now(self) -> float:
        """Seconds on a clock, after all that was asked of the device is done."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()

    def _measured(self, index: int) -> Columns:
        """What a validation tells; not a number where the run left what can be computed with."""
        density = self.density(index)
        if density is not None:
            try:
                return self._measured_density(index, density)
            except NUMERICAL_ERRORS as error:
                log.warning("a run of seed %d left all numbers: %s", self.seed(index), error)
        names = ("training_bound", "validation_bound", "noise_standard_deviation", "region_count")
        return dict.fromkeys((*names, *self.encoder_column_names()), math.nan)

    def _measured_density(self, index: int, density: DeepGenerativeNetwork) -> Columns:
        regions = partition(density.network)
        likelihood = self.mean_log_likelihood(density, regions, self.training_points(index))
        columns = {
            "training_bound": likelihood,
            "validation_bound": self.mean_log_likelihood(
                density, regions, self._arrays["validation"]
            ),
            "noise_standard_deviation": density.noise.standard_deviation(),
            "region_count": float(len(regions.signs)),
        }
        return columns | self.encoder_columns(index, density, regions, likelihood)

    def mean_log_likelihood(
        self, density: DeepGenerativeNetwork, regions: Partition, points: Array
    ) -> float:
        """Of points [N, D], in nats."""
        values = log_likelihoods(density, regions, points, MEMORY_BYTES, str(self.device))
        return float(values.mean())

    def _next_validation(self) -> int:
        if not self.members[0].history:
            return 0
        interval: int = self.spec["validation_interval"]
        following = (self.step // interval + 1) * interval
        return int(min(following, self.spec["maximum_epochs"]))


def initial_parameters(model: GeneratorModel, spec: Mapping[str, Any]) -> Tensors:
    """Where a run starts, by its data set, seed and shape alone: not by how it is trained."""
    return model.initial_parameters(starting_point("initial parameters", spec))


def density_of(
    model: GeneratorModel, parameters: Mapping[str, Tensor]
) -> DeepGenerativeNetwork | None:
    """The density of these parameters; None where there is none: a number that is not finite."""
    try:
        density = model.generative_network(parameters)
        # A covariance that is not positive definite is found when it is used.
        density.noise.log_determinant()
    except ValueError:
        return None
    return density
