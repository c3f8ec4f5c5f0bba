"""The evidence lower bound as an objective: Theorem 1, and what sampling does to it.

Oracles: SciPy densities, torch.distributions' divergence, quadrature, enumerated trees, and leaves
of linear Gaussians, whose exact posterior and density are known.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import ndtri
from scipy.stats import norm
from support.small_models import (
    NODES,
    ORACLES,
    bounds,
    exact_log_density,
    gaussian_oracle,
    nodes_and_weights,
    numpy_leaf,
    spvae_case,
    vae_case,
)
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from workflow_src.models.circuits.circuit import Circuit
from workflow_src.models.circuits.region_graph import poon_domingos
from workflow_src.models.images import ImageFacts
from workflow_src.models.leaf_banks import GaussianLatentBank
from workflow_src.models.leaf_models import leaf_parameters, stack_runs
from workflow_src.models.super_pixels import SuperPixelModel

ELBO, WEIGHTED = "evidence_lower_bound", "importance_weighted_bound"


def combined(trees: list[Any], leaves: np.ndarray) -> float:
    """log sum over trees of weight times exp of the leaves' values."""
    terms = [math.log(tree.weight) + sum(leaves[leaf] for leaf in tree.leaves) for tree in trees]
    return float(np.logaddexp.reduce(terms))


def posterior_by_hand(
    numpy_perceptron: Any, networks: dict[str, np.ndarray], x: np.ndarray
) -> tuple[np.ndarray, np.ndarray, float]:
    """Mean and deviation of a leaf's posterior, and its divergence by torch.distributions."""
    mean = numpy_perceptron(networks, "encoder.mean", x)
    deviation = 1 / np.sqrt(1 + numpy_perceptron(networks, "encoder.precision", x) ** 2)
    posterior = Normal(torch.tensor(mean), torch.tensor(deviation))
    prior = Normal(torch.zeros(len(mean)).double(), torch.ones(len(mean)).double())
    return mean, deviation, kl_divergence(posterior, prior).sum().item()


def reconstruction(
    numpy_perceptron: Any, networks: dict[str, np.ndarray], x: np.ndarray, z: np.ndarray
) -> float:
    outputs = {n: numpy_perceptron(networks, f"decoder.{n}", z) for n in ("mean", "precision")}
    return gaussian_oracle(x, outputs)


def leaf_elbos_by_quadrature(
    numpy_perceptron: Any, parameters: dict[str, Tensor], image: Tensor, components: int
) -> np.ndarray:
    """Every leaf's exact evidence lower bound: trapezoids over the noise, closed divergence."""
    grid = np.linspace(-8, 8, 801)
    elbos = []
    for leaf in range(components * len(image)):
        networks, x = numpy_leaf(parameters, leaf), image.numpy()[[leaf // components]]
        mean, deviation, divergence = posterior_by_hand(numpy_perceptron, networks, x)
        terms = [reconstruction(numpy_perceptron, networks, x, mean + deviation * e) for e in grid]
        elbos.append(np.sum(norm.pdf(grid) * terms) * (grid[1] - grid[0]) - divergence)
    return np.array(elbos)


def normal_scores(count: int) -> Tensor:
    """Noise whose plain mean is a quadrature: the normal quantiles of equal shares' middles."""
    return torch.tensor(ndtri((np.arange(count) + 0.5) / count))


def test_it_is_reconstructions_less_divergence_leaf_by_leaf_combined_by_the_circuit(
    numpy_perceptron: Any, enumerate_trees: Any
) -> None:
    model, parameters, image = spvae_case(components=2, sums=2)
    noise = torch.randn(8, 1, 3, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    leaves = []
    for leaf in range(8):
        networks, x = numpy_leaf(parameters, leaf), image.numpy()[[leaf // 2]]
        mean, deviation, divergence = posterior_by_hand(numpy_perceptron, networks, x)
        draws = mean + deviation * noise[leaf, :, :, 0].numpy().T
        terms = [reconstruction(numpy_perceptron, networks, x, draw) for draw in draws]
        leaves.append(np.mean(terms) - divergence)
    expected = combined(enumerate_trees(model.circuit, parameters), np.array(leaves))
    found = bounds(model, parameters, image, noise, ELBO)
    assert found.item() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_theorem_1(
    numpy_perceptron: Any, enumerate_trees: Any, leaf_quadrature: Any, seed: int
) -> None:
    """128 trees over exact leaf bounds are below log p, and are what many samples come to."""
    model, parameters, image = spvae_case(components=2, sums=2, seed=seed)
    trees = enumerate_trees(model.circuit, parameters)
    leaves = leaf_elbos_by_quadrature(numpy_perceptron, parameters, image, components=2)
    exact_form = combined(trees, leaves)
    log_density = exact_log_density(model, parameters, image, enumerate_trees, leaf_quadrature)
    assert exact_form < log_density - 1e-3
    noise = normal_scores(20_000).view(1, 1, -1, 1).expand(8, -1, -1, -1)
    found = bounds(model, parameters, image, noise, ELBO).item()
    assert found == pytest.approx(exact_form, abs=1e-4)
    assert found < log_density


@pytest.mark.parametrize("likelihood", ["gaussian", "binomial"])
@pytest.mark.parametrize("samples", [1, 2])
def test_a_single_leafs_expectation_is_that_of_one_weighted_sample_for_any_k(
    leaf_quadrature: Any, likelihood: str, samples: int
) -> None:
    model, parameters, image = vae_case(likelihood, seed=3)
    nodes, weights = nodes_and_weights(NODES[1], 1)
    weighted = bounds(model, parameters, image, nodes.view(1, 1, 1, -1), WEIGHTED)
    nodes, of_many = nodes_and_weights(NODES[samples], samples)
    found = bounds(model, parameters, image, nodes.view(1, 1, samples, -1), ELBO)
    expected = (weights * weighted).sum().item()
    assert (of_many * found).sum().item() == pytest.approx(expected, abs=1e-6)
    networks, outputs = numpy_leaf(parameters, 0), model.leaves.likelihood.outputs
    exact = leaf_quadrature(networks, image.numpy(), ORACLES[likelihood], outputs)
    assert expected < exact - 1e-3


def test_sampling_raises_a_circuits_expectation_less_and_less(
    numpy_perceptron: Any, enumerate_trees: Any
) -> None:
    """The circuit is convex in its leaves: Jensen's inequality, against Theorem 1's exact value."""
    model, parameters, image = spvae_case(components=2, sums=2, seed=2)
    leaves = leaf_elbos_by_quadrature(numpy_perceptron, parameters, image, components=2)
    exact_form = combined(enumerate_trees(model.circuit, parameters), leaves)
    generator = torch.Generator().manual_seed(3)
    means, errors = [], []
    for samples, draws in ((1, 20_000), (5, 10_000), (50, 4000)):
        noise = torch.randn(8, 1, samples, draws, dtype=torch.float64, generator=generator)
        found = bounds(model, parameters, image, noise, ELBO)
        means.append(found.mean().item() - exact_form)
        errors.append(4.5 * found.std().item() / math.sqrt(draws))
    assert means[0] - errors[0] > means[1] + errors[1]
    assert means[1] - errors[1] > means[2] + errors[2]
    assert means[2] + errors[2] > 0
    assert means[2] < means[0] / 10


@dataclass(frozen=True)
class LinearGaussian:
    """N(x; value, deviation^2): the likelihood of `LinearBank`."""

    deviation: float
    outputs: tuple[str, ...] = ("value",)

    def log_density(self, pixels: Tensor, outputs: Mapping[str, Tensor]) -> Tensor:
        return Normal(outputs["value"], self.deviation).log_prob(pixels).sum(dim=1)


@dataclass(frozen=True)
class LinearBank(GaussianLatentBank):
    """One pixel x = slope z + offset + noise, with the exact posterior as its encoder."""

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        return {"decoder.slope": (1, 1), "decoder.offset": (1, 1)}

    def initial_parameters(self, generator: torch.Generator) -> dict[str, Tensor]:
        return {
            name: torch.randn(self.members, 1, 1, generator=generator).double()
            for name in self.parameter_shapes()
        }

    def encode(self, parameters: Mapping[str, Tensor], pixels: Tensor) -> tuple[Tensor, Tensor]:
        slope, variance = parameters["decoder.slope"], self.likelihood.deviation**2
        mean = slope * (pixels - parameters["decoder.offset"]) / (slope**2 + variance)
        precision = 1 + slope**2 / variance
        return mean, (-0.5 * torch.log(precision)).expand_as(mean)

    def decode(self, parameters: Mapping[str, Tensor], codes: Tensor) -> dict[str, Tensor]:
        return {"value": parameters["decoder.slope"] * codes + parameters["decoder.offset"]}

    def values_per_sample(self) -> int:
        return self.members


@pytest.fixture(scope="module")
def linear() -> tuple[SuperPixelModel, dict[str, Tensor], Tensor]:
    """2x2 linear Gaussian pixels under a circuit, the parameters of one run, and an image."""
    circuit = Circuit(poon_domingos(2, 2, 1), 2, 2)
    bank = LinearBank(circuit.leaf_nodes, 1, 1, LinearGaussian(0.3))
    model = SuperPixelModel(ImageFacts(2, 2, "gaussian", 1), bank, circuit)
    start = model.initial_parameters(torch.Generator().manual_seed(5))
    parameters = {name: value.double() for name, value in start.items()}
    return model, parameters, torch.tensor([0.3, -0.4, 1.1, 0.2], dtype=torch.float64)


def linear_log_densities(parameters: dict[str, Tensor], image: Tensor) -> np.ndarray:
    slope = parameters["decoder.slope"].numpy().ravel()
    offset = parameters["decoder.offset"].numpy().ravel()
    return norm.logpdf(image.numpy().repeat(2), offset, np.sqrt(slope**2 + 0.3**2))


@pytest.mark.parametrize("samples", [1, 4])
def test_with_exact_posteriors_the_weighted_bound_is_the_log_density_whatever_the_noise(
    linear: Any, enumerate_trees: Any, samples: int
) -> None:
    model, parameters, image = linear
    trees = enumerate_trees(model.circuit, parameters)
    expected = combined(trees, linear_log_densities(parameters, image))
    noise = torch.randn(8, 1, samples, 6, dtype=torch.float64)
    found = bounds(model, parameters, image, noise, WEIGHTED)
    np.testing.assert_allclose(found, expected, atol=1e-11)


def test_with_exact_posteriors_every_leafs_expectation_is_its_log_density(linear: Any) -> None:
    model, parameters, image = linear
    nodes, weights = nodes_and_weights(NODES[1], 1)
    pixels = image.repeat_interleave(2).view(8, 1, 1).expand(-1, -1, NODES[1])
    noise = nodes.view(1, 1, 1, -1).expand(8, -1, -1, -1)
    leaves = leaf_parameters(stack_runs([parameters]))
    found = model.leaves.evidence_lower_bounds(leaves, pixels, noise)
    expected = linear_log_densities(parameters, image)
    np.testing.assert_allclose((weights * found).sum(dim=1), expected, atol=1e-9)


def test_with_exact_posteriors_few_samples_lift_a_circuit_above_the_log_density(
    linear: Any, enumerate_trees: Any
) -> None:
    """Why one compares models by the weighted bound, whichever of the two they were trained by."""
    model, parameters, image = linear
    trees = enumerate_trees(model.circuit, parameters)
    exact = combined(trees, linear_log_densities(parameters, image))
    draws = 20_000
    generator = torch.Generator().manual_seed(4)
    noise = torch.randn(8, 1, 1, draws, dtype=torch.float64, generator=generator)
    found = bounds(model, parameters, image, noise, ELBO)
    assert found.mean().item() - 4.5 * found.std().item() / math.sqrt(draws) > exact
    many = normal_scores(20_000).view(1, 1, -1, 1).expand(8, -1, -1, -1)
    assert bounds(model, parameters, image, many, ELBO).item() == pytest.approx(exact, abs=1e-3)


def test_an_unknown_objective_is_refused() -> None:
    model, parameters, image = vae_case("gaussian")
    with pytest.raises(ValueError, match="known are importance_weighted_bound"):
        bounds(model, parameters, image, torch.zeros(1, 1, 1, 1).double(), "likelihood")
