"""One training step: the bank of SPVAE leaves against a plain loop over them, and against a VAE.

    python benchmarks/training_step.py [--threads 2] [--rounds 15] [--device cpu]

The loop is what one writes first: 32 modules of torch.nn, torch.distributions, one leaf after the
other, the same circuit on top. All ways take batch 128, 5 importance samples, 28 x 28 images, and
include Adam.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable

import torch
from pairing import tell, times_in_turn
from torch import Tensor, nn
from torch.distributions import Binomial, Normal

from workflow_src.compute import open_device
from workflow_src.models.images import ImageFacts
from workflow_src.models.leaf_models import (
    LeafModel,
    importance_weighted_bound,
    noise_shape,
    stack_runs,
)
from workflow_src.models.spvae import model as spvae
from workflow_src.models.vae import model as vae
from workflow_src.train.gradient.optimizer import BankAdam

BATCH, SAMPLES, SIDE = 128, 5, 28
CELLS = [
    ("gaussian", 16, 5),
    ("gaussian", 30, 25),
    ("gaussian", 32, 50),
    ("binomial", 16, 5),
    ("binomial", 30, 25),
]
VAE_CELL = (300, 50)


def perceptron(inputs: int, hidden: int, outputs: int) -> nn.Module:
    return nn.Sequential(
        nn.Linear(inputs, hidden),
        nn.Softplus(),
        nn.Linear(hidden, hidden),
        nn.Softplus(),
        nn.Linear(hidden, outputs),
    )


class PlainLeaf(nn.Module):
    """One autoencoder over one super-pixel, written plainly."""

    def __init__(self, pixels: int, hidden: int, latent: int, likelihood: str) -> None:
        super().__init__()
        self.likelihood = likelihood
        self.encoder_mean = perceptron(pixels, hidden, latent)
        self.encoder_precision = perceptron(pixels, hidden, latent)
        self.decoder_mean = perceptron(latent, hidden, pixels)
        if likelihood == "gaussian":
            self.decoder_precision = perceptron(latent, hidden, pixels)

    def forward(self, pixels: Tensor) -> Tensor:
        posterior = Normal(
            self.encoder_mean(pixels), torch.rsqrt(1 + self.encoder_precision(pixels) ** 2)
        )
        codes = posterior.rsample((SAMPLES,))
        prior = Normal(torch.zeros_like(codes), torch.ones_like(codes))
        if self.likelihood == "gaussian":
            deviation = torch.rsqrt(1 + self.decoder_precision(codes) ** 2)
            density = Normal(torch.sigmoid(self.decoder_mean(codes)), deviation).log_prob(pixels)
        else:
            density = Binomial(255, logits=self.decoder_mean(codes)).log_prob(pixels)
        weights = density.sum(-1) + (prior.log_prob(codes) - posterior.log_prob(codes)).sum(-1)
        return torch.logsumexp(weights, dim=0) - math.log(SAMPLES)


def pictures(likelihood: str, device: torch.device) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(1, SIDE * SIDE, BATCH, generator=generator)
    return (images if likelihood == "gaussian" else (images * 255).round()).to(device)


def plain_loop(cell: tuple[str, int, int], device: torch.device) -> Callable[[], object]:
    likelihood, hidden, latent = cell
    model = build_spvae(cell)
    leaves = nn.ModuleList(
        PlainLeaf(model.leaves.pixels, hidden, latent, likelihood)
        for _ in range(model.leaves.members)
    ).to(device)
    weights = {
        name: nn.Parameter(value.unsqueeze(0).to(device))
        for name, value in model.circuit.initial_parameters(torch.Generator()).items()
    }
    adam = torch.optim.Adam([*leaves.parameters(), *weights.values()], lr=0.01)
    images = pictures(likelihood, device)

    def step() -> None:
        parts = model.leaf_pixels(images)[0].transpose(1, 2)
        bounds = torch.stack([leaf(part) for leaf, part in zip(leaves, parts, strict=True)])
        objective = model.combine(weights, bounds.unsqueeze(0)).mean()
        adam.zero_grad()
        (-objective).backward()
        adam.step()

    return step


def banked(model: LeafModel, runs: int, device: torch.device) -> Callable[[], object]:
    generator = torch.Generator().manual_seed(0)
    start = stack_runs([model.initial_parameters(generator) for _ in range(runs)])
    adam = BankAdam({name: value.to(device) for name, value in start.items()}, 0.01)
    images = pictures(model.images.likelihood, device).expand(runs, -1, -1)

    def step() -> None:
        noise = torch.randn(runs, *noise_shape(model, SAMPLES, BATCH), device=device)
        bounds = importance_weighted_bound(model, adam.parameters, images, noise)
        adam.maximise(bounds.mean(dim=1).sum())
        if device.type == "cuda":
            torch.cuda.synchronize()

    return step


def build_spvae(cell: tuple[str, int, int]) -> spvae.Spvae:
    likelihood, hidden, latent = cell
    return spvae.build(
        ImageFacts(SIDE, SIDE, likelihood, 255),
        {
            "hidden_units": hidden,
            "latent_dimensions": latent,
            "hidden_layers": 2,
            "split_step": 7,
            "leaf_components": 2,
            "sum_components": 2,
        },
    )


def build_vae(likelihood: str) -> vae.Vae:
    hidden, latent = VAE_CELL
    return vae.build(
        ImageFacts(SIDE, SIDE, likelihood, 255),
        {"hidden_units": hidden, "latent_dimensions": latent, "hidden_layers": 2},
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    device = open_device(arguments.device, arguments.threads)
    print(f"torch {torch.__version__}, {device}, {torch.get_num_threads()} threads")
    for cell in CELLS:
        print(f"\n{cell[0]}, hidden_units {cell[1]}, latent_dimensions {cell[2]}")
        ways = {
            "bank of leaves": banked(build_spvae(cell), 1, device),
            "loop over leaves": plain_loop(cell, device),
            f"VAE {VAE_CELL}": banked(build_vae(cell[0]), 1, device),
        }
        tell(times_in_turn(ways, arguments.rounds), "bank of leaves")


if __name__ == "__main__":
    main()
