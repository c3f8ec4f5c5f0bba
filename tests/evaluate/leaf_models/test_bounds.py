"""Test bounds agree with exact densities and do not depend on how the work is cut."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.special import expit, logsumexp
from scipy.stats import norm
from torch import Tensor

from workflow_src.evaluate.leaf_models.bounds import (
    IMAGES_PER_BLOCK,
    importance_weighted_bounds,
    samples_at_a_time,
)
from workflow_src.models.images import ImageFacts
from workflow_src.models.leaf_models import LeafModel, importance_weighted_bound, stack_runs
from workflow_src.models.spvae import model as spvae
from workflow_src.models.vae import model as vae

PLENTY = 1 << 30
FACTS = ImageFacts(4, 4, "gaussian", 255)
CIRCUIT = {
    "region_graph": "poon_domingos",
    "split_step": 2,
    "repetitions": 1,
    "structure_seed": 0,
    "leaf_components": 2,
    "sum_components": 2,
}


def small_vae(latent: int = 2) -> vae.Vae:
    return vae.build(FACTS, {"latent_dimensions": latent, "hidden_units": 5, "hidden_layers": 2})


def small_spvae() -> spvae.Spvae:
    shape = {"latent_dimensions": 2, "hidden_units": 3, "hidden_layers": 2}
    return spvae.build(FACTS, {**shape, **CIRCUIT})


def start(model: LeafModel) -> dict[str, Tensor]:
    return model.initial_parameters(torch.Generator().manual_seed(4))


def stream(block: int) -> torch.Generator:
    return torch.Generator().manual_seed(100 + block)


def pictures(count: int) -> Tensor:
    return torch.rand(count, FACTS.pixels, generator=torch.Generator().manual_seed(9))


def budget_for(model: LeafModel, samples: int) -> int:
    """The smallest budget that computes so many samples at a time."""
    budget = 1 << 10
    while True:
        try:
            if samples_at_a_time(model, budget) == samples:
                return budget
        except ValueError:
            pass
        budget += 1 << 10


@pytest.mark.parametrize("model", [small_vae(), small_spvae()], ids=["vae", "spvae"])
@pytest.mark.parametrize("images", [5, IMAGES_PER_BLOCK + 3])
def test_streamed_samples_give_what_one_shot_gives(model: LeafModel, images: int) -> None:
    # 7 is no multiple of the 3 samples that this budget computes at a time.
    counts, parameters, data = [2, 7], start(model), pictures(images)
    streamed = importance_weighted_bounds(
        model, parameters, data, counts, stream, budget_for(model, 3)
    )
    for row, count in enumerate(counts):
        expected = []
        for number, block in enumerate(data.split(IMAGES_PER_BLOCK)):
            shape = (7, model.leaves.members, model.leaves.latent_dimensions, IMAGES_PER_BLOCK)
            noise = torch.randn(shape, generator=stream(number))[:count, ..., : len(block)]
            noise = noise.permute(1, 2, 0, 3).contiguous().unsqueeze(0)
            bound = importance_weighted_bound(
                model, stack_runs([parameters]), block.T.unsqueeze(0), noise
            )
            expected.append(bound[0].numpy())
        np.testing.assert_allclose(streamed.bounds[row], np.concatenate(expected), atol=2e-5)


@pytest.mark.parametrize("model", [small_vae(), small_spvae()], ids=["vae", "spvae"])
def test_the_memory_budget_changes_nothing(model: LeafModel) -> None:
    parameters, data = start(model), pictures(20)
    cut = [
        importance_weighted_bounds(model, parameters, data, [1, 30], stream, budget)
        for budget in (budget_for(model, 1), budget_for(model, 4), PLENTY)
    ]
    for other in cut[1:]:
        np.testing.assert_allclose(other.bounds, cut[0].bounds, atol=2e-5)
        np.testing.assert_allclose(
            other.effective_sample_size, cut[0].effective_sample_size, rtol=1e-4
        )


def test_a_budget_below_one_sample_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="more than the budget"):
        samples_at_a_time(small_spvae(), 1000)


def test_where_the_codes_say_nothing_one_sample_is_exact() -> None:
    # All weights zero: q(z | x) is the prior, and p(x | z) = N(1/2, 1) whatever z is.
    model = small_vae()
    parameters = {name: torch.zeros_like(value) for name, value in start(model).items()}
    data = pictures(6)
    found = importance_weighted_bounds(model, parameters, data, [1, 50], stream, PLENTY)
    exact = norm(0.5, 1.0).logpdf(data.numpy()).sum(axis=1)
    np.testing.assert_allclose(found.bounds, np.stack([exact, exact]), rtol=1e-5)
    np.testing.assert_allclose(found.effective_sample_size, 50.0, rtol=1e-5)


def test_many_samples_reach_the_log_likelihood_found_by_quadrature() -> None:
    model = small_vae(latent=1)
    # The prior as proposal: a starting encoder's is too narrow for weights with a finite variance.
    parameters = {
        name: torch.zeros_like(value) if name.startswith("encoder") else value
        for name, value in start(model).items()
    }
    data = pictures(8)
    found = importance_weighted_bounds(model, parameters, data, [20_000], stream, PLENTY)
    exact = np.array([log_likelihood_by_quadrature(parameters, x) for x in data.numpy()])
    # The standard error of log p from n weights is about sqrt(1/ess - 1/n).
    error = np.sqrt(1 / found.effective_sample_size - 1 / 20_000)
    assert np.all(np.abs(found.bounds[0] - exact) < 5 * error + 1e-4)


def test_the_effective_sample_size_is_between_one_and_the_number_of_samples() -> None:
    model = small_spvae()
    found = importance_weighted_bounds(model, start(model), pictures(9), [40], stream, PLENTY)
    assert np.all(found.effective_sample_size >= 1)
    assert np.all(found.effective_sample_size <= 40)


def test_every_image_block_has_noise_of_its_own() -> None:
    model = small_vae()
    one = pictures(1)
    data = one.repeat(2 * IMAGES_PER_BLOCK, 1)
    found = importance_weighted_bounds(model, start(model), data, [1], stream, PLENTY).bounds[0]
    assert len(np.unique(found)) == len(found)


def test_a_circuit_of_exact_leaves_is_a_mixture_of_their_products(
    mixture_of_tiles: Callable[..., float],
) -> None:
    """Leaves that ignore their codes make the SPVAE a sum-product network with a closed form."""
    model = small_spvae()
    parameters = start(model)
    for name, value in parameters.items():
        if name.startswith(("encoder", "decoder")) and not name.endswith("mean.2.bias"):
            value.zero_()
        elif name == "decoder.mean.2.bias":
            value.normal_(generator=torch.Generator().manual_seed(3))
        elif name == "encoder.mean.2.bias":
            value.zero_()
    data = pictures(4)
    found = importance_weighted_bounds(model, parameters, data, [3], stream, PLENTY)
    of_leaves = np.array([two_by_two_leaves(parameters, x.reshape(4, 4)) for x in data.numpy()])
    exact = [mixture_of_tiles(parameters, leaf) for leaf in of_leaves]
    np.testing.assert_allclose(found.bounds[0], exact, rtol=1e-5)
    np.testing.assert_allclose(found.leaf_bounds[0].T, of_leaves.reshape(4, 8), rtol=1e-5)


def two_by_two_leaves(parameters: dict[str, Tensor], image: np.ndarray) -> np.ndarray:
    """Log densities [4, 2] of 2 x 2 tiles under Gaussian leaves of unit deviation."""
    means = expit(parameters["decoder.mean.2.bias"].double().numpy()[..., 0])  # [8, 4]
    tiles = [image[r : r + 2, c : c + 2].ravel() for r in (0, 2) for c in (0, 2)]
    return np.array(
        [[norm(means[2 * t + k], 1).logpdf(tiles[t]).sum() for k in range(2)] for t in range(4)]
    )


def log_likelihood_by_quadrature(parameters: dict[str, Tensor], image: np.ndarray) -> float:
    """log of the integral of N(z; 0, 1) p(x | z) over a fine grid, from the weights alone."""
    grid = np.linspace(-9, 9, 20_001)

    def network(name: str) -> np.ndarray:
        values = grid[None, :]
        for layer in range(3):
            weight = parameters[f"decoder.{name}.{layer}.weight"][0].double().numpy()
            bias = parameters[f"decoder.{name}.{layer}.bias"][0].double().numpy()
            values = weight @ values + bias
            values = np.logaddexp(0, values) if layer < 2 else values
        return values

    deviation = 1 / np.sqrt(1 + network("precision") ** 2)
    density = norm.logpdf(image[:, None], expit(network("mean")), deviation).sum(axis=0)
    return float(logsumexp(density + norm.logpdf(grid)) + math.log(grid[1] - grid[0]))
