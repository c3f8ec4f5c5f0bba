"""The networks and the prior of a discrete VAE, and what they say about images in the binary limit.

Figure 2 of the DVAE++ paper, with the details of its appendix F and of the authors' program: the
encoder sees images minus the mean training image, and the decoder's output biases start where they
give that mean. Nothing here knows how the model is trained.

Shapes: R runs in the bank, N images, K samples, D values of an image, U units of a layer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from workflow_src.models.binary_latents import bernoulli
from workflow_src.models.binary_latents.boltzmann_prior import BoltzmannPrior
from workflow_src.models.binary_latents.directed_prior import DirectedPrior
from workflow_src.models.binary_latents.hierarchical_encoder import (
    CODES,
    Encoding,
    HierarchicalEncoder,
    Sampler,
    binary_states,
)
from workflow_src.models.boltzmann.parallel_tempering import tempered_samples
from workflow_src.models.perceptrons import Perceptron, Tensors

_MEAN = "mean_image"
_SMALLEST_MEAN = 1e-3  # of a pixel, where its logit becomes a bias


@dataclass(frozen=True)
class BinaryAutoencoder:
    """Encoder, decoder and prior.

    Attributes
    ----------
    pixels:
        Values of an image.
    units:
        Of every latent layer.
    hidden:
        Widths of every network's hidden layers; none where they are linear.
    normalised:
        Whether hidden layers are batch-normalised.
    code_values:
        What networks see of a unit; a name in `groups.CODES`.
    prior:
        p(z).
    """

    pixels: int
    units: tuple[int, ...]
    hidden: tuple[int, ...]
    normalised: bool
    code_values: str
    prior: DirectedPrior | BoltzmannPrior

    @cached_property
    def encoder(self) -> HierarchicalEncoder:
        return HierarchicalEncoder(self.pixels, self.units, self.hidden, self.normalised)

    @cached_property
    def decoder(self) -> Perceptron:
        return Perceptron("decoder", self.units, self.hidden, self.pixels, self.normalised)

    @property
    def _networks(self) -> tuple[Perceptron, ...]:
        return (*self.encoder.networks, self.decoder)

    @property
    def decayed(self) -> frozenset[str]:
        return self.prior.decayed.union(*(network.decayed for network in self._networks))

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        shapes: dict[str, tuple[int, ...]] = {}
        for part in (*self._networks, self.prior):
            shapes |= part.parameter_shapes()
        return shapes

    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        shapes: dict[str, tuple[int, ...]] = {_MEAN: (self.pixels,)}
        for part in (*self._networks, self.prior):
            shapes |= part.state_shapes()
        return shapes

    def initial_parameters(self, generator: torch.Generator, mean: Tensor) -> Tensors:
        parameters: Tensors = {}
        for part in (*self._networks, self.prior):
            parameters |= part.initial_parameters(generator)
        output = f"decoder.{len(self.hidden)}.bias"
        parameters[output] = torch.logit(mean.float().clamp(_SMALLEST_MEAN, 1 - _SMALLEST_MEAN))
        return parameters

    def initial_state(self, generator: torch.Generator, mean: Tensor) -> Tensors:
        state: Tensors = {_MEAN: mean.float().clone()}
        for network in self._networks:
            state |= network.initial_state()
        return state | self.prior.initial_state(generator)

    def encode(
        self,
        parameters: Mapping[str, Tensor],
        state: Mapping[str, Tensor],
        pixels: Tensor,
        uniform: Tensor,
        sampler: Sampler,
        training: bool,
    ) -> Encoding:
        """Logits and samples of all layers for images [R, N, D]; see `HierarchicalEncoder`."""
        code = CODES[self.code_values]
        centred = self.centred(state, pixels)
        return self.encoder(parameters, state, centred, uniform, sampler, code, training)

    def centred(self, state: Mapping[str, Tensor], pixels: Tensor) -> Tensor:
        """Images minus the mean training image, [R, N, D]."""
        return pixels - state[_MEAN].unsqueeze(1)

    def codes(self, samples: Sequence[Tensor]) -> list[Tensor]:
        """What networks see of samples."""
        code = CODES[self.code_values]
        return [code(group) for group in samples]

    def decode(
        self,
        parameters: Mapping[str, Tensor],
        state: Mapping[str, Tensor],
        samples: Sequence[Tensor],
        training: bool,
    ) -> tuple[Tensor, Tensors]:
        """Logits of the pixels, [R, ..., D], of samples [R, ..., U], and new statistics."""
        return self.decoder(parameters, state, self.codes(samples), training)

    def halves(self, groups: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """The Boltzmann machine's two sides: two layers, or one layer split in two."""
        if len(groups) == 2:
            return groups[0], groups[1]
        left, right = groups[0].tensor_split(2, dim=-1)
        return left, right

    def log_weights(
        self,
        parameters: Mapping[str, Tensor],
        state: Mapping[str, Tensor],
        pixels: Tensor,
        uniform: Tensor,
    ) -> Tensor:
        """log p(x, z) - log q(z | x) [R, K, N] at bits that ``uniform`` [R, K, N, U] gives.

        Without the log partition function of a Boltzmann machine.
        """
        encoding = self.encode(parameters, state, pixels, uniform, binary_states, training=False)
        weights = self.log_prior(parameters, state, encoding.samples)
        for bits, logits in zip(encoding.samples, encoding.logits, strict=True):
            weights = weights - bernoulli.log_probability(bits, logits)
        outputs, _ = self.decode(parameters, state, encoding.samples, training=False)
        return weights + bernoulli.pixel_log_likelihood(pixels.unsqueeze(1), outputs)

    def log_prior(
        self,
        parameters: Mapping[str, Tensor],
        state: Mapping[str, Tensor],
        bits: Sequence[Tensor],
    ) -> Tensor:
        """log p(z) [R, ...] of bits [R, ..., U]; plus log Z where it is a Boltzmann machine."""
        if isinstance(self.prior, BoltzmannPrior):
            left, right = self.halves(bits)
            return self.prior.unnormalised_log_probability(parameters, left, right)
        logits, _ = self.prior.logits(parameters, state, self.codes(bits), training=False)
        terms = [
            bernoulli.log_probability(group, own) for group, own in zip(bits, logits, strict=True)
        ]
        return torch.stack(terms).sum(dim=0)

    @torch.no_grad()
    def draw_means(
        self,
        parameters: Mapping[str, Tensor],
        state: Mapping[str, Tensor],
        generator: torch.Generator,
        global_states: int,
        draws: int,
    ) -> Tensor:
        """Expected pixels [states, draws, D] of a bank of one run; see `DiscreteVae.sample`."""
        if isinstance(self.prior, BoltzmannPrior):
            machine = self.prior.machine(parameters).detached()
            left, right = tempered_samples(machine, [generator], global_states)
            bits = [left, right] if len(self.units) == 2 else [torch.cat([left, right], dim=-1)]
            bits = [group.unsqueeze(2) for group in bits]
        else:
            noise = [
                torch.rand(
                    (1, global_states, 1 if layer == 0 else draws, units),
                    generator=generator,
                    device=generator.device,
                )
                for layer, units in enumerate(self.units)
            ]
            code = CODES[self.code_values]
            bits = list(self.prior.sample(parameters, state, code, noise))
        outputs, _ = self.decode(parameters, state, bits, training=False)
        return torch.sigmoid(outputs[0]).expand(-1, draws, -1)
