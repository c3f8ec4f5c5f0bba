"""What is measured: one deep generative network with its regions, and the points to measure it on.

Test points whose label no training point has are anomalies; they count in no mean over test points.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workflow_src.data.arrays import PreparedData
from workflow_src.data.subsets import subset_indices
from workflow_src.evaluate.exact_densities.models import MeasuredModel
from workflow_src.models.piecewise_affine.inference.encoders import Gaussians
from workflow_src.models.piecewise_affine.inference.expectations import DeepGenerativeNetwork
from workflow_src.models.piecewise_affine.partitions.enumeration import Partition, partition
from workflow_src.plan.seeds import seed

Array = NDArray[np.float64]

EXACT_DIMENSIONS = 3
"""Latent dimensions up to which masses of regions are exact; beyond, they are estimates."""
DRAWN_DIMENSIONS = 2
"""Latent dimensions up to which a latent space can be shown."""


@dataclass(frozen=True)
class Points:
    """Points in float64: ``train`` (those that the run was trained on), ``validation``, ``test``
    and ``anomalies``, [points, D] each; ``shape`` is height and width of what they are."""

    train: Array
    validation: Array
    test: Array
    anomalies: Array
    shape: tuple[int, int]

    @property
    def dimensions(self) -> int:
        """D, the values of a point."""
        return int(self.test.shape[1])


@dataclass(frozen=True)
class Subject:
    """A model, its regions, and what a measurement may use."""

    model: DeepGenerativeNetwork
    partition: Partition
    measured: MeasuredModel
    parameters: Mapping[str, Tensor]
    spec: Mapping[str, Any]
    device: torch.device
    memory_bytes: int

    @property
    def latent_dimensions(self) -> int:
        """S."""
        return self.model.network.latent_dimensions

    @property
    def is_exact(self) -> bool:
        """Whether log likelihoods are exact and no estimates."""
        return self.latent_dimensions <= EXACT_DIMENSIONS

    @property
    def can_be_shown(self) -> bool:
        """Whether the latent space is a line or a plane."""
        return self.latent_dimensions <= DRAWN_DIMENSIONS

    def encoded(self, points: Array) -> Gaussians | None:
        """What the encoder says of points [N, D]; None where the run has none."""
        found = self.measured.encoded(self.parameters, points)
        return None if found is None else Gaussians(*found)

    def generator(self, purpose: str) -> np.random.Generator:
        """The stream of random numbers for a purpose; equal for runs of equal data and seed."""
        names = ("data_set", "likelihood", "fraction", "seed")
        value = seed(purpose, **{name: self.spec[name] for name in names})
        return np.random.Generator(np.random.PCG64(value))


def subject_of(
    measured: MeasuredModel,
    parameters: Mapping[str, Tensor],
    spec: Mapping[str, Any],
    device: torch.device,
    memory_bytes: int,
) -> Subject:
    """The network of a checkpoint's parameters with its regions enumerated."""
    model = measured.generative_network(parameters)
    regions = partition(model.network)
    return Subject(model, regions, measured, parameters, spec, device, memory_bytes)


def points_of(data: PreparedData, spec: Mapping[str, Any]) -> Points:
    """The points of a run's data, with its part of the training set."""
    kept = subset_indices(len(data.train), spec["fraction"], data.data_set, spec["seed"])
    usual = np.isin(data.labels["test"], np.unique(data.labels["train"]))
    test = _floats(data.test)
    return Points(
        train=_floats(np.asarray(data.train)[kept]),
        validation=_floats(data.validation),
        test=test[usual],
        anomalies=test[~usual],
        shape=data.shape,
    )


def _floats(points: NDArray[Any]) -> Array:
    return np.asarray(points, dtype=np.float64)
