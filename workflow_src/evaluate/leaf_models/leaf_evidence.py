"""What a partly observed leaf knows: the density of what is observed, and what may be missing.

Self-normalised importance sampling of p(z | x_observed), streamed over samples like the bounds. The
encoder has seen whole images only, so it is shown guesses of the missing pixels, which chains of
codes and pixels make (as Rezende, Mohamed and Wierstra, ICML 2014, fill in pixels). Since they may
be poor, half of the codes come from the prior, and all are weighted by the mixture of all proposals
(the balance heuristic of Veach and Guibas, SIGGRAPH 1995). So weights stay below about twice
p(x_observed | z), and their mean is an unbiased estimate of p(x_observed).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from workflow_src.evaluate.leaf_models.bounds import IMAGES_PER_BLOCK
from workflow_src.evaluate.running_sum import RunningSum
from workflow_src.models.banks import Parameters
from workflow_src.models.leaf_banks import GaussianLatentBank, Posterior
from workflow_src.models.pixel_densities import log_density_of_observed

CHAINS = 8
"""Guesses of the missing pixels, each of which gives one proposal."""

GUESSES = 5
"""Times that a chain guesses the pixels anew, from a code of its guess before."""

PRIOR_SAMPLES = 1024
"""Codes that a leaf's expected pixels are the mean over."""


@dataclass(frozen=True)
class LeafEvidence:
    """Of leaves and images, given the observed pixels; shapes as in `GaussianLatentBank`.

    Attributes
    ----------
    log_density:
        Estimate of log p(x_observed) in nats, [L, N].
    means:
        Expected pixels as shares of the full range, [L, P, N].
    codes:
        Draws of p(z | x_observed) for the first images, [L, Z, draws, shown].
    """

    log_density: Tensor
    means: Tensor
    codes: Tensor


@dataclass(frozen=True)
class Sampling:
    """How many samples, in what portions, from which random streams.

    Attributes
    ----------
    samples:
        Importance samples per leaf and image (K).
    chunk:
        Samples, and chains, of all images that are computed together.
    draws:
        Codes to draw per image.
    shown:
        Images, the first ones, that codes are drawn for.
    noise, picks:
        Streams of the codes' noise and of the choice among them; each is used sample by sample, so
        that ``chunk`` decides how it is cut and not what is drawn (on a CPU).
    """

    samples: int
    chunk: int
    draws: int
    shown: int
    noise: torch.Generator
    picks: torch.Generator


def expected_pixels(
    bank: GaussianLatentBank, parameters: Parameters, columns: int, generator: torch.Generator
) -> Tensor:
    """Every leaf's expected pixels, as shares of the full range, [L, P].

    Means over `PRIOR_SAMPLES` codes, of which ``columns`` are decoded at a time.
    """
    shape = (PRIOR_SAMPLES, bank.members, bank.latent_dimensions)
    drawn = torch.randn(shape, generator=generator, device=generator.device).permute(1, 2, 0)
    total = torch.zeros(bank.members, bank.pixels, dtype=torch.float64, device=generator.device)
    for codes in torch.split(drawn, columns, dim=2):
        outputs = bank.decode(parameters, codes.contiguous())
        total += bank.likelihood.mean(outputs).sum(dim=2, dtype=torch.float64)
    return (total / PRIOR_SAMPLES).to(torch.float32)


def evidence_of_parts(
    bank: GaussianLatentBank,
    parameters: Parameters,
    pixels: Tensor,
    observed: Tensor,
    expected: Tensor,
    sampling: Sampling,
) -> LeafEvidence:
    """What the observed pixels say of each leaf.

    Parameters
    ----------
    bank, parameters:
        The leaves; parameters ``[L, ...]``.
    pixels:
        In the data's units, ``[L, P, N]``, of at most `IMAGES_PER_BLOCK` images; values of missing
        ones are not looked at.
    observed:
        Truth values ``[L, P]``.
    expected:
        Each leaf's expected pixels, ``[L, P]``, which the guesses start from.
    sampling:
        Numbers of samples and their random streams.
    """
    leaves, images = bank.members, pixels.shape[2]
    known = pixels.masked_fill(~observed.unsqueeze(2), 0.0)
    proposals = _proposals(bank, parameters, known, observed, expected, sampling)
    running = RunningSum(leaves, images, pixels.device)
    means = torch.zeros(leaves, bank.pixels, images, dtype=torch.float64, device=pixels.device)
    chosen = _Chosen(bank, sampling, pixels.device)
    for first in range(0, sampling.samples, sampling.chunk):
        taken = min(sampling.chunk, sampling.samples - first)
        # Drawn for a whole block: portions of less than 16 numbers are drawn in another way.
        shape = (taken, leaves, bank.latent_dimensions, IMAGES_PER_BLOCK)
        noise = torch.randn(shape, generator=sampling.noise, device=sampling.noise.device)
        noise = noise[..., :images].permute(1, 2, 0, 3)
        codes, log_proposal = proposals.draw(first, noise)
        decoded = bank.decode(parameters, codes.reshape(leaves, bank.latent_dimensions, -1))
        outputs = {
            name: value.view(leaves, bank.pixels, taken, images) for name, value in decoded.items()
        }
        log_weights = log_density_of_observed(
            bank.likelihood, known.unsqueeze(2), outputs, observed
        ).sub_(log_proposal)
        earlier, shares = running.add(log_weights)
        weighted = torch.einsum(
            "lkn,lpkn->lpn", shares.to(torch.float32), bank.likelihood.mean(outputs)
        )
        means = means * earlier.unsqueeze(1) + weighted
        chosen.add(codes, log_weights)
    return LeafEvidence(
        log_density=(running.log_sum() - math.log(sampling.samples)).to(torch.float32),
        means=(means / running.total().unsqueeze(1)).to(torch.float32),
        codes=chosen.codes,
    )


@dataclass(frozen=True)
class _Proposals:
    """Encoder posteriors for several guesses [L, Z, C, N], and the prior.

    Samples come from the guesses in turn, and the last half of them from the prior.
    """

    mean: Tensor
    log_deviation: Tensor
    samples: int

    @property
    def _by_encoder(self) -> int:
        return (self.samples + 1) // 2

    def draw(self, first: int, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Codes [L, Z, K, N] of the samples from number ``first`` on, made of standard noise.

        The second part is log m(z) / p(z) at them, [L, K, N], where m is the mixture of all
        proposals in proportion to their samples and p the prior.
        """
        chains = self.mean.shape[2]
        number = torch.arange(first, first + noise.shape[2], device=noise.device)
        mean, log_deviation = (value[:, :, number % chains] for value in self._guesses)
        of_encoder = torch.addcmul(mean, log_deviation.exp(), noise)
        codes = torch.where((number < self._by_encoder)[:, None], of_encoder, noise)
        squares = (codes * codes).sum(dim=1)
        parts = [torch.full_like(squares, _log(1 - self._by_encoder / self.samples))]
        for chain in range(chains):
            drawn = len(range(chain, self._by_encoder, chains))
            if not drawn:
                continue
            mean, log_deviation = (value[:, :, chain, None] for value in self._guesses)
            scaled = (codes - mean).mul_(torch.exp(-log_deviation)).square_().sum(dim=1)
            ratio = 0.5 * (squares - scaled) - log_deviation.sum(dim=1)
            parts.append(ratio + _log(drawn / self.samples))
        return codes, torch.logsumexp(torch.stack(parts), dim=0)

    @property
    def _guesses(self) -> Posterior:
        return self.mean, self.log_deviation


def _proposals(
    bank: GaussianLatentBank,
    parameters: Parameters,
    known: Tensor,
    observed: Tensor,
    expected: Tensor,
    sampling: Sampling,
) -> _Proposals:
    """Encode images whose missing pixels are guessed, by as many chains at a time as a chunk has
    samples."""
    start = expected * bank.likelihood.full_range
    leaves, _, images = known.shape
    found: list[list[Tensor]] = []
    for first in range(0, CHAINS, sampling.chunk):
        chains = min(sampling.chunk, CHAINS - first)
        # Chain by chain and for a whole block, so that how they are cut does not change the noise.
        shape = (chains, GUESSES, leaves, bank.latent_dimensions, IMAGES_PER_BLOCK)
        noise = torch.randn(shape, generator=sampling.noise, device=sampling.noise.device)
        noise = noise[..., :images].permute(1, 2, 3, 0, 4)
        posterior = _guessed(bank, parameters, known, observed, start, noise.flatten(3))
        of_chains = (leaves, bank.latent_dimensions, chains, images)
        found.append([value.view(of_chains) for value in posterior])
    mean, log_deviation = (torch.cat(values, dim=2) for values in zip(*found, strict=True))
    return _Proposals(mean, log_deviation, sampling.samples)


def _guessed(
    bank: GaussianLatentBank,
    parameters: Parameters,
    known: Tensor,
    observed: Tensor,
    start: Tensor,
    noise: Tensor,
) -> Posterior:
    """Posteriors [L, Z, C * N] of guesses that ``noise [GUESSES, L, Z, C * N]`` makes anew.

    The first guess is ``start [L, P]``, in the data's units.
    """
    seen = known.repeat(1, 1, noise.shape[3] // known.shape[2])
    missing = ~observed.unsqueeze(2)
    filled = torch.where(missing, start.unsqueeze(2), seen)
    for one in noise:
        mean, log_deviation = bank.encode(parameters, filled)
        codes = torch.addcmul(mean, log_deviation.exp(), one)
        guess = bank.likelihood.mean(bank.decode(parameters, codes))
        filled = torch.where(missing, guess * bank.likelihood.full_range, seen)
    return bank.encode(parameters, filled)


def _log(share: float) -> float:
    return math.log(share) if share > 0 else -math.inf


class _Chosen:
    """Codes chosen among weighted samples that come in portions.

    The largest of log weight plus Gumbel noise is a draw in proportion to the weights.
    """

    def __init__(self, bank: GaussianLatentBank, sampling: Sampling, device: torch.device) -> None:
        self._sampling = sampling
        shape = (bank.members, bank.latent_dimensions, sampling.draws, sampling.shown)
        self.codes = torch.zeros(shape, device=device)
        self._best = torch.full((shape[0], *shape[2:]), -math.inf, device=device)

    def add(self, codes: Tensor, log_weights: Tensor) -> None:
        """Take in codes [L, Z, K, N] with log weights [L, K, N]."""
        sampling, (leaves, latent, taken, _) = self._sampling, codes.shape
        shape = (taken, leaves, sampling.draws, sampling.shown)
        uniform = torch.rand(shape, generator=sampling.picks, device=sampling.picks.device)
        gumbel = -torch.log(-torch.log(uniform)).transpose(0, 1)
        scores = log_weights[..., : sampling.shown].unsqueeze(2) + gumbel
        best, index = scores.max(dim=1)
        picked = codes[..., : sampling.shown].gather(
            2, index.unsqueeze(1).expand(-1, latent, -1, -1)
        )
        self.codes = torch.where((best > self._best).unsqueeze(1), picked, self.codes)
        self._best = torch.maximum(best, self._best)
