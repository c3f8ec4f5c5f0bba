"""DVAE++, as the annealed trainer and the evaluation see it.

Section 6 and appendices G and H of the DVAE++ paper. `architectures` says what Table 4 gives and
what it leaves open.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor

from workflow_src.models.boltzmann.partition import log_partition_estimates
from workflow_src.models.dvaepp.architectures import ARCHITECTURES, Architecture
from workflow_src.models.dvaepp.balancing import balancing_coefficients
from workflow_src.models.dvaepp.boltzmann_latents import BoltzmannLatents
from workflow_src.models.dvaepp.encoder import Encoder
from workflow_src.models.dvaepp.global_latents import DirectedLatents, GlobalLatents
from workflow_src.models.dvaepp.latent_distributions import (
    LatentDistribution,
    Normal,
    SmoothedBernoulli,
)
from workflow_src.models.dvaepp.local_latents import LocalLatents
from workflow_src.models.dvaepp.networks import Networks
from workflow_src.models.images import ImageFacts
from workflow_src.models.latent_variables import LogPartition, NoiseShape, Schedule, Step, Tensors
from workflow_src.models.residual_networks.conditional_decoder import ConditionalDecoder
from workflow_src.models.residual_networks.pixel_distributions import pixel_distribution
from workflow_src.models.residual_networks.residual_blocks import size_at
from workflow_src.models.smoothings.smoothing import smoothing


@dataclass(frozen=True)
class DvaeppModel:
    """Networks and what they are trained on. Methods as in `LatentVariableModel`.

    Shapes: R runs in the bank, N images, K samples, D values of an image, G groups of latent
    variables: the global ones (of a Boltzmann machine one, of directed priors one for each group
    of the encoder), then the local ones.

    ``smoothing_name`` and ``inverse_temperature`` are None where no variable is binary. With
    ``weighs_smoothed``, `log_weights` are of the smoothed model, not of its binary limit.
    """

    images: ImageFacts
    networks: Networks
    balanced: bool
    smoothing_name: str | None
    inverse_temperature: float | None
    weighs_smoothed: bool = False

    @property
    def decayed(self) -> frozenset[str]:
        return self.networks.decayed

    @property
    def auxiliary(self) -> frozenset[str]:
        return frozenset()

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        return self.networks.parameter_shapes()

    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        return self.networks.state_shapes()

    def initial_parameters(self, generator: torch.Generator, mean: Tensor) -> Tensors:
        share = mean.double().mean().item() / self.networks.decoder.pixels.levels
        return self.networks.initial_parameters(generator, share)

    def initial_state(self, generator: torch.Generator, mean: Tensor) -> Tensors:
        return self.networks.initial_state(generator)

    def parameter_count(self) -> int:
        return sum(math.prod(shape) for shape in self.parameter_shapes().values())

    def training_noise(self, images: int) -> dict[str, NoiseShape]:
        return self._noise((images,))

    def advance(
        self,
        parameters: Mapping[str, Tensor],
        state: Mapping[str, Tensor],
        generators: Sequence[torch.Generator],
    ) -> Tensors:
        if self.networks.globals_ is None:
            return dict(state)
        return {**state, **self.networks.globals_.advance(parameters, state, generators)}

    def training_step(
        self,
        parameters: Mapping[str, Tensor],
        state: Mapping[str, Tensor],
        pixels: Tensor,
        noise: Mapping[str, Tensor],
        schedule: Schedule,
    ) -> Step:
        maps = self._maps(pixels)
        encoder = self.networks.encoder
        features, moved = encoder.batch_features(parameters, state, self._shares(maps))
        log_likelihood, divergences = self.networks.bounded(parameters, features, maps, noise)
        reconstruction, groups = log_likelihood.mean(dim=1), divergences.mean(dim=1)
        surrogate, log_partition = self._partition_terms(parameters, state)
        coefficients = torch.ones_like(groups.detach())
        if self.balanced:
            known = torch.cat([groups[:, :1] + log_partition.unsqueeze(1), groups[:, 1:]], dim=1)
            coefficients = balancing_coefficients(known, schedule.kl_weight)
        paid = (coefficients * groups).sum(dim=1) + coefficients[:, 0] * surrogate
        return Step(
            objective=reconstruction - schedule.kl_weight * paid,
            bound=(reconstruction - groups.sum(dim=1)).detach(),
            state={**state, **moved},
        )

    def smoothed(self) -> DvaeppModel:
        """The model whose weights are at the inverse temperature of training (appendix I).

        Itself where no variable is binary.
        """
        return self if self.smoothing_name is None else replace(self, weighs_smoothed=True)

    def weight_noise(self, samples: int, images: int) -> dict[str, NoiseShape]:
        return self._noise((samples, images), smoothed=self.weighs_smoothed)

    @torch.no_grad()
    def log_weights(
        self,
        parameters: Mapping[str, Tensor],
        state: Mapping[str, Tensor],
        pixels: Tensor,
        noise: Mapping[str, Tensor],
    ) -> Tensor:
        maps = self._maps(pixels)
        features = self.networks.encoder.features(parameters, state, self._shares(maps))
        smoothed = self.weighs_smoothed
        return self.networks.log_weights(parameters, features, maps, noise, smoothed=smoothed)

    def values_per_weight(self) -> int:
        networks = self.networks
        variables = networks.locals_.groups * networks.locals_.channels
        channels = networks.encoder.local_channels + networks.upsample[-1].channels + variables
        # Noise; features, global maps and variables, joined and active, before and after a group.
        positions = math.prod(networks.locals_.size)
        local = (variables + 6 * channels) * positions
        return local + networks.encoder.flat_features + networks.decoder.values_per_image()

    def log_partition(
        self,
        parameters: Mapping[str, Tensor],
        generators: Sequence[torch.Generator],
        effort: Literal["training", "evaluation"],
    ) -> LogPartition:
        if self.networks.globals_ is None:
            nothing = self._zeros(parameters)
            return LogPartition(nothing, nothing)
        return self.networks.globals_.log_partition(parameters, generators, effort)

    def log_partition_estimates(
        self, parameters: Mapping[str, Tensor], generators: Sequence[torch.Generator]
    ) -> dict[str, LogPartition]:
        """By every estimator there is for it; none where the prior is normalised."""
        latents = self.networks.globals_
        if isinstance(latents, BoltzmannLatents):
            return log_partition_estimates(latents.machine(parameters).detached(), generators)
        return {}

    def training_bounds(
        self,
        parameters: Mapping[str, Tensor],
        state: Mapping[str, Tensor],
        pixels: Tensor,
        noise: Mapping[str, Tensor],
        inverse_temperature: float | None = None,
    ) -> dict[str, Tensor]:
        """None: the paper compares joint and marginal bounds of models without local variables."""
        return {}

    @torch.no_grad()
    def group_divergences(
        self,
        parameters: Mapping[str, Tensor],
        state: Mapping[str, Tensor],
        pixels: Tensor,
        noise: Mapping[str, Tensor],
    ) -> Tensor:
        """KL(q || p) of every group, [R, G]: mean over images, smoothed as in training.

        Of a Boltzmann machine's, its log partition function is left out. ``noise`` is that of
        `training_step`; normalisation is by moving statistics.
        """
        maps = self._maps(pixels)
        features = self.networks.encoder.features(parameters, state, self._shares(maps))
        _, divergences = self.networks.bounded(parameters, features, maps, noise)
        return divergences.mean(dim=1)

    @torch.no_grad()
    def draw(
        self,
        parameters: Mapping[str, Tensor],
        state: Mapping[str, Tensor],
        generator: torch.Generator,
        global_states: int,
        draws: int,
    ) -> tuple[Tensor, Tensor]:
        """Images and expected shares, [states, draws, D], of a bank of one run, binary model.

        Draws of one state share the global variables, if there are any. A conditional decoder's
        expected shares are given the pixels that were drawn at coarser scales.
        """
        images, means = self.networks.draw(parameters, generator, global_states, draws)
        shape = (global_states, draws, self.images.pixels)
        return images.reshape(shape), means.reshape(shape)

    def smoothing_curve(self) -> dict[str, Any] | None:
        """Name and inverse temperature of the smoothing, if variables are binary."""
        if self.smoothing_name is None:
            return None
        return {"smoothing": self.smoothing_name, "inverse_temperature": self.inverse_temperature}

    def _maps(self, pixels: Tensor) -> Tensor:
        """Pixels [R, N, D] as maps [N, R, channels, height, width]."""
        facts = self.images
        shape = (facts.channels, facts.height, facts.width)
        return pixels.transpose(0, 1).reshape(pixels.shape[1], pixels.shape[0], *shape)

    def _shares(self, maps: Tensor) -> Tensor:
        return maps / self.networks.decoder.pixels.levels

    def _partition_terms(
        self, parameters: Mapping[str, Tensor], state: Mapping[str, Tensor]
    ) -> tuple[Tensor, Tensor]:
        if self.networks.globals_ is None:
            nothing = self._zeros(parameters)
            return nothing, nothing
        return self.networks.globals_.partition_terms(parameters, state)

    def _zeros(self, parameters: Mapping[str, Tensor]) -> Tensor:
        """[R]."""
        first = next(iter(parameters.values()))
        return first.new_zeros(len(first))

    def _noise(self, counts: tuple[int, ...], *, smoothed: bool = False) -> dict[str, NoiseShape]:
        local = self.networks.locals_
        shapes = {"local": NoiseShape(local.distribution.noise, (*counts, *local.noise_shape))}
        latents = self.networks.globals_
        if latents is not None:
            numbers = latents.smoothed_noise if smoothed else latents.units
            shapes["global"] = NoiseShape(latents.noise, (*counts, numbers))
        return shapes


def build(images: ImageFacts, hyperparameters: Mapping[str, Any]) -> DvaeppModel:
    """The model with the hyperparameters that model.yaml declares.

    Raises
    ------
    ValueError
        If they do not go together, or not with the images.
    """
    return build_with(images, hyperparameters, ARCHITECTURES[hyperparameters["architecture"]])


def build_with(
    images: ImageFacts, hyperparameters: Mapping[str, Any], architecture: Architecture
) -> DvaeppModel:
    """The same with any architecture."""
    size = (images.height, images.width)
    latents = _global_latents(hyperparameters)
    encoder = Encoder(
        size, images.channels, architecture.down_1, architecture.down_2 if latents else ()
    )
    _check_upsampling(architecture, size, encoder.stride)
    local = LocalLatents(
        _distribution(hyperparameters["local_latents"], hyperparameters),
        hyperparameters["local_groups"],
        hyperparameters["local_channels"],
        size_at(size, encoder.stride),
        architecture.local_posterior,
        architecture.local_prior,
    )
    decoder = ConditionalDecoder(
        size,
        images.channels,
        pixel_distribution(images),
        codes=architecture.upsample[-1].channels + local.groups * local.channels,
        stride=encoder.stride,
        context=architecture.context,
        stages=architecture.stages,
        image_input=(
            architecture.image_input if hyperparameters["decoder"] == "conditional" else ()
        ),
        first_stride=architecture.first_stride,
    )
    kinds = {hyperparameters["global_latents"], hyperparameters["local_latents"]}
    binary = bool(kinds - {"normal", "none"})
    return DvaeppModel(
        images,
        Networks(encoder, latents, architecture.upsample, local, decoder),
        balanced=hyperparameters["kl_balancing"] == "balanced",
        smoothing_name=hyperparameters["smoothing"] if binary else None,
        inverse_temperature=float(hyperparameters["inverse_temperature"]) if binary else None,
    )


def _global_latents(hyperparameters: Mapping[str, Any]) -> GlobalLatents | None:
    kind = hyperparameters["global_latents"]
    if kind == "none":
        return None
    units, groups = hyperparameters["global_units"], hyperparameters["global_groups"]
    if units % groups:
        raise ValueError(
            f"{units} global units do not divide into {groups} groups; "
            "give global_groups that divide global_units"
        )
    if kind != "boltzmann_machine":
        return DirectedLatents(_distribution(kind, hyperparameters), units, groups)
    if units % 2 or (groups > 1 and groups % 2):
        raise ValueError(
            f"a Boltzmann machine has two sides of equal size, which {units} units in {groups} "
            "groups do not make; give even global_units and global_groups of 1 or an even number"
        )
    return BoltzmannLatents(
        smoothing(hyperparameters["smoothing"]),
        float(hyperparameters["inverse_temperature"]),
        units,
        groups,
        hyperparameters["chains"],
        hyperparameters["gibbs_sweeps"],
    )


def _distribution(kind: str, hyperparameters: Mapping[str, Any]) -> LatentDistribution:
    if kind == "normal":
        return Normal()
    temperature = float(hyperparameters["inverse_temperature"])
    return SmoothedBernoulli(smoothing(hyperparameters["smoothing"]), temperature)


def _check_upsampling(architecture: Architecture, size: tuple[int, int], stride: int) -> None:
    """Whether one position, upsampled, becomes a map as large as the local variables'."""
    ups = sum(block.resize == "up" for block in architecture.upsample)
    reached = size_at(size, stride * 2**ups)
    if reached != (1, 1) or any(block.resize == "down" for block in architecture.upsample):
        raise ValueError(
            f"this architecture is not for images of {size[0]} x {size[1]} pixels: its global "
            f"variables would fill {reached[0]} x {reached[1]} positions, not one"
        )
