"""Masses and moments of Gaussians cut to the regions of a partition, as tensors.

One dimension stays on the device of its tensors; two and three are exact on the processor. From
four on masses and moments are estimates by importance sampling, which `estimated` makes with the
error of their weighed sum; what has no room for an error is refused.
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
from workflow_src.models.piecewise_affine.partitions.enumeration import Intervals, Partition

DRAWS = 20_000
"""Draws for each point where moments are estimated."""

SEED = 2020
"""Of these draws: the same question has the same answer."""


@dataclass(frozen=True)
class Draws:
    """How estimates are drawn: so many draws for each point, from this stream of them.

    Attributes
    ----------
    count:
        Draws for each point.
    stream:
        Streams of different numbers are independent.
    """

    count: int = DRAWS
    stream: int = 0

    def generator(self, first: int) -> np.random.Generator:
        """The random numbers of a chunk whose first point has this number."""
        return np.random.default_rng([SEED, self.stream, first])


USUAL_DRAWS = Draws()


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
    is ``[R, S, S]``; ``[1, S, S]``; or ``[N, 1, S, S]``, one for each point. ``ValueError`` from
    four dimensions on: there are only estimates there.
    """
    if isinstance(partition, Intervals):
        lower, upper = _limits(partition, means)
        cut = interval_moments(lower, upper, means[..., 0], covariances[..., 0, 0])
        return TruncatedMoments(cut.log_mass, cut.mean[..., None], cut.second[..., None, None])
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
    """Estimated moments, and the logarithm ``[N]`` of a weighted sum of masses.

    With standard errors of log masses ``[N, R]`` and of that sum ``[N]``; those of a region that no
    draw fell into are inf. Moments have none here (see `replicates`).
    """

    moments: TruncatedMoments
    log_mass_error: Tensor
    log_total: Tensor
    log_total_error: Tensor


def estimated(
    partition: Partition,
    means: Tensor,
    covariances: Tensor,
    log_weights: Tensor,
    draws: Draws,
    first: int = 0,
) -> Estimated:
    """Estimates for any S, drawn where sum_w exp(log_weights [N, R]) mass has its weight.

    ``first`` is the number of the first of these points among all, so that no two points share
    their draws and errors of different points are independent.
    """
    found = estimated_moments(
        partition,
        means.numpy(),
        covariances.numpy(),
        log_weights.numpy(),
        draws.count,
        draws.generator(first),
    )
    return Estimated(
        TruncatedMoments(
            torch.from_numpy(found.moments.log_mass),
            torch.from_numpy(found.moments.mean),
            torch.from_numpy(found.moments.second),
        ),
        torch.from_numpy(found.log_mass_error),
        torch.from_numpy(found.log_total),
        torch.from_numpy(found.log_total_error),
    )


def _limits(partition: Intervals, like: Tensor) -> tuple[Tensor, Tensor]:
    return (
        torch.from_numpy(partition.lower).to(like.device),
        torch.from_numpy(partition.upper).to(like.device),
    )
