"""Importance-weighted bounds in the binary limit, with thousands of samples in bounded memory.

The bound of K samples is log (1/K) sum_k p(x, z_k) / q(z_k | x) (Burda et al. 2016), which the
DVAE++ paper reports with binary z (section 6); its log-sum-exp over samples is streamed. The noise
of an image block is one seeded sequence for each of its tensors, drawn sample by sample for all of
the block, so that the memory budget decides how it is cut and not what is drawn (on a CPU; a GPU's
generator depends on the cut).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workflow_src.evaluate.latent_variables.subject import (
    BYTES,
    Subject,
    drawn,
    noise_per_weight,
)
from workflow_src.evaluate.running_sum import RunningSum

# A power of two well above 16: a CPU draws normal numbers in sixteens, and only whole ones make
# what is drawn independent of how many samples are drawn at a time.
IMAGES_PER_BLOCK = 64
# Fewer rows than this waste the matrix products, and are not worth a smaller budget.
LEAST_ROWS = 16
# On a CPU more rows than this at a time only leave the processor's cache.
_ROWS_IN_CACHE = 1024


@dataclass(frozen=True)
class WeightedBounds:
    """Bounds of single images, without the prior's log partition function.

    Attributes
    ----------
    sample_counts:
        K, ascending, shape [S].
    bounds:
        In nats, shape [S, N]; the first K of the largest count's samples.
    effective_sample_size:
        (sum w)^2 / sum w^2 over the largest count's weights, shape [N].
    """

    sample_counts: NDArray[np.int64]
    bounds: NDArray[np.float64]
    effective_sample_size: NDArray[np.float64]


def weighted_bounds(
    subject: Subject, images: Tensor, sample_counts: Sequence[int]
) -> WeightedBounds:
    """Bounds of images [N, D] for several numbers of samples, ascending.

    Raises
    ------
    MemoryBudgetError
        If not even a few samples of one image fit the budget.
    """
    blocks = [
        _block_bounds(subject, block.to(torch.float32), number, sample_counts)
        for number, block in enumerate(torch.split(images, IMAGES_PER_BLOCK))
    ]
    return WeightedBounds(
        np.array(sample_counts, dtype=np.int64),
        np.concatenate([bounds for bounds, _ in blocks], axis=1),
        np.concatenate([sizes for _, sizes in blocks]),
    )


def cut(subject: Subject) -> tuple[int, int]:
    """Samples, and images of a block, that are computed together.

    Half of the budget is for what is computed of them, half for the noise of the whole block. An
    image is encoded once for all samples that are computed together: rather several samples of few
    images than few of many. Of 16 samples, encoding is 2 to 4 % of the work.
    """
    half = subject.memory_bytes // 2
    rows = subject.rows_that_fit(LEAST_ROWS, half)
    if subject.device.type == "cpu":
        rows = min(rows, _ROWS_IN_CACHE)
    noise = noise_per_weight(subject.model) * IMAGES_PER_BLOCK * BYTES
    samples = max(1, min(max(rows // IMAGES_PER_BLOCK, LEAST_ROWS), half // noise))
    return samples, min(rows // samples, IMAGES_PER_BLOCK)


@torch.no_grad()
def _block_bounds(
    subject: Subject, images: Tensor, number: int, sample_counts: Sequence[int]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Bounds [S, N] and effective sample sizes [N] of one block of images [N, D]."""
    samples, together = cut(subject)
    streams = subject.streams("test noise", subject.model.weight_noise(1, 1), block=number)
    running = RunningSum(1, len(images), images.device)
    bounds, done = [], 0
    for count in sample_counts:
        while done < count:
            taken = min(samples, count - done)
            shapes = subject.model.weight_noise(taken, IMAGES_PER_BLOCK)
            noise = drawn(shapes, streams, subject.device)
            parts = [
                subject.model.log_weights(
                    subject.parameters,
                    subject.state,
                    images[start : start + together].unsqueeze(0),
                    {
                        name: value[:, :, start : min(start + together, len(images))]
                        for name, value in noise.items()
                    },
                )
                for start in range(0, len(images), together)
            ]
            running.add(torch.cat(parts, dim=2))
            done += taken
        bounds.append((running.log_sum()[0] - math.log(count)).cpu().numpy())
    return np.stack(bounds), running.effective_sample_size()[0].cpu().numpy()
