"""A restricted Boltzmann machine as the prior of two groups of binary units.

Figure 2(g) and section 5 of the DVAE++ paper, with the persistent chains of its appendix E. Its
parameters start at zero, its chains as fair coins, which is where such a machine samples from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from workflow_src.models.boltzmann.energy import BoltzmannMachine, negative_energy
from workflow_src.models.boltzmann.gibbs import gibbs_sweeps
from workflow_src.models.boltzmann.surrogate import log_partition_surrogate
from workflow_src.models.perceptrons import Tensors

_LEFT, _RIGHT = "chains.left", "chains.right"


@dataclass(frozen=True)
class BoltzmannPrior:
    """exp(a1.z1 + a2.z2 + z1.W.z2) / Z.

    Attributes
    ----------
    left, right:
        Units of the two groups.
    chains:
        Persistent chains of every run.
    sweeps:
        Block Gibbs sweeps before every update.
    """

    left: int
    right: int
    chains: int
    sweeps: int

    @property
    def decayed(self) -> frozenset[str]:
        return frozenset(["prior.weights"])

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        return {
            "prior.visible_bias": (self.left,),
            "prior.hidden_bias": (self.right,),
            "prior.weights": (self.left, self.right),
        }

    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        return {_LEFT: (self.chains, self.left), _RIGHT: (self.chains, self.right)}

    def initial_parameters(self, generator: torch.Generator) -> Tensors:
        """One run's: zeros, whatever the generator."""
        return {name: torch.zeros(shape) for name, shape in self.parameter_shapes().items()}

    def initial_state(self, generator: torch.Generator) -> Tensors:
        return {
            name: torch.empty(shape).uniform_(generator=generator).round_()
            for name, shape in self.state_shapes().items()
        }

    def machine(self, parameters: Mapping[str, Tensor]) -> BoltzmannMachine:
        """The machines of a bank."""
        return BoltzmannMachine(
            parameters["prior.visible_bias"],
            parameters["prior.hidden_bias"],
            parameters["prior.weights"],
        )

    @torch.no_grad()
    def advance(
        self,
        parameters: Mapping[str, Tensor],
        state: Mapping[str, Tensor],
        generators: Sequence[torch.Generator],
    ) -> Tensors:
        """The chains after their sweeps."""
        machine = self.machine(parameters).detached()
        left, right = gibbs_sweeps(machine, state[_LEFT], state[_RIGHT], self.sweeps, generators)
        return {_LEFT: left, _RIGHT: right}

    def log_partition_surrogate(
        self, parameters: Mapping[str, Tensor], state: Mapping[str, Tensor]
    ) -> Tensor:
        """[R]; its value means nothing and its gradient estimates that of log Z."""
        return log_partition_surrogate(self.machine(parameters), state[_LEFT], state[_RIGHT])

    def unnormalised_log_probability(
        self, parameters: Mapping[str, Tensor], left: Tensor, right: Tensor
    ) -> Tensor:
        """log p(z1, z2) + log Z, [R, ...], of bits (or probabilities) [R, ..., V], [R, ..., H]."""
        machine = self.machine(parameters)
        shape = left.shape[:-1]
        return negative_energy(machine, left.flatten(1, -2), right.flatten(1, -2)).view(shape)
