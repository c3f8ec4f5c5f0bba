"""The coefficients of appendix H."""

from __future__ import annotations

import pytest
import torch

from workflow_src.models.dvaepp.balancing import balancing_coefficients


def test_they_are_in_proportion_to_divergences_and_sum_to_the_number_of_groups() -> None:
    divergences = torch.tensor([[0.9, 0.0, 2.9], [0.0, 0.0, 0.0]], requires_grad=True)
    own = balancing_coefficients(divergences, 0.3)
    # (0.9 + 0.1) : (0 + 0.1) : (2.9 + 0.1), times 3 / 4.1
    expected = torch.tensor([[3 / 4.1, 0.3 / 4.1, 9 / 4.1], [1.0, 1.0, 1.0]])
    torch.testing.assert_close(own, expected)
    torch.testing.assert_close(own.sum(dim=1), torch.tensor([3.0, 3.0]))
    assert not own.requires_grad


def test_an_estimate_below_zero_counts_as_zero() -> None:
    own = balancing_coefficients(torch.tensor([[-5.0, 0.9]]), 0.0)
    torch.testing.assert_close(own, torch.tensor([[2 / 11, 20 / 11]]))


@pytest.mark.parametrize("kl_weight", [1.0, 1.5])
def test_all_are_one_once_the_weight_is(kl_weight: float) -> None:
    own = balancing_coefficients(torch.tensor([[5.0, 0.1]], requires_grad=True), kl_weight)
    torch.testing.assert_close(own, torch.ones(1, 2))
    assert not own.requires_grad
