"""Directed priors over groups of binary units: p(z1), p(z2 | zeta1), ...

Figures 2(a) and 2(c) of the DVAE++ paper. The first group is factorial with logits that are
parameters; every further one has a network that sees the smoothed units (in the binary limit: the
bits) of those before it, of the same kind as the encoder's. The paper gives no sizes for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from workflow_src.models.binary_latents.hierarchical_encoder import binary_states
from workflow_src.models.perceptrons import Perceptron, Tensors

_FIRST = "prior.logits"


@dataclass(frozen=True)
class DirectedPrior:
    """Factorial within every group. Attributes as in `HierarchicalEncoder`."""

    units: tuple[int, ...]
    hidden: tuple[int, ...]
    normalised: bool

    @cached_property
    def networks(self) -> tuple[Perceptron, ...]:
        """Those of all groups but the first."""
        return tuple(
            Perceptron(
                f"prior.{group}",
                self.units[:group],
                self.hidden,
                self.units[group],
                self.normalised,
            )
            for group in range(1, len(self.units))
        )

    @property
    def decayed(self) -> frozenset[str]:
        return frozenset().union(*(network.decayed for network in self.networks))

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        shapes: dict[str, tuple[int, ...]] = {_FIRST: (self.units[0],)}
        for network in self.networks:
            shapes |= network.parameter_shapes()
        return shapes

    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        shapes: dict[str, tuple[int, ...]] = {}
        for network in self.networks:
            shapes |= network.state_shapes()
        return shapes

    def initial_parameters(self, generator: torch.Generator) -> Tensors:
        parameters = {_FIRST: torch.zeros(self.units[0])}
        for network in self.networks:
            parameters |= network.initial_parameters(generator)
        return parameters

    def initial_state(self, generator: torch.Generator) -> Tensors:
        """One run's, whatever the generator."""
        state: Tensors = {}
        for network in self.networks:
            state |= network.initial_state()
        return state

    def logits(
        self,
        parameters: Mapping[str, Tensor],
        state: Mapping[str, Tensor],
        codes: Sequence[Tensor],
        training: bool,
    ) -> tuple[tuple[Tensor, ...], Tensors]:
        """Logits of every group given the codes [R, ..., U] of those before, and new statistics.

        The first group's are [R, 1, U], with as many axes as the codes have.
        """
        first = parameters[_FIRST]
        logits = [first.view(first.shape[0], *[1] * (codes[0].dim() - 2), -1)]
        moved: Tensors = {}
        for group, network in enumerate(self.networks, start=1):
            own, statistics = network(parameters, state, codes[:group], training)
            moved |= statistics
            logits.append(own)
        return tuple(logits), moved

    def sample(
        self,
        parameters: Mapping[str, Tensor],
        state: Mapping[str, Tensor],
        code: Callable[[Tensor], Tensor],
        uniform: Sequence[Tensor],
    ) -> tuple[Tensor, ...]:
        """Bits of every group [R, ..., U] from uniform noise of the same shapes, which broadcast.

        Noise of a group that has 1 where a later group's has more stands for shared states.
        """
        first = parameters[_FIRST]
        logits = first.view(first.shape[0], *[1] * (uniform[0].dim() - 2), -1)
        bits = [binary_states(uniform[0], logits)]
        for network, noise in zip(self.networks, uniform[1:], strict=True):
            own, _ = network(parameters, state, [code(group) for group in bits], training=False)
            bits.append(binary_states(noise, own))
        return tuple(bits)
