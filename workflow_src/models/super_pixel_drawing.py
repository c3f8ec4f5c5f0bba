"""How images are put together from super-pixels.

Apart from the model, so that an edit retrains nothing.
"""

from __future__ import annotations

import torch
from torch import Tensor

from workflow_src.models.banks import Parameters
from workflow_src.models.circuits.posterior import leaf_responsibilities
from workflow_src.models.circuits.sampling import sample_leaf_components
from workflow_src.models.super_pixels import SuperPixelModel, leaf_region_width


def leaf_layout(model: SuperPixelModel) -> tuple[int, int, int]:
    """Rows and columns of leaf regions, and components in each; components run fastest."""
    graph = model.circuit.graph
    columns = model.images.width // leaf_region_width(graph, model.images.width)
    return len(graph.leaf_regions) // columns, columns, model.circuit.leaf_components


def sample_components(
    model: SuperPixelModel,
    parameters: Parameters,
    draws: int,
    generator: torch.Generator,
    evidence: Tensor | None = None,
) -> Tensor | None:
    """The component picked for each super-pixel, [draws, regions]; one run's parameters.

    Given the leaves' log densities of what is observed, ``evidence [L, draws]``, it is picked from
    the posterior.
    """
    return sample_leaf_components(model.circuit, parameters, draws, generator, evidence)


def responsibilities(
    model: SuperPixelModel, parameters: Parameters, leaf_log_densities: Tensor
) -> Tensor:
    """Probability that a leaf made its part of the image, [L, N], given all leaves' densities."""
    return leaf_responsibilities(model.circuit, parameters, leaf_log_densities)


def assemble(model: SuperPixelModel, leaf_values: Tensor, components: Tensor | None) -> Tensor:
    """Images [D, draws] from every leaf's values [L, P, draws] and the components picked.

    Raises
    ------
    ValueError
        If no components are given.
    """
    if components is None:
        raise ValueError("an image of super-pixels needs the leaf picked for each of them")
    each_draw = torch.arange(leaf_values.shape[2], device=leaf_values.device)
    image = leaf_values.new_zeros(model.images.pixels, leaf_values.shape[2])
    for i, region in enumerate(model.circuit.graph.leaf_regions):
        leaf = i * model.circuit.leaf_components + components[:, i]
        scope = torch.tensor(model.circuit.graph.scopes[region], device=leaf_values.device)
        image[scope] = leaf_values[leaf, :, each_draw].T
    return image
