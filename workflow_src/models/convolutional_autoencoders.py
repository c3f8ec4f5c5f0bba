"""A bank of variational autoencoders with convolutions.

Encoder and decoder of section 4 of the SPVAE paper, with the arrangement of its authors' program:
two convolutions, a dense layer and two linear heads make the mean and the precision = 1 + f^2 of
q(z | x); one dense layer and two transposed convolutions lead back, the last with one channel for
every output of the decoder. All but the heads and the last have softplus units.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from workflow_src.models.banks import (
    Parameters,
    initial_weight,
    linear,
    linear_shapes,
    softplus,
    softplus_linear,
)
from workflow_src.models.convolutions import (
    SIDE,
    Convolution,
    FeatureMap,
    convolution,
    kernel_shapes,
    transposed_kernel_shapes,
)
from workflow_src.models.leaf_banks import GaussianLatentBank, Posterior

# The layers' names in the parameters.
_FIRST, _SECOND, _DENSE = "encoder.0", "encoder.1", "encoder.2"
_CODE, _TRANSPOSED = "decoder.0", "decoder.1"


@dataclass(frozen=True)
class ConvolutionalAutoencoderBank(GaussianLatentBank):
    """Autoencoders of rectangles of pixels. Shapes as in `GaussianLatentBank`.

    Attributes
    ----------
    width:
        Pixels in a row.
    hidden_units:
        Units of the encoder's dense layer.
    first_filters, second_filters:
        Channels of the convolutions; the decoder has them in reverse.
    stride:
        Of every convolution.
    """

    width: int
    hidden_units: int
    first_filters: int
    second_filters: int
    stride: int

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        shapes = kernel_shapes(_FIRST, self.first_filters, 1)
        shapes |= kernel_shapes(_SECOND, self.second_filters, self.first_filters)
        shapes |= linear_shapes(_DENSE, self.hidden_units, self._coarse.features)
        for head in ("mean", "precision"):
            shapes |= linear_shapes(f"encoder.{head}", self.latent_dimensions, self.hidden_units)
        shapes |= linear_shapes(_CODE, self._coarse.features, self.latent_dimensions)
        shapes |= transposed_kernel_shapes(_TRANSPOSED, self.first_filters, self.second_filters)
        for output in self.likelihood.outputs:
            shapes |= transposed_kernel_shapes(f"decoder.{output}", 1, self.first_filters)
        return shapes

    def initial_parameters(self, generator: torch.Generator) -> dict[str, Tensor]:
        return {
            name: self._initial_parameter(name, shape, generator)
            for name, shape in self.parameter_shapes().items()
        }

    def encode(self, parameters: Parameters, pixels: Tensor) -> Posterior:
        """The networks see shares of the full pixel range, also where pixels are counts."""
        shares = pixels / self.likelihood.full_range
        values = softplus(self._outer.forward(shares, *_layer(parameters, _FIRST)))
        values = softplus(self._inner.forward(values, *_layer(parameters, _SECOND)))
        hidden = softplus_linear(values, *_layer(parameters, _DENSE))
        mean = linear(hidden, *_layer(parameters, "encoder.mean"))
        precision_output = linear(hidden, *_layer(parameters, "encoder.precision"))
        return mean, -0.5 * torch.log1p(precision_output * precision_output)

    def decode(self, parameters: Parameters, codes: Tensor) -> dict[str, Tensor]:
        values = softplus_linear(codes, *_layer(parameters, _CODE))
        values = softplus(self._inner.transposed(values, *_layer(parameters, _TRANSPOSED)))
        # The outputs are channels of one convolution, which reads its input once.
        heads = [_layer(parameters, f"decoder.{output}") for output in self.likelihood.outputs]
        kernel = torch.cat([kernel for kernel, _ in heads], dim=2)
        bias = torch.cat([bias for _, bias in heads], dim=1)
        values = self._last.transposed(values, kernel, bias)
        bank, _, samples = values.shape
        image = self._image
        maps = values.view(bank, image.height, len(heads), image.width, samples)
        return {
            output: channel.reshape(bank, self.pixels, samples)
            for output, channel in zip(self.likelihood.outputs, maps.unbind(dim=2), strict=True)
        }

    def values_per_sample(self) -> int:
        maps = self._coarse.features + self._middle.features
        # Noise and codes, the maps before and after their softplus, the decoder's outputs and the
        # likelihood's intermediates.
        values = 4 * self.latent_dimensions + 2 * maps + 8 * self.pixels
        return self.members * values

    def _initial_parameter(
        self, name: str, shape: tuple[int, ...], generator: torch.Generator
    ) -> Tensor:
        """Truncated normal weights as the perceptrons', biases zero.

        The fan-in of a transposed kernel is its inputs x 9. Here we differ from the authors'
        program: TensorFlow's initialiser counts the outputs of a transposed kernel, and its "same"
        padding with stride 2 adds to even maps at the bottom and right, ours at the top and left.
        """
        if name.endswith(".bias"):
            return torch.zeros(self.members, *shape)
        convolution = len(shape) > 2
        transposed = convolution and name.startswith("decoder.")
        inputs = shape[0] if transposed else shape[1]
        if convolution:
            inputs *= SIDE * SIDE
        return initial_weight((self.members, *shape), inputs, generator)

    @cached_property
    def _image(self) -> FeatureMap:
        return FeatureMap(1, self.pixels // self.width, self.width)

    @cached_property
    def _middle(self) -> FeatureMap:
        return self._image.convolved(self.first_filters, self.stride)

    @cached_property
    def _coarse(self) -> FeatureMap:
        return self._middle.convolved(self.second_filters, self.stride)

    @cached_property
    def _outer(self) -> Convolution:
        """Between the image and the map after the first convolution."""
        return convolution(self._image, self._middle, self.stride)

    @cached_property
    def _inner(self) -> Convolution:
        """Between the maps after the first and after the second convolution."""
        return convolution(self._middle, self._coarse, self.stride)

    @cached_property
    def _last(self) -> Convolution:
        """Between the decoder's outputs, a channel each, and the map that makes them."""
        outputs = FeatureMap(len(self.likelihood.outputs), self._image.height, self._image.width)
        return convolution(outputs, self._middle, self.stride)


def _layer(parameters: Parameters, name: str) -> tuple[Tensor, Tensor]:
    return parameters[f"{name}.weight"], parameters[f"{name}.bias"]
