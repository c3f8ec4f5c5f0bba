"""Log densities of single pixels against torch.distributions in double precision."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from workflow_src.models.likelihoods import Binomial, Gaussian
from workflow_src.models.pixel_densities import log_density_of_observed, log_density_of_pixels

BANK, PIXELS, SAMPLES, IMAGES = 2, 6, 3, 4
SHAPE = (BANK, PIXELS, SAMPLES, IMAGES)


def outputs(*names: str, scale: float = 3.0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {
        name: scale * torch.randn(SHAPE, dtype=torch.float64, generator=generator) for name in names
    }


def shares() -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(BANK, PIXELS, 1, IMAGES, dtype=torch.float64, generator=generator)


def test_gaussian_pixels() -> None:
    decoded, pixels = outputs("mean", "precision"), shares()
    deviation = (1 + decoded["precision"] ** 2) ** -0.5
    expected = torch.distributions.Normal(decoded["mean"].sigmoid(), deviation).log_prob(pixels)
    found = log_density_of_pixels(Gaussian(), pixels, decoded)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_binomial_pixels() -> None:
    decoded, pixels = outputs("probability"), torch.round(shares() * 255)
    # Squeezed away from 0 and 1 by 1e-7, as the authors' program does.
    probability = decoded["probability"].sigmoid() * (1 - 2e-7) + 1e-7
    expected = torch.distributions.Binomial(255, probability).log_prob(pixels)
    found = log_density_of_pixels(Binomial(255), pixels, decoded)
    torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-9)


@pytest.mark.parametrize("output", [-90.0, 90.0])
def test_binomial_pixels_in_single_precision_at_the_ends(output: float) -> None:
    decoded = {"probability": torch.full((1, 1, 1, 1), output)}
    for successes in (0.0, 255.0):
        pixels = torch.full((1, 1, 1, 1), successes)
        found = log_density_of_pixels(Binomial(255), pixels, decoded).item()
        probability = torch.tensor(1e-7 if output < 0 else 1 - 1e-7, dtype=torch.float64)
        other = torch.tensor(1 - 1e-7 if output < 0 else 1e-7, dtype=torch.float64)
        expected = successes * probability.log() + (255 - successes) * other.log()
        assert found == pytest.approx(expected.item(), rel=1e-5, abs=1e-4)


@pytest.mark.parametrize(
    ("kind", "names"), [(Gaussian(), ("mean", "precision")), (Binomial(1), ("probability",))]
)
def test_missing_pixels_drop_out_whatever_they_are(kind: object, names: tuple[str, ...]) -> None:
    decoded, pixels = outputs(*names), torch.round(shares())
    observed = torch.tensor([[True, False] * 3, [True] * 4 + [False] * 2])
    spoiled = pixels.masked_fill(~observed[:, :, None, None], torch.nan)
    spoiled = spoiled if isinstance(kind, Gaussian) else pixels
    found = log_density_of_observed(kind, spoiled, decoded, observed)  # type: ignore[arg-type]
    whole = log_density_of_pixels(kind, pixels, decoded)  # type: ignore[arg-type]
    expected = torch.stack([whole[0, [0, 2, 4]].sum(dim=0), whole[1, :4].sum(dim=0)])
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_all_pixels_are_the_likelihoods_own_sum() -> None:
    decoded, pixels = outputs("probability"), torch.round(shares() * 17)
    everything = torch.ones(BANK, PIXELS, dtype=torch.bool)
    found = log_density_of_observed(Binomial(17), pixels, decoded, everything)
    torch.testing.assert_close(found, Binomial(17).log_density(pixels, decoded))


def test_a_likelihood_that_is_not_known_is_refused() -> None:
    with pytest.raises(ValueError, match="known for object"):
        log_density_of_pixels(object(), shares(), {})  # type: ignore[arg-type]
