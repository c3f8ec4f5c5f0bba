"""The divergence from a Boltzmann machine against quadrature over smoothed units."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.special import expit, log_expit
from torch import Tensor

from workflow_src.models.binary_latents.divergences import boltzmann_divergence
from workflow_src.models.boltzmann.energy import BoltzmannMachine
from workflow_src.models.smoothings.smoothing import smoothing

BETA = 3.0
VALUES = {"l1": 0.6, "offset": -0.5, "slope": 2.0, "a1": 0.3, "a2": -0.8, "w": 1.7}
"""Logit of q(z1), logit of q(z2 | zeta1) = offset + slope zeta1, and a machine of 1 + 1 units."""


def direct_divergence(values: dict[str, float]) -> float:
    """KL(q(z1, z2, zeta1) || p) by summing over both bits and integrating over zeta1.

    What smooths z2, and zeta1 given z1, is equal in q and p and drops out.
    """
    v = values
    energies = {
        (z1, z2): v["a1"] * z1 + v["a2"] * z2 + v["w"] * z1 * z2
        for z1, z2 in product([0, 1], repeat=2)
    }
    log_z = np.logaddexp.reduce(list(energies.values()))
    norm = (1 - np.exp(-BETA)) / BETA

    def inside(zeta: float) -> float:
        logit2 = v["offset"] + v["slope"] * zeta
        total = 0.0
        for (z1, z2), energy in energies.items():
            log_q1 = log_expit(v["l1"] if z1 else -v["l1"])
            log_q2 = log_expit(logit2 if z2 else -logit2)
            density = np.exp(BETA * (zeta - 1) if z1 else -BETA * zeta) / norm
            weight = np.exp(log_q1 + log_q2) * density
            total += weight * (log_q1 + log_q2 - energy + log_z)
        return total

    return float(quad(inside, 0, 1, epsabs=1e-12)[0])


def estimated(
    values: dict[str, Tensor], posterior_of: Callable[[Tensor, Tensor], Tensor] | None = None
) -> Tensor:
    """The mean of equation 6 over a fine grid of the uniform number, plus log Z."""
    one = smoothing("overlapping_exponential")
    nodes, weights = np.polynomial.legendre.leggauss(200)
    uniform = torch.tensor((nodes + 1) / 2).view(1, -1, 1)
    logits = values["l1"].expand(1, uniform.shape[1], 1)
    zeta = one.sample(uniform, logits, BETA)
    second = values["offset"] + values["slope"] * zeta
    if posterior_of is None:
        posterior = one.posterior(zeta, logits, BETA)
    else:
        posterior = posterior_of(zeta, logits)
    machine = BoltzmannMachine(
        values["a1"].view(1, 1), values["a2"].view(1, 1), values["w"].view(1, 1, 1)
    )
    terms = boltzmann_divergence(machine, logits, second, posterior)
    energies = [
        values["a1"] * z1 + values["a2"] * z2 + values["w"] * z1 * z2
        for z1, z2 in product([0, 1], repeat=2)
    ]
    return (terms[0] * torch.tensor(weights / 2)).sum() + torch.logsumexp(torch.stack(energies), 0)


def tensors() -> dict[str, Tensor]:
    return {
        name: torch.tensor(value, dtype=torch.float64, requires_grad=True)
        for name, value in VALUES.items()
    }


def test_equation_6_is_the_divergence() -> None:
    assert estimated(tensors()).item() == pytest.approx(direct_divergence(VALUES), abs=1e-7)


def test_without_the_posterior_of_the_first_group_it_is_not() -> None:
    wrong = estimated(tensors(), lambda zeta, logits: torch.sigmoid(logits))
    assert abs(wrong.item() - direct_divergence(VALUES)) > 0.05


@pytest.mark.parametrize("name", list(VALUES))
def test_its_gradient_is_the_divergences(name: str) -> None:
    values = tensors()
    estimated(values).backward()
    step = 1e-4
    ends = [direct_divergence(VALUES | {name: VALUES[name] + h}) for h in (step, -step)]
    assert values[name].grad.item() == pytest.approx((ends[0] - ends[1]) / (2 * step), abs=1e-6)


def test_independent_groups_have_the_mean_field_divergence() -> None:
    """Three and two units, by enumeration of the states."""
    generator = np.random.default_rng(0)
    left, right = generator.normal(size=3), generator.normal(size=2)
    a1, a2 = generator.normal(size=3), generator.normal(size=2)
    w = generator.normal(size=(3, 2))
    q1, q2 = expit(left), expit(right)
    expected, log_z = 0.0, []
    for bits in product([0, 1], repeat=5):
        z = np.array(bits)
        z1, z2 = z[:3], z[3:]
        log_q = (z1 * np.log(q1) + (1 - z1) * np.log(1 - q1)).sum()
        log_q += (z2 * np.log(q2) + (1 - z2) * np.log(1 - q2)).sum()
        energy = z1 @ a1 + z2 @ a2 + z1 @ w @ z2
        expected += np.exp(log_q) * (log_q - energy)
        log_z.append(energy)
    machine = BoltzmannMachine(
        torch.tensor(a1)[None], torch.tensor(a2)[None], torch.tensor(w)[None]
    )
    own, other = torch.tensor(left).view(1, 1, 3), torch.tensor(right).view(1, 1, 2)
    found = boltzmann_divergence(machine, own, other, torch.sigmoid(own)).item()
    assert found == pytest.approx(expected, abs=1e-12)
    assert found + np.logaddexp.reduce(log_z) > 0
