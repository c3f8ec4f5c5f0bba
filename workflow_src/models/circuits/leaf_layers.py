"""Leaves of Einsum networks: products of exponential-family densities over the pixels of a region.

Every leaf region has K components. Their log densities of all images are one matrix product of
natural parameters with sufficient statistics for each statistic, region by region; the statistics
of expectation maximisation are the transposed products. (Peharz et al., "Einsum networks", ICML
2020, compute every pixel's densities instead, and then their sums.)

Shapes: R = runs, L = leaf regions, M = values of the largest one, K = components, N = images, D =
values of an image, C = copies of the image (see `copies_of`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from workflow_src.models.circuits.exponential_families import ExponentialFamily

UNSEEN = 1e-30
"""Expected uses up to which a component or sum node was not seen at all, and stays as it is."""


@dataclass(frozen=True)
class _Indices:
    """Where the values of leaf regions lie; regions are filled up to M values.

    Attributes
    ----------
    values:
        ``[L * M]`` in 0..D-1, what fills up being 0.
    rows:
        ``[L * M]`` in the C * D rows of parameters; what fills up is one behind the last row.
    places:
        ``[C * D]``: of every row, its place in ``rows``.
    regions:
        ``[C * D]``: of every row, its leaf region.
    """

    values: Tensor
    rows: Tensor
    places: Tensor
    regions: Tensor


class FactorisedLeaves:
    """The leaves over some regions.

    Parameters
    ----------
    scopes:
        The values of every leaf region, L of them, each region's without repetition.
    values:
        D, of an image.
    components:
        K, of every region.
    family:
        What a single value is distributed by.

    Raises
    ------
    ValueError
        If the regions leave out values of a copy of the image.
    """

    def __init__(
        self,
        scopes: Sequence[Sequence[int]],
        values: int,
        components: int,
        family: ExponentialFamily,
    ) -> None:
        self.scopes = [tuple(scope) for scope in scopes]
        self.values = values
        self.components = components
        self.family = family
        self.copy_of_region = copies_of(self.scopes, values)
        self.copies = max(self.copy_of_region) + 1
        self._by_device: dict[torch.device, _Indices] = {}

    @cached_property
    def largest(self) -> int:
        """M, the values of the largest region."""
        return max(len(scope) for scope in self.scopes)

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """``leaf.<name>``: [C, D, K], without runs."""
        shape = (self.copies, self.values, self.components)
        return {f"leaf.{name}": shape for name in self.family.names}

    def initial_parameters(self, generator: torch.Generator) -> dict[str, Tensor]:
        """As the family starts, of one run."""
        shape = (self.copies, self.values, self.components)
        fresh = self.family.initial(shape, generator)
        return {f"leaf.{name}": value for name, value in fresh.items()}

    def log_densities(
        self,
        parameters: Mapping[str, Tensor],
        statistics: Sequence[Tensor],
        visible: Tensor | None = None,
    ) -> Tensor:
        """Log densities [R, L, K, N] without the base measure, in nats.

        Parameters
        ----------
        parameters:
            With runs in front; those of other layers are ignored.
        statistics:
            Of the regions' values, from `gathered`.
        visible:
            Values [D] that are observed, True, or integrated out, False; None for all.
        """
        runs = statistics[0].shape[0]
        natural, log_normaliser = self.family.natural(self._own(parameters))
        if visible is not None:
            shown = visible.to(log_normaliser.dtype).unsqueeze(1)
            natural = tuple(one * shown for one in natural)
            log_normaliser = log_normaliser * shown
        shape = (runs * len(self.scopes), self.largest, self.components)
        scores = self._by_region(log_normaliser).view(shape).sum(dim=1).neg_().unsqueeze(2)
        for one, known in zip(natural, statistics, strict=True):
            weights = self._by_region(one).view(shape).transpose(1, 2)
            scores = torch.baddbmm(scores, weights, known.flatten(0, 1))
        return scores.view(runs, len(self.scopes), self.components, -1)

    def gathered(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """Statistics of the values of every region, each [R, L, M, N], from pixels [R, N, D]."""
        indices = self._indices(pixels.device)
        columns = pixels.transpose(1, 2).contiguous().index_select(1, indices.values)
        shape = (pixels.shape[0], len(self.scopes), self.largest, pixels.shape[1])
        return self.family.statistics(columns.view(shape))

    def log_base(self, pixels: Tensor, visible: Tensor | None = None) -> Tensor:
        """The base measure of images, [R, N] in nats, of their visible values."""
        terms = self.family.log_base(pixels)
        return (terms if visible is None else terms * visible.to(terms.dtype)).sum(dim=-1)

    def expectations(self, uses: Tensor, statistics: Sequence[Tensor]) -> dict[str, Tensor]:
        """Sums over the images: ``leaf.uses`` [R, L, K] and ``leaf.sums.<i>`` [R, C, D, K].

        ``uses`` [R, L, K, N] are the probabilities of components to explain an image.
        """
        runs = uses.shape[0]
        sums = {"leaf.uses": uses.sum(dim=3)}
        indices = self._indices(uses.device)
        flat = uses.flatten(0, 1).transpose(1, 2)
        for number, known in enumerate(statistics):
            products = torch.bmm(known.flatten(0, 1), flat).view(runs, -1, self.components)
            sums[f"leaf.sums.{number}"] = products.index_select(1, indices.places).view(
                runs, self.copies, self.values, self.components
            )
        return sums

    def maximised(
        self, parameters: Mapping[str, Tensor], sums: Mapping[str, Tensor], step_size: float
    ) -> dict[str, Tensor]:
        """Parameters after a step towards their maximum; components without any use stay."""
        uses = self.by_row(sums["leaf.uses"])
        seen = uses > UNSEEN
        shares = torch.where(seen, 1 / uses, torch.zeros_like(uses))
        means = [sums[f"leaf.sums.{number}"] * shares for number in range(len(self.family.names))]
        rate = seen.to(uses.dtype).mul_(step_size)
        moved = self.family.maximised(self._own(parameters), means, rate)
        return {f"leaf.{name}": value for name, value in moved.items()}

    def by_row(self, of_regions: Tensor) -> Tensor:
        """What regions have, [R, L, ...], told of every row of parameters: [R, C, D, ...]."""
        regions = self._indices(of_regions.device).regions
        found = of_regions.index_select(1, regions)
        return found.view(found.shape[0], self.copies, self.values, *found.shape[2:])

    def _own(self, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {name: parameters[f"leaf.{name}"] for name in self.family.names}

    def _by_region(self, rows: Tensor) -> Tensor:
        """Rows [R, C, D, K] in the order of regions, [R, L * M, K]; what fills up is 0."""
        flat = rows.flatten(1, 2)
        if len(self.scopes) * self.largest > flat.shape[1]:
            flat = torch.nn.functional.pad(flat, (0, 0, 0, 1))
        return flat.index_select(1, self._indices(rows.device).rows)

    def _indices(self, device: torch.device) -> _Indices:
        if device not in self._by_device:
            self._by_device[device] = self._made(device)
        return self._by_device[device]

    def _made(self, device: torch.device) -> _Indices:
        behind = self.copies * self.values
        values = torch.zeros(len(self.scopes), self.largest, dtype=torch.int64)
        rows = torch.full_like(values, behind)
        regions = torch.zeros(behind, dtype=torch.int64)
        for region, (scope, copy) in enumerate(zip(self.scopes, self.copy_of_region, strict=True)):
            of_region = torch.tensor(scope)
            values[region, : len(scope)] = of_region
            rows[region, : len(scope)] = copy * self.values + of_region
            regions[copy * self.values + of_region] = region
        places = torch.empty(behind + 1, dtype=torch.int64)
        places[rows.flatten()] = torch.arange(rows.numel())
        parts = (values.flatten(), rows.flatten(), places[:behind], regions)
        return _Indices(*(part.to(device) for part in parts))


def copies_of(scopes: Sequence[Sequence[int]], values: int) -> list[int]:
    """For each region, the copy of the image that its parameters belong to.

    Regions that overlap need parameters of their own, so there are as many copies of the image as
    needed; each region goes to the first that is free. Of random trees every repetition has a copy.

    Raises
    ------
    ValueError
        If a copy is not covered by regions.
    """
    free: list[set[int]] = []
    result = []
    for scope in scopes:
        wanted = set(scope)
        copy = next((i for i, remaining in enumerate(free) if wanted <= remaining), len(free))
        if copy == len(free):
            free.append(set(range(values)))
        free[copy] -= wanted
        result.append(copy)
    if any(free) or not scopes:
        raise ValueError("leaf regions do not make up whole copies of the image")
    return result
