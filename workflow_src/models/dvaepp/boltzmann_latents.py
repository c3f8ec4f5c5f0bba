"""Global binary variables whose prior is a restricted Boltzmann machine.

Section 5 of the DVAE++ paper: the groups of the encoder are halved between the machine's two sides,
and a single group is cut in two. The divergence is equation 6 as simplified below it.

The balancing coefficients of appendix H need the divergence's value, and so log Z, in every step.
The paper does not say how; here `TrackedLogPartition` has it. What the bounds are measured
with is not this but `log_partition`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

from workflow_src.models.binary_latents.bernoulli import log_probability
from workflow_src.models.binary_latents.boltzmann_prior import BoltzmannPrior
from workflow_src.models.binary_latents.divergences import boltzmann_divergence
from workflow_src.models.binary_latents.hierarchical_encoder import Sampler, binary_states
from workflow_src.models.boltzmann.energy import BoltzmannMachine, negative_energy
from workflow_src.models.boltzmann.parallel_tempering import tempered_samples
from workflow_src.models.boltzmann.partition import log_partition
from workflow_src.models.boltzmann.tracking import LOG_PARTITION, TrackedLogPartition
from workflow_src.models.dvaepp.global_latents import GroupEncoder, Inferred, initial_layers
from workflow_src.models.latent_variables import LogPartition, Tensors
from workflow_src.models.residual_networks.layers import Parameters, Shapes
from workflow_src.models.smoothings.smoothing import Smoothing


@dataclass(frozen=True)
class BoltzmannLatents:
    """`GlobalLatents` with a Boltzmann machine.

    Attributes
    ----------
    smoothing, inverse_temperature:
        How units are smoothed in training.
    units:
        On both sides together.
    groups:
        Of the encoder: 1 or an even number.
    chains, sweeps:
        Persistent chains, and their block Gibbs sweeps before every update.
    """

    smoothing: Smoothing
    inverse_temperature: float
    units: int
    groups: int
    chains: int
    sweeps: int

    @property
    def noise(self) -> Literal["uniform", "normal"]:
        return "uniform"

    @property
    def smoothed_noise(self) -> int:
        return 2 * self.units

    @property
    def decayed(self) -> frozenset[str]:
        return self.prior.decayed

    @cached_property
    def prior(self) -> BoltzmannPrior:
        """The machine and its chains."""
        return BoltzmannPrior(self.units // 2, self.units // 2, self.chains, self.sweeps)

    def parameter_shapes(self, features: int) -> Shapes:
        return self._posterior.parameter_shapes(features) | self.prior.parameter_shapes()

    def initial_parameters(self, features: int, generator: torch.Generator) -> Tensors:
        layers = initial_layers(self._posterior.parameter_shapes(features), generator)
        return layers | self.prior.initial_parameters(generator)

    def state_shapes(self) -> Shapes:
        return self.prior.state_shapes() | self._tracked.state_shapes()

    def initial_state(self, generator: torch.Generator) -> Tensors:
        return self.prior.initial_state(generator) | self._tracked.initial_state()

    @torch.no_grad()
    def advance(
        self,
        parameters: Mapping[str, Tensor],
        state: Mapping[str, Tensor],
        generators: Sequence[torch.Generator],
    ) -> Tensors:
        left, right = (state[name] for name in self.prior.state_shapes())
        machine = self.prior.machine(parameters)
        tracked = self._tracked.advance(machine, state, left, right, generators)
        return tracked | self.prior.advance(parameters, state, generators)

    def infer(self, parameters: Parameters, features: Tensor, noise: Tensor) -> Inferred:
        logits, codes = self._draw(parameters, features, noise, self._smoothed)
        left_logits, right_logits = torch.cat(logits, dim=2).chunk(2, dim=2)
        if self.groups == 1:
            # The right side does not depend on the left: the mean serves, without its noise.
            left = torch.sigmoid(left_logits)
        else:
            left_codes = torch.cat(codes, dim=2).chunk(2, dim=2)[0]
            left = self.smoothing.posterior(left_codes, left_logits, self.inverse_temperature)
        machine = self.prior.machine(parameters)
        divergence = boltzmann_divergence(machine, left_logits, right_logits, left)
        return Inferred(torch.cat(codes, dim=2), divergence.unsqueeze(2))

    def infer_smoothed(self, parameters: Parameters, features: Tensor, noise: Tensor) -> Inferred:
        """Codes, and states that are drawn given them; the second half of the noise is theirs."""
        of_codes, of_states = noise.chunk(2, dim=2)
        drawn, codes = self._draw(parameters, features, of_codes, self._smoothed)
        logits, zeta = torch.cat(drawn, dim=2), torch.cat(codes, dim=2)
        probability = self.smoothing.posterior(zeta, logits, self.inverse_temperature)
        bits = (of_states < probability).to(zeta.dtype)
        return Inferred(zeta, self._log_ratio(parameters, bits, logits))

    def infer_limit(self, parameters: Parameters, features: Tensor, noise: Tensor) -> Inferred:
        logits, codes = self._draw(parameters, features, noise, binary_states)
        bits = torch.cat(codes, dim=2)
        return Inferred(bits, self._log_ratio(parameters, bits, torch.cat(logits, dim=2)))

    def partition_terms(
        self, parameters: Parameters, state: Mapping[str, Tensor]
    ) -> tuple[Tensor, Tensor]:
        return self.prior.log_partition_surrogate(parameters, state), state[LOG_PARTITION]

    def log_partition(
        self,
        parameters: Mapping[str, Tensor],
        generators: Sequence[torch.Generator],
        effort: Literal["training", "evaluation"],
    ) -> LogPartition:
        return log_partition(self.machine(parameters).detached(), generators, effort)

    def machine(self, parameters: Mapping[str, Tensor]) -> BoltzmannMachine:
        """The prior's machines."""
        return self.prior.machine(parameters)

    def sample(self, parameters: Parameters, count: int, generator: torch.Generator) -> Tensor:
        machine = self.machine(parameters).detached()
        return torch.cat(tempered_samples(machine, [generator], count), dim=2)

    def _log_ratio(self, parameters: Parameters, bits: Tensor, logits: Tensor) -> Tensor:
        """log q(z) - log p(z) - log Z, [R, M, 1], with the logits of q."""
        left, right = bits.chunk(2, dim=2)
        machine = self.prior.machine(parameters)
        ratio = log_probability(bits, logits) - negative_energy(machine, left, right)
        return ratio.unsqueeze(2)

    def _draw(
        self, parameters: Parameters, features: Tensor, noise: Tensor, sample: Sampler
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Logits and samples of all groups."""
        logits: list[Tensor] = []
        codes: list[Tensor] = []
        for part in noise.chunk(self.groups, dim=2):
            (own,) = self._posterior.group(parameters, features, codes)
            logits.append(own)
            codes.append(sample(part, own))
        return logits, codes

    def _smoothed(self, uniform: Tensor, logits: Tensor) -> Tensor:
        return self.smoothing.sample(uniform, logits, self.inverse_temperature)

    @property
    def _tracked(self) -> TrackedLogPartition:
        return TrackedLogPartition(self.prior.left, self.prior.right)

    @property
    def _posterior(self) -> GroupEncoder:
        return GroupEncoder("global.posterior", self.groups, self.units // self.groups, 1)
