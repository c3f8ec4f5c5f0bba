"""The encoder's networks on the image: "down 1" and "down 2" of the DVAE++ paper (appendix G).

Batch normalisation stands at the image and after either network, and nowhere else. Maps and rows
are as in `residual_networks.layers`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from workflow_src.models.latent_variables import Tensors
from workflow_src.models.residual_networks.layers import Parameters, Shapes
from workflow_src.models.residual_networks.normalisation import (
    normalisation_shapes,
    normalised,
    normalised_by_batch,
    statistics_shapes,
)
from workflow_src.models.residual_networks.residual_blocks import (
    Block,
    network_shapes,
    residual_network,
    size_at,
    stride_after,
)

_IMAGE, _DOWN_1, _DOWN_2 = "encoder.image", "encoder.down_1", "encoder.down_2"

Normalise = Callable[[str, Tensor], Tensor]


@dataclass(frozen=True)
class Features:
    """What the encoder says of N images.

    Attributes
    ----------
    local:
        Maps [N, R, channels, h, w] at the size of the local variables.
    flat:
        Rows [R, N, features] for the global variables; none where there are no such variables.
    """

    local: Tensor
    flat: Tensor | None


@dataclass(frozen=True)
class Encoder:
    """Networks from images of ``size`` and ``channels``; without `down_2`, no flat features."""

    size: tuple[int, int]
    channels: int
    down_1: tuple[Block, ...]
    down_2: tuple[Block, ...]

    @property
    def stride(self) -> int:
        """Of the local features."""
        return stride_after(self.down_1, 1)

    @property
    def local_channels(self) -> int:
        """Of the local features."""
        return self.down_1[-1].channels

    @property
    def flat_features(self) -> int:
        """Of a row; 0 without `down_2`."""
        if not self.down_2:
            return 0
        coarse = size_at(self.size, stride_after(self.down_2, self.stride))
        return self.down_2[-1].channels * math.prod(coarse)

    def parameter_shapes(self) -> Shapes:
        """Shapes of one run's parameters."""
        shapes = network_shapes(_DOWN_1, self.channels, self.down_1)
        if self.down_2:
            shapes |= network_shapes(_DOWN_2, self.local_channels, self.down_2)
        for prefix, channels in self._normalised().items():
            shapes |= normalisation_shapes(prefix, channels)
        return shapes

    def state_shapes(self) -> Shapes:
        """Shapes of one run's moving statistics."""
        shapes: Shapes = {}
        for prefix, channels in self._normalised().items():
            shapes |= statistics_shapes(prefix, channels)
        return shapes

    def features(self, parameters: Parameters, state: Parameters, images: Tensor) -> Features:
        """Of images [N, R, channels, h, w] as shares of the full range, by moving statistics."""

        def normalise(prefix: str, maps: Tensor) -> Tensor:
            return normalised(parameters, state, prefix, maps)

        return self._features(parameters, images, normalise)

    def batch_features(
        self, parameters: Parameters, state: Parameters, images: Tensor
    ) -> tuple[Features, Tensors]:
        """The same by the batch's own statistics, and the moving ones after it."""
        moved: Tensors = {}

        def normalise(prefix: str, maps: Tensor) -> Tensor:
            result, statistics = normalised_by_batch(parameters, state, prefix, maps)
            moved.update(statistics)
            return result

        return self._features(parameters, images, normalise), moved

    def _features(self, parameters: Parameters, images: Tensor, normalise: Normalise) -> Features:
        maps = residual_network(parameters, _DOWN_1, normalise(_IMAGE, images), self.down_1)
        local = normalise(_DOWN_1, maps)
        if not self.down_2:
            return Features(local, None)
        coarse = normalise(_DOWN_2, residual_network(parameters, _DOWN_2, local, self.down_2))
        return Features(local, coarse.transpose(0, 1).flatten(2))

    def _normalised(self) -> dict[str, int]:
        """Where normalisation stands, and on how many channels."""
        places = {_IMAGE: self.channels, _DOWN_1: self.local_channels}
        return places | ({_DOWN_2: self.down_2[-1].channels} if self.down_2 else {})
