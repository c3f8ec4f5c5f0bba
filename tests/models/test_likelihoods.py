"""Pixel likelihoods against SciPy, torch's numerical gradients, and their own samples."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import expit
from scipy.stats import binom, kstest, norm

from workflow_src.models.likelihoods import Binomial, Gaussian, likelihood

BANK, PIXELS, SAMPLES, IMAGES = 2, 3, 4, 5


def random_outputs(names: tuple[str, ...], scale: float = 2.0) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    shape = (BANK, PIXELS, SAMPLES, IMAGES)
    return {
        name: scale * torch.randn(shape, dtype=torch.float64, generator=generator) for name in names
    }


def test_gaussian_log_density_is_scipys() -> None:
    outputs = random_outputs(("mean", "precision"))
    pixels = torch.rand(BANK, PIXELS, 1, IMAGES, dtype=torch.float64)
    mean, g = expit(outputs["mean"].numpy()), outputs["precision"].numpy()
    expected = norm.logpdf(pixels.numpy(), mean, 1 / np.sqrt(1 + g**2)).sum(axis=1)
    found = Gaussian().log_density(pixels, outputs)
    assert found.shape == (BANK, SAMPLES, IMAGES)
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_gaussian_in_single_precision_is_as_good_as_single_precision() -> None:
    outputs = random_outputs(("mean", "precision"), scale=10.0)
    pixels = torch.rand(BANK, PIXELS, 1, IMAGES, dtype=torch.float64)
    exact = Gaussian().log_density(pixels, outputs)
    single = {name: value.float() for name, value in outputs.items()}
    found = Gaussian().log_density(pixels.float(), single)
    # Terms reach precision times squared residual, some 500 here: 1e-6 of that, a few times over.
    np.testing.assert_allclose(found, exact, rtol=5e-6, atol=5e-4)


def test_gaussian_deviation_is_at_most_one() -> None:
    outputs = {name: torch.zeros(1, 1, 1, 1) for name in ("mean", "precision")}
    found = Gaussian().log_density(torch.full((1, 1, 1, 1), 0.5), outputs)
    assert found.item() == pytest.approx(norm.logpdf(0), abs=1e-7)


def test_gaussian_gradients() -> None:
    outputs = random_outputs(("mean", "precision"))
    pixels = torch.rand(BANK, PIXELS, 1, IMAGES, dtype=torch.float64)

    def density(mean: torch.Tensor, precision: torch.Tensor) -> torch.Tensor:
        return Gaussian().log_density(pixels, {"mean": mean, "precision": precision})

    inputs = (outputs["mean"].requires_grad_(), outputs["precision"].requires_grad_())
    assert torch.autograd.gradcheck(density, inputs)


@pytest.mark.parametrize("only", ["mean", "precision"])
def test_gaussian_gradients_where_one_output_is_fixed(only: str) -> None:
    outputs = random_outputs(("mean", "precision"))
    pixels = torch.rand(BANK, PIXELS, 1, IMAGES, dtype=torch.float64)

    def density(value: torch.Tensor) -> torch.Tensor:
        return Gaussian().log_density(pixels, {**outputs, only: value})

    assert torch.autograd.gradcheck(density, (outputs[only].clone().requires_grad_(),))


def test_gaussian_samples_have_the_decoders_mean_and_deviation() -> None:
    f, g, draws = 0.7, 3.0, 20_000
    outputs = {"mean": torch.full((1, 1, draws), f), "precision": torch.full((1, 1, draws), g)}
    drawn = Gaussian().sample(outputs, torch.Generator().manual_seed(1)).flatten().numpy()
    assert kstest(drawn, norm(expit(f), 1 / np.sqrt(1 + g * g)).cdf).pvalue > 1e-4
    np.testing.assert_allclose(Gaussian().mean(outputs), expit(f), atol=1e-6)


@pytest.mark.parametrize("levels", [1, 16, 255])
def test_binomial_log_probability_is_scipys(levels: int) -> None:
    outputs = random_outputs(("probability",), scale=4.0)
    generator = torch.Generator().manual_seed(2)
    pixels = torch.randint(0, levels + 1, (BANK, PIXELS, 1, IMAGES), generator=generator).double()
    found = Binomial(levels).log_density(pixels, outputs)
    assert found.shape == (BANK, SAMPLES, IMAGES)
    squeezed = 1e-7 + (1 - 2e-7) * expit(outputs["probability"].numpy())
    expected = binom.logpmf(pixels.numpy(), levels, squeezed).sum(axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-9)


def test_away_from_the_ends_the_squeeze_does_not_matter() -> None:
    counts = torch.tensor([0.0, 100.0, 255.0], dtype=torch.float64)
    outputs = {"probability": torch.full((1, 1, 1, 3), 0.5, dtype=torch.float64)}
    found = Binomial(255).log_density(counts.view(1, 1, 1, 3), outputs)[0, 0]
    # 255 trials, each moved by at most 1e-7 / 0.38.
    np.testing.assert_allclose(found, binom.logpmf(counts, 255, expit(0.5)), atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("logit", [-1e4, -40.0, -20.0, 0.0, 20.0, 40.0, 1e4])
def test_saturated_logits_give_the_squeezed_probabilities(logit: float, dtype: torch.dtype) -> None:
    counts = torch.tensor([0.0, 1.0, 128.0, 254.0, 255.0], dtype=dtype)
    outputs = {"probability": torch.full((1, 1, 1, 5), logit, dtype=dtype, requires_grad=True)}
    found = Binomial(255).log_density(counts.view(1, 1, 1, 5), outputs)
    scale = 1 - 2e-7
    log_p, log_q = np.log(1e-7 + scale * expit([logit, -logit]))
    n, k = 255, counts.double().numpy()
    coefficient = binom.logpmf(k, n, 0.5) + n * np.log(2)
    expected = coefficient + k * log_p + (n - k) * log_q
    # lgamma(256) is 1167: rounding to float32 leaves 1e-4 of it, a few times over.
    tolerance = {"rtol": 1e-6, "atol": 5e-4} if dtype == torch.float32 else {"atol": 1e-9}
    np.testing.assert_allclose(found.detach().flatten(), expected, **tolerance)
    found.sum().backward()
    assert torch.isfinite(outputs["probability"].grad).all()


@pytest.mark.parametrize("levels", [1, 16, 255])
@pytest.mark.parametrize("logit", [-9.0, -0.3, 5.0])
def test_binomial_probabilities_sum_to_one(levels: int, logit: float) -> None:
    counts = torch.arange(levels + 1, dtype=torch.float64).view(1, 1, 1, -1)
    outputs = {"probability": torch.full((1, 1, 1, levels + 1), logit, dtype=torch.float64)}
    total = Binomial(levels).log_density(counts, outputs).exp().sum()
    assert total.item() == pytest.approx(1, abs=1e-12)


def test_binomial_gradients() -> None:
    outputs = random_outputs(("probability",), scale=6.0)["probability"].requires_grad_()
    pixels = torch.randint(0, 17, (BANK, PIXELS, 1, IMAGES)).double()

    def probability(output: torch.Tensor) -> torch.Tensor:
        return Binomial(16).log_density(pixels, {"probability": output})

    assert torch.autograd.gradcheck(probability, outputs)


def test_binomial_samples_are_binomial() -> None:
    logit, draws = -0.4, 20_000
    outputs = {"probability": torch.full((1, 1, draws), logit)}
    drawn = Binomial(16).sample(outputs, torch.Generator().manual_seed(3)).flatten().numpy()
    assert ((drawn >= 0) & (drawn <= 16) & (drawn == np.round(drawn))).all()
    p = expit(logit)
    assert abs(drawn.mean() - 16 * p) < 4.5 * np.sqrt(16 * p * (1 - p) / draws)
    # The variance of a sample variance is below 2 variance^2 / draws for a binomial.
    assert abs(drawn.var() / (16 * p * (1 - p)) - 1) < 4.5 * np.sqrt(2 / draws)
    np.testing.assert_allclose(Binomial(16).mean(outputs), p, atol=1e-6)


def test_likelihoods_are_known_by_name() -> None:
    assert likelihood("gaussian", 255) == Gaussian()
    assert likelihood("binomial", 16) == Binomial(16)
    with pytest.raises(ValueError, match="poisson"):
        likelihood("poisson", 255)
