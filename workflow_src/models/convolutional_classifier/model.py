"""The convolutional classifier of Table VII of the DCGMM paper, for a bank of runs.

Dropout of pixels, two 3 x 3 convolutions, max-pooling by 2, a convolution, pooling, a convolution,
pooling, three dense layers with dropout after the first, and a softmax over ten classes; all units
are rectified. The table leaves open how convolutions treat the border: here they keep the size
("same"), and pooling drops an odd last row or column, so that 8 x 8 pixels end as one.

R = runs, N = images, S = classes. Runs are convolved one after another: on a CPU that takes 0.7 of
the time of one convolution in groups.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from workflow_src.models.images import ImageFacts

CLASSES = 10
"""Every data set that is judged has ten classes, labelled from 0."""

SIDE = 3
"""Rows and columns of a kernel."""

_POOLED_AFTER = (False, True, True, True)
"""Whether the map is pooled, after each of the convolutions."""

_DENSE_LAYERS = 3

Parameters = Mapping[str, Tensor]


def build(images: ImageFacts, hyperparameters: Mapping[str, Any]) -> ConvolutionalClassifier:
    """The classifier with the hyperparameters that model.yaml declares.

    Raises
    ------
    ValueError
        If nothing of the images is left after pooling.
    """
    smallest = 2 ** sum(_POOLED_AFTER)
    if min(images.height, images.width) < smallest:
        raise ValueError(
            f"images of {images.height} x {images.width} pixels cannot be pooled three times; "
            f"expected at least {smallest} x {smallest}"
        )
    return ConvolutionalClassifier(
        images,
        filters=hyperparameters["filters"],
        dense_units=hyperparameters["dense_units"],
        dropout=float(hyperparameters["dropout"]),
    )


@dataclass(frozen=True)
class ConvolutionalClassifier:
    """The structure that all runs of a bank share.

    Attributes
    ----------
    images:
        What is classified; values are read as shares of the full pixel range.
    filters:
        Channels of every convolution.
    dense_units:
        Units of every dense layer but the last.
    dropout:
        Probability that a pixel, or a unit of the first dense layer, is left out in training.
    """

    images: ImageFacts
    filters: int
    dense_units: int
    dropout: float

    @property
    def has_classifier(self) -> bool:
        """It is nothing else."""
        return True

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of one run's parameters, by name."""
        shapes: dict[str, tuple[int, ...]] = {}
        channels = self.images.channels
        for layer in range(len(_POOLED_AFTER)):
            shapes[f"convolution.{layer}.weight"] = (self.filters, channels, SIDE, SIDE)
            shapes[f"convolution.{layer}.bias"] = (self.filters,)
            channels = self.filters
        shrinking = 2 ** sum(_POOLED_AFTER)
        rows, columns = self.images.height // shrinking, self.images.width // shrinking
        inputs = self.filters * rows * columns
        for layer in range(_DENSE_LAYERS + 1):
            outputs = self.dense_units if layer < _DENSE_LAYERS else CLASSES
            shapes[f"dense.{layer}.weight"] = (outputs, inputs)
            shapes[f"dense.{layer}.bias"] = (outputs,)
            inputs = outputs
        return shapes

    def parameter_count(self) -> int:
        """Trained numbers of one run."""
        return sum(math.prod(shape) for shape in self.parameter_shapes().values())

    def initial_parameters(self, generator: torch.Generator) -> dict[str, Tensor]:
        """One run's start: weights uniform as Glorot and Bengio (2010) say, biases zero."""
        return {name: _initial(shape, generator) for name, shape in self.parameter_shapes().items()}

    def dropout_shapes(self, images: int) -> dict[str, tuple[int, ...]]:
        """Shapes of the uniform noise that decides what one run leaves out of so many images."""
        return {"pixels": (images, self.images.pixels), "units": (images, self.dense_units)}

    def log_probabilities(
        self, parameters: Parameters, pixels: Tensor, noise: Mapping[str, Tensor] | None = None
    ) -> Tensor:
        """The logarithm of every class's probability, ``[R, N, S]``, in nats.

        Parameters
        ----------
        parameters:
            ``[R, ...]`` by name.
        pixels:
            ``[R, N, D]`` as the data has them: floats in [0, 1], or counts.
        noise:
            Uniform in [0, 1), ``[R, ...]`` with the shapes of `dropout_shapes`; in training alone.
        """
        return torch.stack(
            [
                self._of_run(
                    {name: value[run] for name, value in parameters.items()},
                    pixels[run],
                    None if noise is None else {name: one[run] for name, one in noise.items()},
                )
                for run in range(len(pixels))
            ]
        )

    def class_log_probabilities(self, parameters: Parameters, pixels: Tensor) -> Tensor:
        """The same of one run without a run axis, ``[N, S]`` of pixels ``[N, D]``."""
        return self._of_run(parameters, pixels, None)

    def _of_run(
        self, parameters: Parameters, pixels: Tensor, noise: Mapping[str, Tensor] | None
    ) -> Tensor:
        facts = self.images
        values = pixels.to(parameters["dense.0.weight"].dtype)
        if facts.likelihood == "binomial":
            values = values / facts.levels
        if noise is not None:
            values = self._dropped(values, noise["pixels"])
        values = values.reshape(-1, facts.channels, facts.height, facts.width)
        for layer, is_pooled in enumerate(_POOLED_AFTER):
            weight, bias = _layer(parameters, f"convolution.{layer}")
            values = functional.relu(functional.conv2d(values, weight, bias, padding=SIDE // 2))
            values = _pooled(values) if is_pooled else values
        values = values.flatten(1)
        for layer in range(_DENSE_LAYERS):
            values = functional.relu(
                functional.linear(values, *_layer(parameters, f"dense.{layer}"))
            )
            if noise is not None and layer == 0:
                values = self._dropped(values, noise["units"])
        scores = functional.linear(values, *_layer(parameters, f"dense.{_DENSE_LAYERS}"))
        return functional.log_softmax(scores, dim=-1)

    def _dropped(self, values: Tensor, noise: Tensor) -> Tensor:
        """What is kept, scaled up so that the expectation stays."""
        return values * (noise >= self.dropout) / (1 - self.dropout)


def _layer(parameters: Parameters, name: str) -> tuple[Tensor, Tensor]:
    return parameters[f"{name}.weight"], parameters[f"{name}.bias"]


def _pooled(values: Tensor) -> Tensor:
    """The largest of every 2 x 2 values.

    As maxima of pairs, whose gradient needs no sums in any order: torch's own pooling has none on a
    GPU that is the same each time.
    """
    rows, columns = values.shape[-2] // 2 * 2, values.shape[-1] // 2 * 2
    upper, lower = values[..., 0:rows:2, :columns], values[..., 1:rows:2, :columns]
    largest = torch.maximum(upper, lower)
    return torch.maximum(largest[..., 0::2], largest[..., 1::2])


def _initial(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    if len(shape) == 1:
        return torch.zeros(shape)
    field = math.prod(shape[2:])
    bound = math.sqrt(6 / (field * (shape[0] + shape[1])))
    return torch.rand(shape, generator=generator).mul_(2 * bound).sub_(bound)
