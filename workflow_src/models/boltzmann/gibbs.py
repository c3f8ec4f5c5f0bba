"""Block Gibbs sampling of restricted Boltzmann machines, over all chains of all runs of a bank.

A sweep draws the right units given the left ones, then the left given the right. Persistent chains
(appendix E of the DVAE++ paper) are states that are handed in again after a parameter update.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from workflow_src.models.boltzmann.energy import BoltzmannMachine

BLOCK_NUMBERS = 1 << 22
"""Uniform numbers of one run that a GPU draws at once; part of what a run draws."""


class Uniforms:
    """A tensor of uniform numbers that is filled again and again, ``[R, *shape]``.

    Every run draws from its own stream and only as many numbers as it needs, so that a run draws
    the same numbers in every bank. A GPU fills several tensors ahead, since it takes about as long
    to start as to fill one; on a CPU, one tensor stays in its cache.

    Parameters
    ----------
    like:
        Tensor ``[R, first, ...]`` whose shape, type and device it has.
    firsts:
        How many of the indices of the axis after the run's each run fills (all if left out). What
        is not filled stays 0.
    draws:
        How often it will be filled, about: a GPU draws no further ahead.
    """

    def __init__(self, like: Tensor, firsts: Sequence[int] | None = None, draws: int = 1) -> None:
        runs, *shape = like.shape
        ahead = _draws_ahead(like.device, draws, math.prod(shape))
        self._values = torch.zeros(runs, ahead, *shape, dtype=like.dtype, device=like.device)
        counts = firsts if firsts is not None else [like.shape[1]] * runs
        self._parts = [part[:, :count] for part, count in zip(self._values, counts, strict=True)]
        largest = max(part.numel() for part in self._parts)
        bits = (largest + 1) // 2 if like.device.type == "cpu" else 0
        self._bits = torch.empty(bits, dtype=torch.int64)
        self._used = ahead

    def draw(self, generators: Sequence[torch.Generator]) -> Tensor:
        """New numbers on [0, 1], in memory that later ones will take."""
        if self._used == self._values.shape[1]:
            self._used = 0
            for part, generator in zip(self._parts, generators, strict=True):
                if part.device.type == "cpu":
                    self._fill_from_bits(part, generator)
                else:
                    part.uniform_(generator=generator)
        self._used += 1
        return self._values[:, self._used - 1]

    def _fill_from_bits(self, part: Tensor, generator: torch.Generator) -> None:
        # Two numbers of 32 bits from each draw of 64: about half the time of `uniform_`.
        count = part.numel()
        bits = self._bits[: (count + 1) // 2].random_(-(2**63), None, generator=generator)
        integers = bits.view(torch.int32)[:count].view(part.shape)
        torch.mul(integers, 2.0**-32, out=part).add_(0.5)


def _draws_ahead(device: torch.device, draws: int, numbers: int) -> int:
    """How many draws, of so many numbers each for one run, are made at once."""
    # Of one run's numbers alone, so that a run draws the same in every bank.
    return 1 if device.type == "cpu" else max(1, min(draws, BLOCK_NUMBERS // max(1, numbers)))


@torch.no_grad()
def gibbs_sweeps(
    machine: BoltzmannMachine,
    left: Tensor,
    right: Tensor,
    sweeps: int,
    generators: Sequence[torch.Generator],
) -> tuple[Tensor, Tensor]:
    """The states [R, C, V], [R, C, H] after so many sweeps; one stream for each run.

    The states that come in are left as they are. The right ones matter only where ``sweeps`` is 0.
    Probabilities below 2**-24 are exact only to that number (float32).
    """
    left, right = left.detach().clone(), right.detach().clone()
    weights, transposed = machine.weights.detach(), machine.weights.detach().transpose(1, 2)
    left_bias = machine.visible_bias.detach().unsqueeze(1)
    right_bias = machine.hidden_bias.detach().unsqueeze(1)
    left_noise = Uniforms(left, draws=sweeps)
    right_noise = Uniforms(right, draws=sweeps)
    for _ in range(sweeps):
        torch.baddbmm(right_bias, left, weights, out=right)
        become_units(right, right_noise.draw(generators))
        torch.baddbmm(left_bias, right, transposed, out=left)
        become_units(left, left_noise.draw(generators))
    return left, right


def become_units(logits: Tensor, uniform: Tensor) -> Tensor:
    """Units of the given logits drawn in place: 1 where the probability is above ``uniform``."""
    return logits.sigmoid_().gt_(uniform)
