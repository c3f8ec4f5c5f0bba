"""Expectations for tests of the maximisation step, made without the code under test.

`Particles` are given latents with given weights: whatever they are, Q is the weighted sum of
log p(x, z) over them, which brute force evaluates. `quadrature` takes the true posterior of one
latent dimension by Gauss-Legendre quadrature.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from workflow_src.models.piecewise_affine.inference.expectations import (
    DeepGenerativeNetwork,
    ExpectedStatistics,
)
from workflow_src.models.piecewise_affine.networks import Activation, Network
from workflow_src.models.piecewise_affine.noise import NoiseCovariance

ACTIVATIONS = {
    "relu": Activation("relu"),
    "leaky_relu": Activation("leaky_relu", 0.1),
    "absolute_value": Activation("absolute_value"),
}
KINDS = ("isotropic", "diagonal", "full")


def tiny_model(
    widths: tuple[int, ...],
    activation: str = "leaky_relu",
    noise: str = "isotropic",
    variance: float = 0.3,
    seed: int = 0,
) -> DeepGenerativeNetwork:
    """A random network S, hidden units, D with a noise covariance around ``variance``."""
    generator = np.random.default_rng(seed)
    weights = [
        generator.normal(size=(height, width)) / np.sqrt(width) * 1.5
        for width, height in pairwise(widths)
    ]
    biases = [generator.normal(size=height) * 0.7 for height in widths[1:]]
    root = generator.normal(size=(widths[-1], widths[-1])) * 0.4
    values = {
        "isotropic": np.asarray(variance),
        "diagonal": variance * generator.uniform(0.5, 2.0, widths[-1]),
        "full": variance * (np.eye(widths[-1]) + root @ root.T),
    }[noise]
    network = Network(tuple(weights), tuple(biases), ACTIVATIONS[activation])
    return DeepGenerativeNetwork(network, NoiseCovariance(noise, values, widths[-1]))


@dataclass(frozen=True)
class Particles:
    """Points [N, D], latents [N, M, S] of each, their weights [N, M] (summing to 1 per point)."""

    points: np.ndarray
    latents: np.ndarray
    weights: np.ndarray

    @classmethod
    def random(cls, model: DeepGenerativeNetwork, points: int, count: int, seed: int) -> Particles:
        generator = np.random.default_rng(seed)
        latents = generator.normal(size=(points, count, model.network.latent_dimensions)) * 1.2
        weights = generator.dirichlet(np.ones(count), size=points)
        values = generator.normal(size=(points, model.network.outputs))
        return cls(values, latents, weights)


def pre_activation_signs(network: Network, latents: np.ndarray) -> np.ndarray:
    """Signs of all hidden units at latents [..., S], by a plain forward pass."""
    inputs, found = latents, []
    for weights, biases in zip(network.weights[:-1], network.biases[:-1], strict=True):
        values = inputs @ weights.T + biases
        found.append(values > 0)
        inputs = values * np.where(values > 0, *network.activation.slopes[::-1])
    return np.concatenate(found, axis=-1)


def particle_statistics(
    model: DeepGenerativeNetwork, particles: Particles
) -> tuple[Any, ExpectedStatistics]:
    """The regions that hold the particles, and the statistics of the particles.

    Their center is none that the points suggest: nothing may depend on it.
    """
    signs = pre_activation_signs(model.network, particles.latents)
    flat = signs.reshape(-1, signs.shape[-1])
    regions, numbers = np.unique(flat, axis=0, return_inverse=True)
    inside = np.eye(len(regions))[numbers.reshape(signs.shape[:2])]
    share = particles.weights[:, :, None] * inside
    center = np.linspace(-0.7, 1.1, particles.points.shape[1])
    points, latents = particles.points - center, particles.latents
    statistics = ExpectedStatistics(
        points=float(len(points)),
        log_likelihood=np.zeros(len(points)),
        log_likelihood_error=np.zeros(len(points)),
        mass=share.sum((0, 1)),
        first=np.einsum("nmr,nms->rs", share, latents),
        second=np.einsum("nmr,nms,nmt->rst", share, latents, latents),
        center=center,
        points_mass=np.einsum("nmr,nd->rd", share, points),
        points_first=np.einsum("nmr,nd,nms->rds", share, points, latents),
        squares=(points**2).sum(0),
        outer=points.T @ points,
    )
    return SimpleNamespace(signs=regions), statistics


class ParticleObjective:
    """Q by brute force in torch, differentiable; the regions stay those of ``model``."""

    def __init__(self, model: DeepGenerativeNetwork, particles: Particles) -> None:
        self.points = torch.tensor(particles.points)
        self.latents = torch.tensor(particles.latents)
        self.weights = torch.tensor(particles.weights)
        signs = pre_activation_signs(model.network, particles.latents)
        low, high = model.network.activation.slopes
        self.slopes = torch.tensor(np.where(signs, high, low))

    def outputs(self, weights: list[torch.Tensor], biases: list[torch.Tensor]) -> torch.Tensor:
        values, start = self.latents, 0
        for matrix, vector in zip(weights[:-1], biases[:-1], strict=True):
            values = values @ matrix.T + vector
            values = values * self.slopes[:, :, start : start + len(vector)]
            start += len(vector)
        return values @ weights[-1].T + biases[-1]

    def value(
        self, weights: list[torch.Tensor], biases: list[torch.Tensor], covariance: torch.Tensor
    ) -> torch.Tensor:
        """Q for these weights and biases and this covariance [D, D]."""
        noise = torch.distributions.MultivariateNormal(
            torch.zeros(len(covariance), dtype=torch.float64), covariance
        )
        residuals = self.points[:, None] - self.outputs(weights, biases)
        prior = torch.distributions.Normal(0.0, 1.0).log_prob(self.latents).sum(-1)
        return (self.weights * (noise.log_prob(residuals) + prior)).sum()

    def gradient(
        self, model: DeepGenerativeNetwork
    ) -> tuple[list[np.ndarray], list[np.ndarray], np.ndarray]:
        """By weights, biases and the covariance's entries taken as independent (symmetric)."""
        weights, biases, covariance = tensors(model)
        leaves = [*weights, *biases, covariance]
        for leaf in leaves:
            leaf.requires_grad_()
        self.value(weights, biases, (covariance + covariance.T) / 2).backward()
        layers = len(weights)
        arrays = [leaf.grad.numpy() for leaf in leaves]
        return arrays[:layers], arrays[layers:-1], arrays[-1]

    def of(self, model: DeepGenerativeNetwork) -> float:
        return float(self.value(*tensors(model)))


def tensors(
    model: DeepGenerativeNetwork,
) -> tuple[list[torch.Tensor], list[torch.Tensor], torch.Tensor]:
    network = model.network
    return (
        [torch.tensor(one) for one in network.weights],
        [torch.tensor(one) for one in network.biases],
        torch.tensor(model.noise.matrix()),
    )


def quadrature(
    model: DeepGenerativeNetwork, partition: Any, points: np.ndarray
) -> ExpectedStatistics:
    """The true expectations of one latent dimension, region by region; ``partition`` has signs.

    Gauss-Legendre with 24 nodes on pieces at most 0.25 wide that end at the regions' ends; what
    lies beyond |z| = 9 weighs less than 1e-18.
    """
    nodes, shares, region = [], [], []
    roots, weights = np.polynomial.legendre.leggauss(24)
    for number, (low, high) in enumerate(zip(partition.lower, partition.upper, strict=True)):
        low, high = max(low, -9.0), min(high, 9.0)
        if low >= high:
            continue
        ends = np.linspace(low, high, 1 + max(1, int(np.ceil((high - low) / 0.25))))
        half = np.diff(ends)[:, None] / 2
        nodes.append((ends[:-1, None] + half * (1 + roots)).ravel())
        shares.append((half * weights).ravel())
        region.append(np.full(nodes[-1].size, number))
    latents = np.concatenate(nodes)[:, None]
    images = plain_outputs(model.network, latents)
    residuals = points[:, None] - images
    covariance = model.noise.matrix()
    misfit = np.einsum("nmd,de,nme->nm", residuals, np.linalg.inv(covariance), residuals)
    log_joint = -0.5 * (
        misfit
        + np.linalg.slogdet(2 * np.pi * covariance)[1]
        + latents[:, 0] ** 2
        + np.log(2 * np.pi)
    ) + np.log(np.concatenate(shares))
    top = log_joint.max(1, keepdims=True)
    log_likelihood = top[:, 0] + np.log(np.exp(log_joint - top).sum(1))
    share = np.exp(log_joint - log_likelihood[:, None])
    inside = np.eye(len(partition.signs))[np.concatenate(region)]
    z = latents[:, 0]
    return ExpectedStatistics(
        points=float(len(points)),
        log_likelihood=log_likelihood,
        log_likelihood_error=np.zeros(len(points)),
        mass=share.sum(0) @ inside,
        first=((share.sum(0) * z) @ inside)[:, None],
        second=((share.sum(0) * z * z) @ inside)[:, None, None],
        center=np.zeros(points.shape[1]),
        points_mass=inside.T @ (share.T @ points),
        points_first=(inside.T @ (z[:, None] * (share.T @ points)))[:, :, None],
        squares=(points**2).sum(0),
        outer=points.T @ points,
    )


def plain_outputs(network: Network, latents: np.ndarray) -> np.ndarray:
    """The network at latents [M, S], by a plain forward pass."""
    values = latents
    low, high = network.activation.slopes
    for weights, biases in zip(network.weights[:-1], network.biases[:-1], strict=True):
        values = values @ weights.T + biases
        values = np.where(values > 0, high * values, low * values)
    return values @ network.weights[-1].T + network.biases[-1]


def circle(points: int, seed: int = 0) -> np.ndarray:
    """Points on the unit circle plus noise of standard deviation 0.05, [N, 2]."""
    generator = np.random.default_rng(seed)
    angle = generator.uniform(0, 2 * np.pi, points)
    noise = generator.normal(size=(points, 2)) * 0.05
    return np.stack([np.cos(angle), np.sin(angle)], axis=1) + noise
