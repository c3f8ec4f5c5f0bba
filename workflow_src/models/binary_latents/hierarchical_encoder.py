"""The hierarchical encoder: groups of binary units, each inferred given the image and those before.

Figures 2(b) and 2(d) of the DVAE++ paper. What a group hands on is a sample of its smoothed units
in training, and of its bits in the binary limit. The same uniform number gives both, by monotone
couplings: a unit is 1 where the number is at least 1 - q.

Shapes: R runs in the bank, N images, K samples, D values of an image, U units.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from workflow_src.models.perceptrons import Perceptron, Tensors

Sampler = Callable[[Tensor, Tensor], Tensor]
"""From uniform noise and logits of q to samples of one shape."""


@dataclass(frozen=True)
class Encoding:
    """What the encoder says about a batch.

    Attributes
    ----------
    logits:
        Of q(z = 1 | x, groups before), for every group: [R, N, U], or [R, K, N, U] where K samples
        of the groups before were taken; the first group's is then [R, 1, N, U].
    samples:
        Of every group, [R, N, U] or [R, K, N, U].
    state:
        New moving statistics; none in evaluation.
    """

    logits: tuple[Tensor, ...]
    samples: tuple[Tensor, ...]
    state: Tensors


@dataclass(frozen=True)
class HierarchicalEncoder:
    """One network for every group.

    Attributes
    ----------
    pixels:
        Values of an image.
    units:
        Of every group.
    hidden:
        Widths of every network's hidden layers.
    normalised:
        Whether they are batch-normalised.
    """

    pixels: int
    units: tuple[int, ...]
    hidden: tuple[int, ...]
    normalised: bool

    @cached_property
    def networks(self) -> tuple[Perceptron, ...]:
        return tuple(
            Perceptron(
                f"encoder.{group}",
                (self.pixels, *self.units[:group]),
                self.hidden,
                units,
                self.normalised,
            )
            for group, units in enumerate(self.units)
        )

    def __call__(
        self,
        parameters: Mapping[str, Tensor],
        state: Mapping[str, Tensor],
        centred: Tensor,
        uniform: Tensor,
        sampler: Sampler,
        code: Callable[[Tensor], Tensor],
        training: bool,
    ) -> Encoding:
        """Logits and samples of all groups.

        Parameters
        ----------
        centred:
            Images minus the mean training image, [R, N, D].
        uniform:
            Noise of all groups side by side, [R, N, U] or [R, K, N, U].
        sampler:
            Makes samples from it.
        code:
            What the networks see of a sample.
        training:
            Whether batch normalisation takes the batch's own statistics and moves its averages.
        """
        images = centred if uniform.dim() == centred.dim() else centred.unsqueeze(1)
        logits: list[Tensor] = []
        samples: list[Tensor] = []
        codes: list[Tensor] = []
        moved: Tensors = {}
        noises = torch.split(uniform, list(self.units), dim=-1)
        for network, noise in zip(self.networks, noises, strict=True):
            own, statistics = network(parameters, state, [images, *codes], training)
            moved |= statistics
            logits.append(own)
            samples.append(sampler(noise, own))
            codes.append(code(samples[-1]))
        return Encoding(tuple(logits), tuple(samples), moved)


def binary_states(uniform: Tensor, logits: Tensor) -> Tensor:
    """Bits with P(1) = sigmoid(logits): 1 where the noise is at least 1 - q."""
    return (uniform >= torch.sigmoid(-logits)).to(logits.dtype)


def zero_one(samples: Tensor) -> Tensor:
    """Networks see the samples themselves."""
    return samples


def plus_minus_one(samples: Tensor) -> Tensor:
    """Networks see 2 z - 1, as in Table 1 of the DVAE++ paper."""
    return 2 * samples - 1


CODES: dict[str, Callable[[Tensor], Tensor]] = {
    "zero_one": zero_one,
    "plus_minus_one": plus_minus_one,
}
