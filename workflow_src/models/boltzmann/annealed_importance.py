"""Annealed importance sampling of the log partition function (Neal, 2001).

As for restricted Boltzmann machines by Salakhutdinov and Murray (2008): one group of units is
summed out of every weight, and the path starts at independent units.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import softplus

from workflow_src.models.boltzmann.energy import BoltzmannMachine
from workflow_src.models.boltzmann.gibbs import Uniforms, become_units
from workflow_src.models.boltzmann.path import Path, path_to
from workflow_src.models.latent_variables import LogPartition


@torch.no_grad()
def annealed_log_partition(
    machine: BoltzmannMachine,
    generators: Sequence[torch.Generator],
    temperatures: int = 1000,
    chains: int = 1024,
) -> LogPartition:
    """log Z of every run, from so many chains of so many temperatures; one stream for each run.

    The estimate of Z is unbiased, and that of log Z below it on average. The smaller group is
    sampled, the larger summed out.

    Raises
    ------
    ValueError
        If there are fewer than 2 temperatures or chains.
    """
    if temperatures < 2 or chains < 2:
        raise ValueError(
            f"annealing needs two temperatures and two chains: {temperatures}, {chains}"
        )
    smaller = machine if machine.left_units <= machine.right_units else machine.transposed()
    path = path_to(smaller, generators)
    log_weights = annealed_log_weights(path, generators, temperatures, chains)
    value = torch.logsumexp(log_weights, dim=1) - math.log(chains) + path.base_log_partition()
    dtype = machine.weights.dtype
    return LogPartition(value.to(dtype), standard_error_of_log_mean(log_weights).to(dtype))


def annealed_log_weights(
    path: Path, generators: Sequence[torch.Generator], temperatures: int, chains: int
) -> Tensor:
    """Log weights, ``[R, chains]`` in double precision; exp of them estimates Z / Z of the base."""
    left, right = path.base_states(chains, generators)
    left_noise = Uniforms(left, draws=temperatures - 1)
    right_noise = Uniforms(right, draws=temperatures - 1)
    slopes = torch.empty_like(right)
    log_weights = torch.zeros(left.shape[:2], dtype=torch.float64, device=left.device)
    for step in range(1, temperatures):
        before, now = (step - 1) / (temperatures - 1), step / (temperatures - 1)
        path.right_slopes(left, slopes)
        tilt = path.left_tilt(left).double()
        log_weights += tilt * (now - before) - _summed_out(path.right, slopes, before)
        torch.add(path.right, slopes, alpha=now, out=right)
        log_weights += softplus(right).sum(dim=2).double()
        become_units(right, right_noise.draw(generators))
        path.left_slopes(right, left).mul_(now).add_(path.left)
        become_units(left, left_noise.draw(generators))
    return log_weights


def _summed_out(base: Tensor, slopes: Tensor, inverse_temperature: float) -> Tensor:
    return softplus(torch.add(base, slopes, alpha=inverse_temperature)).sum(dim=2).double()


def standard_error_of_log_mean(log_weights: Tensor) -> Tensor:
    """Standard error of the log of the mean of exp of ``[R, C]`` independent values: ``[R]``.

    The larger of two: the delta method's, from the weights themselves, and that of weights whose
    logs are normal with the spread seen above their median. The first is far too small where the
    few weights that make up the mean were not drawn.
    """
    chains = log_weights.shape[1]
    shares = torch.softmax(log_weights, dim=1)
    seen = (shares - 1 / chains).square().sum(dim=1) * chains / (chains - 1)
    # Weights far below the others change nothing, but would change a variance.
    above = (log_weights - log_weights.quantile(0.5, dim=1, keepdim=True)).clamp_min(0)
    variance = 2 * above.square().mean(dim=1)
    # log(1 + (exp(variance) - 1) / C), which must not overflow.
    rest = torch.full_like(variance, math.log1p(-1 / chains))
    normal = torch.logaddexp(variance - math.log(chains), rest)
    return torch.maximum(seen, normal.clamp_min(0)).sqrt()
