"""Small models in float64 with their images, quadrature rules, and log densities by SciPy."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import numpy as np
import torch
from scipy.special import expit
from scipy.stats import binom, norm

from workflow_src.models.images import ImageFacts
from workflow_src.models.leaf_models import LeafModel, bound, stack_runs
from workflow_src.models.spvae import model as spvae
from workflow_src.models.vae import model as vae

SMALL = {"hidden_units": 3, "latent_dimensions": 1, "hidden_layers": 2}
SQUARE = {
    "region_graph": "poon_domingos",
    "repetitions": 1,
    "structure_seed": 0,
    "split_step": 1,
    "leaf_components": 2,
    "sum_components": 2,
}


def gaussian_oracle(pixels: np.ndarray, outputs: dict[str, np.ndarray]) -> float:
    deviation = 1 / np.sqrt(1 + outputs["precision"] ** 2)
    return float(norm.logpdf(pixels, expit(outputs["mean"]), deviation).sum())


def binomial_oracle(pixels: np.ndarray, outputs: dict[str, np.ndarray]) -> float:
    return float(binom.logpmf(pixels, 16, expit(outputs["probability"])).sum())


# Nodes per dimension that bring a rule in so many dimensions to within 1e-5 of its limit here.
NODES = {1: 96, 2: 64, 3: 40, 4: 18}
ORACLES = {"gaussian": gaussian_oracle, "binomial": binomial_oracle}


def nodes_and_weights(nodes: int, dimensions: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Product Gauss-Hermite rule for standard normal noise: [dimensions, n], [n]."""
    points, weights = np.polynomial.hermite_e.hermegauss(nodes)
    grid = np.array(list(product(points, repeat=dimensions))).T
    total = np.array([np.prod(w) for w in product(weights, repeat=dimensions)])
    return torch.tensor(grid).contiguous(), torch.tensor(total / total.sum())


def double(model: LeafModel, seed: int = 0) -> dict[str, torch.Tensor]:
    """Initial parameters in float64 with random biases, and posteriors not far from the prior.

    A posterior much narrower than the prior makes weights so heavy-tailed that neither a
    quadrature rule nor a sample mean sees their expectation.
    """
    generator = torch.Generator().manual_seed(seed)
    parameters = {
        name: value.double() + 0.3 * torch.randn(value.shape, generator=generator)
        for name, value in model.initial_parameters(generator).items()
    }
    for name, value in parameters.items():
        if name.startswith("encoder."):
            value.mul_(0.5)
    return parameters


def numpy_leaf(parameters: dict[str, torch.Tensor], leaf: int) -> dict[str, np.ndarray]:
    return {
        name: value[leaf].numpy()
        for name, value in parameters.items()
        if not name.startswith("circuit.")
    }


def bounds(
    model: LeafModel,
    parameters: dict[str, torch.Tensor],
    image: torch.Tensor,
    noise: torch.Tensor,
    objective: str = "importance_weighted_bound",
) -> torch.Tensor:
    """Bounds [N] of one image under N draws of noise [L, Z, K, N]."""
    pixels = image.unsqueeze(1).expand(-1, noise.shape[-1])
    return bound(
        model, stack_runs([parameters]), pixels.unsqueeze(0), noise.unsqueeze(0), objective
    )[0]


def vae_case(likelihood: str, seed: int = 0) -> tuple[Any, dict[str, torch.Tensor], torch.Tensor]:
    model = vae.build(ImageFacts(1, 3, likelihood, 16), SMALL)
    if likelihood == "gaussian":
        image = torch.tensor([0.2, 0.9, 0.5], dtype=torch.float64)
    else:
        image = torch.tensor([3.0, 16.0, 0.0], dtype=torch.float64)
    return model, double(model, seed), image


def spvae_case(
    components: int, sums: int, seed: int = 0, likelihood: str = "gaussian"
) -> tuple[Any, dict[str, torch.Tensor], torch.Tensor]:
    """2x2 pixels, each a leaf region."""
    hyperparameters = {**SMALL, **SQUARE, "leaf_components": components, "sum_components": sums}
    model = spvae.build(ImageFacts(2, 2, likelihood, 16), hyperparameters)
    return model, double(model, seed), torch.tensor([0.1, 0.8, 0.95, 0.4], dtype=torch.float64)


def exact_log_density(
    model: Any,
    parameters: dict[str, torch.Tensor],
    image: torch.Tensor,
    enumerate_trees: Any,
    leaf_quadrature: Any,
) -> float:
    """Induced trees times the leaves' own quadratures."""
    components = model.circuit.leaf_components
    leaves = [
        leaf_quadrature(
            numpy_leaf(parameters, leaf),
            image.numpy()[[leaf // components]],
            gaussian_oracle,
            ("mean", "precision"),
        )
        for leaf in range(4 * components)
    ]
    trees = enumerate_trees(model.circuit, parameters)
    return float(
        np.logaddexp.reduce(
            [math.log(tree.weight) + sum(leaves[leaf] for leaf in tree.leaves) for tree in trees]
        )
    )
