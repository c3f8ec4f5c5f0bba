"""Block Gibbs sampling against its exact transition matrix."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from scipy.special import expit
from scipy.stats import chisquare, kstest
from support.boltzmann_machines import enumerated, random_machine, states, streams

from workflow_src.models.boltzmann import gibbs
from workflow_src.models.boltzmann.energy import BoltzmannMachine
from workflow_src.models.boltzmann.gibbs import Uniforms, gibbs_sweeps

MACHINE = random_machine(runs=1, left=2, right=2, scale=1.5)
STARTS = list(itertools.product(states(2), states(2)))


def exact_transitions(machine: BoltzmannMachine) -> np.ndarray:
    """Probability of every state after one sweep from every state, right units first."""
    a, b, w = (
        value[0].numpy() for value in (machine.visible_bias, machine.hidden_bias, machine.weights)
    )
    result = np.zeros((16, 16))
    for i, (left, _) in enumerate(STARTS):
        for j, (new_left, new_right) in enumerate(STARTS):
            up, down = expit(b + left @ w), expit(a + w @ new_right)
            chance = np.where(new_right == 1, up, 1 - up).prod()
            result[i, j] = chance * np.where(new_left == 1, down, 1 - down).prod()
    return result


def frequencies(left: torch.Tensor, right: torch.Tensor) -> np.ndarray:
    """How often each of the 16 states occurs among ``[1, C, 2]``."""
    bits = torch.cat([left, right], dim=2)[0].numpy()
    return np.bincount((bits @ [8, 4, 2, 1]).astype(int), minlength=16)


def test_a_sweep_moves_every_state_as_the_transition_matrix_says() -> None:
    exact, chains = exact_transitions(MACHINE), 4000
    for number, (left, right) in enumerate(STARTS):
        start = (torch.tensor(part).expand(1, chains, -1) for part in (left, right))
        moved = gibbs_sweeps(MACHINE, next(start), next(start), 1, streams(1, first=number))
        assert chisquare(frequencies(*moved), chains * exact[number]).pvalue > 1e-4


def test_the_machines_density_stays_as_it_is() -> None:
    density = enumerated(MACHINE).probabilities
    np.testing.assert_allclose(density @ exact_transitions(MACHINE), density, atol=1e-14)
    left, right = torch.zeros(2, 1, 20_000, 2, dtype=torch.float64)
    found = frequencies(*gibbs_sweeps(MACHINE, left, right, 60, streams(1)))
    assert chisquare(found, 20_000 * density).pvalue > 1e-4


def test_chains_of_two_runs_are_those_of_each_alone() -> None:
    machine = random_machine(runs=2, left=5, right=7, scale=1.0)
    left, right = torch.zeros(2, 9, 5).double(), torch.zeros(2, 9, 7).double()
    together = gibbs_sweeps(machine, left, right, 20, streams(2))
    for run in (0, 1):
        alone = gibbs_sweeps(machine.run(run), left[:1], right[:1], 20, streams(1, first=run))
        for both, one in zip(together, alone, strict=True):
            assert torch.equal(both[run], one[0])
    assert not torch.equal(together[0][0], together[0][1])


def test_twice_ten_sweeps_are_twenty() -> None:
    machine = random_machine(runs=1, left=5, right=7, scale=1.0)
    start = torch.zeros(1, 4, 5).double(), torch.zeros(1, 4, 7).double()
    stream = streams(1)
    twice = gibbs_sweeps(machine, *gibbs_sweeps(machine, *start, 10, stream), 10, stream)
    once = gibbs_sweeps(machine, *start, 20, streams(1))
    assert all(torch.equal(*pair) for pair in zip(twice, once, strict=True))


def test_the_states_that_come_in_stay_and_no_sweep_changes_nothing() -> None:
    left, right = torch.ones(1, 3, 2).double(), torch.zeros(1, 3, 2).double()
    gibbs_sweeps(MACHINE, left, right, 5, streams(1))
    assert left.min() == 1
    assert right.max() == 0
    unmoved = gibbs_sweeps(MACHINE, left, right, 0, streams(1))
    assert torch.equal(unmoved[0], left)
    assert torch.equal(unmoved[1], right)


@pytest.mark.parametrize("logit", [50.0, 1e4, torch.inf])
def test_saturated_units_are_certain(logit: float) -> None:
    left_bias = torch.tensor([[logit, -logit, logit]])
    machine = BoltzmannMachine(left_bias, -left_bias[:, :2], torch.zeros(1, 3, 2))
    start = torch.zeros(1, 1000, 3), torch.zeros(1, 1000, 2)
    left, right = gibbs_sweeps(machine, *start, 3, streams(1))
    assert torch.equal(left[0], torch.tensor([1.0, 0, 1]).expand(1000, -1))
    assert torch.equal(right[0], torch.tensor([0.0, 1]).expand(1000, -1))


def test_no_gradient_goes_through_the_chains() -> None:
    trained = BoltzmannMachine(
        *(value.clone().requires_grad_() for value in vars(MACHINE).values())
    )
    start = torch.zeros(1, 2, 2).double(), torch.zeros(1, 2, 2).double()
    assert not any(part.requires_grad for part in gibbs_sweeps(trained, *start, 2, streams(1)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_uniform_numbers_are_uniform_and_independent(dtype: torch.dtype) -> None:
    noise = Uniforms(torch.empty(1, 101, 99, dtype=dtype))
    stream = streams(1)
    first = noise.draw(stream).clone().ravel().numpy()
    second = noise.draw(stream).ravel().numpy()
    assert kstest(first, "uniform").pvalue > 1e-3
    assert 0 <= first.min() < 1e-3
    assert 1 - 1e-3 < first.max() <= 1
    # Standard error 0.01: draws of one 64-bit number, neighbours, and one draw and the next.
    for one, other in ((first[::2][:-1], first[1::2]), (first[:-1], first[1:]), (first, second)):
        assert abs(np.corrcoef(one, other)[0, 1]) < 0.05


def test_numbers_drawn_ahead_are_those_of_one_draw_after_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What a GPU does, with a CPU's numbers: two draws ahead, and a rest that is thrown away."""
    monkeypatch.setattr(gibbs, "_draws_ahead", lambda *_: 2)
    ahead, stream = Uniforms(torch.empty(2, 5, 4), [3, 5], draws=3), streams(2)
    found = [ahead.draw(stream).clone() for _ in range(3)]
    for run, count in enumerate((3, 5)):
        plain, alone = Uniforms(torch.empty(1, count, 4)), streams(1, first=run)
        for numbers in found:
            assert torch.equal(numbers[run, :count], plain.draw(alone)[0])
    assert found[2][0, 3:].abs().max() == 0


def test_a_run_draws_only_as_many_numbers_as_it_fills() -> None:
    stream = streams(2)
    Uniforms(torch.empty(2, 5, 3), [2, 5]).draw(stream)
    alone = streams(1)
    Uniforms(torch.empty(1, 2, 3)).draw(alone)
    assert torch.equal(stream[0].get_state(), alone[0].get_state())
    values = Uniforms(torch.empty(2, 5, 3), [2, 5]).draw(stream)
    assert values[0, 2:].abs().max() == 0
    assert values[1].min() > 0
