"""CDFs and densities of the smoothings as the papers write them, in mpmath's numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath as mp
import pytest

NAMES = ("overlapping_exponential", "overlapping_logistic", "spike_and_exponential", "concrete")


def sigmoid(value: Any) -> Any:
    return 1 / (1 + mp.exp(-value))


def cdf(name: str, zeta: Any, logit: Any, beta: Any) -> Any:
    """P(zeta' <= zeta) for a mixture with that logit."""
    p, q, d = sigmoid(-logit), sigmoid(logit), mp.exp(-beta)
    if name == "overlapping_logistic":
        return p * sigmoid(beta * zeta) + q * sigmoid(beta * (zeta - 1))
    if zeta < 0 or zeta >= 1:
        return mp.mpf(zeta >= 1)
    if name == "overlapping_exponential":
        zero = (1 - mp.exp(-beta * zeta)) / (1 - d)
        one = (mp.exp(beta * (zeta - 1)) - d) / (1 - d)
        return p * zero + q * one
    if name == "spike_and_exponential":
        return p + q * mp.expm1(beta * zeta) / mp.expm1(beta)
    return sigmoid((mp.log(zeta) - mp.log(1 - zeta)) / beta - logit) if zeta else mp.mpf(0)


def component_densities(name: str, zeta: float, beta: float) -> tuple[Any, Any]:
    """r(zeta | 0) and r(zeta | 1), without the spike's mass at 0."""
    if name == "overlapping_logistic":
        zero, one = (sigmoid(beta * (zeta - mean)) for mean in (0, 1))
        return beta * zero * (1 - zero), beta * one * (1 - one)
    one = beta * mp.exp(beta * zeta) / mp.expm1(beta)
    if name == "spike_and_exponential":
        return mp.mpf(0), one
    return beta * mp.exp(-beta * zeta) / (1 - mp.exp(-beta)), one


@pytest.fixture(scope="session")
def exact_cdf() -> Callable[..., Any]:
    return cdf


@pytest.fixture(scope="session")
def exact_components() -> Callable[..., Any]:
    return component_densities
