"""What a discrete VAE can be trained on: smoothed bounds, or the binary bound with estimators.

Sections 4 and 5 of the DVAE++ paper, and the score-function baselines of its Table 1.

Shapes: R runs in the bank, N images, D values of an image, U units of all layers together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from workflow_src.models.binary_latents import bernoulli
from workflow_src.models.binary_latents.boltzmann_prior import BoltzmannPrior
from workflow_src.models.binary_latents.divergences import (
    boltzmann_divergence,
    joint_divergences,
    marginal_divergences,
)
from workflow_src.models.binary_latents.hierarchical_encoder import Encoding, binary_states
from workflow_src.models.binary_latents.score_function import Estimate, muprop, nvil, rebar
from workflow_src.models.discrete_vae.networks import BinaryAutoencoder
from workflow_src.models.latent_variables import NoiseShape, Schedule, Step
from workflow_src.models.perceptrons import Perceptron, Tensors
from workflow_src.models.smoothings.smoothing import Smoothing, smoothing

_BASELINE_UNITS = 100
_FIRST_TEMPERATURE = 0.5  # of REBAR's relaxed units
_MUPROP_SCALES = "muprop.scale_logits"
_REBAR_SCALE = "rebar.scale_logit"
_REBAR_TEMPERATURE = "rebar.log_temperature"


@dataclass(frozen=True)
class SmoothedBound:
    """The joint or the marginal bound, with units smoothed at a temperature that may be annealed.

    Attributes
    ----------
    units:
        Of all layers together.
    kind:
        ``joint_bound`` (equation 4, or 6 with a Boltzmann machine) or ``marginal_bound``
        (equation 5).
    smoothing_name:
        Of the transformation.
    first, last:
        Inverse temperatures at the first and the last step.
    """

    units: int
    kind: str
    smoothing_name: str
    first: float
    last: float

    @cached_property
    def smoothing(self) -> Smoothing:
        return smoothing(self.smoothing_name)

    @property
    def auxiliary(self) -> frozenset[str]:
        return frozenset()

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        return {}

    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        return {}

    def initial_parameters(self, generator: torch.Generator) -> Tensors:
        return {}

    def initial_state(self, mean: Tensor) -> Tensors:
        return {}

    def noise(self, images: int) -> dict[str, NoiseShape]:
        return {"uniform": NoiseShape("uniform", (images, self.units))}

    def encode(
        self,
        networks: BinaryAutoencoder,
        parameters: Mapping[str, Tensor],
        state: Mapping[str, Tensor],
        pixels: Tensor,
        uniform: Tensor,
        inverse_temperature: float,
        training: bool,
    ) -> Encoding:
        def sampler(numbers: Tensor, logits: Tensor) -> Tensor:
            return self.smoothing.sample(numbers, logits, inverse_temperature)

        return networks.encode(parameters, state, pixels, uniform, sampler, training)

    def step(
        self,
        networks: BinaryAutoencoder,
        parameters: Mapping[str, Tensor],
        state: Mapping[str, Tensor],
        pixels: Tensor,
        noise: Mapping[str, Tensor],
        schedule: Schedule,
    ) -> Step:
        """See `LatentVariableModel.training_step`."""
        temperature = self.first + (self.last - self.first) * schedule.progress
        uniform = noise["uniform"]
        encoding = self.encode(
            networks, parameters, state, pixels, uniform, temperature, training=True
        )
        outputs, moved = networks.decode(parameters, state, encoding.samples, training=True)
        moved |= encoding.state
        log_likelihood = bernoulli.pixel_log_likelihood(pixels, outputs).mean(dim=1)
        if isinstance(networks.prior, BoltzmannPrior):
            divergence = self.boltzmann(networks, parameters, encoding, temperature).mean(dim=1)
            unknown = networks.prior.log_partition_surrogate(parameters, state)
        else:
            groups, statistics = self.directed(
                networks, parameters, state, encoding, uniform, temperature, self.kind, True
            )
            moved |= statistics
            divergence = groups.sum(dim=-1).mean(dim=1)
            unknown = torch.zeros_like(divergence)
        return Step(
            log_likelihood - schedule.kl_weight * (divergence + unknown),
            (log_likelihood - divergence).detach(),
            {**state, **moved},
        )

    def directed(
        self,
        networks: BinaryAutoencoder,
        parameters: Mapping[str, Tensor],
        state: Mapping[str, Tensor],
        encoding: Encoding,
        uniform: Tensor,
        inverse_temperature: float,
        kind: str,
        training: bool,
    ) -> tuple[Tensor, Tensors]:
        """Divergences [R, N, layers] of one kind from a directed prior, and its new statistics."""
        if isinstance(networks.prior, BoltzmannPrior):
            raise TypeError("the divergence from a Boltzmann machine has no layers")
        codes = networks.codes(encoding.samples)
        prior_logits, moved = networks.prior.logits(parameters, state, codes, training)
        if kind == "joint_bound":
            return joint_divergences(encoding.logits, prior_logits), moved
        groups = marginal_divergences(
            encoding.logits,
            prior_logits,
            encoding.samples,
            torch.split(uniform, list(networks.units), dim=-1),
            self.smoothing,
            inverse_temperature,
        )
        return groups, moved

    def boltzmann(
        self,
        networks: BinaryAutoencoder,
        parameters: Mapping[str, Tensor],
        encoding: Encoding,
        inverse_temperature: float,
    ) -> Tensor:
        """Divergence [R, N] from a Boltzmann machine, without its log partition function."""
        if not isinstance(networks.prior, BoltzmannPrior):
            raise TypeError("the prior is no Boltzmann machine")
        left, right = networks.halves(encoding.logits)
        # Two halves of one layer are independent given the image, so nu has no part in it.
        posterior = torch.sigmoid(left)
        if len(encoding.logits) == 2:
            zeta = encoding.samples[0]
            posterior = self.smoothing.posterior(zeta, left, inverse_temperature)
        return boltzmann_divergence(networks.prior.machine(parameters), left, right, posterior)


@dataclass(frozen=True)
class ScoreFunctionBound:
    """The bound of one layer of binary units, with NVIL, MuProp or REBAR for the encoder.

    The learning signal is log p(x | z) + w (log p(z) - log q(z | x)) with w the annealing weight.
    All have a baseline network with 100 tanh units, as REBAR's paper compares them. Baselines,
    scales and the temperature learn faster than the model, as in that paper's program.

    Attributes
    ----------
    pixels:
        Values of an image.
    units:
        Binary units.
    kind:
        ``nvil``, ``muprop`` or ``rebar``.
    """

    pixels: int
    units: int
    kind: str

    @cached_property
    def baseline(self) -> Perceptron:
        return Perceptron("baseline", (self.pixels,), (_BASELINE_UNITS,), 1)

    @property
    def auxiliary(self) -> frozenset[str]:
        return frozenset(self.parameter_shapes())

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        shapes = self.baseline.parameter_shapes()
        if self.kind == "muprop":
            shapes |= {_MUPROP_SCALES: (2,)}
        if self.kind == "rebar":
            shapes |= {_REBAR_TEMPERATURE: (), _REBAR_SCALE: ()}
        return shapes

    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        names = {"nvil": ["signal.mean", "signal.variance"], "muprop": ["signal.mean"], "rebar": []}
        return dict.fromkeys(names[self.kind], ())

    def initial_parameters(self, generator: torch.Generator) -> Tensors:
        parameters = self.baseline.initial_parameters(generator)
        if self.kind == "muprop":
            parameters |= {_MUPROP_SCALES: torch.zeros(2)}
        if self.kind == "rebar":
            temperature = torch.tensor(_FIRST_TEMPERATURE)
            parameters |= {_REBAR_TEMPERATURE: temperature.log(), _REBAR_SCALE: torch.zeros(())}
        return parameters

    def initial_state(self, mean: Tensor) -> Tensors:
        """NVIL's averages begin at the mean and variance of log p for independent pixels.

        An untrained decoder gives the mean training image; averages that began at zero would make
        the first steps hundreds of times larger than the later ones.
        """
        state = {name: torch.zeros(()) for name in self.state_shapes()}
        if self.kind == "nvil":
            logits = torch.logit(mean.float().clamp(1e-3, 1 - 1e-3))
            probability = torch.sigmoid(logits)
            state["signal.mean"] = -bernoulli.entropy(logits)
            state["signal.variance"] = (probability * (1 - probability) * logits.square()).sum()
        return state

    def noise(self, images: int) -> dict[str, NoiseShape]:
        names = ["uniform", "conditional_uniform"] if self.kind == "rebar" else ["uniform"]
        return {name: NoiseShape("uniform", (images, self.units)) for name in names}

    def step(
        self,
        networks: BinaryAutoencoder,
        parameters: Mapping[str, Tensor],
        state: Mapping[str, Tensor],
        pixels: Tensor,
        noise: Mapping[str, Tensor],
        schedule: Schedule,
    ) -> Step:
        """See `LatentVariableModel.training_step`."""
        encoding = networks.encode(
            parameters, state, pixels, noise["uniform"], binary_states, training=True
        )
        (bits,), (logits,) = encoding.samples, encoding.logits
        weight = schedule.kl_weight
        signal = _signal(networks, parameters, state, pixels, logits.detach())
        log_likelihood, log_ratio = signal(bits)
        value = log_likelihood + weight * log_ratio
        fixed = {name: tensor.detach() for name, tensor in parameters.items()}
        fixed_signal = _signal(networks, fixed, state, pixels, logits.detach())

        def relaxed(units: Tensor) -> Tensor:
            first, second = fixed_signal(units)
            return first + weight * second

        centred = networks.centred(state, pixels)
        estimate = self._estimate(value, bits, logits, relaxed, centred, parameters, state, noise)
        along = (logits * estimate.gradient).sum(dim=-1)
        return Step(
            (value + along + estimate.auxiliary).mean(dim=1),
            (log_likelihood + log_ratio).detach().mean(dim=1),
            {**state, **estimate.state},
        )

    def _estimate(
        self,
        value: Tensor,
        bits: Tensor,
        logits: Tensor,
        signal: Callable[[Tensor], Tensor],
        centred: Tensor,
        parameters: Mapping[str, Tensor],
        state: Mapping[str, Tensor],
        noise: Mapping[str, Tensor],
    ) -> Estimate:
        baseline = self.baseline(parameters, {}, [centred], training=True)[0].squeeze(-1)
        if self.kind == "nvil":
            return nvil(value, bits, logits, baseline, state)
        if self.kind == "muprop":
            scales = parameters[_MUPROP_SCALES]
            return muprop(value, bits, logits, signal, baseline, scales, state)
        return rebar(
            value,
            bits,
            logits,
            signal,
            noise["uniform"],
            noise["conditional_uniform"],
            baseline,
            parameters[_REBAR_TEMPERATURE],
            parameters[_REBAR_SCALE],
        )


def _signal(
    networks: BinaryAutoencoder,
    parameters: Mapping[str, Tensor],
    state: Mapping[str, Tensor],
    pixels: Tensor,
    logits: Tensor,
) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
    """log p(x | z) and log p(z) - log q(z | x) as a function of units [R, ..., N, U]."""

    def parts(units: Tensor) -> tuple[Tensor, Tensor]:
        between = units.dim() - pixels.dim()
        images = pixels.unsqueeze(1) if between else pixels
        own = logits.unsqueeze(1) if between else logits
        outputs, _ = networks.decode(parameters, state, [units], training=True)
        log_prior = networks.log_prior(parameters, state, [units])
        log_posterior = bernoulli.log_probability(units, own)
        return bernoulli.pixel_log_likelihood(images, outputs), log_prior - log_posterior

    return parts
