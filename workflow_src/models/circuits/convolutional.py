"""Deep generalised convolutional circuits: sums with weights of their own at every position.

Over the leaves of every pixel, layers of 2 x 2 products with doubling dilations take turns with
layers of sums (van de Wolfshaar and Pronobis 2020). The first products are all combinations of the
leaves of four pixels; the later ones join equal channels. The root is a sum over all channels and
positions of the last products.

All values lie as ``[rows, columns, channels, N]`` from the leaves to the root and back. A product
is then a sum of four blocks of rows, a sum layer one batched matrix product of a tile of rows, and
nothing is ever copied to another arrangement. Values are logarithms between layers and shares of
the largest channel within a sum. Posterior probabilities (`flows`) and the statistics of
expectation maximisation are made on the way down in closed form, from what the way up left.

Weights of one run: ``sums.{i}.weights`` [rows, columns, sums, children], and ``root.weights``
[rows, columns, channels]. Each sum's are positive and add up to 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from workflow_src.models.circuits.convolutional_geometry import (
    ConvolutionalGeometry,
    Plane,
    ProductLayer,
)

SMALLEST_WEIGHT = 1e-30
"""Weights are not let below this: so a sum's value is never 0, also where all other channels of its
position are out of float32's range. It is far below what sums of weights resolve."""

ROOT = "root.weights"

_PATCH = 4
"""Pixels that the first products join."""

_VALUES_AT_ONCE = {"cpu": 2**17}
"""Values of a tile: a few of them fit into the cache of a core. Elsewhere all rows go at once."""


@dataclass
class Workspace:
    """Memory that passes share, one after the other: each takes the place of the one before.

    Fresh memory is zeroed by the operating system page by page, which takes about a fifth of a pass
    on a CPU.
    """

    kept: dict[str, Tensor] = field(default_factory=dict)

    def empty(self, name: str, shape: Sequence[int], like: Tensor) -> Tensor:
        """An uninitialised tensor of the type of ``like``, where that of this name was before."""
        size = math.prod(shape)
        buffer = self.kept.get(name)
        if (
            buffer is None
            or len(buffer) < size
            or (buffer.dtype, buffer.device) != (like.dtype, like.device)
        ):
            self.kept[name] = buffer = like.new_empty(size)
        return buffer[:size].view(*shape)


@dataclass
class UpwardPass:
    """What the way up found, and what the way down needs of it.

    Attributes
    ----------
    log_density:
        Of every image, ``[N]``, in nats.
    leaves:
        Leaf densities as shares of their position's largest, padded with ones all around,
        ``[height + 2, width + 2, components, N]``.
    shares:
        Of every sum layer but the first, and of the root: its children as shares of the largest,
        ``[rows, columns, channels, N]``; the largest of a position, for the root of all.
    values:
        Of every sum layer: its value as a share of its largest child's,
        ``[rows, columns, sums, N]``.
    root:
        Value of the root as a share of its largest child's, ``[N]``.
    """

    log_density: Tensor
    leaves: Tensor
    shares: list[Tensor]
    values: list[Tensor]
    root: Tensor


@dataclass(frozen=True)
class ConvolutionalCircuit:
    """The sums and products over ``leaf_components`` leaves at every pixel."""

    geometry: ConvolutionalGeometry
    leaf_components: int
    sums: int

    @cached_property
    def sum_planes(self) -> tuple[Plane, ...]:
        """The plane of every sum layer: those of all products but the last, which the root sums."""
        return self.geometry.planes[:-1]

    @property
    def combinations(self) -> int:
        """Channels of the first products: every choice of a leaf at each of four pixels."""
        return int(self.leaf_components**_PATCH)

    def children(self, layer: int) -> int:
        """Children of each sum of a layer."""
        return self.combinations if layer == 0 else self.sums

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of one run's weights, by name."""
        shapes: dict[str, tuple[int, ...]] = {
            sum_weights(i): (plane.height, plane.width, self.sums, self.children(i))
            for i, plane in enumerate(self.sum_planes)
        }
        root = self.geometry.planes[-1]
        return shapes | {ROOT: (root.height, root.width, self.sums)}

    def initial_parameters(
        self, generator: torch.Generator, concentration: float
    ) -> dict[str, Tensor]:
        """Every sum's weights from a symmetric Dirichlet distribution, float32."""
        seed = int(torch.randint(2**62, (), generator=generator, device=generator.device))
        numbers = np.random.default_rng(seed)
        weights = {}
        for name, shape in self.parameter_shapes().items():
            drawn = numbers.standard_gamma(concentration, size=shape, dtype=np.float32)
            weights[name] = normalised(torch.from_numpy(drawn), name)
        return weights

    def upward(
        self,
        weights: Mapping[str, Tensor],
        leaves: Tensor,
        *,
        keep: bool = True,
        workspace: Workspace | None = None,
    ) -> UpwardPass:
        """Log densities of the images whose leaves have such log densities.

        Parameters
        ----------
        weights:
            As `parameter_shapes` says.
        leaves:
            Log densities ``[height, width, components, N]``; 0 where a leaf is integrated out.
        keep:
            Whether the result has what `downward` and sampling need; else its lists are empty.
        workspace:
            Where the pass works; its result is valid until the next pass there. None for memory of
            its own.
        """
        space = workspace or Workspace()
        largest = leaves.amax(dim=2, keepdim=True)
        padded = leaves.new_ones(
            leaves.shape[0] + 2, leaves.shape[1] + 2, self.leaf_components, leaves.shape[3]
        )
        torch.exp(leaves - largest, out=padded[1:-1, 1:-1])
        below, value = self._first_sums(weights[sum_weights(0)], padded, largest, keep, space)
        shares, values = [], [value]
        for i in range(1, len(self.sum_planes)):
            below, share, value = self._sums(i, weights[sum_weights(i)], below, keep, space)
            shares.append(share)
            values.append(value)
        products = self._products(self.geometry.products[-1], below, space)
        shares.append(products)
        shift = products.amax(dim=(0, 1, 2))
        products.sub_(shift).exp_()
        root = weights[ROOT].flatten() @ products.view(-1, products.shape[-1])
        log_density = root.log() + shift
        if not keep:
            return UpwardPass(log_density, padded, [], [], root)
        return UpwardPass(log_density, padded, shares, values, root)

    def downward(
        self, weights: Mapping[str, Tensor], up: UpwardPass
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Posterior probabilities of leaves, and expected uses of every weight.

        Returns
        -------
        flows:
            ``[height, width, components, N]``; those of a pixel add up to 1.
        statistics:
            By name of the weights and shaped like them: how often an image's induced tree takes
            each, summed over images. They are the gradients of the summed log densities with
            respect to the weights' logarithms.

        Notes
        -----
        It consumes ``up``, whose tensors are overwritten.
        """
        statistics = {}
        inverse = up.root.reciprocal()
        flow = up.shares[-1].mul_(weights[ROOT].unsqueeze(-1)).mul_(inverse)
        statistics[ROOT] = flow.sum(dim=3)
        for i in reversed(range(1, len(self.sum_planes))):
            name = sum_weights(i)
            flow, statistics[name] = self._sums_down(i, weights[name], flow, up)
        name = sum_weights(0)
        flows, statistics[name] = self._first_sums_down(weights[name], flow, up)
        return flows, statistics

    def _products(self, layer: ProductLayer, below: Tensor, space: Workspace) -> Tensor:
        """Log products of all positions of a layer, ``[rows, columns, channels, N]``."""
        shape = (layer.above.height, layer.above.width, *below.shape[2:])
        result = space.empty("products", shape, below)
        for start, stop in self._tiles(layer.above, below):
            _join(layer, below, result[start:stop], start, stop)
        return result

    def _first_sums(
        self, weights: Tensor, padded: Tensor, largest: Tensor, keep: bool, space: Workspace
    ) -> tuple[Tensor, Tensor]:
        """Log values of the first sums, and as shares of the largest product (if to keep)."""
        layer = self.geometry.products[0]
        shape = (*weights.shape[:3], padded.shape[3])
        result = space.empty("logarithms.0", shape, padded)
        value = space.empty("value.0", shape, padded) if keep else result
        for start, stop in self._tiles(layer.above, padded, self.combinations):
            children = self._combined(padded, start, stop)
            _multiply(weights[start:stop], children, value[start:stop])
            torch.log(value[start:stop], out=result[start:stop])
            shift = largest.new_empty(stop - start, layer.above.width, 1, largest.shape[3])
            _join(layer, largest, shift, start, stop)
            result[start:stop] += shift
        return result, value

    def _combined(self, padded: Tensor, start: int, stop: int) -> Tensor:
        """All products of four pixels' leaves, ``[rows, columns, combinations, N]``.

        They are shares of the largest, which is the product of the four largest.
        """
        upper, lower = padded[start:stop], padded[start + 1 : stop + 1]
        pairs = [
            (rows[:, :-1].unsqueeze(3) * rows[:, 1:].unsqueeze(2)).flatten(2, 3)
            for rows in (upper, lower)
        ]
        return (pairs[0].unsqueeze(3) * pairs[1].unsqueeze(2)).flatten(2, 3)

    def _sums(
        self, layer: int, weights: Tensor, below: Tensor, keep: bool, space: Workspace
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Log values of a later sum layer; its children's shares and its own (if to keep)."""
        product = self.geometry.products[layer]
        shape = (*weights.shape[:3], below.shape[3])
        # A layer reads the logarithms of the one below it, so two take turns.
        result = space.empty(f"logarithms.{layer % 2}", shape, below)
        value = space.empty(f"value.{layer}", shape, below) if keep else result
        share = space.empty(f"share.{layer}" if keep else "share", shape, below)
        for start, stop in self._tiles(product.above, below):
            tile = share[start:stop]
            _join(product, below, tile, start, stop)
            shift = tile.amax(dim=2, keepdim=True)
            tile.sub_(shift).exp_()
            _multiply(weights[start:stop], tile, value[start:stop])
            torch.log(value[start:stop], out=result[start:stop])
            result[start:stop] += shift
        return result, share, value

    def _sums_down(
        self, layer: int, weights: Tensor, flow: Tensor, up: UpwardPass
    ) -> tuple[Tensor, Tensor]:
        """Flows of a sum layer's children from its parents', and the weights' statistics."""
        parents = self.geometry.products[layer + 1]
        shares, values = up.shares[layer - 1], up.values[layer]
        statistics = torch.empty_like(weights)
        for start, stop in self._tiles(parents.below, flow):
            value, share = values[start:stop], shares[start:stop]
            relative = _gathered(parents, flow, start, stop).div_(value)
            _outer(relative, share, statistics[start:stop])
            # The values are of no more use, and of the shape of the children's flows.
            _multiply_back(weights[start:stop], relative, value)
            share.mul_(value)
        return shares, statistics.mul_(weights)

    def _first_sums_down(
        self, weights: Tensor, flow: Tensor, up: UpwardPass
    ) -> tuple[Tensor, Tensor]:
        """Flows of the leaves, and the statistics of the first sums' weights."""
        parents, products = self.geometry.products[1], self.geometry.products[0]
        statistics = torch.empty_like(weights)
        k, images = self.leaf_components, flow.shape[3]
        leaves = torch.zeros_like(up.leaves)
        for start, stop in self._tiles(products.above, flow, self.combinations):
            relative = _gathered(parents, flow, start, stop).div_(up.values[0][start:stop])
            children = self._combined(up.leaves, start, stop)
            _outer(relative, children, statistics[start:stop])
            flows = children.new_empty(children.shape)
            _multiply_back(weights[start:stop], relative, flows)
            flows = flows.mul_(children).view(stop - start, -1, k * k, k * k, images)
            for rows, pair in ((start, flows.sum(dim=3)), (start + 1, flows.sum(dim=2))):
                pair = pair.view(stop - start, -1, k, k, images)
                target = leaves[rows : rows + stop - start]
                target[:, :-1] += pair.sum(dim=3)
                target[:, 1:] += pair.sum(dim=2)
        return leaves[1:-1, 1:-1], statistics.mul_(weights)

    def _tiles(
        self, plane: Plane, values: Tensor, channels: int | None = None
    ) -> Iterator[tuple[int, int]]:
        """First and last + 1 row of every tile of a plane with so many channels."""
        row = plane.width * (channels or self.sums) * values.shape[3]
        rows = max(1, _VALUES_AT_ONCE.get(values.device.type, 2**62) // max(row, 1))
        for start in range(0, plane.height, rows):
            yield start, min(start + rows, plane.height)


def sum_weights(layer: int) -> str:
    """Name of the weights of a sum layer, counted from the leaves."""
    return f"sums.{layer}.weights"


def normalised(weights: Tensor, name: str) -> Tensor:
    """Weights that add up to 1 for every sum and are not below `SMALLEST_WEIGHT`.

    A sum that was drawn without any weight gets equal ones.
    """
    flat = weights.flatten() if name == ROOT else weights
    total = flat.sum(dim=-1, keepdim=True)
    shares = torch.where(total > 0, flat / total, 1 / flat.shape[-1])
    return shares.clamp_(min=SMALLEST_WEIGHT).view(weights.shape)


def _join(layer: ProductLayer, below: Tensor, result: Tensor, start: int, stop: int) -> None:
    """Write the products of rows ``start`` to ``stop`` to ``result``: sums of logarithms."""
    result.zero_()
    for down in layer.shifts:
        rows, rows_below = layer.rows(down, start, stop)
        for right in layer.shifts:
            columns, columns_below = layer.columns(right)
            result[rows, columns] += below[rows_below, columns_below]


def _gathered(layer: ProductLayer, flow: Tensor, start: int, stop: int) -> Tensor:
    """What flows from all products to the children's rows ``start`` to ``stop``; a new tensor."""
    result = flow.new_zeros(stop - start, layer.below.width, *flow.shape[2:])
    for down in layer.shifts:
        rows, rows_above = layer.rows_above(down, start, stop)
        for right in layer.shifts:
            columns, columns_above = layer.columns_above(right)
            result[rows, columns] += flow[rows_above, columns_above]
    return result


def _multiply(weights: Tensor, children: Tensor, result: Tensor) -> None:
    """``result [rows, columns, sums, N]`` = weights @ children, position by position."""
    torch.bmm(weights.flatten(0, 1), children.flatten(0, 1), out=result.flatten(0, 1))


def _multiply_back(weights: Tensor, relative: Tensor, result: Tensor) -> None:
    """``result [rows, columns, children, N]`` = transposed weights @ relative."""
    transposed = weights.flatten(0, 1).transpose(1, 2)
    torch.bmm(transposed, relative.flatten(0, 1), out=result.flatten(0, 1))


def _outer(relative: Tensor, children: Tensor, result: Tensor) -> None:
    """``result [rows, columns, sums, children]`` = sums over images of relative x children."""
    transposed = children.flatten(0, 1).transpose(1, 2)
    torch.bmm(relative.flatten(0, 1), transposed, out=result.flatten(0, 1))
