"""Autoencoders as one writes them first: modules of torch.nn, torch.distributions, a loop.

What the banks are measured against. One module is one leaf; `plain_bounds` takes them one after
the other.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.distributions import Binomial, Normal

from workflow_src.models.autoencoders import AutoencoderBank
from workflow_src.models.convolutional_autoencoders import ConvolutionalAutoencoderBank
from workflow_src.models.leaf_banks import GaussianLatentBank
from workflow_src.models.leaf_models import LeafModel

Decoded = list[Tensor]


def perceptron(inputs: int, hidden: int, outputs: int) -> nn.Module:
    return nn.Sequential(
        nn.Linear(inputs, hidden),
        nn.Softplus(),
        nn.Linear(hidden, hidden),
        nn.Softplus(),
        nn.Linear(hidden, outputs),
    )


class PlainLeaf(nn.Module, ABC):
    """One autoencoder over some pixels."""

    def __init__(self, bank: GaussianLatentBank) -> None:
        super().__init__()
        self.gaussian = "precision" in bank.likelihood.outputs
        self.full_range = bank.likelihood.full_range

    @abstractmethod
    def encode(self, shares: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and precision output, each [N, Z], of pixels as shares [N, P]."""

    @abstractmethod
    def decode(self, codes: Tensor) -> Decoded:
        """The likelihood's outputs, each [K, N, P], of codes [K, N, Z]."""

    def forward(self, pixels: Tensor, samples: int) -> Tensor:
        mean, precision_output = self.encode(pixels / self.full_range)
        posterior = Normal(mean, torch.rsqrt(1 + precision_output**2))
        codes = posterior.rsample((samples,))
        prior = Normal(torch.zeros_like(codes), torch.ones_like(codes))
        outputs = self.decode(codes)
        if self.gaussian:
            deviation = torch.rsqrt(1 + outputs[1] ** 2)
            density = Normal(torch.sigmoid(outputs[0]), deviation).log_prob(pixels)
        else:
            density = Binomial(int(self.full_range), logits=outputs[0]).log_prob(pixels)
        weights = density.sum(-1) + (prior.log_prob(codes) - posterior.log_prob(codes)).sum(-1)
        return torch.logsumexp(weights, dim=0) - math.log(samples)


class PlainPerceptrons(PlainLeaf):
    def __init__(self, bank: AutoencoderBank) -> None:
        super().__init__(bank)
        pixels, hidden, latent = bank.pixels, bank.hidden_units, bank.latent_dimensions
        self.encoder_mean = perceptron(pixels, hidden, latent)
        self.encoder_precision = perceptron(pixels, hidden, latent)
        self.decoders = nn.ModuleList(
            perceptron(latent, hidden, pixels) for _ in bank.likelihood.outputs
        )

    def encode(self, shares: Tensor) -> tuple[Tensor, Tensor]:
        return self.encoder_mean(shares), self.encoder_precision(shares)

    def decode(self, codes: Tensor) -> Decoded:
        return [decoder(codes) for decoder in self.decoders]


class PlainConvolutions(PlainLeaf):
    def __init__(self, bank: ConvolutionalAutoencoderBank) -> None:
        super().__init__(bank)
        self.image = (bank.pixels // bank.width, bank.width)
        halved = [self._halved(self.image, bank.stride)]
        halved.append(self._halved(halved[0], bank.stride))
        self.middle, self.coarse = halved
        first, second, stride = bank.first_filters, bank.second_filters, bank.stride
        flat, hidden, latent = (
            second * math.prod(self.coarse),
            bank.hidden_units,
            bank.latent_dimensions,
        )
        self.trunk = nn.Sequential(
            nn.Conv2d(1, first, 3, stride, 1),
            nn.Softplus(),
            nn.Conv2d(first, second, 3, stride, 1),
            nn.Softplus(),
            nn.Flatten(),
            nn.Linear(flat, hidden),
            nn.Softplus(),
        )
        self.mean, self.precision = nn.Linear(hidden, latent), nn.Linear(hidden, latent)
        self.dense = nn.Linear(latent, flat)
        self.back = nn.ConvTranspose2d(second, first, 3, stride, 1)
        self.heads = nn.ModuleList(
            nn.ConvTranspose2d(first, 1, 3, stride, 1) for _ in bank.likelihood.outputs
        )
        self.channels = second

    def encode(self, shares: Tensor) -> tuple[Tensor, Tensor]:
        hidden = self.trunk(shares.reshape(-1, 1, *self.image))
        return self.mean(hidden), self.precision(hidden)

    def decode(self, codes: Tensor) -> Decoded:
        maps = nn.functional.softplus(self.dense(codes.flatten(0, 1)))
        maps = maps.view(-1, self.channels, *self.coarse)
        maps = nn.functional.softplus(self.back(maps, output_size=self.middle))
        return [
            head(maps, output_size=self.image).view(*codes.shape[:2], -1) for head in self.heads
        ]

    @staticmethod
    def _halved(size: tuple[int, int], stride: int) -> tuple[int, int]:
        return -(-size[0] // stride), -(-size[1] // stride)


def plain_leaves(bank: GaussianLatentBank) -> nn.ModuleList:
    """A module for each member."""
    if isinstance(bank, ConvolutionalAutoencoderBank):
        return nn.ModuleList(PlainConvolutions(bank) for _ in range(bank.members))
    assert isinstance(bank, AutoencoderBank)
    return nn.ModuleList(PlainPerceptrons(bank) for _ in range(bank.members))


def plain_bounds(
    model: LeafModel, samples: int
) -> tuple[list[nn.Parameter], Callable[[Tensor], Tensor]]:
    """The parameters of a plain model, and its bounds [N] of images [1, D, N]."""
    leaves = plain_leaves(model.leaves)
    circuit = {
        name: nn.Parameter(value.unsqueeze(0))
        for name, value in model.initial_parameters(torch.Generator()).items()
        if name.startswith("circuit.")
    }

    def bounds(images: Tensor) -> Tensor:
        parts = model.leaf_pixels(images)[0].transpose(1, 2)
        found = [leaf(part, samples) for leaf, part in zip(leaves, parts, strict=True)]
        return model.combine(circuit, torch.stack(found).unsqueeze(0))[0]

    return [*leaves.parameters(), *circuit.values()], bounds
