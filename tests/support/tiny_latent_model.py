"""A model with two binary units and a few chains, small enough to add up all its codes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid, softplus

from workflow_src.models.images import ImageFacts
from workflow_src.models.latent_variables import LogPartition, NoiseShape, Schedule, Step

UNITS, CHAINS = 2, 5


@dataclass
class TinyModel:
    """p(z) = exp(a'z) / Z with chains for Z's gradient; q(z|x) is linear, relaxed in training."""

    images: ImageFacts
    decayed: frozenset[str] = frozenset({"decoder.weight"})
    auxiliary: frozenset[str] = frozenset()
    schedules: list[Schedule] = field(default_factory=list)
    seen: list[Tensor] = field(default_factory=list)

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        pixels = self.images.pixels
        return {
            "prior": (UNITS,),
            "encoder.weight": (pixels, UNITS),
            "decoder.weight": (UNITS, pixels),
            "decoder.bias": (pixels,),
        }

    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        return {"moving_mean": (self.images.pixels,), "chains.units": (CHAINS, UNITS)}

    def initial_parameters(self, generator: torch.Generator, mean: Tensor) -> dict[str, Tensor]:
        shapes = self.parameter_shapes()
        drawn = {n: 0.3 * torch.randn(s, generator=generator) for n, s in shapes.items()}
        return drawn | {"decoder.bias": torch.logit(mean.clamp(0.01, 0.99))}

    def initial_state(self, generator: torch.Generator, mean: Tensor) -> dict[str, Tensor]:
        chains = torch.rand(CHAINS, UNITS, generator=generator).round()
        return {"moving_mean": mean.clone(), "chains.units": chains}

    def parameter_count(self) -> int:
        return sum(math.prod(shape) for shape in self.parameter_shapes().values())

    def training_noise(self, images: int) -> dict[str, NoiseShape]:
        return {"units": NoiseShape("uniform", (images, UNITS))}

    def advance(
        self,
        parameters: Mapping[str, Tensor],
        state: Mapping[str, Tensor],
        generators: Sequence[torch.Generator],
    ) -> dict[str, Tensor]:
        # Half of the units keep their values, so that where a chain is depends on where it was.
        chains = state["chains.units"].clone()
        for run, generator in enumerate(generators):
            uniform = torch.rand(2, CHAINS, UNITS, generator=generator)
            drawn = (uniform[0] < torch.sigmoid(parameters["prior"][run])).to(chains.dtype)
            chains[run] = torch.where(uniform[1] < 0.5, drawn, chains[run])
        return {"chains.units": chains}

    def training_step(
        self,
        parameters: Mapping[str, Tensor],
        state: Mapping[str, Tensor],
        pixels: Tensor,
        noise: Mapping[str, Tensor],
        schedule: Schedule,
    ) -> Step:
        self.schedules.append(schedule)
        self.seen.append(pixels)
        logits = pixels @ parameters["encoder.weight"]
        z = torch.sigmoid(4 * (logits + torch.logit(noise["units"].clamp(1e-6, 1 - 1e-6))))
        fit = self._fit(parameters, pixels, z)
        q = torch.sigmoid(logits)
        entropy = -(q * logsigmoid(logits) + (1 - q) * logsigmoid(-logits)).sum(-1)
        prior = parameters["prior"].unsqueeze(1)
        energy = (prior * q).sum(-1)
        chains = (parameters["prior"].unsqueeze(1) * state["chains.units"]).sum(-1).mean(1)
        bound = (fit + energy + entropy).mean(1)
        objective = (fit + schedule.kl_weight * (energy + entropy)).mean(1)
        moved = 0.9 * state["moving_mean"] + 0.1 * pixels.mean(1)
        return Step(objective - schedule.kl_weight * chains, bound.detach(), {"moving_mean": moved})

    def weight_noise(self, samples: int, images: int) -> dict[str, NoiseShape]:
        return {"units": NoiseShape("uniform", (samples, images, UNITS))}

    def log_weights(
        self,
        parameters: Mapping[str, Tensor],
        state: Mapping[str, Tensor],
        pixels: Tensor,
        noise: Mapping[str, Tensor],
    ) -> Tensor:
        logits = (pixels @ parameters["encoder.weight"]).unsqueeze(1)
        z = (noise["units"] < torch.sigmoid(logits)).to(pixels.dtype)
        log_q = (z * logsigmoid(logits) + (1 - z) * logsigmoid(-logits)).sum(-1)
        energy = (parameters["prior"][:, None, None] * z).sum(-1)
        shifted = pixels + 0 * state["moving_mean"].unsqueeze(1)
        return self._fit(parameters, shifted.unsqueeze(1), z) + energy - log_q

    def values_per_weight(self) -> int:
        return self.images.pixels

    def log_partition(
        self,
        parameters: Mapping[str, Tensor],
        generators: Sequence[torch.Generator],
        effort: str,
    ) -> LogPartition:
        assert effort == "training"
        value = softplus(parameters["prior"]).sum(-1)
        return LogPartition(value, torch.zeros_like(value))

    def _fit(self, parameters: Mapping[str, Tensor], pixels: Tensor, z: Tensor) -> Tensor:
        shape = (len(z),) + (1,) * (z.dim() - 3)
        weight = parameters["decoder.weight"].view(*shape, UNITS, -1)
        bias = parameters["decoder.bias"].view(*shape, 1, -1)
        logits = z @ weight + bias
        return (pixels * logsigmoid(logits) + (1 - pixels) * logsigmoid(-logits)).sum(-1)

    def exact(self, parameters: Mapping[str, Tensor], pixels: Tensor) -> Tensor:
        """log p(x) of images [N, D] under one run's parameters, by adding up all codes."""
        codes = torch.tensor(list(product((0.0, 1.0), repeat=UNITS)), dtype=torch.float64)
        one = {name: value.double() for name, value in parameters.items()}
        logits = codes @ one["decoder.weight"] + one["decoder.bias"]
        likelihood = torch.distributions.Bernoulli(logits=logits).log_prob(
            pixels.double().unsqueeze(1)
        )
        scores = codes @ one["prior"]
        return torch.logsumexp(likelihood.sum(-1) + scores, 1) - torch.logsumexp(scores, 0)
