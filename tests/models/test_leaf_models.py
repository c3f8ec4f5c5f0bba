"""Importance-weighted bounds of small models against quadrature.

Where the noise is a quadrature rule's nodes, sums over them are expectations over the noise, so
that statements about expectations hold to the rule's accuracy, without chance.
"""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import norm
from support.small_models import (
    NODES,
    ORACLES,
    SMALL,
    SQUARE,
    bounds,
    double,
    exact_log_density,
    gaussian_oracle,
    nodes_and_weights,
    numpy_leaf,
    spvae_case,
    vae_case,
)

from workflow_src.models.images import ImageFacts
from workflow_src.models.leaf_models import (
    bound,
    importance_weighted_bound,
    leaf_parameters,
    noise_shape,
    stack_runs,
)
from workflow_src.models.spvae import model as spvae
from workflow_src.models.vae import model as vae


@pytest.mark.parametrize("likelihood", ["gaussian", "binomial"])
@pytest.mark.parametrize("samples", [1, 2, 3])
def test_the_exponential_of_a_vaes_bound_is_unbiased(
    leaf_quadrature: Any, likelihood: str, samples: int
) -> None:
    model, parameters, image = vae_case(likelihood)
    nodes, weights = nodes_and_weights(NODES[samples], samples)
    found = bounds(model, parameters, image, nodes.view(1, 1, samples, -1))
    exact = leaf_quadrature(
        numpy_leaf(parameters, 0),
        image.numpy(),
        ORACLES[likelihood],
        model.leaves.likelihood.outputs,
    )
    assert torch.logsumexp(found + weights.log(), dim=0).item() == pytest.approx(exact, abs=2e-5)


@pytest.mark.parametrize("likelihood", ["gaussian", "binomial"])
def test_a_vaes_expected_bound_rises_with_the_samples_and_stays_below_the_likelihood(
    leaf_quadrature: Any, likelihood: str
) -> None:
    model, parameters, image = vae_case(likelihood, seed=3)
    expected = []
    for samples in (1, 2, 3):
        nodes, weights = nodes_and_weights(NODES[samples], samples)
        found = bounds(model, parameters, image, nodes.view(1, 1, samples, -1))
        expected.append((weights * found).sum().item())
    exact = leaf_quadrature(
        numpy_leaf(parameters, 0),
        image.numpy(),
        ORACLES[likelihood],
        model.leaves.likelihood.outputs,
    )
    assert expected[0] + 1e-3 < expected[1]
    assert expected[1] + 1e-4 < expected[2] < exact


def test_with_one_sample_the_expected_bound_is_the_evidence_lower_bound(
    numpy_perceptron: Any,
) -> None:
    model, parameters, image = vae_case("gaussian")
    leaf = numpy_leaf(parameters, 0)
    mean = numpy_perceptron(leaf, "encoder.mean", image.numpy())[0]
    precision = 1 + numpy_perceptron(leaf, "encoder.precision", image.numpy())[0] ** 2
    divergence = 0.5 * (1 / precision + mean**2 - 1 + math.log(precision))
    grid = np.linspace(-8, 8, 4001)
    reconstruction = [
        gaussian_oracle(
            image.numpy(),
            {
                name: numpy_perceptron(
                    leaf, f"decoder.{name}", np.array([mean + noise / math.sqrt(precision)])
                )
                for name in ("mean", "precision")
            },
        )
        for noise in grid
    ]
    expected = np.sum(norm.pdf(grid) * reconstruction) * (grid[1] - grid[0]) - divergence
    nodes, weights = nodes_and_weights(NODES[1], 1)
    found = bounds(model, parameters, image, nodes.view(1, 1, 1, -1))
    assert (weights * found).sum().item() == pytest.approx(expected, abs=1e-6)


def test_many_samples_reach_the_likelihood(leaf_quadrature: Any) -> None:
    model, parameters, image = vae_case("gaussian", seed=3)
    noise = torch.randn(
        1, 1, 20_000, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1)
    )
    exact = leaf_quadrature(
        numpy_leaf(parameters, 0), image.numpy(), gaussian_oracle, ("mean", "precision")
    )
    np.testing.assert_allclose(bounds(model, parameters, image, noise), exact, atol=0.05)


@pytest.mark.parametrize("samples", [1, 7])
def test_where_the_code_says_nothing_the_bound_is_exact(samples: int) -> None:
    """A decoder that ignores the code, and a posterior equal to the prior: no noise is left."""
    model, parameters, image = vae_case("gaussian")
    for name, value in parameters.items():
        if name.startswith("encoder.") or name in (
            "decoder.mean.2.weight",
            "decoder.precision.2.weight",
        ):
            value.zero_()
    outputs = {
        name: parameters[f"decoder.{name}.2.bias"][0, :, 0].numpy()
        for name in ("mean", "precision")
    }
    noise = torch.randn(1, 1, samples, 9, dtype=torch.float64)
    found = bounds(model, parameters, image, noise)
    np.testing.assert_allclose(found, gaussian_oracle(image.numpy(), outputs), atol=1e-12)


@pytest.mark.parametrize("sums", [1, 2])
def test_theorem_2_exactly_for_a_circuit_over_four_leaves(
    enumerate_trees: Any, leaf_quadrature: Any, sums: int
) -> None:
    model, parameters, image = spvae_case(components=1, sums=sums)
    exact = exact_log_density(model, parameters, image, enumerate_trees, leaf_quadrature)
    nodes, weights = nodes_and_weights(NODES[4], 4)
    found = bounds(model, parameters, image, nodes.view(4, 1, 1, -1))
    # E[exp bound] = p(x), and E[bound] <= log p(x).
    assert torch.logsumexp(found + weights.log(), dim=0).item() == pytest.approx(exact, abs=2e-5)
    assert (weights * found).sum().item() < exact - 1e-3


@pytest.mark.parametrize("samples", [1, 3])
def test_theorem_2_for_a_circuit_that_mixes_leaves(
    enumerate_trees: Any, leaf_quadrature: Any, samples: int
) -> None:
    model, parameters, image = spvae_case(components=2, sums=2, seed=2)
    exact = exact_log_density(model, parameters, image, enumerate_trees, leaf_quadrature)
    draws = 100_000
    noise = torch.randn(
        8, 1, samples, draws, dtype=torch.float64, generator=torch.Generator().manual_seed(4)
    )
    found = bounds(model, parameters, image, noise)
    ratio = (found - exact).exp()
    assert abs(ratio.mean().item() - 1) < 4.5 * ratio.std().item() / math.sqrt(draws)
    assert found.mean().item() + 4.5 * found.std().item() / math.sqrt(draws) < exact


def test_a_mixing_circuits_expected_bound_rises_with_the_samples(
    enumerate_trees: Any, leaf_quadrature: Any
) -> None:
    model, parameters, image = spvae_case(components=2, sums=2, seed=2)
    means, errors = [], []
    for samples in (1, 5, 50):
        noise = torch.randn(
            8, 1, samples, 20_000, dtype=torch.float64, generator=torch.Generator().manual_seed(5)
        )
        found = bounds(model, parameters, image, noise)
        means.append(found.mean().item())
        errors.append(found.std().item() / math.sqrt(20_000))
    exact = exact_log_density(model, parameters, image, enumerate_trees, leaf_quadrature)
    assert means[0] + 4.5 * errors[0] < means[1] - 4.5 * errors[1]
    assert means[1] + 4.5 * errors[1] < means[2] - 4.5 * errors[2]
    assert means[2] == pytest.approx(exact, abs=0.1)


@pytest.mark.parametrize("objective", ["importance_weighted_bound", "evidence_lower_bound"])
@pytest.mark.parametrize("likelihood", ["gaussian", "binomial"])
def test_the_gradient_of_the_whole_bound(likelihood: str, objective: str) -> None:
    model, parameters, image = spvae_case(2, 2, likelihood=likelihood)
    if likelihood == "binomial":
        image = (16 * image).round()
    names = list(parameters)
    noise = torch.randn(2, *noise_shape(model, 3, 2), dtype=torch.float64)
    pixels = image.view(1, 4, 1).expand(2, 4, 2)

    def of_parameters(*values: torch.Tensor) -> torch.Tensor:
        given = dict(zip(names, values, strict=True))
        return bound(model, given, pixels, noise, objective)

    stacked = stack_runs([parameters, double(model, 1)])
    arguments = tuple(stacked[name].requires_grad_() for name in names)
    assert torch.autograd.gradcheck(of_parameters, arguments, fast_mode=True)


def test_log_importance_weights_are_those_of_the_formula(numpy_perceptron: Any) -> None:
    """log p(x | z) + log p(z) - log q(z | x) by SciPy, one sample at a time, in two dimensions."""
    hyperparameters = {**SMALL, "latent_dimensions": 2}
    model = spvae.build(ImageFacts(4, 2, "gaussian", 16), {**hyperparameters, **SQUARE})
    parameters = double(model)
    leaves, _, samples, images = shape = noise_shape(model, 3, 2)
    assert shape == (16, 2, 3, 2)
    noise = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(6))
    pixels = torch.rand(leaves, 1, images, dtype=torch.float64)
    found = model.leaves.log_importance_weights(
        leaf_parameters(stack_runs([parameters])), pixels, noise
    )
    for leaf, sample, image in product(range(leaves), range(samples), range(images)):
        networks, x = numpy_leaf(parameters, leaf), pixels[leaf, :, image].numpy()
        mean = numpy_perceptron(networks, "encoder.mean", x)
        precision = 1 + numpy_perceptron(networks, "encoder.precision", x) ** 2
        z = mean + noise[leaf, :, sample, image].numpy() / np.sqrt(precision)
        outputs = {n: numpy_perceptron(networks, f"decoder.{n}", z) for n in ("mean", "precision")}
        posterior = norm.logpdf(z, mean, 1 / np.sqrt(precision)).sum()
        expected = gaussian_oracle(x, outputs) + norm.logpdf(z).sum() - posterior
        assert found[leaf, sample, image].item() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("likelihood", ["gaussian", "binomial"])
@pytest.mark.parametrize("name", ["vae", "spvae"])
def test_a_run_in_a_bank_has_the_bound_that_it_has_alone(name: str, likelihood: str) -> None:
    module = {"vae": vae, "spvae": spvae}[name]
    model = module.build(
        ImageFacts(4, 4, likelihood, 16),
        {**SMALL, **SQUARE, "split_step": 2, "latent_dimensions": 2},
    )
    runs = [double(model, seed) for seed in range(3)]
    noise = torch.randn(3, *noise_shape(model, 4, 5), dtype=torch.float64)
    pixels = torch.rand(3, 16, 5, dtype=torch.float64).mul(16).round()
    pixels = pixels if likelihood == "binomial" else pixels / 16
    together = importance_weighted_bound(model, stack_runs(runs), pixels, noise)
    for run in range(3):
        alone = importance_weighted_bound(
            model, stack_runs([runs[run]]), pixels[run : run + 1], noise[run : run + 1]
        )
        np.testing.assert_allclose(together[run], alone[0], rtol=1e-13, atol=1e-12)


@pytest.mark.parametrize("name", ["vae", "spvae"])
def test_parameters_have_the_shapes_that_are_declared(name: str) -> None:
    module = {"vae": vae, "spvae": spvae}[name]
    model = module.build(ImageFacts(4, 4, "gaussian", 16), {**SMALL, **SQUARE, "split_step": 2})
    made = model.initial_parameters(torch.Generator().manual_seed(0))
    assert {key: tuple(value.shape) for key, value in made.items()} == model.parameter_shapes()
    assert sum(value.numel() for value in made.values()) == model.parameter_count()


@pytest.mark.parametrize("levels", [16, 255])
def test_an_encoder_sees_counts_as_shares_of_the_full_range(levels: int) -> None:
    """The same picture as counts and as shares in [0, 1] has the same code."""
    shares = torch.tensor([0.0, 1.0, 0.5, 0.25]).repeat(4).reshape(1, 16, 1)
    shape = {"latent_dimensions": 3, "hidden_units": 5, "hidden_layers": 2}
    codes = []
    for likelihood, pixels in (("gaussian", shares), ("binomial", shares * levels)):
        model = vae.build(ImageFacts(4, 4, likelihood, levels), shape)
        start = model.initial_parameters(torch.Generator().manual_seed(0))
        codes.append(model.leaves.encode(start, pixels))
    for one, other in zip(*codes, strict=True):
        torch.testing.assert_close(one, other)
