"""log Z by enumeration of one group, against enumeration of all joint states and closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from support.boltzmann_machines import enumerated, random_machine

from workflow_src.models.boltzmann.energy import BoltzmannMachine
from workflow_src.models.boltzmann.exact import exact_log_partition


@pytest.mark.parametrize(("left", "right"), [(3, 2), (2, 3), (1, 1), (6, 6)])
def test_it_is_the_sum_over_all_joint_states(left: int, right: int) -> None:
    machine = random_machine(runs=2, left=left, right=right, scale=2.0)
    found = exact_log_partition(machine)
    truth = [enumerated(machine, run).log_partition for run in (0, 1)]
    np.testing.assert_allclose(found.value, truth, rtol=1e-13)
    assert found.standard_error.tolist() == [0, 0]


def test_of_independent_units_it_is_a_sum_of_softplus() -> None:
    # More units than are enumerated at once.
    left, right = torch.linspace(-3, 4, 14).double(), torch.linspace(-2, 2, 30).double()
    machine = BoltzmannMachine(left[None], right[None], torch.zeros(1, 14, 30).double())
    truth = np.logaddexp(0, torch.cat([left, right]).numpy()).sum()
    np.testing.assert_allclose(exact_log_partition(machine).value, [truth], rtol=1e-13)


def test_of_pairs_of_units_it_is_the_sum_over_pairs() -> None:
    couplings = np.linspace(-5, 5, 14)
    machine = BoltzmannMachine(
        torch.zeros(1, 14).double(),
        torch.zeros(1, 14).double(),
        torch.diag(torch.tensor(couplings))[None],
    )
    truth = np.log(3 + np.exp(couplings)).sum()
    np.testing.assert_allclose(exact_log_partition(machine).value, [truth], rtol=1e-13)


def test_large_couplings_do_not_overflow() -> None:
    machine = BoltzmannMachine(
        torch.zeros(1, 13), torch.zeros(1, 40), torch.full((1, 13, 40), 90.0)
    )
    assert exact_log_partition(machine).value.item() == 13 * 40 * 90.0


def test_it_has_the_parameters_type_and_no_gradient() -> None:
    machine = BoltzmannMachine(
        torch.zeros(1, 2, requires_grad=True), torch.zeros(1, 3), torch.zeros(1, 2, 3)
    )
    value = exact_log_partition(machine).value
    assert value.dtype == torch.float32
    assert not value.requires_grad
    assert value.item() == pytest.approx(5 * math.log(2), rel=1e-6)


def test_a_large_machine_is_refused() -> None:
    with pytest.raises(ValueError, match="23 and 30 units is too large"):
        exact_log_partition(
            BoltzmannMachine(torch.zeros(1, 23), torch.zeros(1, 30), torch.zeros(1, 23, 30))
        )
