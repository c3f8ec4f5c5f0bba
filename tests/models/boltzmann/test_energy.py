"""Energies against enumeration in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import expit, logsumexp
from support.boltzmann_machines import enumerated, random_machine

from workflow_src.models.boltzmann.energy import (
    BoltzmannMachine,
    left_log_density,
    left_logits,
    negative_energy,
    right_log_density,
    right_logits,
)

MACHINE = random_machine(runs=2, left=3, right=2, scale=1.0)


@pytest.mark.parametrize("run", [0, 1])
def test_the_energy_of_every_state(run: int) -> None:
    truth = enumerated(MACHINE, run)
    left, right = (torch.tensor(part).expand(2, -1, -1) for part in (truth.left, truth.right))
    np.testing.assert_allclose(negative_energy(MACHINE, left, right)[run], -truth.energies)


@pytest.mark.parametrize("run", [0, 1])
def test_a_group_summed_out(run: int) -> None:
    truth = enumerated(MACHINE, run)
    weights = -truth.energies.reshape(8, 4)
    left, right = truth.left.reshape(8, 4, 3)[:, 0], truth.right[:4]
    found = left_log_density(MACHINE, torch.tensor(left).expand(2, -1, -1))[run]
    np.testing.assert_allclose(found, logsumexp(weights, axis=1))
    found = right_log_density(MACHINE, torch.tensor(right).expand(2, -1, -1))[run]
    np.testing.assert_allclose(found, logsumexp(weights, axis=0))


def test_logits_are_those_of_the_conditional_densities() -> None:
    truth = enumerated(MACHINE)
    joint = truth.probabilities.reshape(8, 4)
    left, right = truth.left.reshape(8, 4, 3)[:, 0], truth.right[:4]
    given_left = joint / joint.sum(1, keepdims=True)
    found = right_logits(MACHINE, torch.tensor(left).expand(2, -1, -1))[0]
    np.testing.assert_allclose(expit(found.numpy()), given_left @ right)
    given_right = joint / joint.sum(0, keepdims=True)
    found = left_logits(MACHINE, torch.tensor(right).expand(2, -1, -1))[0]
    np.testing.assert_allclose(expit(found.numpy()), given_right.T @ left)


def test_left_and_right_exchanged_is_the_same_density() -> None:
    other = enumerated(MACHINE.transposed(), 1).energies.reshape(4, 8).T.ravel()
    np.testing.assert_allclose(other, enumerated(MACHINE, 1).energies)


def test_one_run_of_a_bank_is_that_run() -> None:
    np.testing.assert_array_equal(
        enumerated(MACHINE.run(1)).energies, enumerated(MACHINE, 1).energies
    )


def test_parameters_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"weights \(1, 3, 2\) do not join"):
        BoltzmannMachine(torch.zeros(1, 2), torch.zeros(1, 3), torch.zeros(1, 3, 2))
