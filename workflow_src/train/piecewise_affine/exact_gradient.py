"""Adam on the gradient of the exact log-likelihood, by Fisher's identity.

The gradient at a point is that of the expected complete log-likelihood under its own posterior.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import torch
from torch import Tensor

from workflow_src.models.deep_generative_network.model import packed_gradient
from workflow_src.models.piecewise_affine.inference.expectations import (
    DeepGenerativeNetwork,
    expected_statistics,
)
from workflow_src.models.piecewise_affine.maximisation.gradients import gradients
from workflow_src.models.piecewise_affine.partitions.enumeration import partition
from workflow_src.train.piecewise_affine.epochs import MEMORY_BYTES, NUMERICAL_ERRORS, density_of
from workflow_src.train.piecewise_affine.gradient_bank import FREE_NOISE, GradientBank
from workflow_src.train.training import Tensors

log = logging.getLogger(__name__)


class ExactGradientBank(GradientBank):
    """Runs by the exact gradient: it is computed run by run, and Adam moves all at once."""

    def objective(self, points: Tensor, streams: Sequence[torch.Generator]) -> Tensor:
        """Linear in the parameters, with the gradient of the mean log-likelihood."""
        parameters = self.optimizer.parameters
        noise = self.noise().packed(parameters[FREE_NOISE])
        total = noise.new_zeros(())
        for index in range(len(self.members)):
            for name, slope in self._slopes(index, points[index]).items():
                value = noise[index] if name == "noise" else parameters[name][index]
                total = total + (slope.to(self.device) * value).sum()
        return total

    def _slopes(self, index: int, points: Tensor) -> Tensors:
        """Derivatives of the mean log-likelihood of points [N, D], by parameter of the model.

        Not a number where the run has no density any more: then it stays without.
        """
        parameters = self.generator_parameters(index)
        density = density_of(self.model, parameters)
        if density is not None:
            try:
                slopes = self._slopes_of_sum(density, points)
                return {name: slope / len(points) for name, slope in slopes.items()}
            except NUMERICAL_ERRORS as error:
                log.warning("a step of seed %d left all numbers: %s", self.seed(index), error)
        return {name: torch.full_like(one, torch.nan) for name, one in parameters.items()}

    def _slopes_of_sum(self, density: DeepGenerativeNetwork, points: Tensor) -> Tensors:
        """Derivatives of the log-likelihood of all points [N, D] together."""
        regions = partition(density.network)
        statistics = expected_statistics(
            density,
            regions,
            points.cpu().numpy(),
            memory_bytes=MEMORY_BYTES,
            device=str(self.device),
        )
        return packed_gradient(gradients(density, regions, statistics))
