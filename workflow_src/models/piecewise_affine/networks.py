"""Fully connected networks of piecewise affine activations, and their affine map on each region.

Signs say on which side of its hyperplane every hidden unit is, in the order of the layers: True
where the pre-activation is positive. They fix the affine map that the network is on a region
(Balestriero, Paris and Baraniuk 2020, equations 3 and 4; their equations 11 and 12, corrected).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]

Kind = Literal["relu", "leaky_relu", "absolute_value"]


@dataclass(frozen=True)
class Activation:
    """An activation with one slope below zero and one above; ``leak`` only counts for leaky ReLU.

    ``ValueError`` for another kind, or a leak that is not strictly between 0 and 1.
    """

    kind: Kind
    leak: float = 0.1

    def __post_init__(self) -> None:
        if str(self.kind) == "max_pooling":
            raise ValueError(
                "max_pooling is not among the activations: its regions are told by which unit of a "
                "pool is the largest, not by the sign of each unit, and the partition is of signs"
            )
        if self.kind not in ("relu", "leaky_relu", "absolute_value"):
            raise ValueError(f"no activation is called {self.kind!r}")
        if self.kind == "leaky_relu" and not 0 < self.leak < 1:
            raise ValueError(f"a leak lies strictly between 0 and 1; {self.leak} does not")

    @property
    def slopes(self) -> tuple[float, float]:
        """The slope at negative and at positive pre-activations."""
        negative = {"relu": 0.0, "leaky_relu": self.leak, "absolute_value": -1.0}
        return negative[self.kind], 1.0


@dataclass(frozen=True, eq=False)
class Network:
    """``weights[l]`` is ``[H_{l+1}, H_l]`` and ``biases[l]`` ``[H_{l+1}]``; ``H_0`` = S, last = D.

    The last layer is linear. ``ValueError`` where shapes do not chain or a number is not finite.
    """

    weights: tuple[Floats, ...]
    biases: tuple[Floats, ...]
    activation: Activation

    def __post_init__(self) -> None:
        if not self.weights or len(self.weights) != len(self.biases):
            raise ValueError("a network has one bias vector for each of its weight matrices")
        width = self.weights[0].shape[-1]
        for weights, biases in zip(self.weights, self.biases, strict=True):
            if weights.ndim != 2 or weights.shape[1] != width or biases.shape != weights.shape[:1]:
                raise ValueError(
                    f"a layer on {width} inputs has weights {weights.shape}, biases {biases.shape}"
                )
            if not (np.isfinite(weights).all() and np.isfinite(biases).all()):
                raise ValueError("weights and biases are finite numbers")
            width = weights.shape[0]

    @property
    def latent_dimensions(self) -> int:
        """S."""
        return int(self.weights[0].shape[1])

    @property
    def outputs(self) -> int:
        """D, the values of a point."""
        return int(self.weights[-1].shape[0])

    @property
    def layers(self) -> int:
        """L, with the last, linear one."""
        return len(self.weights)

    @property
    def hidden_units(self) -> tuple[int, ...]:
        """Units of each hidden layer; empty where the network is affine."""
        return tuple(int(biases.shape[0]) for biases in self.biases[:-1])


@dataclass(frozen=True, eq=False)
class AffineMaps:
    """``slopes [R, H, S]`` and ``offsets [R, H]``: on region r, ``slopes[r] @ z + offsets[r]``."""

    slopes: Floats
    offsets: Floats


@dataclass(frozen=True, eq=False)
class LayerMaps:
    """What a layer's weights are between, for each region.

    ``inputs_slopes [R, H_{l-1}, S]`` and ``inputs_offsets [R, H_{l-1}]`` are the affine map of what
    enters the layer (the identity for the first); ``back [R, D, H_l]`` takes its pre-activations to
    the output: output = back @ (W @ inputs + v) + terms without W and v.
    """

    inputs_slopes: Floats
    inputs_offsets: Floats
    back: Floats


def outputs(network: Network, latents: Floats) -> Floats:
    """The network at ``latents [M, S]``: ``[M, D]``."""
    values = latents
    for preactivations in _preactivations(network, latents):
        values = _activated(network, preactivations)
    return _linear(values, network.weights[-1], network.biases[-1])


def signs(network: Network, latents: Floats) -> Booleans:
    """Which hidden units are positive at ``latents [M, S]``: ``[M, sum H]``."""
    layers = [preactivations > 0 for preactivations in _preactivations(network, latents)]
    return np.concatenate([np.zeros((len(latents), 0), dtype=bool), *layers], axis=1)


def affine_maps(network: Network, signs: Booleans) -> AffineMaps:
    """The network on each of the regions of ``signs [R, sum H]``."""
    return preactivation_maps(network, signs, network.layers)


def preactivation_maps(network: Network, signs: Booleans, layer: int) -> AffineMaps:
    """What the units of ``layer`` (1 to L) are before their activation: ``[R, H_l, S]``.

    Only the signs of the layers before it count.
    """
    inputs = layer_inputs(network, signs, layer)
    weights, biases = network.weights[layer - 1], network.biases[layer - 1]
    return AffineMaps(np.matmul(weights, inputs.slopes), _linear(inputs.offsets, weights, biases))


def layer_inputs(network: Network, signs: Booleans, layer: int) -> AffineMaps:
    """The affine map of what enters ``layer`` (1 to L) on each region, activations included."""
    dimensions = network.latent_dimensions
    identity = np.broadcast_to(np.eye(dimensions), (len(signs), dimensions, dimensions))
    maps = AffineMaps(identity, np.zeros((len(signs), dimensions)))
    for before in range(layer - 1):
        slopes = np.matmul(network.weights[before], maps.slopes)
        offsets = _linear(maps.offsets, network.weights[before], network.biases[before])
        scales = unit_slopes(network, signs, before + 1)
        maps = AffineMaps(scales[:, :, None] * slopes, scales * offsets)
    return maps


def layer_maps(network: Network, signs: Booleans, layer: int) -> LayerMaps:
    """What stands before and after the weights of ``layer`` (1 to L) on each region."""
    inputs = layer_inputs(network, signs, layer)
    identity = np.eye(network.outputs)
    back = np.broadcast_to(identity, (len(signs), *identity.shape))
    for after in range(network.layers, layer, -1):
        scales = unit_slopes(network, signs, after - 1)
        back = np.matmul(back, network.weights[after - 1]) * scales[:, None, :]
    return LayerMaps(inputs.slopes, inputs.offsets, back)


def unit_slopes(network: Network, signs: Booleans, layer: int) -> Floats:
    """The slope of every unit's activation in hidden ``layer`` (1 to L - 1): ``[R, H_l]``."""
    negative, positive = network.activation.slopes
    start = sum(network.hidden_units[: layer - 1])
    own = signs[:, start : start + network.hidden_units[layer - 1]]
    return np.where(own, positive, negative)


def with_layer(
    network: Network, layer: int, weights: Floats | None = None, biases: Floats | None = None
) -> Network:
    """The same network with other weights or biases in ``layer`` (1 to L)."""
    all_weights, all_biases = list(network.weights), list(network.biases)
    if weights is not None:
        all_weights[layer - 1] = weights
    if biases is not None:
        all_biases[layer - 1] = biases
    return replace(network, weights=tuple(all_weights), biases=tuple(all_biases))


def rescaled(network: Network, layer: int, factors: Floats) -> Network:
    """The same function: units of hidden ``layer`` times ``factors [H_l]`` > 0, undone after it."""
    if not 1 <= layer < network.layers:
        raise ValueError(f"only hidden layers, 1 to {network.layers - 1}, can be rescaled")
    if not (factors > 0).all():
        raise ValueError("only positive factors pass through the activation")
    weights, biases = network.weights[layer - 1], network.biases[layer - 1]
    larger = with_layer(network, layer, factors[:, None] * weights, factors * biases)
    return with_layer(larger, layer + 1, network.weights[layer] / factors)


def _preactivations(network: Network, latents: Floats) -> Iterator[Floats]:
    """Those of each hidden layer at ``latents [M, S]``: ``[M, H_l]``."""
    values = latents
    for weights, biases in zip(network.weights[:-1], network.biases[:-1], strict=True):
        preactivations = _linear(values, weights, biases)
        yield preactivations
        values = _activated(network, preactivations)


def _activated(network: Network, preactivations: Floats) -> Floats:
    negative, positive = network.activation.slopes
    return np.where(preactivations > 0, positive * preactivations, negative * preactivations)


def _linear(values: Floats, weights: Floats, biases: Floats) -> Floats:
    """``weights @ value + biases`` of each row, from ``[M, H_l]`` to ``[M, H_{l+1}]``."""
    return np.asarray(values @ weights.T + biases, dtype=np.float64)
