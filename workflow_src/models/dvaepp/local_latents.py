"""The groups of local latent variables, maps of one size that follow one another.

Section 6.1 and appendix G of the DVAE++ paper: q(h_j | x, zeta, h before) and
p(h_j | zeta, h before) come from residual networks of equal form for every group. Maps are
``[M, R, channels, height, width]``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from workflow_src.models.dvaepp.latent_distributions import LatentDistribution, Outputs
from workflow_src.models.latent_variables import Tensors
from workflow_src.models.residual_networks.layers import Parameters, Shapes, initial_layer
from workflow_src.models.residual_networks.residual_blocks import (
    Block,
    network_shapes,
    residual_network,
)

_FIRST_SHARE = 0.1
"""Of the usual size: what the last block of a group's network starts from."""


@dataclass(frozen=True)
class LocalLatents:
    """Groups of maps of variables.

    Attributes
    ----------
    distribution:
        Of one variable.
    groups, channels:
        Number of groups, and variables of each at one position.
    size:
        Height and width of the maps.
    posterior, prior:
        Blocks of a group's networks before the last one.
    """

    distribution: LatentDistribution
    groups: int
    channels: int
    size: tuple[int, int]
    posterior: tuple[Block, ...]
    prior: tuple[Block, ...]

    @property
    def noise_shape(self) -> tuple[int, ...]:
        """Of one image: groups, channels, height, width."""
        return (self.groups, self.channels, *self.size)

    def parameter_shapes(self, features: int, upsampled: int) -> Shapes:
        """Shapes of one run's networks, given channels of the image's and the global maps."""
        shapes: Shapes = {}
        for group in range(self.groups):
            before = upsampled + group * self.channels
            shapes |= network_shapes(_posterior(group), before + features, self._posterior_blocks)
            shapes |= network_shapes(_prior(group), before, self._prior_blocks)
        return shapes

    def initial_parameters(
        self, features: int, upsampled: int, generator: torch.Generator
    ) -> Tensors:
        """One run's; the results of a group's networks start small."""
        last = {f"{_posterior(group)}.{len(self.posterior)}." for group in range(self.groups)}
        last |= {f"{_prior(group)}.{len(self.prior)}." for group in range(self.groups)}
        parameters = {}
        for name, shape in self.parameter_shapes(features, upsampled).items():
            block = name.removesuffix("skip.weight").removesuffix("second.weight")
            share = _FIRST_SHARE if block in last else 1.0
            parameters[name] = share * initial_layer(name, shape, generator)
        return parameters

    def infer(
        self, parameters: Parameters, upsampled: Tensor, features: Tensor, noise: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Smoothed variables [M, R, all channels, h, w] and divergences [R, M, groups].

        Given global maps and the image's, and noise [R, M, groups, channels, h, w].
        """
        distribution = self.distribution
        return self._inferred(
            parameters, upsampled, features, noise, distribution.sample, distribution.divergence
        )

    def infer_smoothed(
        self, parameters: Parameters, upsampled: Tensor, features: Tensor, noise: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The same, with log q - log p of the smoothed variables for divergences."""
        distribution = self.distribution
        return self._inferred(
            parameters, upsampled, features, noise, distribution.sample, distribution.log_ratio
        )

    def infer_limit(
        self, parameters: Parameters, upsampled: Tensor, features: Tensor, noise: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The same in the binary limit, with log q - log p for divergences."""
        distribution = self.distribution
        return self._inferred(
            parameters,
            upsampled,
            features,
            noise,
            distribution.limit_sample,
            distribution.limit_log_ratio,
        )

    def sample(self, parameters: Parameters, upsampled: Tensor, noise: Tensor) -> Tensor:
        """Variables [M, R, all channels, h, w] drawn from the prior, in the binary limit."""
        seen = upsampled
        for group in range(self.groups):
            prior = self._outputs(parameters, _prior(group), seen, self._prior_blocks)
            values = self.distribution.limit_sample(prior, noise[:, :, group].transpose(0, 1))
            seen = torch.cat([seen, values], dim=2)
        return seen[:, :, upsampled.shape[2] :]

    def _inferred(
        self,
        parameters: Parameters,
        upsampled: Tensor,
        features: Tensor,
        noise: Tensor,
        sample: Callable[[Outputs, Tensor], Tensor],
        divergence: Callable[[Outputs, Outputs, Tensor, Tensor], Tensor],
    ) -> tuple[Tensor, Tensor]:
        seen = upsampled
        divergences = []
        for group in range(self.groups):
            both = torch.cat([seen, features], dim=2)
            own = self._outputs(parameters, _posterior(group), both, self._posterior_blocks)
            prior = self._outputs(parameters, _prior(group), seen, self._prior_blocks)
            part = noise[:, :, group].transpose(0, 1)
            values = sample(own, part)
            divergences.append(divergence(own, prior, values, part).sum(dim=(2, 3, 4)))
            seen = torch.cat([seen, values], dim=2)
        codes = seen[:, :, upsampled.shape[2] :]
        return codes, torch.stack(divergences, dim=2).transpose(0, 1)

    def _outputs(
        self, parameters: Parameters, prefix: str, maps: Tensor, network: tuple[Block, ...]
    ) -> Outputs:
        return residual_network(parameters, prefix, maps, network).chunk(
            self.distribution.outputs, dim=2
        )

    @property
    def _last(self) -> Block:
        return Block(self.channels * self.distribution.outputs, projected=True)

    @property
    def _posterior_blocks(self) -> tuple[Block, ...]:
        return (*self.posterior, self._last)

    @property
    def _prior_blocks(self) -> tuple[Block, ...]:
        return (*self.prior, self._last)


def _posterior(group: int) -> str:
    return f"local.posterior.{group}"


def _prior(group: int) -> str:
    return f"local.prior.{group}"
