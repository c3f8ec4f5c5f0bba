"""Draws from the top of an Einsum network: which component every leaf region takes.

From the model, or, with the log densities of what is visible, from its posterior: every sum node is
a latent variable that picks a partition and two nodes below it.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from workflow_src.models.circuits.einsum_layers import EinsumCircuit, EinsumLevel, Values

_NUMBERS_AT_ONCE = 1 << 23  # of weights or scores; part of what is drawn: uniforms are per part


def drawn_components(
    circuit: EinsumCircuit,
    parameters: Mapping[str, Tensor],
    images: int,
    generator: torch.Generator,
    evidence: Values | None = None,
) -> Tensor:
    """The component of every leaf region in each image, [leaf regions, N]; -1 where it has none.

    Parameters
    ----------
    parameters:
        Of one run, with a run axis of 1.
    images:
        N.
    generator:
        On the device of the parameters.
    evidence:
        What `EinsumCircuit.upwards` gave for the visible pixels of N images; None draws from the
        model itself.

    Notes
    -----
    Of the regions of several trees, such as repetitions, an image takes those of one.
    """
    device = parameters["level_0.weights"].device
    below = len(circuit.graph.leaf_regions)
    regions = len(circuit.graph.scopes)
    picked = torch.full((regions, images), -1, dtype=torch.int64, device=device)
    picked[-1] = 0
    for i in reversed(range(len(circuit.levels))):
        level = circuit.levels[i]
        of_level = picked[level.first_region : level.first_region + level.regions]
        region, image = (of_level >= 0).nonzero(as_tuple=True)
        at_once = max(1, _NUMBERS_AT_ONCE // circuit.components**2)
        for places in torch.split(torch.arange(len(region), device=device), at_once):
            where = (region[places], image[places], of_level[region[places], image[places]])
            product = _picked_partition(i, level, parameters, evidence, where, generator)
            pair = _picked_pair(i, circuit, parameters, evidence, where, product, generator)
            left, right = circuit.indices(device)[i]
            picked[left[product], where[1]] = pair // circuit.components
            picked[right[product], where[1]] = pair % circuit.components
    return picked[:below]


def _picked_partition(
    i: int,
    level: EinsumLevel,
    parameters: Mapping[str, Tensor],
    evidence: Values | None,
    where: tuple[Tensor, Tensor, Tensor],
    generator: torch.Generator,
) -> Tensor:
    """The partition that each of some nodes (region, image, sum) takes."""
    region, image, node = where
    if level.partitions == 1:
        return region
    shares = parameters[f"level_{i}.mixing"][0, region, node].double()
    if evidence is not None:
        offset = torch.arange(level.partitions, device=region.device)
        partition = region.unsqueeze(1) * level.partitions + offset
        logs = evidence.partitions[i][0][partition, node.unsqueeze(1), image.unsqueeze(1)]
        shares = torch.softmax(shares.log() + logs.double(), dim=1)
    return region * level.partitions + _chosen(shares, generator)


def _picked_pair(
    i: int,
    circuit: EinsumCircuit,
    parameters: Mapping[str, Tensor],
    evidence: Values | None,
    where: tuple[Tensor, Tensor, Tensor],
    product: Tensor,
    generator: torch.Generator,
) -> Tensor:
    """The two nodes of a partition, as ``left * K + right``, that each of some sums takes."""
    _, image, node = where
    shares = parameters[f"level_{i}.weights"][0, product, node].double()
    if evidence is not None:
        left, right = circuit.indices(product.device)[i]
        one = evidence.nodes[0][left[product], :, image].double()
        other = evidence.nodes[0][right[product], :, image].double()
        logs = (one.unsqueeze(2) + other.unsqueeze(1)).flatten(1)
        shares = torch.softmax(shares.log() + logs, dim=1)
    return _chosen(shares, generator)


def _chosen(shares: Tensor, generator: torch.Generator) -> Tensor:
    """A place in every row [n, m], with probabilities that are proportional to its numbers."""
    sums = shares.cumsum(dim=1)
    uniform = torch.rand(
        len(shares), 1, generator=generator, device=shares.device, dtype=shares.dtype
    )
    found = torch.searchsorted(sums, uniform * sums[:, -1:], right=True).squeeze(1)
    return found.clamp_max_(shares.shape[1] - 1)
