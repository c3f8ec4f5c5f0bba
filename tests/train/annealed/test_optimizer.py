"""Adam and AdaMax of a bank by hand: epsilon-hat, step sizes of each run, weight decay."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from workflow_src.train.annealed.optimizer import AnnealedOptimizer, OptimizerSettings

Parameters = dict[str, torch.Tensor]
RULES = ("adam", "adamax")


def settings(rule: str, weight_decay: float = 0.0, decay: float = 0.999) -> OptimizerSettings:
    return OptimizerSettings(rule, 1e-3, decay, weight_decay, frozenset({"weight"}))


def start(runs: int) -> Parameters:
    generator = torch.Generator().manual_seed(0)
    return {
        "weight": torch.randn(runs, 3, 5, dtype=torch.float64, generator=generator),
        "bias": torch.randn(runs, 5, dtype=torch.float64, generator=generator),
    }


def objective(parameters: Parameters, targets: torch.Tensor) -> torch.Tensor:
    """One number per run, highest where weights and biases are its target."""
    weight, bias = parameters["weight"], parameters["bias"].unsqueeze(1)
    return -((weight + bias - targets[:, None, None]) ** 4).sum((1, 2)) - bias.abs().sum((1, 2))


TARGETS = torch.tensor([0.5, -1.0, 2.0], dtype=torch.float64)


def by_hand(rule: str, gradients: list[float], rate: float, decay: float) -> float:
    """Where x goes from 0 up those gradients, as the algorithms' papers and TensorFlow have it."""
    x = first = second = 0.0
    for t, gradient in enumerate(gradients, start=1):
        first = 0.9 * first + 0.1 * gradient
        if rule == "adam":
            second = decay * second + (1 - decay) * gradient**2
            corrected = rate * math.sqrt(1 - decay**t) / (1 - 0.9**t)
            x += corrected * first / (math.sqrt(second) + 1e-3)
        else:
            second = max(decay * second, abs(gradient))
            x += rate / (1 - 0.9**t) * first / second
    return x


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("decay", [0.999, 0.9])
def test_steps_are_as_by_hand(rule: str, decay: float) -> None:
    gradients = [1.0, -2.0, 0.5, 1e-2]
    one = AnnealedOptimizer({"x": torch.zeros(1, 1, dtype=torch.float64)}, settings(rule, 0, decay))
    for gradient in gradients:
        one.maximise(gradient * one.parameters["x"].sum(), [0.1])
    # AdaMax adds 1e-8 to every gradient's size.
    expected = by_hand(rule, gradients, 0.1, decay)
    assert one.parameters["x"].item() == pytest.approx(
        expected, abs=1e-12 + 1e-8 * (rule != "adam")
    )


@pytest.mark.parametrize("rule", RULES)
def test_auxiliary_parameters_take_ten_times_the_step_decayed_or_not(rule: str) -> None:
    initial = start(2)
    fast = frozenset({"weight", "gain"})
    gain = {"gain": torch.ones(2, 1, dtype=torch.float64)}
    found = AnnealedOptimizer(initial | gain, replace(settings(rule, 0.3), auxiliary=fast))
    slow, quick = (AnnealedOptimizer(initial | gain, settings(rule, 0.3)) for _ in range(2))
    # Gradients that do not depend on where the parameters are.
    for factor in (1.0, 0.3, -1.0):
        for one, rate in ((found, 0.01), (slow, 0.01), (quick, 0.1)):
            one.maximise(sum(factor * p.sum() for p in one.parameters.values()), [rate, rate])
    kept = found.keeping([1])
    for name, value in found.parameters.items():
        expected = (quick if name in fast else slow).parameters[name]
        np.testing.assert_allclose(value.detach(), expected.detach(), rtol=1e-12)
    for one in (found, kept):
        one.maximise(
            sum(p.sum() for p in one.parameters.values()), [0.01] * len(one.parameters["gain"])
        )
    for name, value in kept.parameters.items():
        assert torch.equal(value[0], found.parameters[name][1])


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("rates", [(0.05, 0.05, 0.05), (0.05, 0.01, 0.05)])
def test_every_run_moves_as_it_would_alone(rule: str, rates: tuple[float, ...]) -> None:
    initial = start(3)
    bank = AnnealedOptimizer(initial, settings(rule, 0.1))
    for _ in range(20):
        bank.maximise(objective(bank.parameters, TARGETS).sum(), rates)
    for run in range(3):
        alone = AnnealedOptimizer(
            {name: value[run : run + 1] for name, value in initial.items()}, settings(rule, 0.1)
        )
        for _ in range(20):
            value = objective(alone.parameters, TARGETS[run : run + 1]).sum()
            alone.maximise(value, [rates[run]])
        for name, value in alone.parameters.items():
            np.testing.assert_allclose(
                bank.parameters[name][run].detach(), value[0].detach(), rtol=1e-12, atol=1e-12
            )


@pytest.mark.parametrize("rule", RULES)
def test_weight_decay_is_a_term_of_the_objective(rule: str) -> None:
    """Half the sum of squares of the decayed parameters alone, differentiated by autograd."""
    initial = start(2)
    decayed = AnnealedOptimizer(initial, settings(rule, 0.3))
    written = AnnealedOptimizer(initial, settings(rule))
    for _ in range(20):
        decayed.maximise(objective(decayed.parameters, TARGETS[:2]).sum(), [0.05, 0.05])
        term = 0.3 * (written.parameters["weight"] ** 2).sum() / 2
        value = objective(written.parameters, TARGETS[:2]).sum() - term
        written.maximise(value, [0.05, 0.05])
    for name, value in written.parameters.items():
        np.testing.assert_allclose(
            decayed.parameters[name].detach(), value.detach(), rtol=1e-9, atol=1e-10
        )


@pytest.mark.parametrize("rule", RULES)
def test_a_bank_goes_on_from_the_states_of_those_that_stay_bit_for_bit(rule: str) -> None:
    initial = start(2)
    through, halted = (AnnealedOptimizer(initial, settings(rule, 0.1)) for _ in range(2))
    for _ in range(20):
        through.maximise(objective(through.parameters, TARGETS[:2]).sum(), [0.05, 0.02])
    for _ in range(8):
        halted.maximise(objective(halted.parameters, TARGETS[:2]).sum(), [0.05, 0.02])
    kept = halted.keeping([1])
    for _ in range(12):
        kept.maximise(objective(kept.parameters, TARGETS[1:2]).sum(), [0.02])
    for name, value in through.parameters.items():
        assert torch.equal(kept.parameters[name][0], value[1])


@pytest.mark.parametrize("rule", RULES)
def test_a_run_that_is_not_a_number_leaves_the_others_alone(rule: str) -> None:
    targets = TARGETS[:2].clone()
    targets[0] = math.nan
    bank = AnnealedOptimizer(start(2), settings(rule, 0.1))
    for _ in range(3):
        bank.maximise(objective(bank.parameters, targets).sum(), [0.05, 0.05])
    assert torch.isnan(bank.parameters["weight"][0]).all()
    assert torch.isfinite(bank.parameters["weight"][1]).all()


def test_a_parameter_that_the_objective_does_not_know_stays() -> None:
    one = AnnealedOptimizer(start(1) | {"unused": torch.ones(1, 2)}, settings("adam"))
    one.maximise(objective(one.parameters, TARGETS[:1]).sum(), [0.05])
    assert torch.equal(one.parameters["unused"], torch.ones(1, 2))
