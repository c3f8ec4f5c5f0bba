"""How images are made by a model with one leaf; apart from it, so that an edit retrains nothing."""

from __future__ import annotations

import torch
from torch import Tensor

from workflow_src.models.banks import Parameters
from workflow_src.models.whole_images import WholeImageModel


def leaf_layout(model: WholeImageModel) -> tuple[int, int, int]:
    """Rows and columns of leaf regions, and components in each."""
    return 1, 1, 1


def sample_components(
    model: WholeImageModel,
    parameters: Parameters,
    draws: int,
    generator: torch.Generator,
    evidence: Tensor | None = None,
) -> Tensor | None:
    """Nothing is picked: there is one leaf."""
    return None


def responsibilities(
    model: WholeImageModel, parameters: Parameters, leaf_log_densities: Tensor
) -> Tensor:
    """Probability that a leaf made the image, [1, N]: there is one."""
    return torch.ones_like(leaf_log_densities)


def assemble(model: WholeImageModel, leaf_values: Tensor, components: Tensor | None) -> Tensor:
    """Images [D, draws] from the values [1, D, draws] of the only leaf."""
    return leaf_values[0]
