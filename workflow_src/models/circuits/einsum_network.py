"""Einsum networks: sum-product networks over a region graph with exponential-family leaves.

Peharz et al., "Einsum networks: fast and scalable learning of tractable probabilistic circuits"
(ICML 2020). Section V of the DCGMM paper compares with two of them: over random binary trees
(RAT-SPN) and over a Poon-Domingos structure (PD-SPN).

R = runs, N = images, D = values of an image. Parameters of a bank have the run axis in front, those
of one run, in what evaluation asks for, have none. What is asked for in evaluation is computed in
float64.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from workflow_src.models.circuits.einsum_layers import EinsumCircuit, Values
from workflow_src.models.circuits.einsum_sampling import drawn_components
from workflow_src.models.circuits.exponential_families import (
    Binomial,
    ExponentialFamily,
    Normal,
)
from workflow_src.models.circuits.leaf_layers import FactorisedLeaves
from workflow_src.models.circuits.region_graph import RegionGraph
from workflow_src.models.images import ImageFacts

_NUMBERS_AT_ONCE = 1 << 25  # of what evaluation holds at once


@dataclass(frozen=True)
class EinsumNetwork:
    """A density of images that is normalised and can be marginalised.

    Attributes
    ----------
    images:
        What it is a density of.
    graph:
        Over pixels; a region has all channels of its pixels.
    components:
        K: densities of every leaf region and sums of every inner one but the root.
    family:
        Of a pixel.
    """

    images: ImageFacts
    graph: RegionGraph
    components: int
    family: ExponentialFamily

    @cached_property
    def circuit(self) -> EinsumCircuit:
        """The sums and products."""
        return EinsumCircuit(self.graph, self.components)

    @cached_property
    def leaves(self) -> FactorisedLeaves:
        """The densities of leaf regions."""
        plane = self.images.height * self.images.width
        return FactorisedLeaves(
            [
                [
                    channel * plane + pixel
                    for channel in range(self.images.channels)
                    for pixel in self.graph.scopes[region]
                ]
                for region in self.graph.leaf_regions
            ],
            self.images.pixels,
            self.components,
            self.family,
        )

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """Of one run."""
        return self.leaves.parameter_shapes() | self.circuit.parameter_shapes()

    def parameter_count(self) -> int:
        """Numbers of all parameters, as the authors of Einsum networks keep them.

        A leaf has one number of each of the family's parameters for each value of the image, for
        each component and copy of the image (repetition); a partition has K * K weights for each
        sum of its region, which are K, and 1 at the root; and a region with several partitions has
        a weight for each of its sums and partitions beside these. Weights that sum to 1 are all
        counted.
        """
        total = 0
        for shape in self.parameter_shapes().values():
            total += torch.Size(shape).numel()
        return total

    def initial_parameters(self, generator: torch.Generator, images: Tensor) -> dict[str, Tensor]:
        """Where a run starts, on the CPU; it does not depend on the training images [N, D]."""
        return self.leaves.initial_parameters(generator) | self.circuit.initial_parameters(
            generator
        )

    def log_density(self, parameters: Mapping[str, Tensor], pixels: Tensor) -> Tensor:
        """log p of images [R, N, D], [R, N] in nats."""
        values = self._values(parameters, self.leaves.gathered(pixels))
        return values.root + self.leaves.log_base(pixels)

    def expectations(
        self, parameters: Mapping[str, Tensor], pixels: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """log p of images [R, N, D], [R, N], and the statistics that `maximised` needs.

        The statistics are sums over the images, so that those of several batches may be added.
        """
        statistics = self.leaves.gathered(pixels)
        values = self._values(parameters, statistics)
        uses, sums = self.circuit.downwards(parameters, values, sums=True)
        sums |= self.leaves.expectations(uses, statistics)
        return values.root + self.leaves.log_base(pixels), sums

    def maximised(
        self, parameters: Mapping[str, Tensor], statistics: Mapping[str, Tensor], step_size: float
    ) -> dict[str, Tensor]:
        """Parameters after a step of expectation maximisation.

        In expectation parameters, the step goes so far of the way to what maximises the expected
        log density; 1 is all of it, which never lowers the likelihood of the images behind the
        statistics. Nodes that explain none of them stay.
        """
        return {
            **self.leaves.maximised(parameters, statistics, step_size),
            **self.circuit.maximised(parameters, statistics, step_size),
        }

    @property
    def layer_names(self) -> tuple[str, ...]:
        """There is one score, the log density."""
        return ("root",)

    @property
    def is_normalised(self) -> bool:
        """It is."""
        return True

    def log_densities(self, parameters: Mapping[str, Tensor], pixels: Tensor) -> Tensor:
        """log p of images [N, D], [1, N] in nats."""
        return self.log_likelihood(parameters, pixels).unsqueeze(0)

    def log_likelihood(self, parameters: Mapping[str, Tensor], pixels: Tensor) -> Tensor:
        """log p of images [N, D], [N] in nats; float64."""
        return self._marginal(_banked(parameters), pixels, None)

    def conditional_log_density(
        self, parameters: Mapping[str, Tensor], pixels: Tensor, hidden: Tensor
    ) -> Tensor:
        """log p(hidden | visible) of images [N, D] in nats, [N]; float64."""
        banked = _banked(parameters)
        return self._marginal(banked, pixels, None) - self._marginal(banked, pixels, ~hidden)

    def draw(
        self,
        parameters: Mapping[str, Tensor],
        count: int,
        generator: torch.Generator,
        *,
        label: int | None = None,
        noise: bool = True,
    ) -> Tensor:
        """Images [count, D] from the density itself: normal ones may lie outside [0, 1].

        Without ``noise`` they are the means of the leaves that were picked.
        """
        if label is not None:
            raise ValueError("an Einsum network has no classifier; draw without a label")
        banked = _banked(parameters)
        parts = [
            self._pixels(
                banked,
                drawn_components(self.circuit, banked, images, generator),
                generator,
                noise=noise,
            )
            for images in _sizes(count, self._images_at_once)
        ]
        return torch.cat(parts).to(torch.float32)

    def inpaint(
        self,
        parameters: Mapping[str, Tensor],
        pixels: Tensor,
        hidden: Tensor,
        generator: torch.Generator,
        *,
        zeroed: bool = False,
    ) -> Tensor:
        """The images [N, D] with hidden values [D] drawn from p(hidden | visible).

        ``zeroed`` changes nothing: hidden values are integrated out.
        """
        banked = _banked(parameters)
        parts = []
        for some, values in self._seen(banked, pixels, hidden):
            picked = drawn_components(self.circuit, banked, len(some), generator, values)
            drawn = self._pixels(banked, picked, generator).to(pixels.dtype)
            parts.append(torch.where(hidden, drawn, some))
        return torch.cat(parts)

    def expected(self, parameters: Mapping[str, Tensor], pixels: Tensor, hidden: Tensor) -> Tensor:
        """The images [N, D] with E[hidden | visible] in hidden places [D]; floats."""
        banked = _banked(parameters)
        means = self._means(banked)
        parts = []
        for some, values in self._seen(banked, pixels, hidden):
            uses, _ = self.circuit.downwards(banked, values, sums=False)
            by_row = self.leaves.by_row(uses)[0]
            found = torch.einsum("cdkn,cdk->nd", by_row, means)
            parts.append(torch.where(hidden, found.to(torch.float32), some.to(torch.float32)))
        return torch.cat(parts)

    def _values(
        self,
        parameters: Mapping[str, Tensor],
        statistics: tuple[Tensor, ...],
        visible: Tensor | None = None,
    ) -> Values:
        leaves = self.leaves.log_densities(parameters, statistics, visible)
        return self.circuit.upwards(parameters, leaves)

    def _marginal(
        self, banked: Mapping[str, Tensor], pixels: Tensor, visible: Tensor | None
    ) -> Tensor:
        """log p of the visible values of images, [N]."""
        parts = []
        for some in torch.split(pixels, self._images_at_once):
            shown = some.to(torch.float64).unsqueeze(0)
            values = self._values(banked, self.leaves.gathered(shown), visible)
            parts.append((values.root + self.leaves.log_base(shown, visible))[0])
        return torch.cat(parts)

    def _seen(
        self, banked: Mapping[str, Tensor], pixels: Tensor, hidden: Tensor
    ) -> Iterator[tuple[Tensor, Values]]:
        """Some images at a time with log densities of all nodes given what is visible."""
        for some in torch.split(pixels, self._images_at_once):
            # What stands in hidden places may be anything, also no number.
            shown = torch.where(hidden, 0, some).to(torch.float64).unsqueeze(0)
            yield some, self._values(banked, self.leaves.gathered(shown), ~hidden)

    def _pixels(
        self,
        banked: Mapping[str, Tensor],
        picked: Tensor,
        generator: torch.Generator,
        *,
        noise: bool = True,
    ) -> Tensor:
        """Values [N, D] drawn from the components of leaf regions, [L, N], -1 for none.

        Without ``noise`` they are the components' means.
        """
        by_row = self.leaves.by_row(picked.unsqueeze(0))[0]
        # Exactly one of the regions that hold a value has a component.
        component, copy = by_row.max(dim=0)
        value = torch.arange(self.images.pixels, device=picked.device).unsqueeze(1)
        chosen = {
            name: banked[f"leaf.{name}"][0][copy, value, component].T for name in self.family.names
        }
        # Drawn either way, so that the picks of what follows do not depend on it.
        drawn = self.family.drawn(chosen, generator)
        return drawn if noise else self.family.expected(chosen)

    def _means(self, banked: Mapping[str, Tensor]) -> Tensor:
        """Of all leaves, [C, D, K]."""
        own = {name: banked[f"leaf.{name}"][0] for name in self.family.names}
        return self.family.expected(own)

    @cached_property
    def _images_at_once(self) -> int:
        """In evaluation."""
        rows = self.leaves.copies * self.images.pixels
        nodes = len(self.graph.scopes) * self.components
        return max(1, _NUMBERS_AT_ONCE // (4 * (nodes + rows) + self.components**2))


def einsum_family(
    images: ImageFacts, minimum_variance: float, maximum_variance: float
) -> ExponentialFamily:
    """The family of leaves for a likelihood; the variances are for ``gaussian`` alone.

    Raises
    ------
    ValueError
        If no family is known for the likelihood.
    """
    if images.likelihood == "gaussian":
        return Normal(minimum_variance, maximum_variance)
    if images.likelihood == "binomial":
        return Binomial(images.levels)
    raise ValueError(
        f"an Einsum network has no leaves for the likelihood {images.likelihood!r}; choose "
        "gaussian or binomial"
    )


def _banked(parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Of one run, as a bank of one in float64."""
    return {name: value.detach().double().unsqueeze(0) for name, value in parameters.items()}


def _sizes(count: int, at_once: int) -> list[int]:
    """Numbers up to ``at_once`` that make ``count``."""
    return [min(at_once, count - first) for first in range(0, count, at_once)]
