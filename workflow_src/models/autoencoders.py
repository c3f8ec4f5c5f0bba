"""A bank of variational autoencoders with perceptrons, and their importance-weighted bounds.

The building block of both models of the SPVAE paper: a VAE is a bank of one, an SPVAE has one
autoencoder per leaf. The encoder is q(z | x) = N(mean, 1 / precision) with separate perceptrons for
mean and precision = 1 + f^2; the prior is N(0, I); the decoder feeds a pixel likelihood.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from workflow_src.models.banks import Parameters, initial_mlp_parameter, mlp, mlp_shapes
from workflow_src.models.likelihoods import Likelihood


@dataclass(frozen=True)
class AutoencoderBank:
    """Equal autoencoders over equally many pixels.

    Shapes below use B = bank (runs times members), P = pixels, Z = latent dimensions,
    K = importance samples, N = images.
    """

    members: int
    pixels: int
    latent_dimensions: int
    hidden_units: int
    hidden_layers: int
    likelihood: Likelihood

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of one member's parameters, by name."""
        hidden = [self.hidden_units] * self.hidden_layers
        shapes: dict[str, tuple[int, ...]] = {}
        for output in ("mean", "precision"):
            widths = [self.pixels, *hidden, self.latent_dimensions]
            shapes |= mlp_shapes(f"encoder.{output}", widths)
        for output in self.likelihood.outputs:
            widths = [self.latent_dimensions, *hidden, self.pixels]
            shapes |= mlp_shapes(f"decoder.{output}", widths)
        return shapes

    def initial_parameters(self, generator: torch.Generator) -> dict[str, Tensor]:
        """Every member's starting parameters, ``[members, ...]``."""
        return {
            name: initial_mlp_parameter(name, shape, self.members, generator)
            for name, shape in self.parameter_shapes().items()
        }

    def parameter_count(self) -> int:
        """Weights and biases of all members, encoders and decoders."""
        return self.members * sum(math.prod(shape) for shape in self.parameter_shapes().values())

    def encode(self, parameters: Parameters, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log standard deviation of q(z | x), each [B, Z, N], for pixels [B, P, N].

        The perceptrons see shares of the full pixel range, also where pixels are counts: their
        initialisation is made for inputs of about that size.
        """
        shares = pixels / self.likelihood.full_range
        mean = mlp(parameters, "encoder.mean", self.hidden_layers, shares)
        precision_output = mlp(parameters, "encoder.precision", self.hidden_layers, shares)
        return mean, -0.5 * torch.log1p(precision_output * precision_output)

    def decode(self, parameters: Parameters, codes: Tensor) -> dict[str, Tensor]:
        """Decoder outputs by name, each [B, P, samples], for codes [B, Z, samples]."""
        return {
            output: mlp(parameters, f"decoder.{output}", self.hidden_layers, codes)
            for output in self.likelihood.outputs
        }

    def log_importance_weights(
        self, parameters: Parameters, pixels: Tensor, noise: Tensor
    ) -> Tensor:
        """log p(x, z) - log q(z | x) at z = mean + deviation * noise.

        Shapes: pixels [B, P, N], noise [B, Z, K, N] standard normal; the result [B, K, N].
        Equation 2 of the SPVAE paper averages their exponentials over K.
        """
        return self.log_weights_given_posterior(
            parameters, pixels, self.encode(parameters, pixels), noise
        )

    def log_weights_given_posterior(
        self,
        parameters: Parameters,
        pixels: Tensor,
        posterior: tuple[Tensor, Tensor],
        noise: Tensor,
    ) -> Tensor:
        """As `log_importance_weights`, for a posterior that `encode` gave before."""
        mean, log_deviation = posterior
        bank, _, samples, images = noise.shape
        codes = torch.addcmul(mean.unsqueeze(2), log_deviation.exp().unsqueeze(2), noise)
        outputs = {
            name: value.view(bank, self.pixels, samples, images)
            for name, value in self.decode(
                parameters, codes.view(bank, self.latent_dimensions, samples * images)
            ).items()
        }
        # The normalising constants of log p(z) and log q(z | x) cancel.
        prior_to_posterior = 0.5 * (noise * noise - codes * codes).sum(dim=1)
        prior_to_posterior = prior_to_posterior + log_deviation.sum(dim=1).unsqueeze(1)
        return self.likelihood.log_density(pixels.unsqueeze(2), outputs) + prior_to_posterior
