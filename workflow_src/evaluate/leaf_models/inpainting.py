"""Missing pixels of test images: their density given the others, their expectation, and draws.

A circuit sums out a leaf whose pixels are all missing by the number 1 (section 3.1 of the SPVAE
paper); a leaf with some of them missing, and a VAE is never more than that, needs samples of its
codes. Either way the same code measures both kinds of model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workflow_src.evaluate.leaf_models.bounds import IMAGES_PER_BLOCK, samples_per_chunk
from workflow_src.evaluate.leaf_models.leaf_evidence import (
    LeafEvidence,
    Sampling,
    evidence_of_parts,
    expected_pixels,
)
from workflow_src.evaluate.leaf_models.pictures import Drawing, as_images
from workflow_src.models.banks import Parameters
from workflow_src.models.leaf_models import LeafModel, leaf_parameters, stack_runs

INPAINTED_IMAGES = 64
"""Test images, the first ones, that numbers are means over; one block at most, as the titles of
the metrics in config/metrics.py say."""

SHOWN_IMAGES = 8
"""Of those, images that are kept for pictures."""

COMPLETIONS = 4
"""Draws of the missing pixels of each image that is kept."""

MOST_SAMPLES = 500
"""Importance samples are as many as the largest number of the bounds' up to this one."""

# Where no tree explains the evidence, or it is not a number, any tree is as good.
_IMPOSSIBLE = -1e30


@dataclass(frozen=True)
class Inpainting:
    """What was filled in, by mask; m masks, N images, of which n are shown.

    Images in colour have their channels as a last axis.

    Attributes
    ----------
    observed:
        Pixels that are not missing, [m, h, w].
    completions:
        Images whose missing pixels are drawn given the others, shares of the full range,
        [m, n, draws, h, w].
    expected:
        Images whose missing pixels are their expectation given the others, [m, n, h, w].
    log_density:
        log p(missing | observed) in nats per missing pixel, [m, N]: the difference of the estimates
        of log p(x) and log p(x_observed). Both are too small in expectation, the second mostly more
        so, since no encoder was trained for parts of a leaf: the difference is an estimate and no
        bound, and flatters models whose leaves are partly observed.
    error:
        Root mean squared error of the expected missing pixels, shares of the full range, [m, N].
    """

    observed: NDArray[np.bool_]
    completions: NDArray[np.float32]
    expected: NDArray[np.float32]
    log_density: NDArray[np.float64]
    error: NDArray[np.float64]


def samples_of(counts: Sequence[int]) -> int:
    """How many of the bounds' importance samples are used: the largest number that is not too many.

    Where all are, the smallest.
    """
    return max((count for count in counts if count <= MOST_SAMPLES), default=min(counts))


@torch.no_grad()
def inpaint(
    model: LeafModel,
    drawing: Drawing,
    parameters: Parameters,
    images: Tensor,
    leaf_bounds: Tensor,
    masks: Mapping[str, NDArray[np.bool_]],
    samples: int,
    stream: Callable[[str], torch.Generator],
    memory_bytes: int,
) -> Inpainting:
    """Hide parts of images and fill them in again.

    Parameters
    ----------
    model, drawing, parameters:
        Structure, how its leaves make up an image, and one run's parameters (no run axis).
    images:
        ``[N, D]`` in the data's units, at most `INPAINTED_IMAGES`.
    leaf_bounds:
        ``[L, N]``: the leaves' bounds of these whole images with ``samples`` importance samples.
    masks:
        What is observed, ``[h, w]``, by the mask's name.
    samples:
        Importance samples per leaf and image.
    stream:
        Makes the random stream of a purpose.
    memory_bytes:
        What the intermediate values may take.

    Raises
    ------
    MemoryBudgetError
        If not even one sample of one image block fits the budget.
    """
    chunk = samples_per_chunk(model, images.device, memory_bytes)
    leaves = leaf_parameters(stack_runs([parameters]))
    prior = expected_pixels(model.leaves, leaves, chunk * IMAGES_PER_BLOCK, stream("prior"))
    shown = min(SHOWN_IMAGES, len(images))
    whole = _Whole(model, drawing, parameters, leaves, images.T.to(torch.float32), leaf_bounds)
    filled = [
        _fill_in(
            whole,
            torch.tensor(mask.reshape(-1), device=images.device).repeat(model.images.channels),
            prior,
            Sampling(
                samples, chunk, COMPLETIONS, shown, stream(f"noise {name}"), stream(f"picks {name}")
            ),
            stream(f"pixels {name}"),
        )
        for name, mask in masks.items()
    ]
    drawn = torch.stack([one.drawn.T for one in filled]).reshape(
        len(filled), shown, COMPLETIONS, -1
    )
    expected = torch.stack([one.expected[:, :shown].T for one in filled])
    return Inpainting(
        np.stack(list(masks.values())),
        as_images(model.images, drawn),
        as_images(model.images, expected),
        _array(one.log_density.double() for one in filled),
        _array(one.error.double() for one in filled),
    )


@dataclass(frozen=True)
class _Whole:
    """Images [D, N] of which nothing is missing, and the leaves' bounds of them [L, N]."""

    model: LeafModel
    drawing: Drawing
    parameters: Parameters
    leaves: Parameters
    images: Tensor
    leaf_bounds: Tensor

    @property
    def shares(self) -> Tensor:
        """The images as shares of the full range."""
        return self.images / self.model.leaves.likelihood.full_range

    def log_density(self, of_leaves: Tensor) -> Tensor:
        """Of images, [N], from log densities of leaves, [L, N]."""
        return self.model.combine(stack_runs([self.parameters]), of_leaves.unsqueeze(0))[0]


@dataclass(frozen=True)
class _Filled:
    """What one mask gives: drawn [D, n * draws], expected [D, N], and numbers [N]."""

    drawn: Tensor
    expected: Tensor
    log_density: Tensor
    error: Tensor


def _fill_in(
    whole: _Whole,
    observed: Tensor,
    prior: Tensor,
    sampling: Sampling,
    generator: torch.Generator,
) -> _Filled:
    """Hide what is not ``observed [D]``, and fill it in."""
    known = _evidence(whole, observed, prior, sampling)
    shares, missing = whole.shares, ~observed
    expected = torch.where(missing.unsqueeze(1), _expected(whole, known), shares)
    kept = shares[:, : sampling.shown].repeat_interleave(sampling.draws, dim=1)
    drawn = torch.where(missing.unsqueeze(1), _draws(whole, known, generator), kept)
    difference = whole.log_density(whole.leaf_bounds) - whole.log_density(known.log_density)
    error = (expected - shares)[missing].square().mean(dim=0).sqrt()
    return _Filled(drawn, expected, difference / missing.sum(), error)


def _evidence(whole: _Whole, observed: Tensor, prior: Tensor, sampling: Sampling) -> LeafEvidence:
    """What is known of every leaf: its bound where it is whole, nothing where all is missing."""
    model, bank = whole.model, whole.model.leaves
    of_leaves = model.leaf_pixels(observed.view(1, -1, 1).to(torch.float32))[0, :, :, 0] > 0
    all_of_it, some = of_leaves.all(dim=1), of_leaves.any(dim=1)
    log_density = whole.leaf_bounds.masked_fill(~all_of_it.unsqueeze(1), 0.0)
    means = prior.unsqueeze(2).expand(-1, -1, whole.images.shape[1])
    shape = (bank.members, bank.latent_dimensions, sampling.draws, sampling.shown)
    codes = torch.randn(shape, generator=sampling.picks, device=sampling.picks.device)
    partly = some & ~all_of_it
    if partly.any():
        pixels = model.leaf_pixels(whole.images.unsqueeze(0))[0].contiguous()
        # All leaves are weighed, also those that need it not: a bank is evaluated as one.
        found = evidence_of_parts(bank, whole.leaves, pixels, of_leaves, prior, sampling)
        log_density = torch.where(partly[:, None], found.log_density, log_density)
        means = torch.where(partly[:, None, None], found.means, means)
        codes = torch.where(partly[:, None, None, None], found.codes, codes)
    return LeafEvidence(log_density, means, codes)


def _expected(whole: _Whole, known: LeafEvidence) -> Tensor:
    """Expected images [D, N]: every leaf's expectation by the probability that it is the one."""
    rows, columns, components = whole.drawing.leaf_layout(whole.model)
    regions, (_, pixels, images) = rows * columns, known.means.shape
    shares = whole.drawing.responsibilities(
        whole.model, whole.parameters, _possible(known.log_density)
    )
    means = known.means.view(regions, components, pixels, images)
    mixed = (shares.view(regions, components, 1, images) * means).sum(dim=1)
    first = torch.zeros(images, regions, dtype=torch.int64, device=mixed.device)
    values = mixed.repeat_interleave(components, dim=0)
    return whole.drawing.assemble(whole.model, values, first)


def _draws(whole: _Whole, known: LeafEvidence, generator: torch.Generator) -> Tensor:
    """Images [D, n * draws] drawn given the evidence of the first n, as shares."""
    bank = whole.model.leaves
    _, latent, draws, shown = known.codes.shape
    evidence = _possible(known.log_density[:, :shown]).repeat_interleave(draws, dim=1)
    components = whole.drawing.sample_components(
        whole.model, whole.parameters, shown * draws, generator, evidence
    )
    codes = known.codes.transpose(2, 3).reshape(bank.members, latent, shown * draws)
    pixels = bank.likelihood.sample(bank.decode(whole.leaves, codes), generator)
    return whole.drawing.assemble(whole.model, pixels / bank.likelihood.full_range, components)


def _possible(evidence: Tensor) -> Tensor:
    return evidence.nan_to_num(nan=_IMPOSSIBLE, posinf=-_IMPOSSIBLE, neginf=_IMPOSSIBLE)


def _array(parts: Iterable[Tensor]) -> NDArray[Any]:
    return np.ascontiguousarray(torch.stack(list(parts)).cpu().numpy())
