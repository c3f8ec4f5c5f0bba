"""Parallel tempering against enumeration: log Z, its standard error, its ladder and its samples."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.special import erfc, softmax
from support.boltzmann_machines import (
    enumerated,
    random_machine,
    random_machines,
    streams,
    two_modes,
)

from workflow_src.models.boltzmann.energy import BoltzmannMachine
from workflow_src.models.boltzmann.gibbs import gibbs_sweeps
from workflow_src.models.boltzmann.ladder import acceptances, is_good, respaced
from workflow_src.models.boltzmann.parallel_tempering import (
    adapted_ladder,
    bennett,
    error_of_halves,
    tempered_log_partition,
    tempered_samples,
)
from workflow_src.models.boltzmann.path import path_to
from workflow_src.models.boltzmann.replicas import Replicas

SEEDS = 20


def test_the_error_is_as_large_as_its_standard_error_says() -> None:
    machine = random_machines(np.linspace(0.2, 4, SEEDS), left=5, right=6)
    found = tempered_log_partition(machine, streams(SEEDS), 100, 24)
    truth = torch.tensor([enumerated(machine, run).log_partition for run in range(SEEDS)])
    standardised = (found.value - truth) / found.standard_error
    # A standard normal's mean of 20 has a standard error of 0.22, its spread one of 0.16.
    assert abs(standardised.mean()) < 0.8
    assert 0.6 < standardised.std() < 1.6


def test_two_runs_are_each_alone_on_ladders_of_different_lengths() -> None:
    weak, strong = random_machine(1, 8, 8, scale=0.2), two_modes(8, 8, coupling=2.0)
    bank = BoltzmannMachine(
        *(torch.cat(pair) for pair in zip(vars(weak).values(), vars(strong).values(), strict=True))
    )
    lengths = []
    together = tempered_log_partition(bank, streams(2), 40, 8)
    samples = tempered_samples(bank, streams(2), 3, sweeps=20)
    for run in (0, 1):
        stream = streams(1, first=run)
        alone = tempered_log_partition(bank.run(run), stream, 40, 8)
        assert together.value[run].item() == pytest.approx(alone.value.item(), rel=1e-9)
        one = tempered_samples(bank.run(run), streams(1, first=run), 3, sweeps=20)
        assert torch.equal(samples[0][run], one[0][0])
        assert torch.equal(samples[1][run], one[1][0])
        path = path_to(bank.run(run), stream)
        lengths.append(len(adapted_ladder(path, stream[0])[0]))
    assert lengths[0] < lengths[1]


@pytest.mark.parametrize("coupling", [0.5, 2.0])
def test_neighbours_on_the_ladder_exchange_often_enough(coupling: float) -> None:
    path = path_to(two_modes(12, 12, coupling), streams(1))
    ladder, left = adapted_ladder(path, streams(1)[0])
    assert ladder[0] == 0
    assert ladder[-1] == 1
    assert ladder.diff().min() > 0
    replicas = Replicas(path, [ladder], left[None])
    energies = torch.stack([replicas.sweep(streams(1, first=n))[0] for n in range(100)])
    assert acceptances(ladder, energies).min() > 0.3


def test_samples_take_both_modes_where_gibbs_chains_stay_in_one() -> None:
    machine = two_modes(8, 8, coupling=1.5)
    stuck, _ = gibbs_sweeps(
        machine, torch.ones(1, 100, 8).double(), torch.ones(1, 100, 8).double(), 500, streams(1)
    )
    assert stuck.mean() > 0.95
    left, right = tempered_samples(machine, streams(1), 400, sweeps=100)
    assert torch.equal(left.mean(2) > 0.5, right.mean(2) > 0.5)
    # Binomial with 400 draws: the standard error of the share is 0.025.
    assert abs((left.mean(2) > 0.5).double().mean() - 0.5) < 0.11


def test_every_rung_has_its_own_density() -> None:
    machine = random_machine(runs=1, left=4, right=3, scale=2.0)
    path, truth = path_to(machine, streams(1)), enumerated(machine)
    ladder = torch.linspace(0, 1, 5).double()
    replicas = Replicas(path, [ladder], torch.zeros(1, 5, 400, 4).double())
    stream = streams(1)
    energies = torch.stack([replicas.sweep(stream)[0] for _ in range(80)])[20:].mean(0)
    error = energies.std(1) / 20
    base = truth.left @ path.left[0, 0].numpy() + truth.right @ path.right[0, 0].numpy()
    gain = -truth.energies - base
    exact = [softmax(base + t * gain) @ gain for t in ladder.tolist()]
    assert np.abs((energies.mean(1).numpy() - exact) / error.numpy()).max() < 4.5


def test_states_that_all_start_in_one_mode_reach_the_other_by_way_of_all_temperatures() -> None:
    path = path_to(two_modes(8, 8, coupling=1.5), streams(1))
    ladder = torch.linspace(0, 1, 7).double()
    replicas = Replicas(path, [ladder], torch.ones(1, 7, 200, 8).double())
    stream = streams(1)
    for _ in range(200):
        replicas.sweep(stream)
    coldest = replicas.states()[0][0, -1].mean(1)
    assert abs((coldest > 0.5).double().mean() - 0.5) < 0.16


def test_samples_have_the_machines_means() -> None:
    machine = random_machine(runs=1, left=5, right=4, scale=2.0)
    left, right = tempered_samples(machine, streams(1), 4000, sweeps=30)
    truth = enumerated(machine)
    np.testing.assert_allclose(left[0].mean(0), truth.probabilities @ truth.left, atol=0.036)
    np.testing.assert_allclose(right[0].mean(0), truth.probabilities @ truth.right, atol=0.036)
    pairs = torch.einsum("ci,cj->ij", left[0], right[0]) / 4000
    exact = np.einsum("s,si,sj->ij", truth.probabilities, truth.left, truth.right)
    np.testing.assert_allclose(pairs, exact, atol=0.036)


def test_more_samples_than_the_ladder_is_made_with_start_as_no_copies_of_each_other() -> None:
    left, _ = tempered_samples(two_modes(16, 16, coupling=1.5), streams(1), 96, sweeps=0)
    assert len(left[0].unique(dim=0)) > 90


def normal_energies(ladder: np.ndarray, deviation: float, shape: tuple[int, int]) -> torch.Tensor:
    """Energies [S, 1, T, C] where the density of states is normal: log Z(t) = 3 t + (s t)^2 / 2."""
    generator = np.random.default_rng(0)
    sweeps, ensembles = shape
    noise = generator.normal(size=(sweeps, 1, len(ladder), ensembles))
    return torch.tensor(3 + deviation**2 * ladder[:, None] + deviation * noise)


def test_bennetts_estimate_of_normal_energies() -> None:
    ladder = np.array([0, 0.3, 0.6, 1])
    value, shifts = bennett(torch.tensor(ladder)[None], normal_energies(ladder, 3, (100, 50)))
    error = error_of_halves(shifts)
    assert error.item() < 0.05
    assert abs(value.item() - (3 + 9 / 2)) < 4 * error.item()


def test_bennetts_standard_error_is_the_spread_of_many_repetitions() -> None:
    ladder, generator = torch.tensor([0, 0.4, 1]).double(), np.random.default_rng(0)
    noise = torch.tensor(generator.normal(size=(3, 500, 3, 20)))
    # An offset of each ensemble, which makes its gains depend on each other.
    noise += torch.tensor(generator.normal(size=(1, 500, 1, 20)))
    value, shifts = bennett(ladder.expand(500, -1), 4 * ladder[:, None] + noise)
    # The spread within halves has the truth for its mean square, the halves' difference too: the
    # mean of the larger of them is 1.48 times that where one is chi-squared with one degree.
    error = error_of_halves(shifts).square().mean().sqrt()
    assert error.item() == pytest.approx(math.sqrt(1.48) * value.std().item(), rel=0.1)


def test_halves_that_disagree_make_the_error_as_large_as_either_is_off() -> None:
    ladder, energies = np.array([0, 1]), normal_energies(np.array([0, 1]), 0.1, (50, 40))
    # States of the second half have energies that are 0.4 too high: its log Z is, too.
    energies[..., 20:] += 0.4
    value, shifts = bennett(torch.tensor(ladder)[None], energies)
    assert value.item() == pytest.approx(3 + 0.1**2 / 2 + 0.2, abs=0.02)
    assert error_of_halves(shifts).item() == pytest.approx(0.2, rel=0.05)
    np.testing.assert_allclose(shifts.sum(), 0, atol=1e-9)


def test_the_error_of_halves_is_that_of_independent_numbers() -> None:
    # Sums of 2 x 3 numbers: within each half the spread's square is 2, and so 3 x 2 / 6 of the sum.
    shifts = torch.tensor([[1.0, 0, -1, 1, 0, -1], [3, 2, 1, -1, -2, -3]]).double()
    found = error_of_halves(shifts)
    assert found.tolist() == pytest.approx([math.sqrt(6), 12])


def test_the_error_counts_ensembles_and_not_sweeps() -> None:
    # Energies that stand still: a hundred sweeps know no more than one.
    ladder = np.array([0, 0.5, 1])
    still = normal_energies(ladder, 1, (1, 40))
    once, often = (
        error_of_halves(bennett(torch.tensor(ladder)[None], still.expand(sweeps, -1, -1, -1))[1])
        for sweeps in (1, 100)
    )
    assert often.item() == pytest.approx(once.item(), rel=1e-6)


def test_acceptances_of_normal_energies_and_the_ladder_made_of_them() -> None:
    ladder, deviation = np.linspace(0, 1, 5), 6.0
    energies = normal_energies(ladder, deviation, (500, 40))[:, 0]
    accepted = acceptances(torch.tensor(ladder), energies)
    np.testing.assert_allclose(accepted, erfc(deviation * 0.25 / 2), atol=0.02)
    assert not is_good(torch.tensor(ladder), accepted)
    better = respaced(torch.tensor(ladder), accepted)
    # erfc(6 / 2 / 7) = 0.544, erfc(6 / 2 / 8) = 0.596: at least 0.55 takes eight steps.
    np.testing.assert_allclose(better, np.linspace(0, 1, 9), atol=0.01)
    assert is_good(better, torch.full((8,), float(erfc(6 / 16))))


def test_rungs_that_can_be_spared_are() -> None:
    many = torch.linspace(0, 1, 12).double()
    accepted = torch.full((11,), float(erfc(1 / 22)), dtype=torch.float64)
    assert not is_good(many, accepted)
    # The whole way has length 1 / 2, and one step of acceptance 0.55 has 0.42.
    assert respaced(many, accepted).tolist() == pytest.approx([0, 0.5, 1])


@pytest.mark.parametrize("ensembles", [6, 9])
def test_ensembles_that_make_no_error_are_refused(ensembles: int) -> None:
    with pytest.raises(ValueError, match="8 ensembles, an even number"):
        tempered_log_partition(random_machine(1, 2, 2, 1.0), streams(1), 100, ensembles)
