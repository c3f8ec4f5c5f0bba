"""Importance-weighted bounds with thousands of samples in bounded memory.

The log-sum-exp over samples is streamed: a few samples of a few images at a time, with running
maxima and sums per leaf. The noise of an image block is one seeded sequence, drawn sample by
sample, so that the memory budget decides how it is cut and not what is drawn (on a CPU; a GPU's
generator depends on the cut).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workflow_src.models.banks import Parameters
from workflow_src.models.leaf_models import LeafModel, leaf_parameters, stack_runs

IMAGES_PER_BLOCK = 64
# On a CPU more columns than this at a time only leave the processor's cache.
_COLUMNS_IN_CACHE = 1024
_BYTES = 4


class MemoryBudgetError(ValueError):
    """The memory budget is too small for any work at all."""


@dataclass(frozen=True)
class Bounds:
    """Bounds of single images.

    Attributes
    ----------
    sample_counts:
        K, ascending, shape [S].
    bounds:
        K-sample bounds in nats, shape [S, N]; the first K of the largest count's samples.
    effective_sample_size:
        (sum w)^2 / sum w^2 over the largest count's weights, mean over leaves, shape [N].
    """

    sample_counts: NDArray[np.int64]
    bounds: NDArray[np.float64]
    effective_sample_size: NDArray[np.float64]


def importance_weighted_bounds(
    model: LeafModel,
    parameters: Parameters,
    images: Tensor,
    sample_counts: Sequence[int],
    generator: Callable[[int], torch.Generator],
    memory_bytes: int,
) -> Bounds:
    """Bounds of every image for several numbers of samples.

    Parameters
    ----------
    model, parameters:
        Structure and one run's parameters (no run axis), on the images' device.
    images:
        ``[N, D]`` floats or counts.
    sample_counts:
        Ascending numbers of importance samples per leaf.
    generator:
        Makes the random stream of the image block with the given number.
    memory_bytes:
        What the intermediate values may take.

    Raises
    ------
    MemoryBudgetError
        If not even one sample of one block fits the budget.
    """
    chunk = samples_at_a_time(model, memory_bytes)
    if images.device.type == "cpu":
        chunk = min(chunk, _COLUMNS_IN_CACHE // IMAGES_PER_BLOCK)
    blocks = [
        _block_bounds(model, parameters, block, sample_counts, generator(number), chunk)
        for number, block in enumerate(torch.split(images, IMAGES_PER_BLOCK))
    ]
    return Bounds(
        np.array(sample_counts, dtype=np.int64),
        np.concatenate([bounds for bounds, _ in blocks], axis=1),
        np.concatenate([size for _, size in blocks]),
    )


def samples_at_a_time(model: LeafModel, memory_bytes: int) -> int:
    """Samples of one image block that are computed together within the budget."""
    bank = model.leaves
    widest = max(bank.hidden_units, bank.latent_dimensions)
    # Noise and codes, two layers at a time, decoder outputs and the likelihood's intermediates.
    values = bank.members * (4 * bank.latent_dimensions + 2 * widest + 8 * bank.pixels)
    per_sample = values * IMAGES_PER_BLOCK * _BYTES
    if per_sample > memory_bytes:
        raise MemoryBudgetError(
            f"one importance sample of {IMAGES_PER_BLOCK} images takes "
            f"{per_sample / 2**20:.0f} MiB, more than the budget of {memory_bytes / 2**20:.0f} MiB"
        )
    return memory_bytes // per_sample


@torch.no_grad()
def _block_bounds(
    model: LeafModel,
    parameters: Parameters,
    images: Tensor,
    sample_counts: Sequence[int],
    generator: torch.Generator,
    chunk: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    banked = stack_runs([parameters])
    leaves = leaf_parameters(banked)
    pixels = model.leaf_pixels(images.T.to(torch.float32).unsqueeze(0))[0].contiguous()
    posterior = model.leaves.encode(leaves, pixels)
    running = _RunningSum(model.leaves.members, len(images), images.device)
    bounds = []
    done = 0
    for count in sample_counts:
        while done < count:
            taken = min(chunk, count - done)
            noise = _noise(model, taken, len(images), generator)
            running.add(model.leaves.log_weights_given_posterior(leaves, pixels, posterior, noise))
            done += taken
        leaf_bounds = (running.log_sum() - math.log(count)).to(torch.float32)
        bounds.append(model.combine(banked, leaf_bounds.unsqueeze(0))[0].double().cpu().numpy())
    return np.stack(bounds), running.effective_sample_size().mean(dim=0).cpu().numpy()


def _noise(model: LeafModel, samples: int, images: int, generator: torch.Generator) -> Tensor:
    """Standard normal [L, Z, K, N]; drawn K first, for a whole block, so that cuts do not show."""
    bank = model.leaves
    drawn = torch.randn(
        samples,
        bank.members,
        bank.latent_dimensions,
        IMAGES_PER_BLOCK,
        generator=generator,
        device=generator.device,
    )
    return drawn[..., :images].permute(1, 2, 0, 3).contiguous()


class _RunningSum:
    """Sums of exp(v) and exp(2 v) over samples, per leaf and image, free of overflow."""

    def __init__(self, leaves: int, images: int, device: torch.device) -> None:
        shape = (leaves, images)
        self._largest = torch.full(shape, -math.inf, dtype=torch.float64, device=device)
        self._sum = torch.zeros(shape, dtype=torch.float64, device=device)
        self._sum_of_squares = torch.zeros(shape, dtype=torch.float64, device=device)

    def add(self, log_weights: Tensor) -> None:
        """Take in log weights [L, K, N]."""
        weights = log_weights.double()
        largest = torch.maximum(self._largest, weights.amax(dim=1))
        # Where everything so far is zero there is nothing to rescale.
        shift = torch.where(torch.isinf(largest), torch.zeros_like(largest), largest)
        old = torch.exp(self._largest - shift)
        shares = torch.exp(weights - shift.unsqueeze(1))
        self._sum = self._sum * old + shares.sum(dim=1)
        self._sum_of_squares = self._sum_of_squares * old**2 + (shares**2).sum(dim=1)
        self._largest = largest

    def log_sum(self) -> Tensor:
        """log sum exp(v), [L, N]."""
        return torch.log(self._sum) + torch.where(
            torch.isinf(self._largest), torch.zeros_like(self._largest), self._largest
        )

    def effective_sample_size(self) -> Tensor:
        """Between 1 and K, [L, N]."""
        return self._sum**2 / self._sum_of_squares
