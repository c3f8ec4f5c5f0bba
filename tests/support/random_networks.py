"""Small random networks for tests of what piecewise affine networks are, and a plain forward."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from workflow_src.models.piecewise_affine.networks import Activation, Kind, Network

KINDS: tuple[Kind, ...] = ("relu", "leaky_relu", "absolute_value")


def random_network(
    widths: Sequence[int], seed: int = 0, kind: Kind = "leaky_relu", bias_scale: float = 1.0
) -> Network:
    """Widths from S over the hidden layers to D; normal weights of variance 1 / inputs."""
    stream = np.random.default_rng(seed)
    sizes = list(pairwise(widths))
    return Network(
        tuple(stream.standard_normal((after, before)) / before**0.5 for before, after in sizes),
        tuple(bias_scale * stream.standard_normal(after) for _, after in sizes),
        Activation(kind, 0.1),
    )


def plain_outputs(network: Network, latent: NDArray[np.float64]) -> NDArray[np.float64]:
    """The network at one latent ``[S]``, unit by unit."""
    values = [float(value) for value in latent]
    for layer, (weights, biases) in enumerate(zip(network.weights, network.biases, strict=True)):
        sums = [
            sum(w * value for w, value in zip(row, values, strict=True)) + bias
            for row, bias in zip(weights, biases, strict=True)
        ]
        values = sums if layer == network.layers - 1 else [_activated(network, s) for s in sums]
    return np.asarray(values)


def _activated(network: Network, value: float) -> float:
    if network.activation.kind == "relu":
        return max(value, 0.0)
    if network.activation.kind == "absolute_value":
        return abs(value)
    return value if value > 0 else network.activation.leak * value
