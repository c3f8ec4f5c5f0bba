"""One convolutional layer of Gaussian mixtures: log-scores, and gradients in closed form.

Gepperth, "A new perspective on probabilistic image modeling", section III-C, eqs. (6) to (8). At
every position the channels x of what comes in have a mixture of K Gaussians with diagonal
precisions d^2, whose log-scores are

    s_k = log softmax(logits)_k + sum_j log d_kj - D/2 log(2 pi) - 1/2 sum_j d_kj^2 (x_j - mu_kj)^2.

They are linear in x, x^2 and 1, so that a step takes matrix products alone: scores are products of
these statistics with the natural parameters, and gradients are linear in sums of the statistics
over the samples that chose a component. No tensor has samples, components and channels at once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from workflow_src.layouts import Mixture, Shape

MINIMUM_ROOT = 1e-3
"""Of a precision: below it, its logarithm and the mixture would be no numbers for long."""
MAXIMUM_ROOT = math.sqrt(20)
"""Of a precision, where every one starts. Data that hardly vary would drive it to infinity."""
START_RANGE = 0.1
"""Centroids start uniformly between its negative and it."""


@dataclass(frozen=True)
class NaturalParameters:
    """What scores are linear in: s = x A' + x^2 B' + c.

    ``linear`` (A) and ``quadratic`` (B) are [R, P, K, D], ``constant`` (c) is [R, P, K].
    """

    linear: Tensor
    quadratic: Tensor
    constant: Tensor


@dataclass(frozen=True)
class Sums:
    """Statistics summed over the samples that each component has, with weights.

    ``weights`` is [R, P, K]; ``first`` (of x) and ``second`` (of x^2) are [R, P, K, D].
    """

    weights: Tensor
    first: Tensor
    second: Tensor

    def smoothed(self, neighbourhood: Tensor) -> Sums:
        """Every sample counts for its component's neighbours too: rows of [R, K, K] are weights."""
        spread = neighbourhood.mT.unsqueeze(1).to(self.first.dtype)
        return Sums(
            (spread @ self.weights.unsqueeze(-1)).squeeze(-1),
            spread @ self.first,
            spread @ self.second,
        )


@dataclass(frozen=True)
class MixtureLayer:
    """The mixture layer ``number``, counted from 1 at the lowest.

    Attributes
    ----------
    before:
        Sizes of what comes in; its channels are the mixture's D dimensions.
    block:
        Its number K of components, and whether positions have parameters of their own.
    """

    number: int
    before: Shape
    block: Mixture

    @property
    def places(self) -> int:
        """How many mixtures it has, P: one, or one for each position."""
        return self.before.positions if self.block.independent else 1

    @property
    def centroids(self) -> str:
        """Name of the centroids mu, [R, P, K, D]."""
        return f"layer_{self.number}.centroids"

    @property
    def precision_roots(self) -> str:
        """Name of the roots d of the precisions, [R, P, K, D], positive."""
        return f"layer_{self.number}.precision_roots"

    @property
    def weight_logits(self) -> str:
        """Name of what the weights are a softmax of, [R, P, K]."""
        return f"layer_{self.number}.weight_logits"

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of one run's parameters by name, without a run axis."""
        components = (self.places, self.block.components)
        full = (*components, self.before.channels)
        return {self.centroids: full, self.precision_roots: full, self.weight_logits: components}

    def initial_parameters(self, generator: torch.Generator) -> dict[str, Tensor]:
        """Where one run starts: random centroids, the highest precisions, equal weights."""
        shapes = self.parameter_shapes()
        uniform = torch.rand(shapes[self.centroids], generator=generator)
        return {
            self.centroids: (2 * uniform - 1) * START_RANGE,
            self.precision_roots: torch.full(shapes[self.precision_roots], MAXIMUM_ROOT),
            self.weight_logits: torch.zeros(shapes[self.weight_logits]),
        }

    def natural_parameters(self, parameters: Mapping[str, Tensor]) -> NaturalParameters:
        """Of runs' parameters, which have a run axis."""
        centroids, roots = parameters[self.centroids], parameters[self.precision_roots]
        precisions = roots.square()
        linear = precisions * centroids
        log_weights = parameters[self.weight_logits].log_softmax(dim=-1)
        normalisation = self.before.channels * math.log(2 * math.pi) / 2
        constant = log_weights + roots.log().sum(dim=-1) - normalisation
        constant = constant - (linear * centroids).sum(dim=-1) / 2
        return NaturalParameters(linear, precisions / -2, constant)

    def log_scores(self, parameters: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
        """s of inputs [R, N, h, w, D], [R, N, h, w, K] in nats; differentiable."""
        natural = self.natural_parameters(parameters)
        samples = self.samples(inputs)
        scores = samples @ natural.linear.mT + natural.constant.unsqueeze(-2)
        return self.positions(scores + samples.square() @ natural.quadratic.mT)

    def samples(self, inputs: Tensor) -> Tensor:
        """Values [R, N, h, w, C] by the mixture that they belong to, [R, P, M, C]."""
        runs, images, height, width, channels = inputs.shape
        if not self.block.independent:
            return inputs.reshape(runs, 1, images * height * width, channels)
        return inputs.flatten(2, 3).transpose(1, 2)

    def positions(self, samples: Tensor) -> Tensor:
        """The other way: values [R, P, M, C] where they were, [R, N, h, w, C]."""
        height, width = self.before.height, self.before.width
        if not self.block.independent:
            return samples.reshape(len(samples), -1, height, width, samples.shape[-1])
        runs, _, images, channels = samples.shape
        return samples.transpose(1, 2).reshape(runs, images, height, width, channels)

    def gradients(self, parameters: Mapping[str, Tensor], sums: Sums) -> dict[str, Tensor]:
        """Of the sum over samples and components of weight times score, by parameter.

        ``sums`` holds those weights; they may add up to anything.
        """
        centroids, roots = parameters[self.centroids], parameters[self.precision_roots]
        weights = sums.weights.unsqueeze(-1)
        # Sums of x - mu and of its square, of the moments about zero.
        deviation = sums.first - weights * centroids
        squares = sums.second - centroids * (sums.first + deviation)
        shares = parameters[self.weight_logits].softmax(dim=-1)
        return {
            self.centroids: roots.square() * deviation,
            self.precision_roots: weights / roots - roots * squares,
            self.weight_logits: sums.weights - shares * sums.weights.sum(dim=-1, keepdim=True),
        }
