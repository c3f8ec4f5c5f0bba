"""What parts of a leaf's pixels say, against quadrature over codes of one dimension."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import binom, norm
from torch import Tensor

from workflow_src.evaluate.leaf_models.leaf_evidence import (
    CHAINS,
    GUESSES,
    Sampling,
    evidence_of_parts,
    expected_pixels,
)
from workflow_src.models.images import ImageFacts
from workflow_src.models.vae import model as vae

PIXELS, LEVELS = 6, 8
GRID = np.linspace(-9, 9, 4001)
Values = NDArray[np.float64]


def bank_and_parameters(likelihood: str, latent: int = 1) -> tuple[vae.AutoencoderBank, dict]:
    shape = {"latent_dimensions": latent, "hidden_units": 5, "hidden_layers": 1}
    model = vae.build(ImageFacts(2, 3, likelihood, LEVELS), shape)
    parameters = model.initial_parameters(torch.Generator().manual_seed(2))
    # Codes that matter: the starting decoder's pixels hardly depend on them.
    parameters = {
        name: 3 * value if name.startswith("decoder") else value
        for name, value in parameters.items()
    }
    return model.leaves, parameters


def sampling(samples: int, chunk: int = 4096, draws: int = 1, shown: int = 1) -> Sampling:
    noise, picks = (torch.Generator().manual_seed(seed) for seed in (7, 8))
    return Sampling(samples, chunk, draws, shown, noise, picks)


def pictures(likelihood: str, count: int) -> Tensor:
    shares = torch.rand(PIXELS, count, generator=torch.Generator().manual_seed(9))
    return shares if likelihood == "gaussian" else torch.round(shares * LEVELS)


def network(parameters: Mapping[str, Tensor], name: str) -> Values:
    """Outputs [P, grid] of a decoder with one hidden layer."""
    weights = [parameters[f"decoder.{name}.{i}.weight"][0].double().numpy() for i in (0, 1)]
    biases = [parameters[f"decoder.{name}.{i}.bias"][0].double().numpy() for i in (0, 1)]
    hidden = np.logaddexp(0, weights[0] @ GRID[None, :] + biases[0])
    values: Values = weights[1] @ hidden + biases[1]
    return values


def densities_on_grid(
    likelihood: str, parameters: Mapping[str, Tensor], image: Values
) -> tuple[Values, Values]:
    """Log densities and means of every pixel at every code of the grid, [P, grid]."""
    if likelihood == "gaussian":
        mean = expit(network(parameters, "mean"))
        deviation = (1 + network(parameters, "precision") ** 2) ** -0.5
        return norm.logpdf(image[:, None], mean, deviation), mean
    mean = expit(network(parameters, "probability")) * (1 - 2e-7) + 1e-7
    return binom.logpmf(image[:, None], LEVELS, mean), mean


@pytest.mark.parametrize("likelihood", ["gaussian", "binomial"])
@pytest.mark.parametrize("seen", [[1, 0, 1, 0, 0, 1], [1] * 6], ids=["half", "whole"])
def test_density_and_expectation_given_observed_pixels(likelihood: str, seen: list[int]) -> None:
    bank, parameters = bank_and_parameters(likelihood)
    images = pictures(likelihood, 5)
    observed = torch.tensor([seen], dtype=torch.bool)
    expected = torch.full((1, PIXELS), 0.5)
    # What is missing must not be looked at.
    spoiled = images.masked_fill(~observed[0].unsqueeze(1), torch.nan).unsqueeze(0)
    found = evidence_of_parts(bank, parameters, spoiled, observed, expected, sampling(40_000))
    for i, image in enumerate(images.T.double().numpy()):
        terms, means = densities_on_grid(likelihood, parameters, image)
        joint = np.exp(terms[observed[0].numpy()].sum(axis=0) + norm.logpdf(GRID))
        evidence = joint.sum() * (GRID[1] - GRID[0])
        mean = (means * joint).sum(axis=1) / joint.sum()
        # Half of the codes come from the prior: weights have a variance of a few, and their mean an
        # error of 0.01 or 0.02.
        assert found.log_density[0, i].item() == pytest.approx(np.log(evidence), abs=0.08)
        np.testing.assert_allclose(found.means[0, :, i], mean, atol=0.015)


def test_codes_are_drawn_from_their_posterior() -> None:
    bank, parameters = bank_and_parameters("gaussian")
    images = pictures("gaussian", 2)
    observed = torch.tensor([[True, False, True, True, False, True]])
    found = evidence_of_parts(
        bank,
        parameters,
        images.unsqueeze(0),
        observed,
        torch.full((1, PIXELS), 0.5),
        sampling(20_000, chunk=500, draws=400, shown=2),
    )
    for i, image in enumerate(images.T.double().numpy()):
        terms, _ = densities_on_grid("gaussian", parameters, image)
        joint = np.exp(terms[observed[0].numpy()].sum(axis=0) + norm.logpdf(GRID))
        mean = (GRID * joint).sum() / joint.sum()
        deviation = np.sqrt(((GRID - mean) ** 2 * joint).sum() / joint.sum())
        codes = found.codes[0, 0, :, i].double().numpy()
        assert abs(codes.mean() - mean) < 5 * deviation / np.sqrt(400)
        assert codes.std() == pytest.approx(deviation, rel=0.2)
        # Not the prior, which would pass a test that is too kind.
        assert deviation < 0.9


@pytest.mark.parametrize("chunk", [1, 3, 7])
def test_how_samples_are_cut_changes_nothing(chunk: int) -> None:
    bank, parameters = bank_and_parameters("gaussian", latent=2)
    arguments = (
        pictures("gaussian", 4).unsqueeze(0),
        torch.tensor([[True, False] * 3]),
        torch.full((1, PIXELS), 0.5),
    )
    whole = evidence_of_parts(bank, parameters, *arguments, sampling(7, draws=2, shown=3))
    cut = evidence_of_parts(bank, parameters, *arguments, sampling(7, chunk, draws=2, shown=3))
    for field in dataclasses.fields(whole):
        first, second = getattr(whole, field.name), getattr(cut, field.name)
        torch.testing.assert_close(first, second, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("chunk", [1, 3])
def test_no_more_is_computed_together_than_a_chunk(
    chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    bank, parameters = bank_and_parameters("gaussian", latent=2)
    widths = {"encode": [], "decode": []}
    for name, seen in widths.items():
        whole = getattr(type(bank), name)

        def counted(
            self: object, given: object, values: Tensor, whole: Any = whole, seen: Any = seen
        ) -> Any:
            seen.append(values.shape[2])
            return whole(self, given, values)

        monkeypatch.setattr(type(bank), name, counted)
    evidence_of_parts(
        bank,
        parameters,
        pictures("gaussian", 4).unsqueeze(0),
        torch.tensor([[True, False] * 3]),
        torch.full((1, PIXELS), 0.5),
        sampling(7, chunk),
    )
    assert max(widths["encode"]) == max(widths["decode"]) == chunk * 4
    # Every chain's guesses, and the code of the last one.
    assert sum(widths["encode"]) == CHAINS * (GUESSES + 1) * 4


def test_one_sample_is_enough_to_say_something() -> None:
    bank, parameters = bank_and_parameters("gaussian")
    images, observed = pictures("gaussian", 3).unsqueeze(0), torch.tensor([[True, False] * 3])
    found = evidence_of_parts(
        bank, parameters, images, observed, torch.full((1, PIXELS), 0.5), sampling(1)
    )
    assert torch.isfinite(found.log_density).all()
    assert torch.isfinite(found.means).all()


def test_expected_pixels_are_means_over_the_prior() -> None:
    bank, parameters = bank_and_parameters("gaussian")
    mean = expit(network(parameters, "mean"))
    share = norm.pdf(GRID) * (GRID[1] - GRID[0])
    exact = (mean * share).sum(axis=1)
    deviation = np.sqrt(((mean - exact[:, None]) ** 2 * share).sum(axis=1))
    found = [
        expected_pixels(bank, parameters, columns, torch.Generator().manual_seed(3))
        for columns in (1, 300, 5000)
    ]
    assert np.all(np.abs(found[0][0].numpy() - exact) < 5 * deviation / np.sqrt(1024))
    for other in found[1:]:
        torch.testing.assert_close(found[0], other)
