"""The gradient of log Z, from samples, against that of the enumerated log Z."""

from __future__ import annotations

import numpy as np
import torch
from support.boltzmann_machines import enumerated, random_machine, streams
from torch import Tensor

from workflow_src.models.boltzmann.energy import BoltzmannMachine
from workflow_src.models.boltzmann.gibbs import gibbs_sweeps
from workflow_src.models.boltzmann.surrogate import log_partition_surrogate

VALUES = random_machine(runs=1, left=4, right=3, scale=1.0)


def trained() -> tuple[BoltzmannMachine, list[Tensor]]:
    values = [value.clone().requires_grad_() for value in vars(VALUES).values()]
    return BoltzmannMachine(*values), values


def exact_gradient() -> list[np.ndarray]:
    """That of log sum exp of minus every joint state's energy."""
    machine, values = trained()
    truth = enumerated(VALUES)
    left, right = torch.tensor(truth.left), torch.tensor(truth.right)
    a, b, w = machine.visible_bias[0], machine.hidden_bias[0], machine.weights[0]
    exponents = left @ a + right @ b + torch.einsum("si,ij,sj->s", left, w, right)
    return [part.numpy() for part in torch.autograd.grad(exponents.logsumexp(0), values)]


def test_its_gradient_in_expectation_is_that_of_the_enumerated_log_partition() -> None:
    truth = enumerated(VALUES)
    machine, values = trained()
    total = torch.zeros((), dtype=torch.float64)
    parts = zip(truth.probabilities, truth.left, truth.right, strict=True)
    for probability, left, right in parts:
        sample = torch.tensor(left)[None, None], torch.tensor(right)[None, None]
        total = total + probability * log_partition_surrogate(machine, *sample).sum()
    for found, exact in zip(torch.autograd.grad(total, values), exact_gradient(), strict=True):
        np.testing.assert_allclose(found, exact, atol=1e-13)


def test_persistent_chains_give_that_gradient_within_their_error() -> None:
    machine, values = trained()
    start = torch.zeros(1, 20_000, 4).double(), torch.zeros(1, 20_000, 3).double()
    samples = gibbs_sweeps(VALUES, *start, 40, streams(1))
    surrogate = log_partition_surrogate(machine, *samples).sum()
    # Every component is the mean of 20,000 numbers in [0, 1].
    for found, exact in zip(torch.autograd.grad(surrogate, values), exact_gradient(), strict=True):
        np.testing.assert_allclose(found, exact, atol=4.5 * 0.5 / np.sqrt(20_000))


def test_no_gradient_goes_into_the_samples() -> None:
    machine, _ = trained()
    left = torch.ones(1, 5, 4, dtype=torch.float64, requires_grad=True)
    right = torch.ones(1, 5, 3, dtype=torch.float64, requires_grad=True)
    torch.autograd.backward([log_partition_surrogate(machine, left, right).sum()])
    assert left.grad is None
    assert right.grad is None
