"""Small deep generative networks to be measured, and their densities by quadrature."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import logsumexp
from torch import Tensor

from workflow_src.evaluate.exact_densities.subject import Points, Subject, subject_of
from workflow_src.models.piecewise_affine.inference.expectations import DeepGenerativeNetwork
from workflow_src.models.piecewise_affine.networks import Activation, Network
from workflow_src.models.piecewise_affine.noise import NoiseCovariance

Array = NDArray[np.float64]

SPEC: dict[str, Any] = {
    "model": "deep_generative_network",
    "data_set": "circle",
    "likelihood": "gaussian_noise",
    "fraction": 1.0,
    "seed": 3,
}


@dataclass(frozen=True)
class FakeModel:
    """A network that needs no checkpoint, and an affine encoder of unit-free weights, if any.

    ``encoder`` is the pair of a matrix [S, D] of means and a variance.
    """

    density: DeepGenerativeNetwork
    encoder: tuple[Array, float] | None = None

    def generative_network(self, parameters: Mapping[str, Tensor]) -> DeepGenerativeNetwork:
        return self.density

    def encoded(
        self, parameters: Mapping[str, Tensor], points: Array
    ) -> tuple[Array, Array] | None:
        if self.encoder is None:
            return None
        matrix, variance = self.encoder
        size = len(matrix)
        return points @ matrix.T, np.tile(variance * np.eye(size), (len(points), 1, 1))


def density(
    latent: int = 1, hidden: int = 4, outputs: int = 2, noise: float = 0.3, seed: int = 0
) -> DeepGenerativeNetwork:
    """A leaky network of one hidden layer, drawn by ``seed``."""
    rng = np.random.default_rng(seed)
    network = Network(
        (rng.normal(size=(hidden, latent)), rng.normal(size=(outputs, hidden))),
        (rng.normal(size=hidden), rng.normal(size=outputs)),
        Activation("leaky_relu", 0.1),
    )
    return DeepGenerativeNetwork(network, NoiseCovariance.isotropic(noise**2, outputs))


def bent(noise: float = 0.3) -> DeepGenerativeNetwork:
    """g(z) = (z, |z|): regions z < 0 and z > 0."""
    layers = (np.array([[1.0], [-1.0]]), np.array([[1.0, -1.0], [1.0, 1.0]]))
    network = Network(layers, (np.zeros(2), np.zeros(2)), Activation("relu"))
    return DeepGenerativeNetwork(network, NoiseCovariance.isotropic(noise**2, 2))


def straight(slope: Array, noise: float = 0.5) -> DeepGenerativeNetwork:
    """g(z) = slope z, without a hidden layer: a linear model, whose posterior is a Gaussian."""
    network = Network((slope,), (np.zeros(len(slope)),), Activation("relu"))
    return DeepGenerativeNetwork(network, NoiseCovariance.isotropic(noise**2, len(slope)))


def subject(
    model: DeepGenerativeNetwork, encoder: tuple[Array, float] | None = None, **spec: Any
) -> Subject:
    """To be measured on the CPU."""
    measured = FakeModel(model, encoder)
    return subject_of(measured, {}, SPEC | spec, torch.device("cpu"), 1 << 26)


def points(dimensions: int = 2, counts: tuple[int, ...] = (12, 7, 9, 4), seed: int = 1) -> Points:
    """Normal points of each split; anomalies lie farther out."""
    rng = np.random.default_rng(seed)
    train, validation, test, anomalies = (rng.normal(size=(n, dimensions)) for n in counts)
    return Points(train, validation, test, 3 * anomalies, (1, dimensions))


def generated(model: DeepGenerativeNetwork, latents: Array) -> Array:
    """g at latents [..., S], layer by layer."""
    network = model.network
    low, high = network.activation.slopes
    values = latents
    for weights, biases in zip(network.weights[:-1], network.biases[:-1], strict=True):
        values = values @ weights.T + biases
        values = np.where(values > 0, high * values, low * values)
    return np.asarray(values @ network.weights[-1].T + network.biases[-1])


class Quadrature:
    """Sums over a fine grid of one latent variable, whose steps are far below the noise."""

    def __init__(self, model: DeepGenerativeNetwork, size: int = 200_001) -> None:
        self.model = model
        self.latents = np.linspace(-9, 9, size)
        self.outputs = generated(model, self.latents[:, None])
        step = self.latents[1] - self.latents[0]
        self.log_prior = -(self.latents**2) / 2 - np.log(2 * np.pi) / 2 + np.log(step)

    def log_joint(self, point: Array, seen: NDArray[np.bool_] | None = None) -> Array:
        """log p(seen values of x, z) dz on the grid."""
        seen = np.ones(len(point), dtype=bool) if seen is None else seen
        variances = self.model.noise.variances()[seen]
        off = (point - self.outputs)[:, seen] ** 2 / variances
        constant = np.log(2 * np.pi * variances).sum()
        return np.asarray(self.log_prior - (off.sum(axis=1) + constant) / 2)

    def log_likelihood(self, point: Array, seen: NDArray[np.bool_] | None = None) -> float:
        return float(logsumexp(self.log_joint(point, seen)))

    def posterior(self, point: Array, seen: NDArray[np.bool_] | None = None) -> Array:
        joint = self.log_joint(point, seen)
        return np.asarray(np.exp(joint - logsumexp(joint)))
