"""Sums over samples of weights that are known by their logarithms, sample by sample."""

from __future__ import annotations

import math

import torch
from torch import Tensor


class RunningSum:
    """Sums of exp(v) and exp(2 v) over samples, per leaf and image, free of overflow."""

    def __init__(self, leaves: int, images: int, device: torch.device) -> None:
        shape = (leaves, images)
        self._largest = torch.full(shape, -math.inf, dtype=torch.float64, device=device)
        self._sum = torch.zeros(shape, dtype=torch.float64, device=device)
        self._sum_of_squares = torch.zeros(shape, dtype=torch.float64, device=device)

    def add(self, log_weights: Tensor) -> tuple[Tensor, Tensor]:
        """Take in log weights v [L, K, N].

        Returns
        -------
        What sums of weights over earlier samples are to be multiplied by, [L, N], so that those of
        these samples, [L, K, N], can be added: all in units of the largest weight so far.
        """
        weights = log_weights.double()
        largest = torch.maximum(self._largest, weights.amax(dim=1))
        # Where everything so far is zero there is nothing to rescale.
        shift = torch.where(torch.isinf(largest), torch.zeros_like(largest), largest)
        old = torch.exp(self._largest - shift)
        shares = torch.exp(weights - shift.unsqueeze(1))
        self._sum = self._sum * old + shares.sum(dim=1)
        self._sum_of_squares = self._sum_of_squares * old**2 + (shares**2).sum(dim=1)
        self._largest = largest
        return old, shares

    def total(self) -> Tensor:
        """Sum of the weights in units of the largest, [L, N]."""
        return self._sum

    def log_sum(self) -> Tensor:
        """log sum exp(v), [L, N]."""
        return torch.log(self._sum) + torch.where(
            torch.isinf(self._largest), torch.zeros_like(self._largest), self._largest
        )

    def effective_sample_size(self) -> Tensor:
        """Between 1 and K, [L, N]."""
        return self._sum**2 / self._sum_of_squares
