"""The decoder p(x | codes): all pixels at once, or scale by scale given the coarser scales.

Section 6.1, appendix G.1 and Figures 7 and 8 of the DVAE++ paper. Scale i holds the pixels whose
row and column are multiples of its stride, without those of coarser scales; strides are halved from
scale to scale down to 1, so that every pixel belongs to exactly one. The pixels of a scale are
independent given the codes and the coarser scales.

The paper leaves open how the coarser pixels enter. Here a network sees them at the stride of the
features that it joins, from -1 to 1, with 0 where a pixel of that stride is not known yet.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import elu

from workflow_src.models.residual_networks.layers import (
    Parameters,
    Shapes,
    convolution,
    kernel_shapes,
)
from workflow_src.models.residual_networks.pixel_distributions import PixelDistribution
from workflow_src.models.residual_networks.residual_blocks import (
    Block,
    network_shapes,
    residual_network,
    size_at,
    stride_after,
)

Blocks = tuple[Block, ...]


@functools.cache
def scales_of_pixels(
    size: tuple[int, int], strides: tuple[int, ...], device: torch.device
) -> Tensor:
    """The scale that every pixel belongs to, [height, width]; strides from coarse to fine."""
    scales = torch.empty(size, dtype=torch.int64, device=device)
    for scale, stride in reversed(list(enumerate(strides))):
        scales[::stride, ::stride] = scale
    return scales


@dataclass(frozen=True)
class ConditionalDecoder:
    """Networks from maps of codes to pixels. Shapes as in `layers`.

    Attributes
    ----------
    size:
        Height and width of the image.
    image_channels:
        Of the image.
    pixels:
        The distribution of a pixel.
    codes, stride:
        Channels and stride of the maps of codes.
    context:
        Blocks on the codes, whose features give the first scale.
    stages:
        Blocks that lead from one scale's features to the next one's; the last ones' stride is 1.
    image_input:
        Blocks on the pixels known so far; empty for a decoder with one scale.
    first_stride:
        Stride of the first scale.
    """

    size: tuple[int, int]
    image_channels: int
    pixels: PixelDistribution
    codes: int
    stride: int
    context: Blocks
    stages: tuple[Blocks, ...]
    image_input: Blocks
    first_stride: int

    def __post_init__(self) -> None:
        stages = [self.stride_of_stage(stage) for stage in range(len(self.stages) + 1)]
        strides = list(self.strides)
        if self.image_input and (stages[1:] != strides[1:] or strides[0] % stages[0]):
            raise ValueError(f"features with strides {stages} do not give scales of {strides}")
        if stages[-1] != 1:
            raise ValueError(f"the last features of the decoder have stride {stages[-1]}, not 1")

    @property
    def strides(self) -> tuple[int, ...]:
        """Strides of the scales, from coarse to fine."""
        if not self.image_input:
            return (1,)
        return tuple(self.first_stride // 2**scale for scale in range(len(self.stages) + 1))

    def stride_of_stage(self, stage: int) -> int:
        """Stride of the features after the context (0) or after so many stages."""
        stride = stride_after(self.context, self.stride)
        for blocks in self.stages[:stage]:
            stride = stride_after(blocks, stride)
        return stride

    def parameter_shapes(self, prefix: str) -> Shapes:
        """Shapes of one run's parameters."""
        shapes = network_shapes(f"{prefix}.context", self.codes, self.context)
        channels = self.context[-1].channels
        heads = {0: channels} if self.image_input else {}
        for stage, blocks in enumerate(self.stages, start=1):
            if self.image_input:
                name = f"{prefix}.image_{stage}"
                shapes |= network_shapes(name, self.image_channels, self.image_input)
                channels += self.image_input[-1].channels
            shapes |= network_shapes(f"{prefix}.stage_{stage}", channels, blocks)
            channels = blocks[-1].channels
            heads[stage] = channels
        if not self.image_input:
            heads = {len(self.stages): channels}
        for stage, inputs in heads.items():
            shapes |= kernel_shapes(f"{prefix}.pixels_{stage}", inputs, self.pixels.outputs)
        return shapes

    def initial_biases(self, prefix: str, mean: float) -> Mapping[str, Tensor]:
        """First biases of what gives the pixels, by name; ``mean`` is a share of the range."""
        first = self.pixels.first_bias(mean)
        names = self.parameter_shapes(prefix)
        return {
            name: first
            for name in names
            if name.startswith(f"{prefix}.pixels_") and name.endswith(".bias")
        }

    def log_density(
        self, parameters: Parameters, prefix: str, codes: Tensor, images: Tensor
    ) -> Tensor:
        """log p(image | codes) in nats, [M, R], of codes [M, R, codes, h, w].

        Images ``[N, R, channels, height, width]`` with M a multiple of N; code m belongs to image
        m modulo N.
        """
        outputs = list(self._outputs_by_scale(parameters, prefix, codes, images))
        full = outputs[-1].clone()
        for stride, values in reversed(list(zip(self.strides, outputs, strict=True))[:-1]):
            full[..., ::stride, ::stride] = values
        values = images.repeat(len(codes) // len(images), 1, 1, 1, 1)
        return self.pixels.log_density(full, values).sum(dim=(2, 3))

    def sample(
        self, parameters: Parameters, prefix: str, codes: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Images drawn for codes, in the data's units, and every pixel's expected share.

        Both ``[M, R, channels, height, width]``; a pixel's expectation is given the pixels that
        were drawn at coarser scales.
        """
        shape = (*codes.shape[:2], self.image_channels, *self.size)
        images, means = codes.new_zeros(shape), codes.new_zeros(shape)
        scales = scales_of_pixels(self.size, self.strides, codes.device)
        by_scale = self._outputs_by_scale(parameters, prefix, codes, images)
        for scale, (stride, outputs) in enumerate(zip(self.strides, by_scale, strict=True)):
            own = scales[::stride, ::stride] == scale
            drawn, expected = self.pixels.sample(outputs, generator), self.pixels.mean(outputs)
            for target, new in ((images, drawn), (means, expected)):
                part = target[..., ::stride, ::stride]
                part.copy_(torch.where(own, new, part))
        return images, means

    def _outputs_by_scale(
        self, parameters: Parameters, prefix: str, codes: Tensor, images: Tensor
    ) -> Iterator[Tensor]:
        """What the pixels of every scale's grid take, from coarse to fine.

        A scale reads the pixels of coarser scales alone, so that whoever draws images may fill them
        in on the way.
        """
        features = residual_network(
            parameters, f"{prefix}.context", codes, self.context, self.size, self.stride
        )
        for scale in range(len(self.strides)):
            stages = [scale] if self.image_input else range(1, len(self.stages) + 1)
            for stage in stages:
                if stage:
                    features = self._next(parameters, prefix, features, images, stage)
            yield self._outputs(parameters, prefix, features, stages[-1])

    def _next(
        self, parameters: Parameters, prefix: str, features: Tensor, images: Tensor, stage: int
    ) -> Tensor:
        """Features after a stage, which sees the pixels that are known before it."""
        stride = self.stride_of_stage(stage - 1)
        if self.image_input:
            scales = scales_of_pixels(self.size, self.strides, images.device)
            known = (scales < stage)[::stride, ::stride]
            centred = 2 * images[..., ::stride, ::stride] / self.pixels.levels - 1
            seen = residual_network(
                parameters, f"{prefix}.image_{stage}", centred * known.to(centred), self.image_input
            )
            seen = seen.repeat(len(features) // len(images), 1, 1, 1, 1)
            features = torch.cat([features, seen], dim=2)
        return residual_network(
            parameters,
            f"{prefix}.stage_{stage}",
            features,
            self.stages[stage - 1],
            self.size,
            stride,
        )

    def _outputs(self, parameters: Parameters, prefix: str, features: Tensor, stage: int) -> Tensor:
        """What the pixels of a stage's grid take; the first may be coarser than its features."""
        wanted = self.first_stride if stage == 0 else self.stride_of_stage(stage)
        step = wanted // self.stride_of_stage(stage)
        return convolution(parameters, f"{prefix}.pixels_{stage}", elu(features), step)

    def values_per_image(self) -> int:
        """Numbers that the log density of one image given one code holds at once."""
        widest = 0
        for stage in range(len(self.stages) + 1):
            blocks = self.stages[stage - 1] if stage else self.context
            height, width = size_at(self.size, self.stride_of_stage(stage))
            seen = sum(block.channels for block in self.image_input)
            channels = seen + 3 * max(block.channels for block in blocks)
            widest = max(widest, channels * height * width)
        # Joined features, the block's inside, and all scales' outputs with the pixels' terms.
        return 3 * widest + 6 * self.pixels.outputs * self.size[0] * self.size[1]
