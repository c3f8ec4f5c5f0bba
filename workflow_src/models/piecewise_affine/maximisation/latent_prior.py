"""Parameter expansion: the latent prior's mean and covariance are learnt, then absorbed.

The prior of the EM-DGN paper is N(0, I), and with little noise expectation-maximisation hardly
moves what the latent variable is used for: posteriors may stay within a millionth of the prior's
mass, and the network's slopes grow to make up for it. Parameter-expanded EM (Liu, Rubin and Wu,
Biometrika 1998) lets the prior be N(m, C) for one step, whose maximiser is the mean and covariance
of the points' posteriors taken together, and writes z = m + C^(1/2) u with u ~ N(0, I) into the
first layer. The density of the points is that of the expanded model, so it does not fall, whatever
becomes of the regions.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from workflow_src.models.piecewise_affine.inference.expectations import ExpectedStatistics
from workflow_src.models.piecewise_affine.maximisation.quadratics import UnsolvedError
from workflow_src.models.piecewise_affine.networks import Network

Array: TypeAlias = NDArray[np.float64]


def posterior_moments(statistics: ExpectedStatistics) -> tuple[Array, Array]:
    """Mean [S] and covariance [S, S] of the latent variable under all points' posteriors."""
    points = len(statistics.log_likelihood)
    mean = statistics.first.sum(axis=0) / points
    return mean, statistics.second.sum(axis=0) / points - np.outer(mean, mean)


def best_latent_prior(network: Network, statistics: ExpectedStatistics) -> Network:
    """The network that, under N(0, I), has the density of ``network`` under the best N(m, C).

    Raises
    ------
    UnsolvedError
        Where the covariance is not positive definite within rounding.
    """
    mean, covariance = posterior_moments(statistics)
    if not (np.isfinite(mean).all() and np.isfinite(covariance).all()):
        raise UnsolvedError("the posteriors' moments are not finite")
    variances, directions = np.linalg.eigh((covariance + covariance.T) / 2)
    # The covariance is a difference of two terms of the second moments' size.
    rounding = 64 * np.finfo(np.float64).eps * (variances.max() + mean @ mean)
    if variances.min() <= rounding:
        raise UnsolvedError("the posteriors' covariance is singular")
    root = (directions * np.sqrt(variances)) @ directions.T
    weights, biases = network.weights, network.biases
    return replace(
        network,
        weights=(weights[0] @ root, *weights[1:]),
        biases=(biases[0] + weights[0] @ mean, *biases[1:]),
    )
