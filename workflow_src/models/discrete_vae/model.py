"""The VAE with one or two layers of binary units, as the annealed trainer and evaluation see it.

Sections 4, 5, 7.1 and 7.2 of the DVAE++ paper: directed priors or a restricted Boltzmann machine,
linear or with hidden layers, trained on smoothed bounds or by score-function estimators.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from workflow_src.models.binary_latents.bernoulli import pixel_log_likelihood
from workflow_src.models.binary_latents.boltzmann_prior import BoltzmannPrior
from workflow_src.models.binary_latents.directed_prior import DirectedPrior
from workflow_src.models.binary_latents.divergences import joint_divergences
from workflow_src.models.binary_latents.hierarchical_encoder import binary_states
from workflow_src.models.boltzmann.partition import log_partition, log_partition_estimates
from workflow_src.models.discrete_vae.networks import BinaryAutoencoder
from workflow_src.models.discrete_vae.objectives import ScoreFunctionBound, SmoothedBound
from workflow_src.models.images import ImageFacts
from workflow_src.models.latent_variables import LogPartition, NoiseShape, Schedule, Step, Tensors

_SCORE_FUNCTIONS = ("nvil", "muprop", "rebar")


@dataclass(frozen=True)
class DiscreteVae:
    """Networks and what they are trained on. Methods as in `LatentVariableModel`.

    Shapes: R runs in the bank, N images, K samples, D values of an image.
    """

    images: ImageFacts
    networks: BinaryAutoencoder
    objective: SmoothedBound | ScoreFunctionBound

    @property
    def decayed(self) -> frozenset[str]:
        return self.networks.decayed

    @property
    def auxiliary(self) -> frozenset[str]:
        return self.objective.auxiliary

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        return self.networks.parameter_shapes() | self.objective.parameter_shapes()

    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        return self.networks.state_shapes() | self.objective.state_shapes()

    def initial_parameters(self, generator: torch.Generator, mean: Tensor) -> Tensors:
        parameters = self.networks.initial_parameters(generator, mean)
        return parameters | self.objective.initial_parameters(generator)

    def initial_state(self, generator: torch.Generator, mean: Tensor) -> Tensors:
        return self.networks.initial_state(generator, mean) | self.objective.initial_state(mean)

    def parameter_count(self) -> int:
        """With what only training uses: the baseline and the control variate's numbers."""
        return sum(math.prod(shape) for shape in self.parameter_shapes().values())

    def training_noise(self, images: int) -> dict[str, NoiseShape]:
        return self.objective.noise(images)

    def advance(
        self,
        parameters: Mapping[str, Tensor],
        state: Mapping[str, Tensor],
        generators: Sequence[torch.Generator],
    ) -> Tensors:
        if isinstance(self.networks.prior, BoltzmannPrior):
            return {**state, **self.networks.prior.advance(parameters, state, generators)}
        return dict(state)

    def training_step(
        self,
        parameters: Mapping[str, Tensor],
        state: Mapping[str, Tensor],
        pixels: Tensor,
        noise: Mapping[str, Tensor],
        schedule: Schedule,
    ) -> Step:
        return self.objective.step(self.networks, parameters, state, pixels, noise, schedule)

    def weight_noise(self, samples: int, images: int) -> dict[str, NoiseShape]:
        return {"uniform": NoiseShape("uniform", (samples, images, sum(self.networks.units)))}

    def log_weights(
        self,
        parameters: Mapping[str, Tensor],
        state: Mapping[str, Tensor],
        pixels: Tensor,
        noise: Mapping[str, Tensor],
    ) -> Tensor:
        return self.networks.log_weights(parameters, state, pixels, noise["uniform"])

    def values_per_weight(self) -> int:
        # Bits, codes and a product of every layer; two hidden layers; outputs, and two products.
        units, hidden = sum(self.networks.units), max(self.networks.hidden, default=0)
        return 4 * units + 2 * hidden + 3 * self.images.pixels

    def log_partition(
        self,
        parameters: Mapping[str, Tensor],
        generators: Sequence[torch.Generator],
        effort: Literal["training", "evaluation"],
    ) -> LogPartition:
        if isinstance(self.networks.prior, BoltzmannPrior):
            machine = self.networks.prior.machine(parameters).detached()
            return log_partition(machine, generators, effort)
        zeros = torch.zeros_like(parameters["prior.logits"][:, 0])
        return LogPartition(zeros, zeros)

    def log_partition_estimates(
        self, parameters: Mapping[str, Tensor], generators: Sequence[torch.Generator]
    ) -> dict[str, LogPartition]:
        """By every estimator there is for it; none where the prior is normalised."""
        if isinstance(self.networks.prior, BoltzmannPrior):
            machine = self.networks.prior.machine(parameters).detached()
            return log_partition_estimates(machine, generators)
        return {}

    @torch.no_grad()
    def training_bounds(
        self,
        parameters: Mapping[str, Tensor],
        state: Mapping[str, Tensor],
        pixels: Tensor,
        noise: Mapping[str, Tensor],
        inverse_temperature: float | None = None,
    ) -> dict[str, Tensor]:
        """Both bounds [R, N] with equal parameters and noise (that of `training_step`).

        At the last temperature of training unless one is given, with moving statistics. Directed
        models with a smoothing of z have both; others have none.
        """
        objective, networks = self.objective, self.networks
        if (
            isinstance(objective, ScoreFunctionBound)
            or isinstance(networks.prior, BoltzmannPrior)
            or not objective.smoothing.has_component_densities
        ):
            return {}
        at = objective.last if inverse_temperature is None else inverse_temperature
        uniform = noise["uniform"]
        encoding = objective.encode(networks, parameters, state, pixels, uniform, at, False)
        outputs, _ = networks.decode(parameters, state, encoding.samples, training=False)
        log_likelihood = pixel_log_likelihood(pixels, outputs)
        bounds = {}
        for kind in ("joint_bound", "marginal_bound"):
            groups, _ = objective.directed(
                networks, parameters, state, encoding, uniform, at, kind, False
            )
            bounds[kind] = log_likelihood - groups.sum(dim=-1)
        return bounds

    @torch.no_grad()
    def group_divergences(
        self,
        parameters: Mapping[str, Tensor],
        state: Mapping[str, Tensor],
        pixels: Tensor,
        noise: Mapping[str, Tensor],
    ) -> Tensor:
        """KL(q || p) of every layer, [R, layers]: mean over images, at the last temperature.

        A Boltzmann machine's layers have one divergence together, of which its log partition
        function is left out.
        """
        objective, networks, uniform = self.objective, self.networks, noise["uniform"]
        if isinstance(objective, ScoreFunctionBound):
            encoding = networks.encode(parameters, state, pixels, uniform, binary_states, False)
            prior = parameters["prior.logits"].unsqueeze(1)
            return joint_divergences(encoding.logits, [prior]).mean(dim=1)
        at = objective.last
        encoding = objective.encode(networks, parameters, state, pixels, uniform, at, False)
        if isinstance(networks.prior, BoltzmannPrior):
            together = objective.boltzmann(networks, parameters, encoding, at)
            return together.mean(dim=1, keepdim=True)
        groups, _ = objective.directed(
            networks, parameters, state, encoding, uniform, at, objective.kind, False
        )
        return groups.mean(dim=1)

    def draw(
        self,
        parameters: Mapping[str, Tensor],
        state: Mapping[str, Tensor],
        generator: torch.Generator,
        global_states: int,
        draws: int,
    ) -> tuple[Tensor, Tensor]:
        """Images and their means, [states, draws, D], of a bank of one run, from the binary model.

        Draws of one state share a Boltzmann machine's units, or the first layer's of a directed
        prior; further layers and pixels are drawn for each.
        """
        means = self.networks.draw_means(parameters, state, generator, global_states, draws)
        return torch.bernoulli(means, generator=generator), means

    def smoothing_curve(self) -> dict[str, Any] | None:
        """Name and last inverse temperature of the smoothing, if the model has one."""
        if isinstance(self.objective, ScoreFunctionBound):
            return None
        return {
            "smoothing": self.objective.smoothing_name,
            "inverse_temperature": self.objective.last,
        }


def build(images: ImageFacts, hyperparameters: Mapping[str, Any]) -> DiscreteVae:
    """The model with the hyperparameters that model.yaml declares.

    Raises
    ------
    ValueError
        If they do not go together.
    """
    _check(hyperparameters)
    nonlinear = hyperparameters["network"] == "nonlinear"
    layers, width = hyperparameters["latent_layers"], hyperparameters["latent_units"]
    units = (width,) * layers
    hidden = (hyperparameters["hidden_units"],) * hyperparameters["hidden_layers"]
    hidden = hidden if nonlinear else ()
    normalised = nonlinear and hyperparameters["normalisation"] == "batch"
    prior: DirectedPrior | BoltzmannPrior = DirectedPrior(units, hidden, normalised)
    if hyperparameters["prior"] == "boltzmann_machine":
        side = width if layers == 2 else width // 2
        chains, sweeps = hyperparameters["chains"], hyperparameters["gibbs_sweeps"]
        prior = BoltzmannPrior(side, side, chains, sweeps)
    networks = BinaryAutoencoder(
        images.pixels, units, hidden, normalised, hyperparameters["code_values"], prior
    )
    kind = hyperparameters["objective"]
    if kind in _SCORE_FUNCTIONS:
        return DiscreteVae(images, networks, ScoreFunctionBound(images.pixels, width, kind))
    objective = SmoothedBound(
        width * layers,
        kind,
        hyperparameters["smoothing"],
        hyperparameters["inverse_temperature"],
        hyperparameters["final_inverse_temperature"],
    )
    return DiscreteVae(images, networks, objective)


def _check(hyperparameters: Mapping[str, Any]) -> None:
    """Refuse what does not go together."""
    objective, prior = hyperparameters["objective"], hyperparameters["prior"]
    layers, units = hyperparameters["latent_layers"], hyperparameters["latent_units"]
    batch = (
        hyperparameters["network"] == "nonlinear" and hyperparameters["normalisation"] == "batch"
    )
    boltzmann = prior == "boltzmann_machine"
    if objective in _SCORE_FUNCTIONS and (layers != 1 or boltzmann or batch):
        raise ValueError(
            f"objective {objective} is for one layer with a directed prior and no batch "
            "normalisation; give latent_layers 1, prior directed and normalisation none"
        )
    if boltzmann and objective != "joint_bound":
        raise ValueError(
            f"a Boltzmann machine has no {objective}: its units cannot be summed out; "
            "give objective joint_bound or prior directed"
        )
    if boltzmann and layers == 1 and units % 2:
        raise ValueError(
            f"a Boltzmann machine splits its one layer in two halves, which {units} units do not "
            "have; give an even number of latent_units"
        )
    concrete = objective not in _SCORE_FUNCTIONS and hyperparameters["smoothing"] == "concrete"
    if concrete and objective != "marginal_bound":
        raise ValueError(
            "smoothing concrete has no binary unit beside the smoothed one, so no joint bound; "
            "give objective marginal_bound"
        )
