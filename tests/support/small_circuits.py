"""Small Einsum networks with random parameters in float64, and plain recursions as their oracles.

The oracle walks over regions and nodes one by one, with SciPy's densities at single pixels: it
shares with the networks nothing but their region graph and the names of parameters.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Any

import numpy as np
import torch
from scipy.special import logsumexp
from scipy.stats import binom, norm
from torch import Tensor

from workflow_src.models.building import build_model
from workflow_src.models.circuits.einsum_network import EinsumNetwork

VARIANCES = {"minimum_variance": 0.01, "maximum_variance": 2.0}


def rat_spn(
    height: int,
    width: int,
    likelihood: str = "binomial",
    *,
    levels: int = 1,
    channels: int = 1,
    **changed: Any,
) -> EinsumNetwork:
    values = {"components": 2, "split_depth": 1, "repetitions": 2, "structure_seed": 0}
    spec = {"model": "rat_spn", "likelihood": likelihood, **VARIANCES, **values, **changed}
    network: EinsumNetwork = build_model(spec, (height, width), levels, channels)
    return network


def pd_spn(
    height: int,
    width: int,
    likelihood: str = "binomial",
    *,
    levels: int = 1,
    channels: int = 1,
    **changed: Any,
) -> EinsumNetwork:
    values = {"components": 2, "split_step": 1}
    spec = {"model": "pd_spn", "likelihood": likelihood, **VARIANCES, **values, **changed}
    network: EinsumNetwork = build_model(spec, (height, width), levels, channels)
    return network


def parameters_of(network: EinsumNetwork, seed: int = 0) -> dict[str, Tensor]:
    """Of one run, in float64; all weights differ, and so do variances."""
    generator = torch.Generator().manual_seed(seed)
    fresh = network.initial_parameters(generator, torch.empty(0, network.images.pixels))
    parameters = {name: value.double() for name, value in fresh.items()}
    for name, value in parameters.items():
        if name.startswith("level_"):
            value /= value.sum(dim=-1, keepdim=True)
        if name == "leaf.variance":
            value.copy_(0.05 + torch.rand(value.shape, generator=generator).double())
    return parameters


def banked(*runs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: torch.stack([run[name] for run in runs]) for name in runs[0]}


def pictures(network: EinsumNetwork, count: int, seed: int = 0) -> Tensor:
    """Random images [N, D] in float64 of the likelihood's kind."""
    generator = torch.Generator().manual_seed(seed)
    shares = torch.rand(count, network.images.pixels, generator=generator, dtype=torch.float64)
    if network.images.likelihood == "gaussian":
        return shares
    return (shares * network.images.levels).round()


def all_states(network: EinsumNetwork) -> Tensor:
    """Every image of counts, [states, D] in float64."""
    states = product(range(network.images.levels + 1), repeat=network.images.pixels)
    return torch.tensor(list(states), dtype=torch.float64)


def oracle(
    network: EinsumNetwork,
    parameters: Mapping[str, Tensor],
    image: np.ndarray[Any, Any],
    visible: np.ndarray[Any, Any] | None = None,
) -> float:
    """log p of the visible values of one image, [D]."""
    graph = network.graph
    plane = network.images.height * network.images.width
    places = {one: place for place, one in enumerate(graph.leaf_regions)}
    shown = np.ones(len(image), dtype=bool) if visible is None else visible

    def leaf(region: int) -> np.ndarray[Any, Any]:
        copy = network.leaves.copy_of_region[places[region]]
        own = {n: parameters[f"leaf.{n}"][copy].numpy() for n in network.family.names}
        total = np.zeros(network.components)
        for channel, pixel in product(range(network.images.channels), graph.scopes[region]):
            value = channel * plane + pixel
            if not shown[value]:
                continue
            if network.images.likelihood == "gaussian":
                deviation = np.sqrt(own["variance"][value])
                total += norm.logpdf(image[value], own["mean"][value], deviation)
            else:
                levels, chance = network.images.levels, own["probability"][value]
                total += binom.logpmf(image[value], levels, chance)
        return total

    positions = {
        region: (i, group) for i, group in enumerate(_regions_by_level(network)) for region in group
    }

    def node(region: int) -> np.ndarray[Any, Any]:
        if not graph.partitions_of[region]:
            return leaf(region)
        i, group = positions[region]
        place = group.index(region)
        split = graph.partitions_of[region]
        weights = parameters[f"level_{i}.weights"].log().numpy()
        found = []
        for c, partition in enumerate(split):
            pairs = np.add.outer(node(partition.left), node(partition.right)).ravel()
            found.append(logsumexp(weights[place * len(split) + c] + pairs, axis=1))
        if len(split) == 1:
            return np.array(found[0])
        mixing = parameters[f"level_{i}.mixing"][place].log().numpy()
        return np.array(logsumexp(np.array(found).T + mixing, axis=1))

    return float(node(graph.root)[0])


def _regions_by_level(network: EinsumNetwork) -> list[list[int]]:
    """Inner regions by depth, then by number of partitions; the root alone."""
    graph = network.graph
    kinds: dict[tuple[int, int, int], list[int]] = {}
    for region in graph.inner_regions:
        kind = (graph.depths[region], len(graph.partitions_of[region]), int(region != graph.root))
        kinds.setdefault(kind, []).append(region)
    return [kinds[kind] for kind in sorted(kinds)]
