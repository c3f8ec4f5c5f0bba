"""Priors of a network's weights in the maximisation step: Gaussian, Laplace and uniform.

Appendix H of "Analytical Probability Distributions and EM-Learning for Deep Generative Networks":
a Gaussian prior is ridge regression, a Laplace prior the lasso, a uniform prior clips. Biases have
no prior.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from workflow_src.models.piecewise_affine.networks import Network

Array: TypeAlias = NDArray[np.float64]
PriorKind = Literal["none", "gaussian", "laplace", "uniform"]


@dataclass(frozen=True)
class WeightPrior:
    """Independent prior of every weight, centred at 0.

    scale:
        Standard deviation (gaussian), mean absolute value (laplace), or the largest absolute value
        (uniform).
    """

    kind: PriorKind
    scale: float = 1.0

    def __post_init__(self) -> None:
        if self.kind not in get_args(PriorKind):
            raise ValueError(f"a weight prior is one of {get_args(PriorKind)}, not {self.kind!r}")
        if not self.scale > 0 or not math.isfinite(self.scale):
            raise ValueError(f"the scale of a weight prior is above zero; {self.scale} is not")


NO_PRIOR = WeightPrior("none")


def log_prior(network: Network, prior: WeightPrior) -> float:
    """Log density of all weights, nats; 0 without a prior, -inf outside a uniform prior."""
    values = np.concatenate([weights.ravel() for weights in network.weights])
    scale, count = prior.scale, values.size
    if prior.kind == "gaussian":
        return -0.5 * (
            float((values**2).sum()) / scale**2 + count * math.log(2 * math.pi * scale**2)
        )
    if prior.kind == "laplace":
        return -float(np.abs(values).sum()) / scale - count * math.log(2 * scale)
    if prior.kind == "uniform":
        inside = bool((np.abs(values) <= scale).all())
        return -count * math.log(2 * scale) if inside else -math.inf
    return 0.0


def within_prior(network: Network, prior: WeightPrior) -> Network:
    """The network with its weights clipped to a uniform prior's interval; otherwise as it is.

    Weights outside it have a log density of -inf: clip a start first.
    """
    if prior.kind != "uniform":
        return network
    clipped = [np.clip(weights, -prior.scale, prior.scale) for weights in network.weights]
    return replace(network, weights=tuple(clipped))
