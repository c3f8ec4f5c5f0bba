"""Covariances by free numbers: densities against scipy's, and the start to the last bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from workflow_src.train.piecewise_affine.free_noise import FreeNoise

KINDS: tuple[Any, ...] = ("isotropic", "diagonal", "full")


def covariance(kind: str, free: np.ndarray[Any, Any], deviation: float) -> np.ndarray[Any, Any]:
    """Of one run, written out."""
    if kind == "full":
        factor = np.array(
            [
                [np.exp(free[0]), 0, 0],
                [free[1], np.exp(free[2]), 0],
                [free[3], free[4], np.exp(free[5])],
            ]
        )
        return deviation**2 * factor @ factor.T
    return deviation**2 * np.diag(np.exp(free) * np.ones(3))


@pytest.mark.parametrize("kind", KINDS)
def test_densities_and_covariances_are_those_of_the_free_numbers(kind: Any) -> None:
    noise = FreeNoise(kind, 3, 0.4)
    generator = torch.Generator().manual_seed(2)
    free = torch.randn(2, *noise.start().shape, generator=generator, dtype=torch.float64)
    residuals = torch.randn(2, 5, 3, generator=generator, dtype=torch.float64)
    found = noise.log_density(residuals, free)
    packed = noise.packed(free)
    for run in range(2):
        wanted = covariance(kind, free[run].numpy(), 0.4)
        np.testing.assert_allclose(
            found[run], stats.multivariate_normal(np.zeros(3), wanted).logpdf(residuals[run])
        )
        kept = {
            "isotropic": wanted[0, 0],
            "diagonal": np.diag(wanted),
            "full": wanted[np.tril_indices(3)],
        }
        np.testing.assert_allclose(packed[run], kept[kind], rtol=1e-14)


@pytest.mark.parametrize("kind", KINDS)
def test_the_start_is_the_starting_deviation_exactly(kind: Any) -> None:
    noise = FreeNoise(kind, 3, 0.3)
    packed = noise.packed(noise.start().unsqueeze(0))[0].numpy()
    wanted = {
        "isotropic": 0.3**2,
        "diagonal": np.full(3, 0.3**2),
        "full": 0.3**2 * np.eye(3)[np.tril_indices(3)],
    }
    np.testing.assert_array_equal(packed, wanted[kind])
