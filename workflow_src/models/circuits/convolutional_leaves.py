"""Normal leaves of one variance: some at every pixel, each over the channels of its pixel.

The leaves of van de Wolfshaar and Pronobis (2020): centroids start at means of quantiles of the
training data, and the variance, in units that the model decides on, is not trained. Values lie as
``[height, width, components, N]``, images last, as all of the circuit above does. An image is
``[D]``, ordered by channel, row and column.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

_LOG_NORMALISER = -0.5 * math.log(2 * math.pi)


@dataclass(frozen=True)
class NormalLeaves:
    """``components`` normal leaves at each of ``height`` x ``width`` pixels of some channels.

    Centroids are ``[height, width, components, channels]``, in the pixels' units.
    """

    height: int
    width: int
    channels: int
    components: int

    @property
    def centroids_shape(self) -> tuple[int, int, int, int]:
        return (self.height, self.width, self.components, self.channels)

    def initial_centroids(self, images: Tensor) -> Tensor:
        """Means of equal quantiles of every value of training images ``[N, D]``.

        Component k has the mean of the k-th of ``components`` runs of the sorted values, of which
        the first are one longer where they cannot be equally long.

        Raises
        ------
        ValueError
            If there are fewer images than components.
        """
        if len(images) < self.components:
            raise ValueError(
                f"{len(images)} training images cannot start {self.components} leaves at every "
                f"pixel; give at least {self.components}, or fewer leaf_components"
            )
        ordered = images.sort(dim=0).values
        parts = torch.tensor_split(ordered, self.components)
        means = torch.stack([part.mean(dim=0) for part in parts])
        maps = means.view(self.components, self.channels, self.height, self.width)
        return maps.permute(2, 3, 0, 1).contiguous()

    def maps(self, pixels: Tensor) -> Tensor:
        """Images ``[N, D]`` as ``[height, width, channels, N]``."""
        images = pixels.T.reshape(self.channels, self.height, self.width, len(pixels))
        return images.permute(1, 2, 0, 3).contiguous()

    def images(self, maps: Tensor) -> Tensor:
        """The inverse of `maps`."""
        return maps.permute(2, 0, 1, 3).reshape(-1, maps.shape[3]).T.contiguous()

    def log_densities(
        self, centroids: Tensor, deviation: Tensor, maps: Tensor, visible: Tensor | None
    ) -> Tensor:
        """Log densities of the leaves, ``[height, width, components, N]``, in nats.

        Parameters
        ----------
        centroids:
            As the class says.
        deviation:
            Standard deviation of all leaves, ``[1]``.
        maps:
            Images ``[height, width, channels, N]``.
        visible:
            ``[height, width, channels]`` bool; what is not visible is integrated out. None for all.
        """
        factor, offset = -0.5 / deviation.square(), _LOG_NORMALISER - deviation.log()
        result: Tensor | None = None
        for channel in range(self.channels):
            residual = maps[:, :, None, channel] - centroids[..., channel].unsqueeze(-1)
            term = residual.square_().mul_(factor).add_(offset)
            if visible is not None:
                # A hidden value may be anything, also no number, of which a product with 0 is none.
                term.masked_fill_(~visible[:, :, channel, None, None], 0)
            result = term if result is None else result.add_(term)
        assert result is not None
        return result

    def statistics(self, flows: Tensor, maps: Tensor) -> tuple[Tensor, Tensor]:
        """Sums over images of the leaves' shares, and of those times the values.

        ``flows [height, width, components, N]`` are posterior probabilities of the leaves; the
        results are ``[height, width, components]`` and ``[height, width, components, channels]``.
        """
        return flows.sum(dim=3), torch.matmul(flows, maps.transpose(2, 3))

    def expected(self, centroids: Tensor, flows: Tensor) -> Tensor:
        """The leaves' means by their posterior probabilities, ``[height, width, channels, N]``."""
        return torch.matmul(centroids.transpose(2, 3), flows)
