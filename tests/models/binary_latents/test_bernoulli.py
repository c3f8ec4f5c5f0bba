"""Factorial Bernoulli distributions against SciPy."""

from __future__ import annotations

import pytest
import torch
from scipy.special import entr, expit, rel_entr
from scipy.stats import bernoulli

from workflow_src.models.binary_latents.bernoulli import (
    divergence,
    entropy,
    log_probability,
    pixel_log_likelihood,
)

LOGITS = torch.tensor([[-3.0, 0.0, 2.5], [30.0, -0.1, -30.0]], dtype=torch.float64)
OTHER = torch.tensor([[1.0, -2.0, 2.5]], dtype=torch.float64)
BITS = torch.tensor([[0.0, 1.0, 1.0], [1.0, 0.0, 1.0]], dtype=torch.float64)


def test_they_are_what_scipy_says() -> None:
    own, other, bits = expit(LOGITS.numpy()), expit(OTHER.numpy()), BITS.numpy()
    probability = torch.tensor(bernoulli.logpmf(bits, own).sum(axis=-1))
    torch.testing.assert_close(log_probability(BITS, LOGITS), probability)
    torch.testing.assert_close(pixel_log_likelihood(BITS, LOGITS), probability)
    sides = [(own, other), (expit(-LOGITS.numpy()), expit(-OTHER.numpy()))]
    entropies = torch.tensor(sum(entr(q) for q, _ in sides).sum(axis=-1))
    divergences = torch.tensor(sum(rel_entr(q, p) for q, p in sides).sum(axis=-1))
    torch.testing.assert_close(entropy(LOGITS), entropies)
    torch.testing.assert_close(divergence(LOGITS, OTHER), divergences)


def test_two_derivatives_of_the_pixel_likelihood_are_right() -> None:
    logits = LOGITS.clamp(-4, 4).requires_grad_()
    assert torch.autograd.gradcheck(lambda f: pixel_log_likelihood(BITS[:1], f), logits)
    assert torch.autograd.gradgradcheck(lambda f: pixel_log_likelihood(BITS[:1], f), logits)


@pytest.mark.parametrize("size", [50.0, 1e4])
def test_saturated_units_have_finite_values_and_gradients(size: float) -> None:
    logits = torch.tensor([[size, -size, 0.0]], requires_grad=True)
    bits = torch.tensor([[0.0, 1.0, 1.0]])
    values = [
        log_probability(bits, logits),
        entropy(logits),
        divergence(logits, -logits.detach()),
        pixel_log_likelihood(bits, logits),
    ]
    torch.stack(values).sum().backward()
    assert all(torch.isfinite(value).all() for value in values)
    assert torch.isfinite(logits.grad).all()
    # Two certain units that are wrong, and a fair one.
    assert values[0].item() == pytest.approx(-2 * size - 0.6931472)
    assert values[1].item() == pytest.approx(0.6931472)
