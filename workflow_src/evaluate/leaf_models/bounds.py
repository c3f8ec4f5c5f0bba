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

from workflow_src.evaluate.measurement import MemoryBudgetError
from workflow_src.evaluate.running_sum import RunningSum
from workflow_src.models.banks import Parameters
from workflow_src.models.leaf_models import LeafModel, leaf_parameters, stack_runs

IMAGES_PER_BLOCK = 64
# On a CPU more columns than this at a time only leave the processor's cache.
_COLUMNS_IN_CACHE = 1024
_BYTES = 4


@dataclass(frozen=True)
class Bounds:
    """Bounds of single images.

    Attributes
    ----------
    sample_counts:
        K, ascending, shape [S].
    bounds:
        K-sample bounds in nats, shape [S, N]; the first K of the largest count's samples.
    leaf_bounds:
        Those of the leaves, before any circuit, shape [S, L, N].
    effective_sample_size:
        (sum w)^2 / sum w^2 over the largest count's weights, mean over leaves, shape [N].
    """

    sample_counts: NDArray[np.int64]
    bounds: NDArray[np.float64]
    leaf_bounds: NDArray[np.float32]
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
    chunk = samples_per_chunk(model, images.device, memory_bytes)
    blocks = [
        _block_bounds(model, parameters, block, sample_counts, generator(number), chunk)
        for number, block in enumerate(torch.split(images, IMAGES_PER_BLOCK))
    ]
    return Bounds(
        np.array(sample_counts, dtype=np.int64),
        np.concatenate([bounds for bounds, _, _ in blocks], axis=1),
        np.concatenate([leaf_bounds for _, leaf_bounds, _ in blocks], axis=2),
        np.concatenate([size for _, _, size in blocks]),
    )


def samples_per_chunk(model: LeafModel, device: torch.device, memory_bytes: int) -> int:
    """As `samples_at_a_time`, and no more than pays on this device."""
    samples = samples_at_a_time(model, memory_bytes)
    return min(samples, _COLUMNS_IN_CACHE // IMAGES_PER_BLOCK) if device.type == "cpu" else samples


def samples_at_a_time(model: LeafModel, memory_bytes: int) -> int:
    """Samples of one image block that are computed together within the budget."""
    per_sample = model.leaves.values_per_sample() * IMAGES_PER_BLOCK * _BYTES
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
) -> tuple[NDArray[np.float64], NDArray[np.float32], NDArray[np.float64]]:
    """Bounds [S, N], those of the leaves [S, L, N], and effective sample sizes [N]."""
    banked = stack_runs([parameters])
    leaves = leaf_parameters(banked)
    pixels = model.leaf_pixels(images.T.to(torch.float32).unsqueeze(0))[0].contiguous()
    posterior = model.leaves.encode(leaves, pixels)
    running = RunningSum(model.leaves.members, len(images), images.device)
    bounds, of_leaves = [], []
    done = 0
    for count in sample_counts:
        while done < count:
            taken = min(chunk, count - done)
            noise = _noise(model, taken, len(images), generator)
            running.add(model.leaves.log_weights_given_posterior(leaves, pixels, posterior, noise))
            done += taken
        leaf_bounds = (running.log_sum() - math.log(count)).to(torch.float32)
        bounds.append(model.combine(banked, leaf_bounds.unsqueeze(0))[0].double().cpu().numpy())
        of_leaves.append(leaf_bounds.cpu().numpy())
    sizes = running.effective_sample_size().mean(dim=0).cpu().numpy()
    return np.stack(bounds), np.stack(of_leaves), sizes


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
