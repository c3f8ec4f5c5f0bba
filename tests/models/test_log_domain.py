"""log-sum-exp against SciPy, at its edges first."""

from __future__ import annotations

import numpy as np
import torch
from scipy.special import logsumexp, softmax

from workflow_src.models.log_domain import log_sum_exp

INFINITY = float("inf")


def test_it_is_scipys_value_and_its_gradient_the_softmax() -> None:
    values = np.random.default_rng(0).normal(scale=50, size=(3, 7, 4))
    tensor = torch.tensor(values, requires_grad=True)
    result = log_sum_exp(tensor, dim=1)
    np.testing.assert_allclose(result.detach(), logsumexp(values, axis=1), rtol=1e-14)
    result.sum().backward()
    np.testing.assert_allclose(tensor.grad, softmax(values, axis=1), atol=1e-14)


def test_far_below_the_smallest_number_nothing_is_lost() -> None:
    values = torch.tensor([-4000.0, -4000.0])
    assert log_sum_exp(values, dim=0).item() == np.float32(-4000 + np.log(2))


def test_one_term_of_probability_zero_changes_nothing_and_gets_no_gradient() -> None:
    values = torch.tensor([-INFINITY, 0.5, 1.5], dtype=torch.float64, requires_grad=True)
    result = log_sum_exp(values, dim=0)
    assert abs(result.item() - logsumexp([0.5, 1.5])) < 1e-15
    result.backward()
    np.testing.assert_allclose(values.grad, [0, *softmax([0.5, 1.5])], atol=1e-15)


def test_a_sum_of_nothing_but_zeros_is_zero_without_a_gradient() -> None:
    values = torch.full((2, 3), -INFINITY, requires_grad=True)
    result = log_sum_exp(values, dim=1)
    assert result.tolist() == [-INFINITY, -INFINITY]
    result.sum().backward()
    assert values.grad is not None
    assert values.grad.tolist() == [[0.0] * 3] * 2


def test_what_is_not_a_number_is_not_hidden() -> None:
    assert torch.isnan(log_sum_exp(torch.tensor([0.0, float("nan")]), dim=0))
    assert not torch.isfinite(log_sum_exp(torch.tensor([0.0, INFINITY]), dim=0))


def test_gradcheck() -> None:
    values = torch.randn(2, 5, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda v: log_sum_exp(v, 1), values)
