"""The global latent variables: groups that are inferred one after another, and their priors.

Sections 5 and 6.1 of the DVAE++ paper. A group's distribution given the image and the groups before
comes from one dense layer on the image's features and those groups' values; directed priors have
such layers too. `boltzmann_latents` has the prior that is a Boltzmann machine.

Shapes: R runs, M images or samples, F features, U units; rows ``[R, M, ...]``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor

from workflow_src.models.dvaepp.latent_distributions import LatentDistribution, Outputs
from workflow_src.models.latent_variables import LogPartition, Tensors
from workflow_src.models.residual_networks.layers import (
    Parameters,
    Shapes,
    dense,
    dense_shapes,
    initial_layer,
)


@dataclass(frozen=True)
class Inferred:
    """Variables inferred for M images.

    Attributes
    ----------
    codes:
        What later networks see, [R, M, U].
    divergence:
        KL(q || p) minus log Z, or an estimate of it; of `infer_smoothed` and in the binary limit
        log q - log p - log Z at the codes; [R, M, G], of every group with a prior of its own (a
        Boltzmann machine is one group).
    """

    codes: Tensor
    divergence: Tensor


class GlobalLatents(Protocol):
    """All global variables of a model."""

    @property
    def units(self) -> int:
        """Variables in all groups."""
        ...

    @property
    def noise(self) -> Literal["uniform", "normal"]:
        """The noise that they are drawn from, one number for each."""
        ...

    @property
    def smoothed_noise(self) -> int:
        """Numbers of noise that `infer_smoothed` takes for one image."""
        ...

    @property
    def decayed(self) -> frozenset[str]:
        """Parameters under weight decay that do not end in ``.weight``."""
        ...

    def parameter_shapes(self, features: int) -> Shapes:
        """Shapes of one run's parameters."""
        ...

    def initial_parameters(self, features: int, generator: torch.Generator) -> Tensors:
        """One run's."""
        ...

    def state_shapes(self) -> Shapes:
        """Shapes of one run's state."""
        ...

    def initial_state(self, generator: torch.Generator) -> Tensors:
        """One run's."""
        ...

    def advance(
        self,
        parameters: Mapping[str, Tensor],
        state: Mapping[str, Tensor],
        generators: Sequence[torch.Generator],
    ) -> Tensors:
        """What has moved of the state."""
        ...

    def infer(self, parameters: Parameters, features: Tensor, noise: Tensor) -> Inferred:
        """Smoothed variables given features [R, M, F], with noise [R, M, U]."""
        ...

    def infer_smoothed(self, parameters: Parameters, features: Tensor, noise: Tensor) -> Inferred:
        """The same variables with log q - log p for the divergence, with more noise.

        Where log p of smoothed variables cannot be had, states z are drawn given them, and the
        ratio is that of q and p of both: r(zeta | z), which is in either, cancels.
        """
        ...

    def infer_limit(self, parameters: Parameters, features: Tensor, noise: Tensor) -> Inferred:
        """Variables and log q - log p in the binary limit, with noise [R, M, U]."""
        ...

    def partition_terms(
        self, parameters: Parameters, state: Mapping[str, Tensor]
    ) -> tuple[Tensor, Tensor]:
        """What log Z adds to the divergence, [R] each.

        First a term for the objective, whose gradient is that of log Z and whose value means
        nothing; then a running estimate of log Z, without a gradient.
        """
        ...

    def log_partition(
        self,
        parameters: Mapping[str, Tensor],
        generators: Sequence[torch.Generator],
        effort: Literal["training", "evaluation"],
    ) -> LogPartition:
        """log Z of the prior."""
        ...

    def sample(self, parameters: Parameters, count: int, generator: torch.Generator) -> Tensor:
        """Codes [1, count, U] drawn from the prior of a bank of one, in the binary limit."""
        ...


@dataclass(frozen=True)
class GroupEncoder:
    """Dense layers, one for every group.

    Attributes
    ----------
    prefix:
        Of the parameters' names.
    groups, size:
        Number of groups, and variables in each.
    outputs:
        Numbers for each variable.
    """

    prefix: str
    groups: int
    size: int
    outputs: int

    def parameter_shapes(self, features: int) -> Shapes:
        """Shapes of one run's layers on rows of ``features`` and the groups before."""
        shapes: Shapes = {}
        for group in range(self.groups):
            inputs = features + group * self.size
            shapes |= dense_shapes(f"{self.prefix}.{group}", inputs, self.size * self.outputs)
        return shapes

    def group(
        self, parameters: Parameters, features: Tensor | None, codes: Sequence[Tensor]
    ) -> Outputs:
        """Outputs [R, M, size] of the group after ``codes``; [R, 1, size] if it sees nothing."""
        seen = [*([] if features is None else [features]), *codes]
        name = f"{self.prefix}.{len(codes)}"
        bias = parameters[f"{name}.bias"]
        rows = torch.cat(seen, dim=2) if seen else bias.new_zeros(len(bias), 1, 0)
        return dense(parameters, name, rows).chunk(self.outputs, dim=2)


@dataclass(frozen=True)
class DirectedLatents:
    """Global variables with a directed prior: `GlobalLatents` without a partition function.

    Attributes
    ----------
    distribution:
        Of one variable.
    units:
        In all groups.
    groups:
        Of equal size; a group's prior sees the groups before.
    """

    distribution: LatentDistribution
    units: int
    groups: int

    @property
    def noise(self) -> Literal["uniform", "normal"]:
        return self.distribution.noise

    @property
    def smoothed_noise(self) -> int:
        return self.units

    @property
    def decayed(self) -> frozenset[str]:
        return frozenset()

    def parameter_shapes(self, features: int) -> Shapes:
        return self._posterior.parameter_shapes(features) | self._prior.parameter_shapes(0)

    def initial_parameters(self, features: int, generator: torch.Generator) -> Tensors:
        return initial_layers(self.parameter_shapes(features), generator)

    def state_shapes(self) -> Shapes:
        return {}

    def initial_state(self, generator: torch.Generator) -> Tensors:
        return {}

    def advance(
        self,
        parameters: Mapping[str, Tensor],
        state: Mapping[str, Tensor],
        generators: Sequence[torch.Generator],
    ) -> Tensors:
        return {}

    def infer(self, parameters: Parameters, features: Tensor, noise: Tensor) -> Inferred:
        distribution = self.distribution
        return self._inferred(
            parameters, features, noise, distribution.sample, distribution.divergence
        )

    def infer_smoothed(self, parameters: Parameters, features: Tensor, noise: Tensor) -> Inferred:
        distribution = self.distribution
        return self._inferred(
            parameters, features, noise, distribution.sample, distribution.log_ratio
        )

    def infer_limit(self, parameters: Parameters, features: Tensor, noise: Tensor) -> Inferred:
        distribution = self.distribution
        return self._inferred(
            parameters, features, noise, distribution.limit_sample, distribution.limit_log_ratio
        )

    def partition_terms(
        self, parameters: Parameters, state: Mapping[str, Tensor]
    ) -> tuple[Tensor, Tensor]:
        nothing = parameters[f"{self._prior.prefix}.0.bias"].new_zeros(_runs(parameters))
        return nothing, nothing

    def log_partition(
        self,
        parameters: Mapping[str, Tensor],
        generators: Sequence[torch.Generator],
        effort: Literal["training", "evaluation"],
    ) -> LogPartition:
        nothing = next(iter(parameters.values())).new_zeros(_runs(parameters))
        return LogPartition(nothing, nothing)

    def sample(self, parameters: Parameters, count: int, generator: torch.Generator) -> Tensor:
        codes: list[Tensor] = []
        device = next(iter(parameters.values())).device
        for _ in range(self.groups):
            prior = self._prior.group(parameters, None, codes)
            noise = torch.empty(1, count, self.units // self.groups, device=device)
            if self.noise == "normal":
                noise.normal_(generator=generator)
            else:
                noise.uniform_(generator=generator)
            codes.append(self.distribution.limit_sample(prior, noise))
        return torch.cat(codes, dim=2)

    def _inferred(
        self,
        parameters: Parameters,
        features: Tensor,
        noise: Tensor,
        sample: Callable[[Outputs, Tensor], Tensor],
        divergence: Callable[[Outputs, Outputs, Tensor, Tensor], Tensor],
    ) -> Inferred:
        codes: list[Tensor] = []
        divergences: list[Tensor] = []
        for part in noise.chunk(self.groups, dim=2):
            own = self._posterior.group(parameters, features, codes)
            prior = self._prior.group(parameters, None, codes)
            values = sample(own, part)
            divergences.append(divergence(own, prior, values, part).sum(dim=2))
            codes.append(values)
        return Inferred(torch.cat(codes, dim=2), torch.stack(divergences, dim=2))

    @property
    def _posterior(self) -> GroupEncoder:
        size = self.units // self.groups
        return GroupEncoder("global.posterior", self.groups, size, self.distribution.outputs)

    @property
    def _prior(self) -> GroupEncoder:
        size = self.units // self.groups
        return GroupEncoder("global.prior", self.groups, size, self.distribution.outputs)


def initial_layers(shapes: Shapes, generator: torch.Generator) -> Tensors:
    """First values of layers that give distributions, by name: a tenth of the usual size."""
    return {name: 0.1 * initial_layer(name, shape, generator) for name, shape in shapes.items()}


def _runs(parameters: Mapping[str, Tensor]) -> int:
    return len(next(iter(parameters.values())))
