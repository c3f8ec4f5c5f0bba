"""Batch normalisation of maps, channel by channel, with moving statistics.

Appendix G of the DVAE++ paper has it at three places of the encoder and does not say more; the
constants are those of the dense networks. Maps are ``[M, R, channels, h, w]``.
"""

from __future__ import annotations

import torch
from torch import Tensor

from workflow_src.models.latent_variables import Tensors
from workflow_src.models.perceptrons import NORMALISATION_EPSILON, NORMALISATION_MOMENTUM
from workflow_src.models.residual_networks.layers import Parameters, Shapes


def normalisation_shapes(prefix: str, channels: int) -> Shapes:
    """Parameter shapes of one run's normalisation: a scale and a shift for each channel."""
    return {f"{prefix}.scale": (channels,), f"{prefix}.shift": (channels,)}


def statistics_shapes(prefix: str, channels: int) -> Shapes:
    """Shapes of one run's moving statistics."""
    return {f"{prefix}.moving_mean": (channels,), f"{prefix}.moving_variance": (channels,)}


def initial_normalisation(name: str, shape: tuple[int, ...]) -> Tensor:
    """The first value of a scale, shift, moving mean or moving variance."""
    ones = name.endswith((".scale", ".moving_variance"))
    return torch.ones(*shape) if ones else torch.zeros(*shape)


def normalised(parameters: Parameters, statistics: Parameters, prefix: str, maps: Tensor) -> Tensor:
    """Maps normalised by the moving statistics."""
    mean, variance = statistics[f"{prefix}.moving_mean"], statistics[f"{prefix}.moving_variance"]
    return _normalised(parameters, prefix, maps, mean, variance, training=False)


def normalised_by_batch(
    parameters: Parameters, statistics: Parameters, prefix: str, maps: Tensor
) -> tuple[Tensor, Tensors]:
    """Maps normalised by their own statistics, and the moving ones after them, detached."""
    moved = {
        name: statistics[name].detach().clone()
        for name in (f"{prefix}.moving_mean", f"{prefix}.moving_variance")
    }
    mean, variance = moved.values()
    return _normalised(parameters, prefix, maps, mean, variance, training=True), moved


def _normalised(
    parameters: Parameters,
    prefix: str,
    maps: Tensor,
    mean: Tensor,
    variance: Tensor,
    training: bool,
) -> Tensor:
    """The library's own, to which the runs are so many more channels; training moves both."""
    result = torch.nn.functional.batch_norm(
        maps.flatten(1, 2),
        mean.view(-1),
        variance.view(-1),
        parameters[f"{prefix}.scale"].reshape(-1),
        parameters[f"{prefix}.shift"].reshape(-1),
        training=training,
        momentum=NORMALISATION_MOMENTUM,
        eps=NORMALISATION_EPSILON,
    )
    return result.reshape(maps.shape)
