"""How an SPVAE's images are put together from its super-pixels.

Apart from the model, so that an edit retrains nothing.
"""

from __future__ import annotations

import torch
from torch import Tensor

from workflow_src.models.banks import Parameters
from workflow_src.models.circuits.sampling import sample_leaf_components
from workflow_src.models.spvae.model import Spvae


def leaf_layout(model: Spvae) -> tuple[int, int, int]:
    """Rows and columns of leaf regions, and components in each; components run fastest."""
    graph = model.circuit.graph
    first = graph.scopes[graph.leaf_regions[0]]
    width = sum(1 for pixel in first if pixel // model.images.width == first[0])
    columns = model.images.width // width
    return len(graph.leaf_regions) // columns, columns, model.circuit.leaf_components


def sample_components(
    model: Spvae, parameters: Parameters, draws: int, generator: torch.Generator
) -> Tensor | None:
    """The component picked for each super-pixel, [draws, regions]; one run's parameters."""
    return sample_leaf_components(model.circuit, parameters, draws, generator)


def assemble(model: Spvae, leaf_values: Tensor, components: Tensor | None) -> Tensor:
    """Images [D, draws] from every leaf's values [L, P, draws] and the components picked.

    Raises
    ------
    ValueError
        If no components are given.
    """
    if components is None:
        raise ValueError("an SPVAE's image needs the leaf picked for each super-pixel")
    each_draw = torch.arange(leaf_values.shape[2], device=leaf_values.device)
    image = leaf_values.new_zeros(model.images.pixels, leaf_values.shape[2])
    for i, region in enumerate(model.circuit.graph.leaf_regions):
        leaf = i * model.circuit.leaf_components + components[:, i]
        scope = torch.tensor(model.circuit.graph.scopes[region], device=leaf_values.device)
        image[scope] = leaf_values[leaf, :, each_draw].T
    return image
