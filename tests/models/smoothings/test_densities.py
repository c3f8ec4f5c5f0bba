"""Densities by quadrature: they sum to one, samples follow them, and divergences have gradients."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.special import expit, log_expit

from workflow_src.models.smoothings.concrete import Concrete
from workflow_src.models.smoothings.smoothing import smoothing
from workflow_src.models.smoothings.spike_and_exponential import SpikeAndExponential

OVERLAPPING = ("overlapping_exponential", "overlapping_logistic")
MIXTURES = (*OVERLAPPING, "spike_and_exponential")
NAMES = (*MIXTURES, "concrete")


def number(value: float) -> torch.Tensor:
    return torch.tensor(value, dtype=torch.float64)


def integral(function: Callable[[float], float], lower: float, upper: float) -> float:
    # The densities are steep near 0 and 1.
    inner = [x for x in (0.0, 0.02, 0.1, 0.5, 0.9, 0.98, 1.0) if lower < x < upper]
    value, _ = quad(function, lower, upper, points=inner or None, epsabs=1e-11, limit=400)
    return float(value)


@pytest.mark.parametrize("logit", [-4.0, 0.5, 13.8])
@pytest.mark.parametrize("beta", [0.5, 8.0, 30.0])
@pytest.mark.parametrize("name", MIXTURES)
def test_densities_sum_to_one_and_the_noise_is_what_lies_below_its_sample(
    name: str, beta: float, logit: float
) -> None:
    one = smoothing(name)

    def density(zeta: float) -> float:
        return math.exp(one.log_density(number(zeta), number(logit), beta).item())

    spike = name == "spike_and_exponential"
    start, end = (-40 / beta, 1 + 40 / beta) if name == "overlapping_logistic" else (0.0, 1.0)
    mass = density(0.0) if spike else 0.0
    least = 1e-300 if spike else start
    assert mass + integral(density, least, end) == pytest.approx(1, abs=1e-9)
    for rho in (0.1, 0.6, 0.9):
        zeta = one.sample(number(rho), number(logit), beta).item()
        if zeta == 0:
            assert rho < mass
        else:
            assert mass + integral(density, least, zeta) == pytest.approx(rho, abs=1e-9)


@pytest.mark.parametrize("beta", [0.5, 2.0, 10.0])
def test_the_concrete_density_is_that_of_its_logit_by_change_of_variables(beta: float) -> None:
    one, logit = Concrete(), number(0.7)

    def density(zeta_logit: float) -> float:
        return math.exp(one.logit_log_density(number(zeta_logit), logit, beta).item())

    middle, width = 0.7 * beta, 40 * beta
    assert integral(density, middle - width, middle + width) == pytest.approx(1, abs=1e-9)
    for rho in (0.1, 0.6, 0.9):
        zeta_logit = one.sample_logit(number(rho), logit, beta).item()
        assert integral(density, middle - width, zeta_logit) == pytest.approx(rho, abs=1e-9)
        zeta = one.sample(number(rho), logit, beta)
        assert zeta.item() == pytest.approx(expit(zeta_logit), rel=1e-12)
        if 1 - zeta.item() > 1e-4:
            jacobian = zeta.item() * (1 - zeta.item())
            expected = math.log(density(zeta_logit) / jacobian)
            assert one.log_density(zeta, logit, beta).item() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", OVERLAPPING)
def test_components_and_nu_are_bayes_rule(name: str, exact_components: Callable[..., Any]) -> None:
    one, beta = smoothing(name), 8.0
    for zeta in (0.01, 0.3, 0.5, 0.97):
        zero, first = exact_components(name, zeta, beta)
        logs = one.component_log_densities(number(zeta), beta)
        assert [x.item() for x in logs] == pytest.approx([math.log(zero), math.log(first)])
        ratio = one.log_ratio(number(zeta), beta).item()
        assert ratio == pytest.approx(math.log(first / zero))
        for logit in (-3.0, 0.0, 6.0):
            q = expit(logit)
            nu = one.posterior(number(zeta), number(logit), beta).item()
            assert nu == pytest.approx(float(q * first / (q * first + (1 - q) * zero)))
    inputs = (torch.rand(9, dtype=torch.float64), torch.randn(9, dtype=torch.float64))
    for values in inputs:
        values.requires_grad_()
    assert torch.autograd.gradcheck(lambda z, v: one.posterior(z, v, beta), inputs)


def divergence(name: str, logit: float, prior: float, beta: float) -> float:
    """KL(q(zeta) | p(zeta)) from the definition of the densities."""
    if name == "spike_and_exponential":
        q = expit(logit)
        one = log_expit(logit) - log_expit(prior)
        return float(q * one + (1 - q) * (log_expit(-logit) - log_expit(-prior)))
    if name == "concrete":
        # Any invertible map keeps it: that of two logistic densities.
        def terms(x: float) -> float:
            over = log_expit(x - logit) + log_expit(logit - x)
            under = log_expit(x - prior) + log_expit(prior - x)
            return float(np.exp(over) * (over - under))

        return quad(terms, -45, 45, epsabs=1e-12, limit=400)[0]

    def component(x: float, mean: int) -> float:
        if name == "overlapping_logistic":
            u = beta * (x - mean)
            return float(beta * expit(u) * expit(-u))
        return float(beta * np.exp(-beta * abs(x - mean)) / (1 - np.exp(-beta)))

    def mixture_terms(x: float) -> float:
        zero, one = component(x, 0), component(x, 1)
        over, under = ((1 - expit(v)) * zero + expit(v) * one for v in (logit, prior))
        return over * math.log(over / under)

    ends = (-4.0, 5.0) if name == "overlapping_logistic" else (0.0, 1.0)
    return integral(mixture_terms, *ends)


@pytest.mark.parametrize("name", NAMES)
def test_the_mean_ratio_is_the_divergence_and_the_mean_gradient_its_gradient(name: str) -> None:
    """Over midpoints of the noise, with gradients in q's and in the prior's logit."""
    beta, at = 8.0, (1.2, -0.4)
    count = 20_000
    uniform = (torch.arange(count, dtype=torch.float64) + 0.5) / count
    logits, prior = (number(value).requires_grad_() for value in at)
    one = smoothing(name)
    zeta = one.sample(uniform, logits, beta)
    mean = one.log_density_ratio(zeta, uniform, logits, prior, beta).mean()
    found = torch.autograd.grad(mean, (logits, prior))
    step = 1e-4
    slopes = [
        (divergence(name, *up, beta) - divergence(name, *down, beta)) / (2 * step)
        for up, down in (
            ((at[0] + step, at[1]), (at[0] - step, at[1])),
            ((at[0], at[1] + step), (at[0], at[1] - step)),
        )
    ]
    assert mean.item() == pytest.approx(divergence(name, *at, beta), abs=1e-4)
    assert [slope.item() for slope in found] == pytest.approx(slopes, abs=2e-4)


@pytest.mark.parametrize("name", MIXTURES)
def test_the_ratio_is_the_difference_of_log_densities(name: str) -> None:
    one, uniform = smoothing(name), torch.rand(50, dtype=torch.float64)
    logits, prior = torch.randn(2, 50, dtype=torch.float64)
    zeta = one.sample(uniform, logits, 8.0)
    expected = one.log_density(zeta, logits, 8.0) - one.log_density(zeta, prior, 8.0)
    torch.testing.assert_close(
        one.log_density_ratio(zeta, uniform, logits, prior, 8.0), expected, atol=1e-10, rtol=1e-10
    )


def test_the_jump_of_nu_has_an_unbiased_gradient() -> None:
    """E[nu_1 f(zeta_1) nu_2] where unit 2 sees zeta_1, over a grid of both units' noise."""
    # At q = 0.64 the first unit's step is a border between two cells of the grid.
    beta, count, at = 5.0, 1500, math.log(0.64 / 0.36)
    one = SpikeAndExponential()
    noise = (torch.arange(count, dtype=torch.float64) + 0.5) / count
    first = number(at).requires_grad_()
    zeta = one.sample(noise, first, beta)
    second = 2 * zeta - 1
    nu = one.posterior(zeta, first, beta)
    second_zeta = one.sample(noise[:, None], second, beta)
    second_nu = one.posterior(second_zeta, second, beta)
    value = (nu * (1 + zeta.square()) * second_nu).mean()
    (slope,) = torch.autograd.grad(value, first)

    def terms(x: float) -> float:
        density = beta * math.exp(beta * x) / math.expm1(beta)
        return float(density * (1 + x * x) * expit(2 * x - 1))

    given_one = quad(terms, 0, 1, epsabs=1e-12)[0]
    assert value.item() == pytest.approx(expit(at) * given_one, rel=5e-4)
    assert slope.item() == pytest.approx(expit(at) * expit(-at) * given_one, rel=5e-4)


def test_where_the_spike_is_nothing_is_undefined() -> None:
    one = SpikeAndExponential()
    zeta = torch.tensor([0.0, 0.4])
    logits = torch.tensor([2.0, 2.0], requires_grad=True)
    assert one.log_ratio(zeta, 5.0).tolist() == [-math.inf, math.inf]
    zero, first = one.component_log_densities(zeta, 5.0)
    assert zero.tolist() == [0.0, -math.inf]
    assert first.tolist() == [
        -math.inf,
        pytest.approx(math.log(5 * math.exp(2.0) / math.expm1(5.0))),
    ]
    nu = one.posterior(zeta, logits, 5.0)
    assert nu.tolist() == [0.0, 1.0]
    (nu.sum() + one.log_density(zeta, logits, 5.0).sum()).backward()
    q = expit(2.0)
    # The jump gives (1 - z) q; the log densities -q and 1 - q.
    assert logits.grad is not None
    assert logits.grad.tolist() == pytest.approx([q - q, 1 - q], abs=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_lost_at_saturation(name: str) -> None:
    one, beta = smoothing(name), 30.0
    uniform = torch.tensor([0.0, 1e-7, 0.3, 0.5, 1 - 2**-24, 1.0]).repeat(4)
    logits = torch.tensor([-90.0, -20.0, 20.0, 90.0]).repeat_interleave(6).requires_grad_()
    prior = torch.zeros(24, requires_grad=True)
    zeta = one.sample(uniform, logits, beta)
    outputs = [
        one.log_density(zeta, logits, beta),
        one.log_density_ratio(zeta, uniform, logits, prior, beta),
    ]
    if one.has_component_densities:
        outputs.append(one.posterior(zeta, logits, beta))
    for output in outputs:
        assert torch.isfinite(output).all()
        slopes = torch.autograd.grad(output.sum(), (logits, prior), None, True, allow_unused=True)
        assert all(torch.isfinite(slope).all() for slope in slopes if slope is not None)


def test_the_concrete_ratio_does_not_see_that_zeta_rounds_to_one() -> None:
    one, uniform = Concrete(), torch.tensor([0.3, 0.9])
    logits, prior = torch.tensor([9.0, 12.0]), torch.tensor([8.0, -2.0])
    zeta = one.sample(uniform, logits, 10.0)
    assert zeta.tolist() == [1.0, 1.0]
    at = logits.double() + torch.logit(uniform.double())
    expected = [
        log_expit(x - a) + log_expit(a - x) - log_expit(x - b) - log_expit(b - x)
        for x, a, b in zip(at.tolist(), logits.tolist(), prior.tolist(), strict=True)
    ]
    found = one.log_density_ratio(zeta, uniform, logits, prior, 10.0)
    assert found.tolist() == pytest.approx(expected, rel=1e-5)


def test_concrete_has_no_components() -> None:
    one, zeta = smoothing("concrete"), torch.tensor([0.5])
    assert not one.has_component_densities
    for ask in (
        lambda: one.component_log_densities(zeta, 5.0),
        lambda: one.log_ratio(zeta, 5.0),
        lambda: one.posterior(zeta, zeta, 5.0),
    ):
        with pytest.raises(ValueError, match="no density of zeta given z"):
            ask()
