"""The bank's Adam against torch's own on every run alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from workflow_src.train.gradient.optimizer import BankAdam

Parameters = dict[str, torch.Tensor]


def start(runs: int) -> Parameters:
    generator = torch.Generator().manual_seed(0)
    return {
        "a.weight": torch.randn(runs, 3, 5, dtype=torch.float64, generator=generator),
        "a.bias": torch.randn(runs, 3, 1, dtype=torch.float64, generator=generator),
    }


def objective(parameters: Parameters, targets: torch.Tensor) -> torch.Tensor:
    """One number per run, highest where the weights are its target."""
    weight, bias = parameters["a.weight"], parameters["a.bias"]
    return -((weight + bias - targets[:, None, None]) ** 4).sum(dim=(1, 2)) - bias.abs().sum((1, 2))


def adam_alone(initial: Parameters, target: torch.Tensor, rate: float, steps: int) -> Parameters:
    parameters = {name: value.clone().requires_grad_() for name, value in initial.items()}
    adam = torch.optim.Adam(list(parameters.values()), lr=rate, foreach=False, fused=False)
    for _ in range(steps):
        adam.zero_grad()
        (-objective({n: v.unsqueeze(0) for n, v in parameters.items()}, target)).sum().backward()
        adam.step()
    return {name: value.detach() for name, value in parameters.items()}


def assert_close(found: Parameters, expected: Parameters) -> None:
    for name, value in expected.items():
        np.testing.assert_allclose(found[name].detach(), value, rtol=1e-12, atol=1e-12)


def test_the_first_step_goes_uphill_by_the_learning_rate() -> None:
    # With bias correction, the first step is rate * g / (|g| + 1e-8).
    adam = BankAdam({"x": torch.tensor([[3.0], [-0.5]], dtype=torch.float64)}, 0.1)
    gradients = torch.tensor([[2.0], [-1e-8]], dtype=torch.float64)
    adam.maximise((gradients * adam.parameters["x"]).sum())
    expected = [[3.0 + 0.1 * 2 / (2 + 1e-8)], [-0.5 - 0.1 * 0.5]]
    np.testing.assert_allclose(adam.parameters["x"].detach(), expected, atol=1e-12)


def test_the_second_step_by_hand() -> None:
    adam = BankAdam({"x": torch.tensor([[0.0]], dtype=torch.float64)}, 0.1)
    for gradient in (1.0, -2.0):
        adam.maximise(gradient * adam.parameters["x"].sum())
    first = 0.9 * 0.1 * 1 + 0.1 * -2
    second = 0.999 * 0.001 * 1 + 0.001 * 4
    step = first / (1 - 0.9**2) / (np.sqrt(second / (1 - 0.999**2)) + 1e-8)
    expected = 0.1 * 1 / (1 + 1e-8) + 0.1 * step
    assert adam.parameters["x"].item() == pytest.approx(expected, abs=1e-14)


def test_every_run_moves_as_it_would_alone() -> None:
    initial, targets = start(3), torch.tensor([0.5, -1.0, 2.0], dtype=torch.float64)
    bank = BankAdam(initial, 0.05)
    for _ in range(40):
        bank.maximise(objective(bank.parameters, targets).sum())
    for run in range(3):
        alone = adam_alone(
            {n: v[run] for n, v in initial.items()}, targets[run : run + 1], 0.05, 40
        )
        assert_close({n: v[run] for n, v in bank.parameters.items()}, alone)


def test_a_run_that_leaves_does_not_disturb_those_that_stay() -> None:
    initial, targets = start(3), torch.tensor([0.5, -1.0, 2.0], dtype=torch.float64)
    bank = BankAdam(initial, 0.05)
    for _ in range(10):
        bank.maximise(objective(bank.parameters, targets).sum())
    bank = bank.keeping([0, 2])
    for _ in range(15):
        bank.maximise(objective(bank.parameters, targets[[0, 2]]).sum())
    for place, run in enumerate([0, 2]):
        alone = adam_alone(
            {n: v[run] for n, v in initial.items()}, targets[run : run + 1], 0.05, 25
        )
        assert_close({n: v[place] for n, v in bank.parameters.items()}, alone)


def test_a_run_goes_on_from_its_state_bit_for_bit() -> None:
    initial, targets = start(2), torch.tensor([0.5, -1.0], dtype=torch.float64)
    through, halted = BankAdam(initial, 0.05), BankAdam(initial, 0.05)
    for _ in range(20):
        through.maximise(objective(through.parameters, targets).sum())
    for _ in range(8):
        halted.maximise(objective(halted.parameters, targets).sum())
    states = [halted.run_state(run) for run in range(2)]
    resumed = BankAdam({n: torch.stack([s[n] for s in states]) for n in initial}, 0.05)
    resumed.restore_moments(states, 8)
    for _ in range(12):
        resumed.maximise(objective(resumed.parameters, targets).sum())
    for name in initial:
        assert torch.equal(resumed.parameters[name], through.parameters[name])


def test_a_state_is_a_copy() -> None:
    bank = BankAdam(start(1), 0.05)
    targets = torch.tensor([0.5], dtype=torch.float64)
    bank.maximise(objective(bank.parameters, targets).sum())
    state = bank.run_state(0)
    before = {name: value.clone() for name, value in state.items()}
    bank.maximise(objective(bank.parameters, targets).sum())
    assert all(torch.equal(state[name], before[name]) for name in before)


def test_a_run_that_is_not_a_number_leaves_the_others_alone() -> None:
    initial, targets = start(2), torch.tensor([float("nan"), 1.0], dtype=torch.float64)
    bank = BankAdam(initial, 0.05)
    for _ in range(5):
        bank.maximise(objective(bank.parameters, targets).sum())
    assert torch.isnan(bank.parameters["a.weight"][0]).all()
    alone = adam_alone({n: v[1] for n, v in initial.items()}, targets[1:], 0.05, 5)
    assert_close({n: v[1] for n, v in bank.parameters.items()}, alone)
