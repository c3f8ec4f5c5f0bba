"""Coefficients that keep all groups of latent variables in use (appendix H of the DVAE++ paper)."""

from __future__ import annotations

import torch
from torch import Tensor

_SOFTENING = 0.1


def balancing_coefficients(divergences: Tensor, kl_weight: float) -> Tensor:
    """alpha of every group, [R, G], without a gradient, from the batch's mean divergences [R, G].

    Each is in proportion to the group's divergence plus 0.1, and they sum to the number of groups:
    a group that is used little pays little. Once ``kl_weight`` (gamma) is 1, all are 1. An estimate
    below 0, which no divergence is, counts as 0.

    The appendix counts every z_i: global groups with directed priors count one by one, as the local
    ones do. All groups of a Boltzmann machine count as one, since its density does not divide
    between them; the paper does not say how it counts them.
    """
    if kl_weight >= 1:
        return torch.ones_like(divergences, requires_grad=False)
    shares = divergences.detach().clamp(min=0) + _SOFTENING
    return shares * shares.shape[1] / shares.sum(dim=1, keepdim=True)
