"""A bank of deep convolutional variational autoencoders of 32 x 32 images.

Table VIII of the DCGMM paper (appendix E): four convolutions and a dense layer lead to the code, a
dense layer and six transposed convolutions back; all but the ends have rectified linear units.
Nothing is padded: maps are 32, 30, 14, 6 and 3 wide on the way to the code, and 4, 7, 11, 24, 28,
30 and 32 on the way back. The table's flattened 4096 fits no padding: without it these are
3 * 3 * 512 = 4608 values.

What the table leaves open is as in the other autoencoders here: precision = 1 + f^2 of q(z | x),
and one last transposed convolution for every output of the pixel likelihood.

The networks are wide and the members few, so each member has convolutions of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn.functional import conv2d, conv_transpose2d, linear, relu

from workflow_src.models.banks import Parameters, initial_weight, linear_shapes
from workflow_src.models.leaf_banks import GaussianLatentBank, Posterior

SIDE = 32
"""Height and width of the images that these layers end at."""

_COARSE = 4
"""Height and width of the decoder's first map."""


@dataclass(frozen=True)
class Layer:
    """A square kernel's ``size``, its ``stride``, and the ``channels`` that it makes."""

    size: int
    stride: int
    channels: int


_ENCODER = (Layer(3, 1, 64), Layer(3, 2, 128), Layer(3, 2, 256), Layer(2, 2, 512))
_FIRST_MAP = 128
_DECODER = (
    Layer(4, 1, 1024),
    Layer(5, 1, 512),
    Layer(4, 2, 256),
    Layer(5, 1, 128),
    Layer(3, 1, 128),
)
_OUTPUT = 3
"""Size of the last kernel, whose channels are the image's; its stride is 1."""


@dataclass(frozen=True)
class DeepConvolutionalAutoencoderBank(GaussianLatentBank):
    """Autoencoders of 32 x 32 images. Shapes as in `GaussianLatentBank`.

    Attributes
    ----------
    channels:
        Of an image, whose values are ordered by channel, row and column.
    channel_divisor:
        All maps have this many times fewer channels than the paper's, and one at least.
    """

    channels: int
    channel_divisor: int

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        shapes: dict[str, tuple[int, ...]] = {}
        inputs = self.channels
        for i, layer in enumerate(self._encoder):
            shape = (layer.channels, inputs, layer.size, layer.size)
            shapes |= _named(f"encoder.{i}", shape, layer.channels)
            inputs = layer.channels
        for head in ("mean", "precision"):
            shapes |= linear_shapes(f"encoder.{head}", self.latent_dimensions, self._flattened)
        inputs = self._first_map
        shapes |= linear_shapes("decoder.code", inputs * _COARSE**2, self.latent_dimensions)
        for i, layer in enumerate(self._decoder):
            shape = (inputs, layer.channels, layer.size, layer.size)
            shapes |= _named(f"decoder.{i}", shape, layer.channels)
            inputs = layer.channels
        for output in self.likelihood.outputs:
            shape = (inputs, self.channels, _OUTPUT, _OUTPUT)
            shapes |= _named(f"decoder.{output}", shape, self.channels)
        return shapes

    def initial_parameters(self, generator: torch.Generator) -> dict[str, Tensor]:
        """Truncated normal weights as the perceptrons', biases zero."""
        strides = {f"decoder.{i}.weight": layer.stride for i, layer in enumerate(self._decoder)}
        made = {}
        for name, shape in self.parameter_shapes().items():
            if name.endswith(".bias"):
                made[name] = torch.zeros(self.members, *shape)
                continue
            inputs = shape[1]
            if len(shape) == 4:
                transposed = name.startswith("decoder.")
                # Strides leave gaps, so that a transposed kernel meets fewer inputs.
                seen = shape[2] * shape[3] / strides.get(name, 1) ** 2
                inputs = max(1, round(seen * shape[0 if transposed else 1]))
            made[name] = initial_weight((self.members, *shape), inputs, generator)
        return made

    def encode(self, parameters: Parameters, pixels: Tensor) -> Posterior:
        """The networks see shares of the full pixel range, also where pixels are counts."""
        shares = pixels / self.likelihood.full_range
        found = [
            self._encoded(member, images.T)
            for member, images in zip(_members(parameters), shares.unbind(), strict=True)
        ]
        mean = torch.stack([one.T for one, _ in found])
        precision_output = torch.stack([one.T for _, one in found])
        return mean, -0.5 * torch.log1p(precision_output * precision_output)

    def decode(self, parameters: Parameters, codes: Tensor) -> dict[str, Tensor]:
        found = [
            self._decoded(member, values.T)
            for member, values in zip(_members(parameters), codes.unbind(), strict=True)
        ]
        return {
            output: torch.stack([maps[output].flatten(1).T for maps in found])
            for output in self.likelihood.outputs
        }

    def values_per_sample(self) -> int:
        # Noise and codes, the maps before and after their rectifiers, the decoder's outputs and
        # the likelihood's intermediates.
        side, maps = _COARSE, self._first_map * _COARSE**2
        for layer in self._decoder:
            side = (side - 1) * layer.stride + layer.size
            maps += layer.channels * side**2
        return self.members * (4 * self.latent_dimensions + 2 * maps + 8 * self.pixels)

    def _encoded(self, parameters: Parameters, images: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and precision output of one member, ``[N, Z]``, for images ``[N, P]``."""
        maps = images.reshape(-1, self.channels, SIDE, SIDE)
        for i, layer in enumerate(self._encoder):
            maps = relu(conv2d(maps, *_layer(parameters, f"encoder.{i}"), stride=layer.stride))
        values = maps.flatten(1)
        mean = linear(values, *_layer(parameters, "encoder.mean"))
        return mean, linear(values, *_layer(parameters, "encoder.precision"))

    def _decoded(self, parameters: Parameters, codes: Tensor) -> dict[str, Tensor]:
        """Outputs of one member, ``[N, channels, 32, 32]`` each, for codes ``[N, Z]``."""
        values = relu(linear(codes, *_layer(parameters, "decoder.code")))
        maps = values.view(-1, self._first_map, _COARSE, _COARSE)
        for i, layer in enumerate(self._decoder):
            weight, bias = _layer(parameters, f"decoder.{i}")
            maps = relu(conv_transpose2d(maps, weight, bias, stride=layer.stride))
        return {
            output: conv_transpose2d(maps, *_layer(parameters, f"decoder.{output}"))
            for output in self.likelihood.outputs
        }

    @cached_property
    def _encoder(self) -> tuple[Layer, ...]:
        return tuple(self._narrowed(layer) for layer in _ENCODER)

    @cached_property
    def _decoder(self) -> tuple[Layer, ...]:
        return tuple(self._narrowed(layer) for layer in _DECODER)

    @cached_property
    def _first_map(self) -> int:
        """Channels of the decoder's first map."""
        return max(1, _FIRST_MAP // self.channel_divisor)

    @cached_property
    def _flattened(self) -> int:
        """Values of the encoder's last map."""
        side = SIDE
        for layer in self._encoder:
            side = (side - layer.size) // layer.stride + 1
        return side**2 * self._encoder[-1].channels

    def _narrowed(self, layer: Layer) -> Layer:
        return Layer(layer.size, layer.stride, max(1, layer.channels // self.channel_divisor))


def _named(name: str, kernel: tuple[int, ...], outputs: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": kernel, f"{name}.bias": (outputs, 1)}


def _members(parameters: Parameters) -> list[dict[str, Tensor]]:
    """Parameters of each member. Taken apart at once: their gradients are then joined once."""
    parts = {name: value.unbind() for name, value in parameters.items()}
    members = len(next(iter(parts.values())))
    return [{name: part[member] for name, part in parts.items()} for member in range(members)]


def _layer(parameters: Parameters, name: str) -> tuple[Tensor, Tensor]:
    return parameters[f"{name}.weight"], parameters[f"{name}.bias"].squeeze(1)
