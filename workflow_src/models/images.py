"""What a model must know about the images it is a density of; plain facts, no tensors."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ImageFacts:
    """Size and kind of the pixels.

    Attributes
    ----------
    height, width:
        In pixels.
    likelihood:
        ``gaussian`` (continuous pixels in [0, 1]) or ``binomial`` (counts from 0 to ``levels``).
    levels:
        The largest count, which is the binomial's number of trials; unused for ``gaussian``.
    """

    height: int
    width: int
    likelihood: str
    levels: int

    @property
    def pixels(self) -> int:
        return self.height * self.width
