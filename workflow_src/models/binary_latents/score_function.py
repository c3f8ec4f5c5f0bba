"""Score-function estimators for one group of binary units: NVIL, MuProp and REBAR.

Each estimates the gradient of E_q[f(z)] in the logits of a factorial q, where f is the learning
signal log p(x, z) - log q(z | x) of one sample: Mnih and Gregor (2014), Gu et al. (2015), Tucker et
al. (2017). The q inside f is held fixed, since its gradient has mean zero. Every estimate is
unbiased; NVIL's is, times a positive factor of the run. Tucker et al.'s program, which Table 1 of
the DVAE++ paper follows, has a learned baseline for every estimator and no division in NVIL;
division is what the paper on NVIL says.

Shapes: R runs in the bank, N images, U units.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import softplus

from workflow_src.models.perceptrons import Tensors

Signal = Callable[[Tensor], Tensor]
"""f, [R, ..., N], of units [R, ..., N, U], also between 0 and 1; only they have a gradient."""

_AVERAGE_KEEPS = 0.8  # NVIL's moving averages, as its paper has them
_SMALLEST_NOISE = 2.0**-25  # below what float32 noise on [0, 1) takes besides 0


@dataclass(frozen=True)
class Estimate:
    """What one sample says.

    Attributes
    ----------
    gradient:
        Of E_q[f] in the logits, ascending, detached: [R, N, U].
    auxiliary:
        [R, N]; what the baseline or the control variate ascends. No other parameter takes part.
    state:
        New moving averages.
    """

    gradient: Tensor
    auxiliary: Tensor
    state: Tensors


def nvil(
    value: Tensor,
    bits: Tensor,
    logits: Tensor,
    baseline: Tensor,
    state: Mapping[str, Tensor],
) -> Estimate:
    """NVIL: an input-dependent baseline, a moving mean, and division by a moving deviation.

    The averages are those of earlier batches, so that they do not depend on these samples; their
    state is ``signal.mean`` and ``signal.variance``, [R] each.

    Parameters
    ----------
    value:
        f at ``bits``, [R, N].
    bits, logits:
        Samples and the logits of q, [R, N, U].
    baseline:
        What a network expects of f given the image, [R, N].
    """
    predicted = value.detach() - baseline
    centred = predicted - state["signal.mean"].unsqueeze(1)
    factor = state["signal.variance"].sqrt().clamp(min=1).unsqueeze(1)
    signal = (centred / factor).detach()
    spread = predicted.detach().var(dim=1, correction=0)
    return Estimate(
        gradient=signal.unsqueeze(-1) * _score(bits, logits),
        auxiliary=-0.5 * centred.square() / factor,
        state={
            **_moved(state, "signal.mean", predicted.detach().mean(dim=1)),
            **_moved(state, "signal.variance", spread),
        },
    )


def muprop(
    value: Tensor,
    bits: Tensor,
    logits: Tensor,
    signal: Signal,
    baseline: Tensor,
    scale_logits: Tensor,
    state: Mapping[str, Tensor],
) -> Estimate:
    """MuProp: f's first-order expansion about the mean field as control variate.

    The expansion's expectation is known. What it leaves of f gets a baseline and a moving mean as
    in `nvil`, and no division, which would weigh the two parts of the gradient differently. The
    expansion's value and its linear term have a learned scale each (Tucker et al.'s program),
    `learned_scale` of ``scale_logits`` [R, 2]. The linear term's known gradient takes its scale, so
    that no scale biases the estimate.
    """
    mean = torch.sigmoid(logits.detach()).requires_grad_()
    with torch.enable_grad():
        expanded = signal(mean)
        (slope,) = torch.autograd.grad(expanded.sum(), mean)
    mean = mean.detach()
    of_value, of_slope = learned_scale(scale_logits).unsqueeze(1).unbind(dim=-1)
    linear = (slope * (bits - mean)).sum(dim=-1)
    rest = value.detach() - of_value * expanded.detach() - of_slope * linear - baseline
    centred = rest - state["signal.mean"].unsqueeze(1)
    known = of_slope.detach().unsqueeze(-1) * slope * mean * (1 - mean)
    return Estimate(
        gradient=centred.detach().unsqueeze(-1) * _score(bits, logits) + known,
        auxiliary=-0.5 * centred.square(),
        state=_moved(state, "signal.mean", rest.detach().mean(dim=1)),
    )


def rebar(
    value: Tensor,
    bits: Tensor,
    logits: Tensor,
    signal: Signal,
    uniform: Tensor,
    conditional_uniform: Tensor,
    baseline: Tensor,
    log_temperature: Tensor,
    scale_logit: Tensor,
) -> Estimate:
    """REBAR: f at relaxed units as control variate, with a reparameterised gradient of its mean.

    The relaxed units are Concrete, once as ``uniform`` gave the bits and once drawn anew by
    ``conditional_uniform`` given the bits. Temperature lambda [R], scale eta, which is
    `learned_scale` of ``scale_logit`` [R], and the baseline [R, N] descend the sum over units of
    the squared estimate, which has the variance's gradient. The published program takes the squares
    of the parameters' gradients, and has one eta for every tensor of them; per image and logit is
    cheaper, and there one eta belongs to the run.
    """
    fixed = logits.detach()
    probability = torch.sigmoid(fixed)
    noise = uniform.clamp(min=_SMALLEST_NOISE)
    again = conditional_uniform.clamp(min=_SMALLEST_NOISE)
    drawn = fixed + noise.log() - torch.log1p(-noise)
    redrawn, slope = _given_bits(bits, fixed, again)
    with torch.enable_grad():
        sharpness = torch.exp(-log_temperature).view(-1, 1, 1)
        relaxed = torch.sigmoid(torch.stack([drawn, redrawn], dim=1) * sharpness.unsqueeze(1))
        if not relaxed.requires_grad:  # as where the temperature is not trained
            relaxed.requires_grad_()
        signals = signal(relaxed)
        (slopes,) = torch.autograd.grad(signals.sum(), relaxed, create_graph=True)
        by_logits = slopes * relaxed * (1 - relaxed) * sharpness.unsqueeze(1)
        eta = learned_scale(scale_logit).view(-1, 1, 1)
        rest = (value.detach() - baseline).unsqueeze(-1) - eta * signals[:, 1].unsqueeze(-1)
        gradient = rest * (bits - probability)
        gradient = gradient + eta * (by_logits[:, 0] - by_logits[:, 1] * slope)
    return Estimate(gradient.detach(), -gradient.square().sum(dim=-1), {})


def learned_scale(logit: Tensor) -> Tensor:
    """A control variate's factor between 0 and 2; 1 where the parameter is 0."""
    return 2 * torch.sigmoid(logit)


def _given_bits(bits: Tensor, logits: Tensor, uniform: Tensor) -> tuple[Tensor, Tensor]:
    """logits + a logistic variable, given its sign; and its derivative in the logits.

    The inverse CDF of the logistic variable restricted to one side, written without cancellation:
    softplus(l + log v) - log(1 - v) where the bit is 1, its mirror image where it is 0.
    """
    log_noise, log_rest = uniform.log(), torch.log1p(-uniform)
    above = logits + log_noise
    below = log_rest - logits
    ones = bits > 0.5
    value = torch.where(ones, softplus(above) - log_rest, log_noise - softplus(below))
    return value, torch.sigmoid(torch.where(ones, above, below))


def _score(bits: Tensor, logits: Tensor) -> Tensor:
    """d log q(z) / d logits."""
    return bits - torch.sigmoid(logits.detach())


def _moved(state: Mapping[str, Tensor], name: str, now: Tensor) -> Tensors:
    return {name: state[name] * _AVERAGE_KEEPS + now * (1 - _AVERAGE_KEEPS)}
