"""What a model must know about the images or points it is a density of; plain facts, no tensors."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ImageFacts:
    """Size and kind of the pixels, or of the coordinates of points.

    Attributes
    ----------
    height, width:
        In pixels; 1 and the number of coordinates for points.
    likelihood:
        ``gaussian`` (continuous pixels in [0, 1]), ``binomial`` (counts from 0 to ``levels``),
        ``bernoulli`` (0 or 1), ``discretised_logistic`` (integers from 0 to ``levels``) or
        ``gaussian_noise`` (real numbers of any size).
    levels:
        The largest count, which is the binomial's number of trials; unused where pixels are
        continuous or binary, and 0 for points.
    channels:
        1 for gray images, 3 for colour. An image's values are ordered by channel, row and column.
    """

    height: int
    width: int
    likelihood: str
    levels: int
    channels: int = 1

    @property
    def pixels(self) -> int:
        """Values of an image: one for each pixel and channel."""
        return self.height * self.width * self.channels
