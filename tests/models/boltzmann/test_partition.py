"""Which estimator of log Z is taken, and the error of several."""

from __future__ import annotations

import functools
import math

import numpy as np
import pytest
import torch
from support.boltzmann_machines import random_machine, streams

from workflow_src.models.boltzmann import partition
from workflow_src.models.boltzmann.annealed_importance import annealed_log_partition
from workflow_src.models.boltzmann.exact import exact_log_partition
from workflow_src.models.boltzmann.parallel_tempering import tempered_log_partition
from workflow_src.models.boltzmann.partition import combined, log_partition, log_partition_estimates
from workflow_src.models.latent_variables import LogPartition


def estimate(value: float, error: float) -> LogPartition:
    return LogPartition(torch.tensor([value]), torch.tensor([error]))


def test_small_machines_are_exact_whatever_the_effort() -> None:
    machine = random_machine(runs=1, left=30, right=3, scale=1.0)
    assert log_partition(machine, streams(1), "training").standard_error.item() == 0
    assert log_partition(machine, streams(1), "evaluation").standard_error.item() == 0
    assert list(log_partition_estimates(machine, streams(1))) == ["exact"]


def test_both_estimates_of_a_larger_machine_are_within_their_errors(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine = random_machine(runs=1, left=8, right=9, scale=1.0)
    truth = exact_log_partition(machine).value.item()
    monkeypatch.setattr(partition, "EXACT_UNITS", 7)
    annealed = functools.partial(annealed_log_partition, temperatures=200, chains=256)
    tempered = functools.partial(tempered_log_partition, sweeps=300)
    monkeypatch.setattr(partition, "annealed_log_partition", annealed)
    monkeypatch.setattr(partition, "tempered_log_partition", tempered)
    for name, found in log_partition_estimates(machine, streams(1)).items():
        assert name in ("annealed_importance_sampling", "parallel_tempering")
        assert 0 < found.standard_error.item() < 0.03
        assert abs(found.value.item() - truth) < 4.5 * found.standard_error.item()
    both = log_partition(machine, streams(1), "evaluation")
    assert 0 < abs(both.value.item() - truth) < 4.5 * both.standard_error.item()


def test_training_takes_a_short_annealing(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = random_machine(runs=1, left=8, right=9, scale=1.0)
    truth = exact_log_partition(machine).value.item()
    monkeypatch.setattr(partition, "EXACT_UNITS", 7)
    short = log_partition(machine, streams(1), "training")
    assert 0 < abs(short.value.item() - truth) < 4.5 * short.standard_error.item()


def test_the_estimate_of_the_smaller_error_is_taken() -> None:
    found = combined({"a": estimate(10, 0.4), "b": estimate(10.4, 0.3), "c": estimate(10.2, 0.5)})
    assert found.value.item() == pytest.approx(10.4)
    # The errors explain a difference of 0.4: they make one of 0.5.
    assert found.standard_error.item() == pytest.approx(0.3)


def test_a_disagreement_that_the_errors_do_not_explain_is_covered() -> None:
    found = combined({"a": estimate(10, 0.03), "b": estimate(12, 0.01), "c": estimate(11, 0.02)})
    assert found.value.item() == 12
    # 0.01^2 + (2^2 - 0.01^2 - 0.03^2)
    assert found.standard_error.item() == pytest.approx(math.sqrt(4 - 0.0009), rel=1e-6)


def test_every_run_takes_its_own_estimate() -> None:
    first = LogPartition(torch.tensor([1.0, 2.0]), torch.tensor([0.1, 0.2]))
    second = LogPartition(torch.tensor([1.1, 2.1]), torch.tensor([0.2, 0.1]))
    found = combined({"a": first, "b": second})
    np.testing.assert_allclose(found.value, [1.0, 2.1])
    np.testing.assert_allclose(found.standard_error, [0.1, 0.1])


def test_one_estimate_stays_as_it_is_and_an_unknown_error_stays_unknown() -> None:
    assert vars(combined({"a": estimate(3, 0.0)})) == vars(estimate(3, 0.0))
    assert combined({"a": estimate(3, 0.1), "b": estimate(3, math.nan)}).standard_error.isnan()
