"""A region graph with sum nodes, product nodes and leaf nodes, evaluated level by level in logs.

Each leaf region has ``leaf_components`` leaf nodes; each inner region ``sum_components`` sum nodes
(the root one), each a mixture of all products of one node of the left part with one node of the
right part, over all partitions of the region (section 3.3 of the SPVAE paper). Sum weights are
logits, normalised by log-softmax at each sum node.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby

import torch
from torch import Tensor

from workflow_src.models.circuits.region_graph import RegionGraph
from workflow_src.models.log_domain import log_sum_exp


@dataclass(frozen=True)
class Level:
    """Equal-shaped inner regions of one depth, evaluated together.

    Attributes
    ----------
    regions:
        Region indices.
    sums:
        Sum nodes per region.
    first_node:
        Index of the first sum node; region ``r`` of the level owns the nodes
        ``first_node + r * sums`` to ``first_node + (r + 1) * sums - 1``.
    left, right:
        For each region, the two nodes that each of its products multiplies.
    """

    regions: tuple[int, ...]
    sums: int
    first_node: int
    left: tuple[tuple[int, ...], ...]
    right: tuple[tuple[int, ...], ...]

    @property
    def products(self) -> int:
        """Products per region, which all its sums share as children."""
        return len(self.left[0])


@dataclass(frozen=True)
class Circuit:
    """The nodes over a region graph; leaf nodes first, then sum nodes from the leaves upwards."""

    graph: RegionGraph
    leaf_components: int
    sum_components: int

    @cached_property
    def leaf_nodes(self) -> int:
        """Leaf nodes; component ``c`` of leaf region ``r`` is ``r * leaf_components + c``."""
        return len(self.graph.leaf_regions) * self.leaf_components

    @cached_property
    def nodes_of_region(self) -> dict[int, range]:
        """The leaf or sum nodes of each region; leaf regions first, then as `levels` has them."""
        nodes: dict[int, range] = {}
        first = 0
        for region in (*self.graph.leaf_regions, *self._inner_regions):
            nodes[region] = range(first, first + self._components(region))
            first = nodes[region].stop
        return nodes

    @cached_property
    def levels(self) -> tuple[Level, ...]:
        """Inner regions by depth and number of products, children before parents."""
        levels = []
        for (_, _, sums), group in groupby(self._inner_regions, key=self._shape):
            regions = tuple(group)
            pairs = [self._products(region) for region in regions]
            left = tuple(tuple(a for a, _ in region) for region in pairs)
            right = tuple(tuple(b for _, b in region) for region in pairs)
            first_node = self.nodes_of_region[regions[0]].start
            levels.append(Level(regions, sums, first_node, left, right))
        return tuple(levels)

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the sum weights' logits, one tensor per level: (regions, sums, products)."""
        return {
            f"circuit.{i}.sum_logits": (len(level.regions), level.sums, level.products)
            for i, level in enumerate(self.levels)
        }

    def initial_parameters(self, generator: torch.Generator) -> dict[str, Tensor]:
        """Standard normal logits (the SPVAE authors' initialisation)."""
        return {
            name: torch.randn(shape, generator=generator)
            for name, shape in self.parameter_shapes().items()
        }

    def parameter_count(self) -> int:
        """Sum weights, one per edge from a sum node to a product node."""
        return sum(len(lv.regions) * lv.sums * lv.products for lv in self.levels)

    def log_density(self, parameters: Mapping[str, Tensor], leaves: Tensor) -> Tensor:
        """Log density at the root, ``[runs, N]``.

        Shapes: leaves (log densities or bounds of the leaf nodes) ``[runs, leaf nodes, N]``;
        parameters carry the run axis in front. A leaf that is marginalised has log density 0.
        """
        return self.node_log_densities(parameters, leaves)[-1][:, 0, 0]

    def node_log_densities(self, parameters: Mapping[str, Tensor], leaves: Tensor) -> list[Tensor]:
        """Log densities of the sum nodes, per level [runs, regions, sums, N]; the root is last."""
        runs, _, images = leaves.shape
        known = leaves
        results: list[Tensor] = []
        for i, level in enumerate(self.levels):
            left, right = self.product_indices(leaves.device)[i]
            products = known.index_select(1, left) + known.index_select(1, right)
            products = products.view(runs, len(level.regions), 1, level.products, images)
            log_weights = log_sum_weights(parameters, i)
            sums = log_sum_exp(products + log_weights.unsqueeze(-1), dim=3)
            results.append(sums)
            known = torch.cat([known, sums.flatten(1, 2)], dim=1)
        return results

    def product_indices(self, device: torch.device) -> list[tuple[Tensor, Tensor]]:
        """Every level's left and right factors, each [regions * products]; kept per device."""
        if device not in self._indices_by_device:
            self._indices_by_device[device] = [
                (
                    torch.tensor(level.left, device=device).flatten(),
                    torch.tensor(level.right, device=device).flatten(),
                )
                for level in self.levels
            ]
        return self._indices_by_device[device]

    @cached_property
    def _inner_regions(self) -> list[int]:
        return sorted(self.graph.inner_regions, key=self._shape)

    def _shape(self, region: int) -> tuple[int, int, int]:
        """Depth, products and sums: regions that agree in these are evaluated together."""
        products = sum(
            self._components(p.left) * self._components(p.right)
            for p in self.graph.partitions_of[region]
        )
        return self.graph.depths[region], products, self._components(region)

    def _products(self, region: int) -> list[tuple[int, int]]:
        """Every node of a left part with every node of its right part, over all partitions."""
        nodes = self.nodes_of_region
        return [
            (a, b)
            for p in self.graph.partitions_of[region]
            for a in nodes[p.left]
            for b in nodes[p.right]
        ]

    def _components(self, region: int) -> int:
        if not self.graph.partitions_of[region]:
            return self.leaf_components
        return 1 if region == self.graph.root else self.sum_components

    @cached_property
    def _indices_by_device(self) -> dict[torch.device, list[tuple[Tensor, Tensor]]]:
        return {}


def log_sum_weights(parameters: Mapping[str, Tensor], level: int) -> Tensor:
    """Normalised log sum weights of a level, ``[runs, regions, sums, products]``."""
    return torch.log_softmax(parameters[f"circuit.{level}.sum_logits"], dim=-1)
