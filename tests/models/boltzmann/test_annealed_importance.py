"""Annealed importance sampling against the enumerated log Z: its values and its standard errors."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from support.boltzmann_machines import (
    copies,
    enumerated,
    random_machine,
    random_machines,
    streams,
    two_modes,
)

from workflow_src.models.boltzmann.annealed_importance import (
    annealed_log_partition,
    standard_error_of_log_mean,
)
from workflow_src.models.boltzmann.energy import BoltzmannMachine

SEEDS = 40


def test_the_error_is_as_large_as_its_standard_error_says() -> None:
    machine = random_machines(np.linspace(0.2, 4, SEEDS), left=5, right=6)
    found = annealed_log_partition(machine, streams(SEEDS), 100, 128)
    truth = torch.tensor([enumerated(machine, run).log_partition for run in range(SEEDS)])
    standardised = (found.value - truth) / found.standard_error
    # A standard normal's mean of 40 has a standard error of 0.16, its spread one of 0.11.
    assert abs(standardised.mean()) < 0.6
    assert 0.6 < standardised.std() < 1.45


def test_modes_that_no_chain_leaves_are_weighed_right() -> None:
    machine = two_modes(6, 6, coupling=1.0)
    found = annealed_log_partition(copies(machine, SEEDS), streams(SEEDS), 200, 64)
    standardised = (found.value - enumerated(machine).log_partition) / found.standard_error
    assert abs(standardised.mean()) < 0.6
    assert standardised.std() < 1.45


def test_either_group_may_be_the_larger() -> None:
    machine = random_machine(runs=1, left=7, right=3, scale=1.0)
    truth = enumerated(machine).log_partition
    for one in (machine, machine.transposed()):
        found = annealed_log_partition(one, streams(1), 100, 128)
        assert abs(found.value.item() - truth) < 4.5 * found.standard_error.item()


def test_independent_units_need_no_chance() -> None:
    machine = BoltzmannMachine(torch.zeros(1, 4), torch.zeros(1, 5), torch.zeros(1, 4, 5))
    found = annealed_log_partition(machine, streams(1), 20, 16)
    # All weights are equal up to how far the base's means are off a half.
    assert found.value.item() == pytest.approx(9 * np.log(2), abs=0.05)
    assert found.standard_error.item() < 0.05


def test_two_runs_are_each_alone() -> None:
    machine = random_machine(runs=2, left=5, right=6, scale=1.0)
    together = annealed_log_partition(machine, streams(2), 30, 16)
    for run in (0, 1):
        alone = annealed_log_partition(machine.run(run), streams(1, first=run), 30, 16)
        assert together.value[run].item() == pytest.approx(alone.value.item(), rel=1e-9)
        assert together.standard_error[run].item() == pytest.approx(
            alone.standard_error.item(), rel=1e-6
        )


def test_the_standard_error_is_that_of_many_repetitions() -> None:
    logs = torch.tensor(np.random.default_rng(0).normal(scale=0.5, size=(4000, 200)))
    spread = (logs.logsumexp(1) - np.log(200)).std().item()
    assert standard_error_of_log_mean(logs).mean().item() == pytest.approx(spread, rel=0.08)


def test_weights_of_a_wide_spread_are_not_trusted() -> None:
    # exp of a normal of standard deviation 4 has nearly all its mean where 100 draws do not come.
    logs = torch.tensor(np.random.default_rng(1).normal(scale=4, size=(500, 100)))
    error = logs.logsumexp(1) - np.log(100) - 8
    assert (error / standard_error_of_log_mean(logs)).square().mean().sqrt() < 1.6


def test_equal_weights_have_no_error_and_weights_of_zero_do_no_harm() -> None:
    assert standard_error_of_log_mean(torch.full((1, 9), -3.0)).item() == 0
    logs = torch.tensor([[0.0] * 60 + [-1e6] * 40])
    # A share of 0.6 from 100 draws: the squared relative error is (0.4 / 0.6) / 99.
    assert standard_error_of_log_mean(logs).item() == pytest.approx((2 / 297) ** 0.5, rel=1e-5)


def test_too_few_chains_or_temperatures_are_refused() -> None:
    machine = random_machine(runs=1, left=2, right=2, scale=1.0)
    for temperatures, chains in ((1, 10), (10, 1)):
        with pytest.raises(ValueError, match="two temperatures and two chains"):
            annealed_log_partition(machine, streams(1), temperatures, chains)
