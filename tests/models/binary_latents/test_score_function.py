"""NVIL, MuProp and REBAR on a function of three bits whose expectation can be enumerated."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import expit
from torch import Tensor

from workflow_src.models.binary_latents.hierarchical_encoder import binary_states
from workflow_src.models.binary_latents.score_function import (
    Estimate,
    learned_scale,
    muprop,
    nvil,
    rebar,
)

MUPROP_SCALES = torch.tensor([[0.7, -0.9]], dtype=torch.float64)
LOGITS = torch.tensor([0.4, -1.2, 2.0], dtype=torch.float64)
DRAWS = 200_000
NEVER = 40.0  # as the logit of a scale: 0 to eighteen digits, or 2


def signal(units: Tensor) -> Tensor:
    """Neither linear in the units nor a sum over them."""
    weights = torch.tensor([1.0, -2.0, 1.5], dtype=units.dtype)
    inside = units @ weights
    return 3 * torch.sin(inside) + 2 * units[..., 0] * units[..., 2] - inside.square() - 4


def exact_gradient() -> Tensor:
    logits = LOGITS.clone().requires_grad_()
    total = torch.zeros((), dtype=torch.float64)
    for bits in product([0.0, 1.0], repeat=3):
        state = torch.tensor(bits, dtype=torch.float64)
        log_q = (state * logits - torch.nn.functional.softplus(logits)).sum()
        total = total + log_q.exp() * signal(state)
    (gradient,) = torch.autograd.grad(total, logits)
    return gradient


def estimate(
    kind: str,
    temperature: float = 0.6,
    scale_logit: float = -0.4,
    variance: float = 0.5,
    logits: Tensor = LOGITS,
    draws: int = DRAWS,
    log_temperature: Tensor | None = None,
    scale_logits: Tensor | None = None,
    expected: Tensor | None = None,
) -> Estimate:
    """Of one run, with every draw as an image."""
    generator = torch.Generator().manual_seed(3)
    uniform = torch.rand(1, draws, 3, generator=generator, dtype=torch.float64)
    again = torch.rand(1, draws, 3, generator=generator, dtype=torch.float64)
    own = logits.expand(1, draws, 3)
    bits = binary_states(uniform, own)
    value = signal(bits)
    state = {
        "signal.mean": torch.tensor([-2.0], dtype=torch.float64),
        "signal.variance": torch.tensor([variance], dtype=torch.float64),
    }
    baseline = torch.full((1, draws), 0.7, dtype=torch.float64) if expected is None else expected
    if kind == "nvil":
        return nvil(value, bits, own, baseline, state)
    if kind == "muprop":
        scale_logits = MUPROP_SCALES if scale_logits is None else scale_logits
        return muprop(value, bits, own, signal, baseline, scale_logits, state)
    if log_temperature is None:
        log_temperature = torch.tensor([temperature], dtype=torch.float64).log()
    if scale_logits is None:
        scale_logits = torch.tensor([scale_logit], dtype=torch.float64)
    return rebar(value, bits, own, signal, uniform, again, baseline, log_temperature, scale_logits)


def assert_mean(gradient: Tensor, expected: Tensor) -> None:
    """The mean over draws is within 4.5 of its standard errors, which are small."""
    mean, error = gradient[0].mean(dim=0), gradient[0].std(dim=0) / gradient.shape[1] ** 0.5
    assert (error < 0.03 * expected.abs().max()).all()
    assert ((mean - expected).abs() < 4.5 * error).all(), (mean, expected, error)


@pytest.mark.parametrize("kind", ["nvil", "muprop", "rebar"])
def test_estimates_are_unbiased(kind: str) -> None:
    assert_mean(estimate(kind).gradient, exact_gradient())


@pytest.mark.parametrize(("temperature", "logit"), [(0.2, 0.0), (2.0, 1.7), (0.6, -NEVER)])
def test_rebar_is_unbiased_at_every_temperature_and_scale(temperature: float, logit: float) -> None:
    assert_mean(estimate("rebar", temperature, logit).gradient, exact_gradient())


@pytest.mark.parametrize("scales", [(-NEVER, -NEVER), (3.0, -NEVER), (-NEVER, 1.5)])
def test_muprop_is_unbiased_at_all_scales(scales: tuple[float, float]) -> None:
    one = estimate("muprop", scale_logits=torch.tensor([scales], dtype=torch.float64))
    assert_mean(one.gradient, exact_gradient())


def test_a_scale_is_one_at_first_and_between_zero_and_two() -> None:
    scales = learned_scale(torch.tensor([0.0, -NEVER, NEVER], dtype=torch.float64))
    torch.testing.assert_close(scales, torch.tensor([1.0, 0.0, 2.0], dtype=torch.float64))


def test_a_spread_signal_is_divided_by_its_deviation() -> None:
    assert_mean(5 * estimate("nvil", variance=25.0).gradient, exact_gradient())


def test_control_variates_lower_the_variance() -> None:
    """At scale 0 REBAR is the plain score-function estimator."""

    def variance(one: Estimate) -> float:
        return float(one.gradient[0].var(dim=0).sum())

    nothing = torch.zeros(1, DRAWS, dtype=torch.float64)
    plain = variance(estimate("rebar", scale_logit=-NEVER, expected=nothing))
    assert variance(estimate("rebar", scale_logit=0.0, expected=nothing)) < 0.5 * plain
    assert variance(estimate("rebar", scale_logit=-NEVER, expected=nothing - 2)) < plain
    assert variance(estimate("nvil")) < plain
    assert variance(estimate("muprop", scale_logits=0 * MUPROP_SCALES)) < plain


def test_rebar_ascends_minus_its_second_moment() -> None:
    """Its derivatives by finite differences of the estimates' own squares, with equal noise."""
    log_temperature = torch.tensor([-0.3], dtype=torch.float64, requires_grad=True)
    scale = torch.tensor([0.9], dtype=torch.float64, requires_grad=True)
    draws = 500
    baseline = torch.full((1, draws), -1.1, dtype=torch.float64, requires_grad=True)
    one = estimate("rebar", 0, 0, 0, LOGITS, draws, log_temperature, scale, baseline)
    one.auxiliary.sum().backward()

    def second_moment(*at: float) -> float:
        first, second, third = (torch.tensor([value], dtype=torch.float64) for value in at)
        expected = third.expand(1, draws)
        moved = estimate("rebar", 0, 0, 0, LOGITS, draws, first, second, expected)
        return float(moved.gradient.square().sum())

    found = (log_temperature.grad, scale.grad, baseline.grad.sum())
    at = np.array([-0.3, 0.9, -1.1])
    for gradient, step in zip(found, 1e-5 * np.eye(3), strict=True):
        difference = (second_moment(*(at + step)) - second_moment(*(at - step))) / 2e-5
        assert gradient.item() == pytest.approx(-difference, rel=1e-5)


def test_muprops_scales_descend_the_squared_rest() -> None:
    """What the expansion leaves of f, written anew with a slope by finite differences."""
    scale_logits = MUPROP_SCALES.clone().requires_grad_()
    draws = 500
    estimate("muprop", draws=draws, scale_logits=scale_logits).auxiliary.sum().backward()
    uniform = torch.rand(
        1, draws, 3, generator=torch.Generator().manual_seed(3), dtype=LOGITS.dtype
    )
    mean = expit(LOGITS.numpy())
    bits = (uniform[0].numpy() >= 1 - mean).astype(float)

    def f(units: Any) -> Any:
        return signal(torch.from_numpy(units)).numpy()

    slope = [(f(mean + step) - f(mean - step)) / 2e-6 for step in 1e-6 * np.eye(3)]
    terms = np.stack([np.full(draws, f(mean)), (bits - mean) @ slope])
    scales = 2 * expit(MUPROP_SCALES[0].numpy())
    rest = f(bits) - scales @ terms - 0.7 - (-2.0)
    by_scale = (rest * terms).sum(axis=1)
    np.testing.assert_allclose(
        scale_logits.grad[0], by_scale * scales * (1 - scales / 2), rtol=1e-6
    )


def test_rebar_draws_its_second_units_given_the_bits() -> None:
    """They agree with the bits in sign, and without the bits are logistic like the first."""
    seen: list[Tensor] = []

    def recording(units: Tensor) -> Tensor:
        seen.append(units.detach())
        return signal(units)

    generator = torch.Generator().manual_seed(5)
    uniform, again = torch.rand(2, 1, DRAWS, 3, generator=generator, dtype=torch.float64)
    own = LOGITS.expand(1, DRAWS, 3)
    bits = binary_states(uniform, own)
    one = torch.ones(1, dtype=torch.float64)
    rebar(signal(bits), bits, own, recording, uniform, again, 0 * bits[..., 0], 0 * one, 0 * one)
    first, second = seen[0][:, 0], seen[0][:, 1]
    assert torch.equal(first > 0.5, bits > 0.5)
    assert torch.equal(second > 0.5, bits > 0.5)
    for units in (first, second):
        # The logistic CDF of a unit's noise is uniform.
        noise = torch.sigmoid(torch.logit(units[0]) - LOGITS)
        levels = noise.sort(dim=0).values
        expected = (torch.arange(DRAWS, dtype=torch.float64) + 0.5) / DRAWS
        # 1.95 / sqrt(n): Kolmogorov-Smirnov at 0.1 %.
        assert (levels - expected.unsqueeze(1)).abs().max() < 1.95 / DRAWS**0.5


def test_the_baseline_descends_the_squared_error_and_averages_move() -> None:
    baseline = torch.tensor([[1.0, 3.0]], requires_grad=True)
    state = {"signal.mean": torch.tensor([2.0]), "signal.variance": torch.tensor([16.0])}
    bits, logits = torch.ones(1, 2, 1), torch.zeros(1, 2, 1)
    one = nvil(torch.tensor([[10.0, 4.0]]), bits, logits, baseline, state)
    one.auxiliary.sum().backward()
    # f - C - c = 7 and -1; in units of the deviation 4 they are the descent of the baseline.
    torch.testing.assert_close(baseline.grad, torch.tensor([[7 / 4, -1 / 4]]))
    torch.testing.assert_close(one.gradient[..., 0], torch.tensor([[7 / 8, -1 / 8]]))
    # f - C = 9 and 1: mean 5 and variance 16, a fifth of which comes in.
    assert one.state["signal.mean"].item() == pytest.approx(0.8 * 2 + 0.2 * 5)
    assert one.state["signal.variance"].item() == pytest.approx(16.0)


@pytest.mark.parametrize("kind", ["nvil", "muprop", "rebar"])
@pytest.mark.parametrize("noise", [0.0, 1 - 2.0**-24])
def test_saturated_units_have_finite_estimates(kind: str, noise: float) -> None:
    logits = torch.tensor([[[50.0, -50.0, 0.0]]])
    uniform = torch.full((1, 1, 3), noise)
    bits = binary_states(uniform, logits)
    value, zero = signal(bits), torch.zeros(1, 1)
    state = {"signal.mean": torch.zeros(1), "signal.variance": torch.ones(1)}
    log_temperature = torch.tensor([-2.0], requires_grad=True)
    if kind == "nvil":
        one = nvil(value, bits, logits, zero, state)
    elif kind == "muprop":
        one = muprop(value, bits, logits, signal, zero, torch.zeros(1, 2), state)
    else:
        one = rebar(
            value, bits, logits, signal, uniform, uniform, zero, log_temperature, torch.zeros(1)
        )
        one.auxiliary.sum().backward()
        assert torch.isfinite(log_temperature.grad).all()
    assert torch.isfinite(one.gradient).all()
    assert torch.isfinite(one.auxiliary).all()
