"""NVIL, MuProp and REBAR on a function of three bits whose expectation can be enumerated."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from torch import Tensor

from workflow_src.models.binary_latents.groups import binary_states
from workflow_src.models.binary_latents.score_function import Estimate, muprop, nvil, rebar

LOGITS = torch.tensor([0.4, -1.2, 2.0], dtype=torch.float64)
DRAWS = 200_000


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
    scale: float = 0.8,
    variance: float = 0.5,
    logits: Tensor = LOGITS,
    draws: int = DRAWS,
    log_temperature: Tensor | None = None,
    scales: Tensor | None = None,
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
    baseline = torch.full((1, draws), 0.7, dtype=torch.float64)
    if kind == "nvil":
        return nvil(value, bits, own, baseline, state)
    if kind == "muprop":
        return muprop(value, bits, own, signal, baseline, state)
    if log_temperature is None:
        log_temperature = torch.tensor([temperature], dtype=torch.float64).log()
    if scales is None:
        scales = torch.tensor([scale], dtype=torch.float64)
    return rebar(value, bits, own, signal, uniform, again, log_temperature, scales)


def assert_mean(gradient: Tensor, expected: Tensor) -> None:
    """The mean over draws is within 4.5 of its standard errors, which are small."""
    mean, error = gradient[0].mean(dim=0), gradient[0].std(dim=0) / gradient.shape[1] ** 0.5
    assert (error < 0.03 * expected.abs().max()).all()
    assert ((mean - expected).abs() < 4.5 * error).all(), (mean, expected, error)


@pytest.mark.parametrize("kind", ["nvil", "muprop", "rebar"])
def test_estimates_are_unbiased(kind: str) -> None:
    assert_mean(estimate(kind).gradient, exact_gradient())


@pytest.mark.parametrize(("temperature", "scale"), [(0.2, 1.0), (2.0, 1.7), (0.6, 0.0)])
def test_rebar_is_unbiased_at_every_temperature_and_scale(temperature: float, scale: float) -> None:
    assert_mean(estimate("rebar", temperature, scale).gradient, exact_gradient())


def test_a_spread_signal_is_divided_by_its_deviation() -> None:
    assert_mean(5 * estimate("nvil", variance=25.0).gradient, exact_gradient())


def test_control_variates_lower_the_variance() -> None:
    """At scale 0 REBAR is the plain score-function estimator."""

    def variance(one: Estimate) -> float:
        return float(one.gradient[0].var(dim=0).sum())

    plain = variance(estimate("rebar", scale=0.0))
    assert variance(estimate("rebar", scale=1.0)) < 0.5 * plain
    assert variance(estimate("nvil")) < plain
    assert variance(estimate("muprop")) < plain


def test_rebar_ascends_minus_its_second_moment() -> None:
    """Its derivatives by finite differences of the estimates' own squares, with equal noise."""
    log_temperature = torch.tensor([-0.3], dtype=torch.float64, requires_grad=True)
    scale = torch.tensor([0.9], dtype=torch.float64, requires_grad=True)
    draws = 500
    one = estimate("rebar", draws=draws, log_temperature=log_temperature, scales=scale)
    one.auxiliary.sum().backward()

    def second_moment(log_temperature: float, scale: float) -> float:
        at = [torch.tensor([value], dtype=torch.float64) for value in (log_temperature, scale)]
        moved = estimate("rebar", draws=draws, log_temperature=at[0], scales=at[1])
        return float(moved.gradient.square().sum())

    step = 1e-5
    by_temperature = (second_moment(-0.3 + step, 0.9) - second_moment(-0.3 - step, 0.9)) / step / 2
    by_scale = (second_moment(-0.3, 0.9 + step) - second_moment(-0.3, 0.9 - step)) / step / 2
    assert log_temperature.grad.item() == pytest.approx(-by_temperature, rel=1e-5)
    assert scale.grad.item() == pytest.approx(-by_scale, rel=1e-5)


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
    rebar(signal(bits), bits, own, recording, uniform, again, 0 * one, one)
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
        one = muprop(value, bits, logits, signal, zero, state)
    else:
        one = rebar(value, bits, logits, signal, uniform, uniform, log_temperature, torch.ones(1))
        one.auxiliary.sum().backward()
        assert torch.isfinite(log_temperature.grad).all()
    assert torch.isfinite(one.gradient).all()
    assert torch.isfinite(one.auxiliary).all()
