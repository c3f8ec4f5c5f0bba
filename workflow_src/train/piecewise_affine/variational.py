"""Variational training of the same generator: an encoder beside it, and Adam on their bound.

The bound takes one sample of the latent variable per point, and the divergence of the encoder from
the prior in closed form. Beside what every validation has, a row of history tells ``kl_divergence``
(mean KL of the encoder's Gaussian from the posterior, in nats) and
``elbo``, the mean log-likelihood of the same points less that. Both are over the training points,
or the first ``divergence_points`` of them; they are exact up to three latent dimensions, and
estimates above.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from workflow_src.models.deep_generative_network.encoder import Encoder
from workflow_src.models.deep_generative_network.model import ENCODER
from workflow_src.models.piecewise_affine.inference.encoders import Gaussians, divergences
from workflow_src.models.piecewise_affine.inference.expectations import DeepGenerativeNetwork
from workflow_src.models.piecewise_affine.partitions.enumeration import Partition
from workflow_src.train.loop import starting_point
from workflow_src.train.piecewise_affine.epochs import MEMORY_BYTES, Columns
from workflow_src.train.piecewise_affine.gradient_bank import FREE_NOISE, GradientBank
from workflow_src.train.training import Tensors


class VariationalBank(GradientBank):
    """Runs with encoders, all in one product per layer."""

    def further_starts(self) -> list[Tensors]:
        encoder = self._encoder()
        return [
            encoder.initial_parameters(starting_point("initial encoder", member.spec))
            for member in self.members
        ]

    def further_names(self) -> tuple[str, ...]:
        return tuple(self._encoder().parameter_shapes())

    def objective(self, points: Tensor, streams: Sequence[torch.Generator]) -> Tensor:
        parameters = self.optimizer.parameters
        means, log_deviations = self._encoder()(parameters, points)
        noise = torch.empty_like(means)
        for run, stream in enumerate(streams):
            noise[run].normal_(generator=stream)
        latents = means + log_deviations.exp() * noise
        residuals = points - self._decoded(latents)
        fit = self.noise().log_density(residuals, parameters[FREE_NOISE])
        spread = (2 * log_deviations).exp() + means.square() - 1 - 2 * log_deviations
        return (fit - spread.sum(dim=2) / 2).mean(dim=1).sum()

    def kept(self, index: int) -> Tensors:
        parameters = self.optimizer.parameters
        encoder = {
            ENCODER + name: parameters[name][index].detach().clone()
            for name in self.further_names()
        }
        return super().kept(index) | encoder

    def encoder_column_names(self) -> tuple[str, ...]:
        return ("elbo", "kl_divergence")

    def encoder_columns(
        self, index: int, density: DeepGenerativeNetwork, regions: Partition, likelihood: float
    ) -> Columns:
        points = self.training_points(index)
        asked = self.spec["divergence_points"] or len(points)
        if asked < len(points):
            points = points[:asked]
            likelihood = self.mean_log_likelihood(density, regions, points)
        encoded = self.model.encoded(self.kept(index), points)
        assert encoded is not None
        gaps = divergences(density, regions, points, Gaussians(*encoded), MEMORY_BYTES)
        divergence = float(gaps.mean())
        return {"elbo": likelihood - divergence, "kl_divergence": divergence}

    def _encoder(self) -> Encoder:
        return Encoder.shaped(
            self.model.values,
            self.spec["encoder_units"],
            self.spec["encoder_layers"],
            self.model.latent_dimensions,
        )

    def _decoded(self, latents: Tensor) -> Tensor:
        """The generator at latents [R, N, S], [R, N, D]."""
        parameters = self.optimizer.parameters
        below, above = self.model.activation.slopes
        values = latents
        for layer in range(1, self.model.layers + 1):
            weights, biases = parameters[f"weights.{layer}"], parameters[f"biases.{layer}"]
            values = torch.baddbmm(biases.unsqueeze(1), values, weights.transpose(1, 2))
            if layer < self.model.layers:
                values = torch.where(values > 0, above * values, below * values)
        return values
