"""Sums and products of Einsum networks, in logarithms, level by level, forwards and backwards.

Each inner region has S sum nodes (the root one) and one or more partitions. Every partition has S
sums over all K x K products of a node of its left part with a node of its right part; where a
region has several partitions, node s mixes the s-th sums of all of them (Peharz et al., "Einsum
networks", ICML 2020, sections 3.2 and 3.3).

Weights are kept as probabilities. Values are shifted by the largest one of each part, so that sums
need logarithms of N numbers for each node and exponentials of as many, and products none. The way
back gives the probability of every node to explain an image, and its sums over images are what
expectation maximisation needs: the derivative of the log density by the log of a weight.

Shapes: R = runs, G = regions of a level, C = partitions of each, K = nodes of a part, S = sums of
a region, N = images.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby

import torch
from torch import Tensor

from workflow_src.models.circuits.leaf_layers import UNSEEN
from workflow_src.models.circuits.region_graph import RegionGraph

_NUMBERS_AT_ONCE = 1 << 18  # of products; so that what is at hand fits a core's caches
_NUMBERS_AT_ONCE_ON_A_GPU = 1 << 28
_LEAST_WEIGHT = 1e-16  # that of EinsumNetworks: sums stay positive, and arithmetic normal


@dataclass(frozen=True)
class EinsumLevel:
    """Inner regions of one depth with equally many partitions.

    Attributes
    ----------
    first_region:
        Place of the first of them among all regions; the others follow.
    regions, partitions, sums:
        G, C and S.
    left, right:
        Places of the parts of every partition, C of the first region, then of the second.
    """

    first_region: int
    regions: int
    partitions: int
    sums: int
    left: tuple[int, ...]
    right: tuple[int, ...]


@dataclass(frozen=True)
class Values:
    """What the way up leaves for the ways back.

    Attributes
    ----------
    nodes:
        Log densities of the nodes of all regions but the root, ``[R, regions - 1, K, N]``.
    partitions:
        Of each level, log densities of the partitions' sums, ``[R, G * C, S, N]``.
    root:
        Log density of the image without its base measure, ``[R, N]``.
    """

    nodes: Tensor
    partitions: tuple[Tensor, ...]
    root: Tensor


class EinsumCircuit:
    """The inner nodes over a region graph; regions are placed leaves first and root last."""

    def __init__(self, graph: RegionGraph, components: int) -> None:
        if not graph.inner_regions:
            raise ValueError("the region graph splits nothing; choose a smaller step or more depth")
        self.graph = graph
        self.components = components
        self._by_device: dict[torch.device, list[tuple[Tensor, Tensor]]] = {}

    @cached_property
    def levels(self) -> tuple[EinsumLevel, ...]:
        """Children before parents; the last level is the root alone."""
        ordered = sorted(self.graph.inner_regions, key=self._kind)
        places = {one: i for i, one in enumerate((*self.graph.leaf_regions, *ordered))}
        levels = []
        for (_, partitions, sums), group in groupby(ordered, key=self._kind):
            regions = list(group)
            split = [p for region in regions for p in self.graph.partitions_of[region]]
            levels.append(
                EinsumLevel(
                    places[regions[0]],
                    len(regions),
                    partitions,
                    sums,
                    tuple(places[p.left] for p in split),
                    tuple(places[p.right] for p in split),
                )
            )
        return tuple(levels)

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """Without runs: ``level_<i>.weights`` [G * C, S, K * K], ``level_<i>.mixing`` [G, S, C].

        Levels whose regions have one partition mix nothing.
        """
        shapes: dict[str, tuple[int, ...]] = {}
        for i, level in enumerate(self.levels):
            products = level.regions * level.partitions
            shapes[f"level_{i}.weights"] = (products, level.sums, self.components**2)
            if level.partitions > 1:
                shapes[f"level_{i}.mixing"] = (level.regions, level.sums, level.partitions)
        return shapes

    def initial_parameters(self, generator: torch.Generator) -> dict[str, Tensor]:
        """Weights uniform in [0.01, 0.99], normalised (the start of EinsumNetworks)."""
        fresh = {}
        for name, shape in self.parameter_shapes().items():
            weights = 0.01 + 0.98 * torch.rand(shape, generator=generator)
            fresh[name] = weights / weights.sum(dim=-1, keepdim=True)
        return fresh

    def upwards(self, parameters: Mapping[str, Tensor], leaves: Tensor) -> Values:
        """Log densities of all nodes from those of the leaves, [R, leaf regions, K, N]."""
        runs, below, nodes, images = leaves.shape
        known = leaves.new_empty(runs, len(self.graph.scopes) - 1, nodes, images)
        known[:, :below] = leaves
        partitions = []
        for i, level in enumerate(self.levels):
            sums = leaves.new_empty(runs, len(level.left), level.sums, images)
            weights = parameters[f"level_{i}.weights"]
            for part, left, right in self._parts(i, known):
                sums[:, part] = _log_sums(weights[:, part], left, right)
            partitions.append(sums)
            mixed = _mixed(parameters.get(f"level_{i}.mixing"), sums, level)
            if i < len(self.levels) - 1:
                known[:, level.first_region : level.first_region + level.regions] = mixed
        return Values(known, tuple(partitions), mixed[:, 0, 0])

    def downwards(
        self, parameters: Mapping[str, Tensor], values: Values, *, sums: bool
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Probabilities of nodes to explain an image, and their sums.

        Returns
        -------
        uses:
            ``[R, leaf regions, K, N]``: of the leaves. Over the components of all regions of one
            tree they sum to 1 for each of its regions.
        statistics:
            By the names of parameters and shaped like these with R in front: how often every weight
            was used, summed over the images; empty without ``sums``.
        """
        uses = torch.zeros_like(values.nodes)
        statistics: dict[str, Tensor] = {}
        above = torch.ones_like(values.root)[:, None, None, :]
        for i in reversed(range(len(self.levels))):
            level = self.levels[i]
            if i < len(self.levels) - 1:
                above = uses[:, level.first_region : level.first_region + level.regions]
            of_partitions = values.partitions[i]
            if level.partitions > 1:
                mixing = parameters[f"level_{i}.mixing"]
                above = _shared(mixing, of_partitions, above, level)
                if sums:
                    counts = above.sum(dim=-1).view(-1, level.regions, level.partitions, level.sums)
                    statistics[f"level_{i}.mixing"] = counts.transpose(2, 3)
            weights = parameters[f"level_{i}.weights"]
            found = torch.empty_like(weights) if sums else None
            indices = self._indices(uses.device)[i]
            for part, left, right in self._parts(i, values.nodes):
                for_left, for_right, counts_of_part = _derivatives(
                    weights[:, part], left, right, of_partitions[:, part], above[:, part], sums
                )
                uses.index_add_(1, indices[0][part], for_left)
                uses.index_add_(1, indices[1][part], for_right)
                if found is not None and counts_of_part is not None:
                    torch.mul(counts_of_part, weights[:, part], out=found[:, part])
            if found is not None:
                statistics[f"level_{i}.weights"] = found
        return uses[:, : len(self.graph.leaf_regions)], statistics

    def maximised(
        self, parameters: Mapping[str, Tensor], statistics: Mapping[str, Tensor], step_size: float
    ) -> dict[str, Tensor]:
        """Weights after a step towards their maximum; those of sum nodes without any use stay."""
        return {
            name: _moved(parameters[name], statistics[name], step_size)
            for name in self.parameter_shapes()
        }

    def indices(self, device: torch.device) -> list[tuple[Tensor, Tensor]]:
        """Every level's left and right places, each [G * C]."""
        return self._indices(device)

    def _parts(self, i: int, known: Tensor) -> Iterator[tuple[slice, Tensor, Tensor]]:
        """Some partitions of a level at a time, and both sides of them, [R, few, K, N], in logs."""
        runs, _, nodes, images = known.shape
        left, right = self._indices(known.device)[i]
        numbers = _NUMBERS_AT_ONCE if known.device.type == "cpu" else _NUMBERS_AT_ONCE_ON_A_GPU
        few = max(1, numbers // (runs * nodes * nodes * images))
        for first in range(0, len(left), few):
            part = slice(first, first + few)
            yield part, known.index_select(1, left[part]), known.index_select(1, right[part])

    def _indices(self, device: torch.device) -> list[tuple[Tensor, Tensor]]:
        if device not in self._by_device:
            self._by_device[device] = [
                (torch.tensor(one.left, device=device), torch.tensor(one.right, device=device))
                for one in self.levels
            ]
        return self._by_device[device]

    def _kind(self, region: int) -> tuple[int, int, int]:
        """Depth, partitions and sums: regions that agree in these are computed together."""
        sums = 1 if region == self.graph.root else self.components
        return self.graph.depths[region], len(self.graph.partitions_of[region]), sums


def _shifted(logs: Tensor) -> tuple[Tensor, Tensor]:
    """exp of [R, P, K, N] by the largest of K, and that, [R, P, 1, N]."""
    # Where no node is possible, any finite shift will do.
    largest = logs.amax(dim=2, keepdim=True).clamp_min_(torch.finfo(logs.dtype).min)
    return torch.exp_(logs - largest), largest


def _outer(left: Tensor, right: Tensor) -> Tensor:
    """All products [R * P, K * K, N] of two factors [R, P, K, N]."""
    nodes, images = left.shape[2:]
    products = left.flatten(0, 1).unsqueeze(2) * right.flatten(0, 1).unsqueeze(1)
    return products.view(-1, nodes * nodes, images)


def _log_sums(weights: Tensor, left: Tensor, right: Tensor) -> Tensor:
    """log of weighted sums of products, [R, P, S, N]."""
    one, from_left = _shifted(left)
    other, from_right = _shifted(right)
    sums = torch.bmm(weights.flatten(0, 1), _outer(one, other)).view(
        *weights.shape[:3], left.shape[3]
    )
    return sums.log_().add_(from_left).add_(from_right)


def _derivatives(
    weights: Tensor, left: Tensor, right: Tensor, logs: Tensor, above: Tensor, sums: bool
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Shares of the nodes on both sides, [R, P, K, N]; and counts over weights, [R, P, S, K * K].

    ``logs`` and ``above`` [R, P, S, N] are the sums' log densities and probabilities of use.
    """
    runs, parts, nodes, images = left.shape
    one, from_left = _shifted(left)
    other, from_right = _shifted(right)
    products = _outer(one, other)
    # What every product's share is to be multiplied by: use over value.
    factors = torch.exp_(from_left + from_right - logs).mul_(above).flatten(0, 1)
    counts = None
    if sums:
        counts = torch.bmm(factors, products.transpose(1, 2)).view(weights.shape)
    shares = torch.bmm(weights.flatten(0, 1).transpose(1, 2), factors).mul_(products)
    shares = shares.view(runs, parts, nodes, nodes, images)
    return shares.sum(dim=3), shares.sum(dim=2), counts


def _mixed(mixing: Tensor | None, sums: Tensor, level: EinsumLevel) -> Tensor:
    """Log densities of the regions' nodes, [R, G, S, N], from those of partitions."""
    if mixing is None:
        return sums
    by_region = sums.view(-1, level.regions, level.partitions, level.sums, sums.shape[3])
    weights = mixing.log().transpose(2, 3).unsqueeze(4)
    return torch.logsumexp(by_region + weights, dim=2)


def _shared(mixing: Tensor, sums: Tensor, above: Tensor, level: EinsumLevel) -> Tensor:
    """Uses [R, G * C, S, N] of partitions' sums, from those of regions, [R, G, S, N]."""
    by_region = sums.view(-1, level.regions, level.partitions, level.sums, sums.shape[3])
    shares = torch.softmax(by_region + mixing.log().transpose(2, 3).unsqueeze(4), dim=2)
    return shares.mul_(above.unsqueeze(2)).view(sums.shape)


def _moved(weights: Tensor, counts: Tensor, step_size: float) -> Tensor:
    """Normalised weights after a step of that size towards the normalised counts."""
    total = counts.sum(dim=-1, keepdim=True)
    seen = total > UNSEEN
    rate = seen.to(total.dtype).mul_(step_size)
    factor = torch.where(seen, step_size / total, torch.zeros_like(total))
    moved = torch.mul(weights, 1 - rate).addcmul_(counts, factor).clamp_min_(_LEAST_WEIGHT)
    return moved.div_(moved.sum(dim=-1, keepdim=True))
