"""Small DVAE++ models for tests: images of a few pixels, and networks with random weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from workflow_src.models.dvaepp.architectures import Architecture
from workflow_src.models.dvaepp.model import DvaeppModel, build_with
from workflow_src.models.images import ImageFacts
from workflow_src.models.latent_variables import NoiseShape
from workflow_src.models.residual_networks.residual_blocks import blocks

TINY = Architecture(
    down_1=blocks("3↓"),
    down_2=blocks("4"),
    upsample=blocks("3"),
    local_posterior=blocks("3"),
    local_prior=blocks("3"),
    context=blocks("4"),
    stages=(blocks("4↑"),),
    image_input=blocks("2"),
    first_stride=2,
)
"""For images of 2 x 2 pixels: one position of latent variables, two scales of pixels."""

HYPERPARAMETERS: Mapping[str, Any] = {
    "architecture": "digits",
    "global_latents": "boltzmann_machine",
    "global_units": 4,
    "global_groups": 2,
    "chains": 50,
    "gibbs_sweeps": 2,
    "local_latents": "normal",
    "local_groups": 2,
    "local_channels": 1,
    "smoothing": "overlapping_exponential",
    "inverse_temperature": 8,
    "decoder": "conditional",
    "kl_balancing": "balanced",
}


def tiny(facts: ImageFacts | None = None, **values: Any) -> DvaeppModel:
    """A model of 2 x 2 binary pixels."""
    images = facts or ImageFacts(2, 2, "bernoulli", 1)
    return build_with(images, {**HYPERPARAMETERS, **values}, TINY)


def random_bank(
    model: DvaeppModel, runs: int, scale: float = 1.0
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Parameters [R, ...], none of them 0, and state, in float64; ``scale`` times the usual."""
    parameters, state = [], []
    mean = torch.full((model.images.pixels,), 0.4)
    for run in range(runs):
        generator = torch.Generator().manual_seed(run)
        first = model.initial_parameters(generator, mean)
        parameters.append(
            {
                name: value + scale * 0.3 * torch.randn(value.shape, generator=generator)
                for name, value in first.items()
            }
        )
        state.append(model.initial_state(generator, mean))
    return _stacked(parameters), _stacked(state)


def noise(shapes: Mapping[str, NoiseShape], runs: int, seed: int = 0) -> dict[str, Tensor]:
    """Noise [R, ...] in float64."""
    generator = torch.Generator().manual_seed(1000 + seed)
    drawn = {}
    for name, one in shapes.items():
        values = torch.empty(runs, *one.shape, dtype=torch.float64)
        uniform = one.kind == "uniform"
        drawn[name] = (
            values.uniform_(generator=generator) if uniform else values.normal_(generator=generator)
        )
    return drawn


def all_images(pixels: int, levels: int = 1) -> Tensor:
    """Every image of so many values, [number, pixels], in float64."""
    values = torch.arange(levels + 1, dtype=torch.float64)
    return torch.cartesian_prod(*[values] * pixels)


def _stacked(members: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    return {name: torch.stack([member[name] for member in members]).double() for name in members[0]}
