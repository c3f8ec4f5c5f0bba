"""A small model with latent variables whose likelihood is known exactly, for tests of measuring it.

Three binary latent variables z under a Boltzmann machine with weights between the first and the
others, one standard normal y, and pixels that are 0 or 1 with logits linear in both.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from scipy.special import log_expit, logsumexp
from scipy.stats import norm
from torch import Tensor
from torch.nn.functional import logsigmoid

from workflow_src.models.images import ImageFacts
from workflow_src.models.latent_variables import LogPartition, NoiseShape, Schedule, Step, Tensors

BITS = 3
SPEC = {
    "model": "fake",
    "data_set": "digits",
    "likelihood": "bernoulli",
    "fraction": 1.0,
    "seed": 3,
}
_BINARY = ImageFacts(2, 2, "bernoulli", 1)


@dataclass(frozen=True)
class FakeModel:
    """``estimates`` is what its estimators of log Z say: (value, standard error) by name."""

    images: ImageFacts = _BINARY
    estimates: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    bounds: tuple[str, ...] = ("joint_bound", "marginal_bound")
    decayed: frozenset[str] = frozenset()

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        pixels = self.images.pixels
        return {"decoder": (BITS + 1, pixels), "bias": (pixels,), "pairs": (BITS,)}

    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        return {"shift": (), "chains": (5, BITS)}

    def initial_parameters(self, generator: torch.Generator, mean: Tensor) -> Tensors:
        shapes = self.parameter_shapes()
        return {name: torch.randn(one, generator=generator) for name, one in shapes.items()}

    def initial_state(self, generator: torch.Generator, mean: Tensor) -> Tensors:
        return {"shift": torch.tensor(0.4), "chains": torch.zeros(5, BITS)}

    def parameter_count(self) -> int:
        return sum(math.prod(shape) for shape in self.parameter_shapes().values())

    def training_noise(self, images: int) -> dict[str, NoiseShape]:
        return {"bits": NoiseShape("uniform", (images, 2))}

    def advance(
        self,
        parameters: Mapping[str, Tensor],
        state: Mapping[str, Tensor],
        generators: Sequence[torch.Generator],
    ) -> Tensors:
        raise NotImplementedError

    def training_step(
        self,
        parameters: Mapping[str, Tensor],
        state: Mapping[str, Tensor],
        pixels: Tensor,
        noise: Mapping[str, Tensor],
        schedule: Schedule,
    ) -> Step:
        raise NotImplementedError

    def weight_noise(self, samples: int, images: int) -> dict[str, NoiseShape]:
        return {
            "bits": NoiseShape("uniform", (samples, images, BITS)),
            "code": NoiseShape("normal", (samples, images)),
        }

    def log_weights(
        self,
        parameters: Mapping[str, Tensor],
        state: Mapping[str, Tensor],
        pixels: Tensor,
        noise: Mapping[str, Tensor],
    ) -> Tensor:
        assert "chains" not in state
        logits = state["shift"].view(-1, 1, 1, 1) * (pixels.sum(2) - 1)[:, None, :, None]
        logits = logits.expand(-1, 1, -1, BITS)
        bits = (noise["bits"] < torch.sigmoid(logits)).float()
        code = 1.3 * noise["code"]
        of_q = (bits * logsigmoid(logits) + (1 - bits) * logsigmoid(-logits)).sum(-1)
        of_q = of_q - 0.5 * noise["code"] ** 2 - math.log(1.3)
        pairs = parameters["pairs"].view(-1, 1, 1, BITS)
        energy = -(bits[..., :1] * bits * pairs).sum(-1)
        latent = torch.cat([bits, code.unsqueeze(-1)], dim=-1)
        outputs = latent @ parameters["decoder"].unsqueeze(1) + parameters["bias"].view(
            -1, 1, 1, self.images.pixels
        )
        x = pixels.unsqueeze(1)
        of_pixels = (x * logsigmoid(outputs) + (1 - x) * logsigmoid(-outputs)).sum(-1)
        return of_pixels - energy - 0.5 * code**2 - of_q

    def values_per_weight(self) -> int:
        return 20

    def log_partition(
        self,
        parameters: Mapping[str, Tensor],
        generators: Sequence[torch.Generator],
        effort: Literal["training", "evaluation"],
    ) -> LogPartition:
        raise NotImplementedError

    def log_partition_estimates(
        self, parameters: Mapping[str, Tensor], generators: Sequence[torch.Generator]
    ) -> dict[str, LogPartition]:
        return {
            name: LogPartition(*torch.tensor([[value], [error]], dtype=torch.float64))
            for name, (value, error) in self.estimates.items()
        }

    def training_bounds(
        self,
        parameters: Mapping[str, Tensor],
        state: Mapping[str, Tensor],
        pixels: Tensor,
        noise: Mapping[str, Tensor],
    ) -> dict[str, Tensor]:
        joint = -pixels.sum(-1) - noise["bits"][..., 0]
        found = {"joint_bound": joint, "marginal_bound": joint + noise["bits"][..., 1]}
        return {name: found[name] for name in self.bounds}

    def group_divergences(
        self,
        parameters: Mapping[str, Tensor],
        state: Mapping[str, Tensor],
        pixels: Tensor,
        noise: Mapping[str, Tensor],
    ) -> Tensor:
        assert len(noise["bits"][0]) == pixels.shape[1]
        return torch.stack([pixels[..., 0].mean(1), 2 * pixels[..., 1].mean(1)], dim=1)

    def draw(
        self,
        parameters: Mapping[str, Tensor],
        state: Mapping[str, Tensor],
        generator: torch.Generator,
        global_states: int,
        draws: int,
    ) -> tuple[Tensor, Tensor]:
        means = torch.rand((global_states, draws, self.images.pixels), generator=generator)
        if self.images.likelihood == "bernoulli":
            return (torch.rand(means.shape, generator=generator) < means).float(), means
        return torch.round(self.images.levels * means), means

    def smoothing_curve(self) -> Mapping[str, Any] | None:
        return {"smoothing": "overlapping_exponential", "inverse_temperature": 8.0}


@dataclass(frozen=True)
class SmoothableModel(FakeModel):
    """A `FakeModel` whose smoothed one has weights that are higher by ``gap`` nats."""

    gap: float = 0.25

    def smoothed(self) -> SmoothableModel:
        return SmoothedModel(self.images, self.estimates, self.bounds, self.decayed, self.gap)


@dataclass(frozen=True)
class SmoothedModel(SmoothableModel):
    """See `SmoothableModel`."""

    def log_weights(
        self,
        parameters: Mapping[str, Tensor],
        state: Mapping[str, Tensor],
        pixels: Tensor,
        noise: Mapping[str, Tensor],
    ) -> Tensor:
        return super().log_weights(parameters, state, pixels, noise) + self.gap


def checkpoint(model: FakeModel, seed: int = 0) -> Tensors:
    """A trained run's tensors as they lie in its checkpoint: no chains."""
    mean = torch.zeros(model.images.pixels)
    generator = torch.Generator().manual_seed(seed)
    state = model.initial_state(generator, mean)
    parameters = model.initial_parameters(generator, mean)
    return parameters | {"state.shift": state["shift"]}


def exact_log_partition(tensors: Mapping[str, Tensor]) -> float:
    """log of the sum of exp(-energy) over all z; the roots of 2 pi of y cancel in weights."""
    pairs = tensors["pairs"].double().numpy()
    energies = [z[0] * np.dot(z, pairs) for z in itertools.product((0, 1), repeat=BITS)]
    return float(logsumexp(energies))


def exact_log_likelihood(tensors: Mapping[str, Tensor], image: np.ndarray) -> float:
    """log p(x) by enumerating z and quadrature over y."""
    decoder, bias, pairs = (tensors[n].double().numpy() for n in ("decoder", "bias", "pairs"))
    grid = np.linspace(-10, 10, 4001)
    terms = []
    for bits in itertools.product((0, 1), repeat=BITS):
        outputs = (np.array(bits) @ decoder[:BITS] + bias)[:, None] + decoder[BITS:].T * grid
        signs = np.where(image == 1, 1.0, -1.0)[:, None]
        density = log_expit(signs * outputs).sum(0) + norm.logpdf(grid)
        terms.append(bits[0] * np.dot(bits, pairs) + logsumexp(density))
    return float(logsumexp(terms) + math.log(grid[1] - grid[0])) - exact_log_partition(tensors)
