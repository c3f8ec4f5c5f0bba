"""How a mixture layer reads its inputs in training: sums over x and x^2, never over copies of both.

Scores of all components, and sums of statistics over the samples that chose each, are all that a
step takes of its data. Where patches overlap, both are a convolution's: on a CPU the patches are
then never copied. Elsewhere they are matrix products.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
import torch.nn.functional as functional
from torch import Tensor

from workflow_src.layouts import Folding
from workflow_src.models.convolutional_mixtures.folding import fold
from workflow_src.models.convolutional_mixtures.mixture_layer import (
    MixtureLayer,
    NaturalParameters,
    Sums,
)


class Patches(ABC):
    """The inputs of a mixture layer, of one batch of every run."""

    @abstractmethod
    def scores(self, natural: NaturalParameters) -> Tensor:
        """Log-scores of all components at all positions, [R, N, h, w, K]."""

    @abstractmethod
    def sums(self, chosen: Tensor) -> Sums:
        """Statistics summed over the samples that chose each component; ``chosen`` [R, N, h, w]."""


def patches(layer: MixtureLayer, activities: Tensor, folding: Folding | None) -> Patches:
    """What a layer gets.

    Parameters
    ----------
    activities:
        ``[R, N, h, w, C]``, before the ``folding`` that lies right below the layer, if one does.
    """
    overlap = folding is not None and layer.before.positions > 1
    if overlap and not layer.block.independent and activities.device.type == "cpu":
        assert folding is not None
        return _Convolved(layer, activities, folding)
    return _Multiplied(layer, activities if folding is None else fold(activities, folding))


class _Multiplied(Patches):
    """By matrix products over samples [R, P, M, D]."""

    def __init__(self, layer: MixtureLayer, inputs: Tensor) -> None:
        self._layer = layer
        self._first = layer.samples(inputs)
        self._second = self._first.square()

    def scores(self, natural: NaturalParameters) -> Tensor:
        first, second = self._first.flatten(0, 1), self._second.flatten(0, 1)
        constant = natural.constant.flatten(0, 1).unsqueeze(1)
        linear, quadratic = natural.linear.flatten(0, 1), natural.quadratic.flatten(0, 1)
        scores = torch.baddbmm(constant, first, linear.mT).baddbmm_(second, quadratic.mT)
        runs, places = self._first.shape[:2]
        return self._layer.positions(scores.reshape(runs, places, *scores.shape[1:]))

    def sums(self, chosen: Tensor) -> Sums:
        components = self._layer.block.components
        indices = self._layer.samples(chosen.unsqueeze(-1)).squeeze(-1)
        if chosen.device.type == "cpu":
            return self._added(indices, components)
        weights = functional.one_hot(indices, components).to(self._first.dtype)
        return Sums(weights.sum(dim=2), weights.mT @ self._first, weights.mT @ self._second)

    def _added(self, indices: Tensor, components: int) -> Sums:
        """Sample after sample, which on a CPU takes a fraction of the products' time."""
        runs, places, _, channels = self._first.shape
        mixtures = torch.arange(runs * places).reshape(runs, places, 1)
        bins = (mixtures * components + indices).flatten()
        rows = bins.unsqueeze(1).expand(-1, channels)
        shape = (runs, places, components, channels)
        first, second = (
            values.new_zeros(runs * places * components, channels)
            .scatter_add_(0, rows, values.reshape(-1, channels))
            .reshape(shape)
            for values in (self._first, self._second)
        )
        counts = torch.bincount(bins, minlength=runs * places * components)
        return Sums(counts.reshape(shape[:-1]).to(first.dtype), first, second)


class _Convolved(Patches):
    """By convolutions over [x, x^2], one run after another; of layers with one mixture."""

    def __init__(self, layer: MixtureLayer, activities: Tensor, folding: Folding) -> None:
        self._layer = layer
        self._folding = folding
        # Channels last in memory, as activities are: kernels are then patches as they are folded.
        self._planes = torch.cat([activities, activities.square()], dim=-1).permute(0, 1, 4, 2, 3)

    def scores(self, natural: NaturalParameters) -> Tensor:
        kernels = self._kernels(natural.linear, natural.quadratic)
        return torch.stack(
            [
                functional.conv2d(planes, kernel, constant[0], stride=self._folding.stride)
                for planes, kernel, constant in zip(
                    self._planes, kernels, natural.constant, strict=True
                )
            ]
        ).permute(0, 1, 3, 4, 2)

    def sums(self, chosen: Tensor) -> Sums:
        components, size = self._layer.block.components, self._folding.size
        weights = self._planes.new_zeros(*chosen.shape, components)
        weights.scatter_(-1, chosen.unsqueeze(-1), 1)
        channels = self._planes.shape[2]
        kernel = weights.new_empty(components, channels, size, size)
        kernel = kernel.contiguous(memory_format=torch.channels_last)
        found = [
            self._correlated(planes, one.permute(0, 3, 1, 2), kernel)
            for planes, one in zip(self._planes, weights, strict=True)
        ]
        by_patch = torch.stack(found).permute(0, 1, 3, 4, 2)
        first, second = torch.split(by_patch, channels // 2, dim=-1)
        return Sums(
            weights.sum(dim=(1, 2, 3)).unsqueeze(1),
            first.flatten(2).unsqueeze(1),
            second.flatten(2).unsqueeze(1),
        )

    def _kernels(self, linear: Tensor, quadratic: Tensor) -> Tensor:
        """Natural parameters [R, 1, K, f * f * C] as kernels [R, K, 2 C, f, f]."""
        size = self._folding.size
        runs, _, components, _ = linear.shape
        sizes = (runs, components, size, size, -1)
        parts = [one.reshape(sizes) for one in (linear, quadratic)]
        return torch.cat(parts, dim=-1).permute(0, 1, 4, 2, 3)

    def _correlated(self, planes: Tensor, weights: Tensor, kernel: Tensor) -> Tensor:
        """Patches summed by the weights of their components: a convolution's weight gradient."""
        stride = [self._folding.stride] * 2
        _, sums, _ = torch.ops.aten.convolution_backward(
            weights,
            planes,
            kernel,
            None,
            stride,
            [0, 0],
            [1, 1],
            False,
            [0, 0],
            1,
            [False, True, False],
        )
        return sums  # type: ignore[no-any-return]
