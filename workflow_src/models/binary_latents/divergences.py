"""The Kullback-Leibler terms of the DVAE++ paper's bounds, given what the encoder sampled.

Every bound is log p(x | zeta) minus one of these. Shapes: R runs in the bank, N images, G groups,
U units of a group. All are in nats, per image, and have one sample of the smoothed units; their
mean over the noise is what the paper's equations say.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from workflow_src.models.binary_latents.bernoulli import divergence, entropy
from workflow_src.models.boltzmann.energy import BoltzmannMachine
from workflow_src.models.smoothings.smoothing import Smoothing


def joint_divergences(logits: Sequence[Tensor], prior_logits: Sequence[Tensor]) -> Tensor:
    """KL(q(z_i | x, zeta before) || p(z_i | zeta before)) of every group, [R, N, G] (equation 4).

    Logits of q and of p are [R, N, U] for every group, or broadcast to it.
    """
    return torch.stack(
        [divergence(own, prior) for own, prior in zip(logits, prior_logits, strict=True)], dim=-1
    )


def marginal_divergences(
    logits: Sequence[Tensor],
    prior_logits: Sequence[Tensor],
    samples: Sequence[Tensor],
    uniform: Sequence[Tensor],
    smoothing: Smoothing,
    inverse_temperature: float,
) -> Tensor:
    """log q(zeta_i | x, zeta before) - log p(zeta_i | zeta before), [R, N, G] (equation 5).

    ``samples`` are smoothed units that ``uniform`` noise gave. The mean over the noise of each is
    a divergence between smoothed distributions, which is at most that of `joint_divergences`.
    """
    return torch.stack(
        [
            smoothing.log_density_ratio(zeta, noise, own, prior, inverse_temperature).sum(dim=-1)
            for own, prior, zeta, noise in zip(logits, prior_logits, samples, uniform, strict=True)
        ],
        dim=-1,
    )


def boltzmann_divergence(
    machine: BoltzmannMachine, left_logits: Tensor, right_logits: Tensor, left_posterior: Tensor
) -> Tensor:
    """KL(q || p) - log Z for a restricted Boltzmann machine p, [R, N] (equation 6, as simplified).

    The expected energy has the probabilities mu given the image and the groups before where one
    group enters alone. Where both enter, the first does by its posterior nu given also its own
    smoothed units, because the second group's probabilities depend on them.

    Parameters
    ----------
    left_logits, right_logits:
        Of mu1 and mu2, [R, N, V] and [R, N, H].
    left_posterior:
        nu1, [R, N, V]. Where the second group does not depend on the first, mu1 has the same
        expectation without its noise.
    """
    left, right = torch.sigmoid(left_logits), torch.sigmoid(right_logits)
    single = (left * machine.visible_bias.unsqueeze(1)).sum(dim=-1)
    single = single + (right * machine.hidden_bias.unsqueeze(1)).sum(dim=-1)
    pairs = (torch.bmm(left_posterior, machine.weights) * right).sum(dim=-1)
    return -entropy(left_logits) - entropy(right_logits) - single - pairs
