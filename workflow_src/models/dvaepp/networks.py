"""A DVAE++ model's parts put together: from images to latent variables and back.

Figure 7 of the DVAE++ paper. Shapes: R runs, N images, M = samples x images with the samples first,
G groups of latent variables: all global ones together (if any), then every local group.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from workflow_src.models.dvaepp.encoder import Encoder, Features
from workflow_src.models.dvaepp.global_latents import GlobalLatents
from workflow_src.models.dvaepp.local_latents import LocalLatents
from workflow_src.models.latent_variables import Tensors
from workflow_src.models.residual_networks.conditional_decoder import ConditionalDecoder
from workflow_src.models.residual_networks.layers import Parameters, Shapes, initial_layer
from workflow_src.models.residual_networks.normalisation import initial_normalisation
from workflow_src.models.residual_networks.residual_blocks import (
    Block,
    network_shapes,
    residual_network,
)

_UPSAMPLE, _START, _DECODER = "upsample", "upsample.start", "decoder"

_NORMALISATION = (".scale", ".shift")


@dataclass(frozen=True)
class Networks:
    """All networks of a model.

    Attributes
    ----------
    encoder:
        From images to features.
    globals_:
        The global variables; None for a model without.
    upsample:
        Blocks that lead from the global variables to the size of the local ones.
    locals_:
        The local variables.
    decoder:
        From all variables to pixels.
    """

    encoder: Encoder
    globals_: GlobalLatents | None
    upsample: tuple[Block, ...]
    locals_: LocalLatents
    decoder: ConditionalDecoder

    @property
    def decayed(self) -> frozenset[str]:
        """Kernels, normalisation scales, and a Boltzmann machine's weights."""
        ends = (".weight", ".transposed", ".scale")
        names = frozenset(name for name in self.parameter_shapes() if name.endswith(ends))
        return names | (self.globals_.decayed if self.globals_ else frozenset())

    def parameter_shapes(self) -> Shapes:
        """Shapes of one run's parameters."""
        features, upsampled = self.encoder.local_channels, self.upsample[-1].channels
        shapes = self.encoder.parameter_shapes()
        if self.globals_:
            shapes |= self.globals_.parameter_shapes(self.encoder.flat_features)
        return (
            shapes
            | self._upsample_shapes()
            | self.locals_.parameter_shapes(features, upsampled)
            | self.decoder.parameter_shapes(_DECODER)
        )

    def state_shapes(self) -> Shapes:
        """Shapes of one run's state."""
        shapes = self.encoder.state_shapes()
        return shapes | (self.globals_.state_shapes() if self.globals_ else {})

    def initial_parameters(self, generator: torch.Generator, mean: float) -> Tensors:
        """One run's, for images whose mean is this share of the full range."""
        features, upsampled = self.encoder.local_channels, self.upsample[-1].channels
        parameters = {}
        plain = self.encoder.parameter_shapes() | self._upsample_shapes()
        plain |= self.decoder.parameter_shapes(_DECODER)
        for name, shape in plain.items():
            if name.endswith(_NORMALISATION):
                parameters[name] = initial_normalisation(name, shape)
            elif name == _START:
                parameters[name] = torch.zeros(shape)
            else:
                parameters[name] = initial_layer(name, shape, generator)
        parameters |= self.decoder.initial_biases(_DECODER, mean)
        parameters |= self.locals_.initial_parameters(features, upsampled, generator)
        if self.globals_:
            flat = self.encoder.flat_features
            parameters |= self.globals_.initial_parameters(flat, generator)
        return {name: parameters[name] for name in self.parameter_shapes()}

    def initial_state(self, generator: torch.Generator) -> Tensors:
        """One run's."""
        shapes = self.encoder.state_shapes()
        state = {name: initial_normalisation(name, shape) for name, shape in shapes.items()}
        return state | (self.globals_.initial_state(generator) if self.globals_ else {})

    def bounded(
        self,
        parameters: Parameters,
        features: Features,
        pixels: Tensor,
        noise: Mapping[str, Tensor],
    ) -> tuple[Tensor, Tensor]:
        """log p(x | codes) [R, N] and divergences [R, N, G] of one smoothed sample an image.

        ``pixels`` [N, R, channels, h, w] are in the data's units. A Boltzmann machine's divergence
        is without log Z.
        """
        divergences = []
        codes = None
        if self.globals_ and features.flat is not None:
            inferred = self.globals_.infer(parameters, features.flat, noise["global"])
            codes = inferred.codes
            divergences.append(inferred.divergence)
        upsampled = self._upsampled(parameters, codes, len(pixels))
        local, own = self.locals_.infer(parameters, upsampled, features.local, noise["local"])
        joined = torch.cat([upsampled, local], dim=2)
        log_likelihood = self.decoder.log_density(parameters, _DECODER, joined, pixels)
        return log_likelihood.transpose(0, 1), torch.cat([*divergences, own], dim=2)

    def log_weights(
        self,
        parameters: Parameters,
        features: Features,
        pixels: Tensor,
        noise: Mapping[str, Tensor],
        *,
        smoothed: bool,
    ) -> Tensor:
        """log p(x, codes) + log Z - log q(codes | x), [R, K, N], of smoothed codes or bits."""
        runs, samples, images = noise["local"].shape[:3]
        flat_noise = {name: value.flatten(1, 2) for name, value in noise.items()}
        codes, total = None, None
        if self.globals_ and features.flat is not None:
            rows = features.flat.repeat(1, samples, 1)
            latents = self.globals_
            infer = latents.infer_smoothed if smoothed else latents.infer_limit
            inferred = infer(parameters, rows, flat_noise["global"])
            codes, total = inferred.codes, inferred.divergence.sum(dim=2)
        upsampled = self._upsampled(parameters, codes, samples * images)
        maps = features.local.repeat(samples, 1, 1, 1, 1)
        infer_local = self.locals_.infer_smoothed if smoothed else self.locals_.infer_limit
        local, own = infer_local(parameters, upsampled, maps, flat_noise["local"])
        joined = torch.cat([upsampled, local], dim=2)
        result = self.decoder.log_density(parameters, _DECODER, joined, pixels).transpose(0, 1)
        result = result - own.sum(dim=2)
        if total is not None:
            result = result - total
        return result.view(runs, samples, images)

    def draw(
        self,
        parameters: Parameters,
        generator: torch.Generator,
        global_states: int,
        draws: int,
    ) -> tuple[Tensor, Tensor]:
        """Images and expected shares [states x draws, 1, channels, h, w], draws side by side."""
        codes = None
        if self.globals_:
            states = self.globals_.sample(parameters, global_states, generator)
            codes = states.repeat_interleave(draws, dim=1)
        count = global_states * draws
        upsampled = self._upsampled(parameters, codes, count)
        noise = torch.empty(1, count, *self.locals_.noise_shape, device=upsampled.device)
        if self.locals_.distribution.noise == "normal":
            noise.normal_(generator=generator)
        else:
            noise.uniform_(generator=generator)
        local = self.locals_.sample(parameters, upsampled, noise)
        joined = torch.cat([upsampled, local], dim=2)
        return self.decoder.sample(parameters, _DECODER, joined, generator)

    def _upsample_shapes(self) -> Shapes:
        if self.globals_:
            return network_shapes(_UPSAMPLE, self.globals_.units, self.upsample)
        return {_START: (self.upsample[-1].channels, *self.locals_.size)}

    def _upsampled(self, parameters: Parameters, codes: Tensor | None, count: int) -> Tensor:
        """Maps [M, R, channels, h, w] of codes [R, M, U], or what stands for them."""
        if codes is None:
            return parameters[_START].expand(count, *parameters[_START].shape)
        maps = codes.transpose(0, 1)[..., None, None]
        # The codes are a map of one position, so coarse that the blocks lead to the local size.
        ups = sum(block.resize == "up" for block in self.upsample)
        stride = self.encoder.stride * 2**ups
        return residual_network(
            parameters, _UPSAMPLE, maps, self.upsample, self.encoder.size, stride
        )
