"""How a VAE's images are put together; apart from the model, so that an edit retrains nothing."""

from __future__ import annotations

import torch
from torch import Tensor

from workflow_src.models.banks import Parameters
from workflow_src.models.vae.model import Vae


def leaf_layout(model: Vae) -> tuple[int, int, int]:
    """Rows and columns of leaf regions, and components in each."""
    return 1, 1, 1


def sample_components(
    model: Vae, parameters: Parameters, draws: int, generator: torch.Generator
) -> Tensor | None:
    """Nothing is picked: there is one leaf."""
    return None


def assemble(model: Vae, leaf_values: Tensor, components: Tensor | None) -> Tensor:
    """Images [D, draws] from the values [1, D, draws] of the only leaf."""
    return leaf_values[0]
