"""Masses and moments of Gaussians cut to the regions of a partition, as tensors.

One dimension stays on the device of its tensors; two and three are exact on the processor; from
four on masses and moments are estimates (importance sampling with fixed draws, so that the same
question has the same answer).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from workflow_src.models.piecewise_affine.integrals.intervals import (
    interval_log_masses,
    interval_moments,
)
from workflow_src.models.piecewise_affine.integrals.moments import (
    EXACT_DIMENSIONS,
    log_masses,
    moments,
)
from workflow_src.models.piecewise_affine.integrals.sampling import estimated_moments
from workflow_src.models.piecewise_affine.partitions import Intervals, Partition

DRAWS = 20_000
"""Draws for each point where moments are estimated."""

SEED = 2020
"""Of these draws."""


@dataclass(frozen=True, eq=False)
class TruncatedMoments:
    """Of N(mean, covariance) on each region.

    Attributes
    ----------
    log_mass:
        Logarithm of the region's probability, ``[N, R]``.
    mean, second:
        E[z | z in w] ``[N, R, S]`` and E[z z' | z in w] ``[N, R, S, S]``.
    """

    log_mass: Tensor
    mean: Tensor
    second: Tensor

    def spread(self) -> Tensor:
        """Cov[z | z in w], ``[N, R, S, S]``."""
        return self.second - self.mean[..., :, None] * self.mean[..., None, :]


def is_exact(partition: Partition) -> bool:
    """Whether masses and moments are exact: up to three latent dimensions."""
    return partition.dimensions <= EXACT_DIMENSIONS


def truncated_moments(partition: Partition, means: Tensor, covariances: Tensor) -> TruncatedMoments:
    """Moments of N(means, covariances) on the regions.

    ``means`` is ``[N, R, S]``, or ``[N, 1, S]`` for one Gaussian for all regions. ``covariances``
    is ``[R, S, S]``; ``[1, S, S]``; or ``[N, 1, S, S]``, one for each point.
    """
    if isinstance(partition, Intervals):
        lower, upper = _limits(partition, means)
        cut = interval_moments(lower, upper, means[..., 0], covariances[..., 0, 0])
        return TruncatedMoments(cut.log_mass, cut.mean[..., None], cut.second[..., None, None])
    if not is_exact(partition):
        weights = torch.zeros(len(means), partition.regions, dtype=means.dtype)
        return estimated(partition, means, covariances, weights).moments
    found = moments(partition, means.numpy(), covariances.numpy())
    return TruncatedMoments(
        torch.from_numpy(found.log_mass),
        torch.from_numpy(found.mean),
        torch.from_numpy(found.second),
    )


def truncated_log_masses(partition: Partition, means: Tensor, covariances: Tensor) -> Tensor:
    """The logarithms of the masses alone, ``[N, R]``: cheaper; only where they are exact."""
    if isinstance(partition, Intervals):
        lower, upper = _limits(partition, means)
        return interval_log_masses(lower, upper, means[..., 0], covariances[..., 0, 0])
    return torch.from_numpy(log_masses(partition, means.numpy(), covariances.numpy()))


@dataclass(frozen=True, eq=False)
class Estimated:
    """Estimated moments, the logarithm ``[N]`` of a weighted sum of masses, its standard error."""

    moments: TruncatedMoments
    log_total: Tensor
    log_total_error: Tensor


def estimated(
    partition: Partition, means: Tensor, covariances: Tensor, log_weights: Tensor
) -> Estimated:
    """Estimates for any S, drawn where sum_w exp(log_weights [N, R]) mass has its weight."""
    found = estimated_moments(
        partition,
        means.numpy(),
        covariances.numpy(),
        log_weights.numpy(),
        DRAWS,
        np.random.default_rng(SEED),
    )
    return Estimated(
        TruncatedMoments(
            torch.from_numpy(found.moments.log_mass),
            torch.from_numpy(found.moments.mean),
            torch.from_numpy(found.moments.second),
        ),
        torch.from_numpy(found.log_total),
        torch.from_numpy(found.log_total_error),
    )


def _limits(partition: Intervals, like: Tensor) -> tuple[Tensor, Tensor]:
    return (
        torch.from_numpy(partition.lower).to(like.device),
        torch.from_numpy(partition.upper).to(like.device),
    )
