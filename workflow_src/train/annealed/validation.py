"""The bound that validation chooses by: of several samples per image, in the binary limit."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from workflow_src.models.latent_variables import LatentVariableModel, draw_noise

# Of one run; what is held at once. Part of what is computed, since noise is drawn per chunk.
_NUMBERS_AT_ONCE = 1 << 25
_NUMBERS_AT_ONCE_ON_A_GPU = 1 << 27  # half a gibibyte; fewer launches


@torch.no_grad()
def validation_bounds(
    model: LatentVariableModel,
    parameters: Mapping[str, Tensor],
    state: Mapping[str, Tensor],
    images: Tensor,
    samples: int,
    generators: Sequence[torch.Generator],
) -> Tensor:
    """Mean importance-weighted bound of images [N, D], in nats, [R] in float64.

    Without the log partition function of the prior. Streams that start alike give all validations
    the same noise.
    """
    runs = len(generators)
    numbers = _NUMBERS_AT_ONCE if images.device.type == "cpu" else _NUMBERS_AT_ONCE_ON_A_GPU
    at_once = max(1, numbers // (samples * model.values_per_weight()))
    total = torch.zeros(runs, dtype=torch.float64, device=images.device)
    for chunk in torch.split(images, at_once):
        pixels = chunk.to(torch.float32).expand(runs, -1, -1)
        noise = draw_noise(model.weight_noise(samples, len(chunk)), generators, images.device)
        weights = model.log_weights(parameters, state, pixels, noise).double()
        total += (torch.logsumexp(weights, dim=1) - math.log(samples)).sum(dim=1)
    return total / len(images)
