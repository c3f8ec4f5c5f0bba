"""Samples follow the model's own marginals; codes and manifolds are where they should be."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import expit
from scipy.stats import norm

from workflow_src.evaluate.leaf_models.pictures import (
    MANIFOLD_POINTS,
    leaf_manifolds,
    posterior_means,
    sample_images,
)
from workflow_src.models.images import ImageFacts
from workflow_src.models.spvae import drawing as spvae_drawing
from workflow_src.models.spvae import model as spvae
from workflow_src.models.vae import drawing as vae_drawing
from workflow_src.models.vae import model as vae

SHAPE = {"latent_dimensions": 2, "hidden_units": 4, "hidden_layers": 1}
CIRCUIT = {
    "region_graph": "poon_domingos",
    "split_step": 2,
    "repetitions": 1,
    "structure_seed": 0,
    "leaf_components": 2,
    "sum_components": 2,
}


def seeded(number: int) -> torch.Generator:
    return torch.Generator().manual_seed(number)


def test_gaussian_samples_have_the_decoder_s_mean_and_deviation() -> None:
    model = vae.build(ImageFacts(2, 3, "gaussian", 255), SHAPE)
    parameters = {n: torch.zeros_like(v) for n, v in model.initial_parameters(seeded(0)).items()}
    parameters["decoder.mean.1.bias"] = torch.linspace(-2, 2, 6).reshape(1, 6, 1)
    parameters["decoder.precision.1.bias"] = torch.linspace(0, 9, 6).reshape(1, 6, 1)
    samples, means = sample_images(model, vae_drawing, parameters, 20_000, seeded(1))
    expected = expit(np.linspace(-2, 2, 6)).reshape(2, 3)
    deviation = 1 / np.sqrt(1 + np.linspace(0, 9, 6) ** 2).reshape(2, 3)
    np.testing.assert_allclose(means, np.broadcast_to(expected, means.shape), rtol=1e-5)
    tolerance = 5 * deviation / np.sqrt(len(samples))
    assert np.all(np.abs(samples.mean(axis=0) - expected) < tolerance)
    np.testing.assert_allclose(samples.std(axis=0), deviation, rtol=0.04)


def test_binomial_samples_are_whole_counts_as_shares() -> None:
    model = vae.build(ImageFacts(2, 2, "binomial", 16), SHAPE)
    parameters = {n: torch.zeros_like(v) for n, v in model.initial_parameters(seeded(0)).items()}
    samples, _ = sample_images(model, vae_drawing, parameters, 5_000, seeded(1))
    counts = samples * 16
    np.testing.assert_allclose(counts, np.rint(counts), atol=1e-5)
    assert abs(counts.mean() - 8) < 5 * 2 / np.sqrt(counts.size)
    assert abs(counts.var() - 4) < 0.2


def test_an_spvae_draws_each_super_pixel_from_the_leaf_that_the_circuit_picked() -> None:
    model = spvae.build(ImageFacts(4, 4, "gaussian", 255), SHAPE | CIRCUIT)
    parameters = {n: torch.zeros_like(v) for n, v in model.initial_parameters(seeded(0)).items()}
    # Component 0 of every super-pixel is dark, component 1 bright; equal weights everywhere.
    bright = torch.tensor([-20.0, 20.0]).repeat(4)[:, None, None].expand(8, 4, 1)
    parameters["decoder.mean.1.bias"] = bright.clone()
    _, means = sample_images(model, spvae_drawing, parameters, 4_000, seeded(2))
    tiles = means.reshape(-1, 2, 2, 2, 2).transpose(0, 1, 3, 2, 4).reshape(-1, 4, 4)
    assert np.all(tiles == tiles[..., :1])
    share = (tiles[..., 0] > 0.5).mean(axis=0)
    np.testing.assert_allclose(share, 0.5, atol=5 * 0.5 / np.sqrt(4_000))


def test_posterior_means_are_the_encoder_s() -> None:
    model = spvae.build(ImageFacts(4, 4, "gaussian", 255), SHAPE | CIRCUIT)
    parameters = {n: torch.zeros_like(v) for n, v in model.initial_parameters(seeded(0)).items()}
    wanted = torch.arange(16.0).reshape(8, 2, 1)
    parameters["encoder.mean.1.bias"] = wanted.clone()
    codes = posterior_means(model, parameters, torch.rand(3, 16))
    np.testing.assert_array_equal(codes, np.broadcast_to(wanted[..., 0].numpy(), (3, 8, 2)))


def test_a_manifold_runs_through_the_prior_s_quantiles() -> None:
    # No hidden layer can be left out, but a large offset makes softplus the identity.
    shape = {**SHAPE, "hidden_units": 2}
    model = vae.build(ImageFacts(1, 2, "gaussian", 255), shape)
    parameters = {n: torch.zeros_like(v) for n, v in model.initial_parameters(seeded(0)).items()}
    parameters["decoder.mean.0.weight"] = torch.eye(2).unsqueeze(0)
    parameters["decoder.mean.0.bias"] = torch.full((1, 2, 1), 50.0)
    parameters["decoder.mean.1.weight"] = torch.eye(2).unsqueeze(0)
    parameters["decoder.mean.1.bias"] = torch.full((1, 2, 1), -50.0)
    manifold = leaf_manifolds(model, vae_drawing, parameters)
    assert manifold.shape == (1, MANIFOLD_POINTS, MANIFOLD_POINTS, 1, 2)
    steps = expit(norm.ppf(np.linspace(0.02, 0.98, MANIFOLD_POINTS)))
    np.testing.assert_allclose(manifold[0, :, 0, 0, 0], steps, atol=1e-5)
    np.testing.assert_allclose(manifold[0, 0, :, 0, 1], steps, atol=1e-5)


def test_a_manifold_of_other_than_two_dimensions_is_refused() -> None:
    model = vae.build(ImageFacts(2, 2, "gaussian", 255), {**SHAPE, "latent_dimensions": 3})
    with pytest.raises(ValueError, match="2 latent dimensions, not 3"):
        leaf_manifolds(model, vae_drawing, model.initial_parameters(seeded(0)))
