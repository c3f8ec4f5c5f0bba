"""Samples against CDFs in mpmath, their gradients against the implicit formula, and the edges."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath as mp
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from workflow_src.models.binary_latents.hierarchical_encoder import binary_states
from workflow_src.models.smoothings.smoothing import smoothing

NAMES = ("overlapping_exponential", "overlapping_logistic", "spike_and_exponential", "concrete")
# The probabilities 1e-6 and 1 - 1e-6 have logits of about 13.8.
LOGITS = (-13.8155, -9.0, -2.5, -0.3, 0.0, 0.7, 4.0, 13.8155)
SMALLEST = float(np.finfo(np.float32).tiny)
logits_of_any_size = st.floats(-90, 90, width=32)
noise_of_any_size = st.floats(0, 1, width=32)


def points(beta: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Noise and logits in float32: everywhere, and at the step where the inverse CDF is steep."""
    generator = torch.Generator().manual_seed(int(beta))
    logits = torch.tensor(LOGITS).repeat_interleave(8)
    uniform = torch.rand(logits.shape, generator=generator)
    offsets = 10.0 ** torch.arange(-8, -1) * torch.tensor([1.0, -1.0] * 4)[:7]
    step = torch.sigmoid(-logits.double()).reshape(-1, 8)
    uniform.view(-1, 8)[:, 1:] = (step[:, 1:] + offsets).clamp(2**-24, 1 - 2**-24).float()
    return uniform, logits


@pytest.mark.parametrize("beta", [5.0, 30.0])
@pytest.mark.parametrize("name", NAMES)
def test_float32_samples_are_exact_to_their_last_place(
    name: str, beta: float, exact_cdf: Callable[..., Any]
) -> None:
    uniform, logits = points(beta)
    zeta = smoothing(name).sample(uniform, logits, beta)
    assert zeta.dtype == torch.float32
    with mp.workdps(60):
        for rho, logit, sample in zip(*(x.tolist() for x in (uniform, logits, zeta)), strict=True):
            # Half a place is the rounding of the result itself; where z is 1, zeta is no true 0.
            place = max(0.51 * float(np.spacing(np.float32(abs(sample)))), SMALLEST)
            assert exact_cdf(name, sample - mp.mpf(place), logit, beta) <= rho
            assert exact_cdf(name, sample + mp.mpf(place), logit, beta) >= rho


@pytest.mark.parametrize("beta", [5.0, 30.0])
@pytest.mark.parametrize("name", NAMES)
def test_float32_gradients_are_those_of_the_implicit_function(
    name: str, beta: float, exact_cdf: Callable[..., Any]
) -> None:
    uniform, logits = points(beta)
    logits.requires_grad_()
    zeta = smoothing(name).sample(uniform, logits, beta)
    (slopes,) = torch.autograd.grad(zeta.sum(), logits)
    checked = 0
    rows = zip(*(x.tolist() for x in (uniform, logits, zeta, slopes)), strict=True)
    with mp.workdps(60):
        for rho, logit, sample, slope in rows:
            if name == "spike_and_exponential" and rho < 1 / (1 + mp.exp(logit)):
                assert sample == slope == 0
                continue
            room = 1.0 if name == "overlapping_logistic" else min(sample, 1 - sample)
            if room < 1e-4:
                continue
            over = mp.diff(lambda x, z=sample: exact_cdf(name, z, x, beta), logit)
            under = mp.diff(lambda x, v=logit: exact_cdf(name, x, v, beta), sample)
            # The formula is taken at the rounded sample: half a place moves it by so much.
            moved = 0.5 * float(np.spacing(np.float32(abs(sample)))) * 2 * (beta + 1 / room)
            assert abs(slope / (-over / under) - 1) < 2e-7 + moved
            checked += 1
    assert checked > 10


@pytest.mark.parametrize("beta", [0.3, 8.0, 30.0])
@pytest.mark.parametrize("name", NAMES)
def test_gradients_in_float64_are_finite_differences(name: str, beta: float) -> None:
    generator = torch.Generator().manual_seed(3)
    logits = torch.randn(40, generator=generator, dtype=torch.float64) * 2
    # Away from the step: beyond it by more than finite differences reach.
    noise = torch.rand(40, generator=generator, dtype=torch.float64)
    offsets = torch.where(noise > 0.5, 0.02 + noise / 4, -0.02 - noise / 4)
    uniform = torch.sigmoid(offsets * 8 - logits)
    logits.requires_grad_()

    def sample(values: torch.Tensor) -> torch.Tensor:
        return smoothing(name).sample(uniform, values, beta)

    assert torch.autograd.gradcheck(sample, logits, eps=1e-7, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", ["overlapping_exponential", "overlapping_logistic"])
@pytest.mark.parametrize("beta", [1.0, 8.0, 30.0])
def test_both_forms_of_the_root_meet_where_neither_cancels(
    name: str, beta: float, exact_cdf: Callable[..., Any]
) -> None:
    """At b = 0 of the quadratic, and just beside it on either side."""
    one = smoothing(name)
    half, zero = torch.tensor(0.5, dtype=torch.float64), torch.zeros((), dtype=torch.float64)
    assert one.sample(half, zero, beta).item() == 0.5
    q, d = 0.3, np.exp(-beta)
    logit = float(np.log(q / (1 - q)))
    edge = (
        ((1 - q) + d * q) / (1 + d) if name == "overlapping_logistic" else (1 - q - d * q) / (1 - d)
    )
    for step in (-1e-9, 0.0, 1e-9):
        rho = edge + step
        noise = torch.tensor(rho, dtype=torch.float64)
        zeta = one.sample(noise, torch.tensor(logit, dtype=torch.float64), beta).item()
        with mp.workdps(40):
            assert abs(exact_cdf(name, mp.mpf(zeta), logit, beta) - rho) < 1e-15


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=100, deadline=None)
@given(logits_of_any_size, noise_of_any_size, noise_of_any_size, st.sampled_from([0.5, 8.0, 30.0]))
def test_samples_are_finite_rise_with_the_noise_and_have_finite_gradients(
    name: str, logit: float, first: float, second: float, beta: float
) -> None:
    uniform = torch.tensor(sorted([first, second]))
    logits = torch.full((2,), logit, requires_grad=True)
    one = smoothing(name)
    zeta = one.sample(uniform, logits, beta)
    zeta.sum().backward()
    assert logits.grad is not None
    assert torch.isfinite(zeta).all()
    assert zeta[0] <= zeta[1]
    assert torch.isfinite(logits.grad).all()
    assert (logits.grad >= 0).all()
    if name != "overlapping_logistic":
        assert ((zeta >= 0) & (zeta <= 1)).all()
    if name == "spike_and_exponential":
        exact = 1 / (1 + np.exp(np.float64(logit)))
        assert (zeta > 0).tolist() == [noise >= exact for noise in uniform.tolist()]


@pytest.mark.parametrize("name", NAMES)
def test_the_binary_limit_is_what_samples_become_at_low_temperature(name: str) -> None:
    generator = torch.Generator().manual_seed(0)
    uniform = torch.rand(1000, generator=generator, dtype=torch.float64)
    logits = torch.randn(1000, generator=generator, dtype=torch.float64)
    one = smoothing(name)
    far = (uniform - torch.sigmoid(-logits)).abs() > 0.05
    difference = one.sample(uniform, logits, 500.0) - binary_states(uniform, logits)
    assert far.sum() > 500
    assert difference[far].abs().max() < 0.02


@pytest.mark.parametrize("name", NAMES)
def test_noise_of_several_samples_meets_the_logits_of_a_bank(name: str) -> None:
    """[R, K, N, U] noise, [R, 1, N, U] logits, and an inverse temperature for each run."""
    uniform = torch.rand(2, 3, 4, 5)
    logits = torch.randn(2, 1, 4, 5, requires_grad=True)
    beta = torch.tensor([5.0, 12.0]).reshape(2, 1, 1, 1)
    one = smoothing(name)
    zeta = one.sample(uniform, logits, beta)
    density = one.log_density(zeta, logits, beta)
    (zeta.square() + density).sum().backward()
    assert logits.grad is not None
    for run, inverse in enumerate((5.0, 12.0)):
        alone = logits[run].detach().requires_grad_()
        sample = one.sample(uniform[run], alone, inverse)
        alone_density = one.log_density(sample, alone, inverse)
        (sample.square() + alone_density).sum().backward()
        torch.testing.assert_close(zeta[run], sample)
        torch.testing.assert_close(density[run], alone_density)
        torch.testing.assert_close(logits.grad[run], alone.grad)


def test_curves_reach_from_one_component_to_the_other() -> None:
    logits = torch.linspace(0, 1, 11, dtype=torch.float64).logit()
    noise = torch.tensor(0.25, dtype=torch.float64)
    zeta = smoothing("overlapping_exponential").sample(noise, logits, 8.0)
    d = np.exp(-8.0)
    # Without overlap the CDFs invert in closed form.
    assert zeta[0].item() == pytest.approx(-np.log(1 - 0.25 * (1 - d)) / 8, rel=1e-12)
    assert zeta[-1].item() == pytest.approx(1 + np.log(d + 0.25 * (1 - d)) / 8, rel=1e-12)
    assert (zeta.diff() > 0).all()


def test_a_name_that_there_is_not_is_told_with_those_that_there_are() -> None:
    with pytest.raises(ValueError, match=r"unknown smoothing 'gumbel'; known are .*concrete"):
        smoothing("gumbel")
