"""Banks of autoencoders with Gaussian codes, and the bounds that they all share.

The building block of all models of the SPVAE paper: a VAE is a bank of one, an SPVAE has one
autoencoder per leaf. The encoder gives q(z | x) = N(mean, deviation^2) with independent dimensions,
the prior is N(0, I), and the decoder feeds a pixel likelihood. How pixels become codes and codes
pixels is left to the kinds of bank.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from workflow_src.models.banks import Parameters
from workflow_src.models.likelihoods import Likelihood

Posterior = tuple[Tensor, Tensor]
"""Mean and log standard deviation of q(z | x), each [B, Z, N]."""


@dataclass(frozen=True)
class GaussianLatentBank(ABC):
    """Equal autoencoders over equally many pixels.

    Shapes below use B = bank (runs times members), P = pixels, Z = latent dimensions,
    K = importance samples, N = images.

    Attributes
    ----------
    members:
        Autoencoders of one run.
    pixels:
        Pixels that each is a density of.
    latent_dimensions:
        Dimensions of a code.
    likelihood:
        p(x | z).
    """

    members: int
    pixels: int
    latent_dimensions: int
    likelihood: Likelihood

    @abstractmethod
    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of one member's parameters, by name."""

    @abstractmethod
    def initial_parameters(self, generator: torch.Generator) -> dict[str, Tensor]:
        """Every member's starting parameters, ``[members, ...]``."""

    @abstractmethod
    def encode(self, parameters: Parameters, pixels: Tensor) -> Posterior:
        """Mean and log standard deviation of q(z | x), each [B, Z, N], for pixels [B, P, N]."""

    @abstractmethod
    def decode(self, parameters: Parameters, codes: Tensor) -> dict[str, Tensor]:
        """Decoder outputs by name, each [B, P, samples], for codes [B, Z, samples]."""

    @abstractmethod
    def values_per_sample(self) -> int:
        """Numbers held while all members decode and weigh one sample of one image."""

    def parameter_count(self) -> int:
        """Weights and biases of all members, encoders and decoders."""
        return self.members * sum(math.prod(shape) for shape in self.parameter_shapes().values())

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
        self, parameters: Parameters, pixels: Tensor, posterior: Posterior, noise: Tensor
    ) -> Tensor:
        """As `log_importance_weights`, for a posterior that `encode` gave before."""
        codes = _codes(posterior, noise)
        log_likelihood = self._log_likelihood(parameters, pixels, codes)
        # The normalising constants of log p(z) and log q(z | x) cancel.
        prior_to_posterior = 0.5 * (noise * noise - codes * codes).sum(dim=1)
        prior_to_posterior = prior_to_posterior + posterior[1].sum(dim=1).unsqueeze(1)
        return log_likelihood + prior_to_posterior

    def evidence_lower_bounds(
        self, parameters: Parameters, pixels: Tensor, noise: Tensor
    ) -> Tensor:
        """Mean over K of log p(x | z), minus KL(q(z | x) || N(0, I)) in closed form; [B, N].

        Shapes and codes as in `log_importance_weights`. In expectation over the noise it is the
        evidence lower bound (equation 1 of the SPVAE paper), whatever K is.
        """
        posterior = self.encode(parameters, pixels)
        log_likelihood = self._log_likelihood(parameters, pixels, _codes(posterior, noise))
        return log_likelihood.mean(dim=1) - divergence_from_prior(posterior)

    def _log_likelihood(self, parameters: Parameters, pixels: Tensor, codes: Tensor) -> Tensor:
        """log p(x | z), [B, K, N], of pixels [B, P, N] at codes [B, Z, K, N]."""
        bank, latent_dimensions, samples, images = codes.shape
        decoded = self.decode(parameters, codes.view(bank, latent_dimensions, samples * images))
        outputs = {
            name: value.view(bank, self.pixels, samples, images) for name, value in decoded.items()
        }
        return self.likelihood.log_density(pixels.unsqueeze(2), outputs)


def divergence_from_prior(posterior: Posterior) -> Tensor:
    """KL(N(mean, deviation^2) || N(0, I)) in nats, summed over the code's dimensions: [B, N].

    Per dimension (mean^2 + deviation^2 - 1) / 2 - log deviation; written with expm1, it keeps its
    digits where the deviation is close to 1.
    """
    mean, log_deviation = posterior
    doubled = 2 * log_deviation
    return 0.5 * (mean * mean + torch.expm1(doubled) - doubled).sum(dim=1)


def _codes(posterior: Posterior, noise: Tensor) -> Tensor:
    """z = mean + deviation * noise, [B, Z, K, N]."""
    mean, log_deviation = posterior
    return torch.addcmul(mean.unsqueeze(2), log_deviation.exp().unsqueeze(2), noise)
