"""Einsum networks against SciPy, recursion over single nodes, and enumeration of all states."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from support.small_circuits import (
    all_states,
    banked,
    oracle,
    parameters_of,
    pd_spn,
    pictures,
    rat_spn,
)

from workflow_src.models.circuits.einsum_network import EinsumNetwork

CASES: dict[str, Callable[[], EinsumNetwork]] = {
    "trees": lambda: rat_spn(2, 5, "gaussian", split_depth=2, repetitions=3, components=3),
    "one tree": lambda: rat_spn(1, 4, "gaussian", split_depth=2, repetitions=1),
    "trees of counts": lambda: rat_spn(3, 3, levels=7, split_depth=3, repetitions=2),
    "trees in colour": lambda: rat_spn(2, 2, "gaussian", channels=3, repetitions=3),
    "stripes": lambda: pd_spn(2, 4, "gaussian", components=3),
    "stripes of counts": lambda: pd_spn(2, 4, levels=5, components=2),
    "unequal stripes in colour": lambda: pd_spn(2, 5, "gaussian", channels=3, split_step=2),
    "two stripes": lambda: pd_spn(1, 2, "gaussian"),
}


@pytest.fixture(params=CASES, scope="module")
def network(request: pytest.FixtureRequest) -> EinsumNetwork:
    return CASES[request.param]()


def hidden_values(network: EinsumNetwork) -> torch.Tensor:
    """Every third value and the last one."""
    hidden = torch.arange(network.images.pixels) % 3 == 1
    hidden[-1] = True
    return hidden


def test_the_log_density_is_that_of_a_recursion_over_nodes(network: EinsumNetwork) -> None:
    parameters, images = parameters_of(network), pictures(network, 5)
    expected = [oracle(network, parameters, image.numpy()) for image in images]
    found = network.log_likelihood(parameters, images)
    np.testing.assert_allclose(found, expected, rtol=1e-10)
    np.testing.assert_array_equal(network.log_densities(parameters, images)[0], found)


def test_hidden_values_are_integrated_out(network: EinsumNetwork) -> None:
    parameters, images = parameters_of(network), pictures(network, 5)
    hidden = hidden_values(network)
    expected = [
        oracle(network, parameters, image.numpy())
        - oracle(network, parameters, image.numpy(), ~hidden.numpy())
        for image in images
    ]
    found = network.conditional_log_density(parameters, images, hidden)
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_a_bank_holds_what_its_runs_hold_alone(network: EinsumNetwork) -> None:
    runs = [parameters_of(network, seed) for seed in range(3)]
    images = torch.stack([pictures(network, 4, seed) for seed in range(3)])
    together, sums = network.expectations(banked(*runs), images)
    for i, run in enumerate(runs):
        alone, own = network.expectations(banked(run), images[i : i + 1])
        np.testing.assert_allclose(together[i], alone[0], rtol=1e-12)
        for name, value in own.items():
            np.testing.assert_allclose(sums[name][i], value[0], rtol=1e-9, atol=1e-12)


def test_expectations_are_derivatives_of_the_log_density(network: EinsumNetwork) -> None:
    """By the log of each weight, and by each leaf's log density."""
    start, images = parameters_of(network), pictures(network, 6).unsqueeze(0)
    parameters = banked(start)
    densities, sums = network.expectations(parameters, images)
    leaves = network.leaves.log_densities(parameters, network.leaves.gathered(images))
    leaves.requires_grad_()
    logs = {
        name: value.log().requires_grad_()
        for name, value in parameters.items()
        if name.startswith("level_")
    }
    root = plain_log_density(network, logs, leaves)
    np.testing.assert_allclose(
        densities, (root + network.leaves.log_base(images)).detach(), rtol=1e-11
    )
    root.sum().backward()
    for name, value in logs.items():
        assert value.grad is not None
        np.testing.assert_allclose(sums[name], value.grad, rtol=1e-8, atol=1e-12)
    assert leaves.grad is not None
    np.testing.assert_allclose(sums["leaf.uses"], leaves.grad.sum(-1), rtol=1e-8, atol=1e-12)
    for number, one in enumerate(network.family.statistics(images[0])):
        weighted = np.zeros(sums[f"leaf.sums.{number}"].shape[1:])
        for region, scope in enumerate(network.leaves.scopes):
            copy = network.leaves.copy_of_region[region]
            values = list(scope)
            weighted[copy, values] = (one[:, values].T @ leaves.grad[0, region].T).numpy()
        np.testing.assert_allclose(sums[f"leaf.sums.{number}"][0], weighted, rtol=1e-8, atol=1e-12)


def plain_log_density(network: EinsumNetwork, logs: Any, leaves: torch.Tensor) -> torch.Tensor:
    """By autograd's own operations, from log weights [1, ...] and leaves [1, L, K, N]."""
    regions = list(leaves[0])
    for i, level in enumerate(network.circuit.levels):
        sums = []
        for p, (left, right) in enumerate(zip(level.left, level.right, strict=True)):
            pairs = (regions[left].unsqueeze(1) + regions[right].unsqueeze(0)).flatten(0, 1)
            weights = logs[f"level_{i}.weights"][0, p]
            sums.append(torch.logsumexp(weights.unsqueeze(2) + pairs, dim=1))
        for g in range(level.regions):
            own = torch.stack(sums[g * level.partitions : (g + 1) * level.partitions], dim=1)
            if level.partitions > 1:
                own = own + logs[f"level_{i}.mixing"][0, g].unsqueeze(2)
            regions.append(torch.logsumexp(own, dim=1))
    return regions[-1]


BINARY: dict[str, Callable[[], EinsumNetwork]] = {
    "trees": lambda: rat_spn(2, 3, split_depth=2, repetitions=3),
    "deep tree": lambda: rat_spn(1, 4, split_depth=2, repetitions=1, components=3),
    "stripes": lambda: pd_spn(1, 6),
    "high stripes": lambda: pd_spn(2, 3, components=3),
}


@pytest.mark.parametrize("case", BINARY)
def test_probabilities_of_all_binary_images_sum_to_one(case: str) -> None:
    network = BINARY[case]()
    probabilities = network.log_likelihood(parameters_of(network), all_states(network)).exp()
    assert probabilities.sum().item() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("case", BINARY)
def test_marginals_are_sums_over_states(case: str) -> None:
    network = BINARY[case]()
    parameters, states = parameters_of(network), all_states(network)
    probabilities = network.log_likelihood(parameters, states).exp()
    hidden = hidden_values(network)
    conditional = network.conditional_log_density(parameters, states, hidden)
    for state, probability, found in zip(states, probabilities, conditional, strict=True):
        agrees = (states[:, ~hidden] == state[~hidden]).all(dim=1)
        expected = probability / probabilities[agrees].sum()
        assert found.exp().item() == pytest.approx(expected.item(), rel=1e-10)


@pytest.mark.parametrize("case", BINARY)
def test_expected_hidden_pixels_are_sums_over_states(case: str) -> None:
    network = BINARY[case]()
    parameters, states = parameters_of(network), all_states(network)
    probabilities = network.log_likelihood(parameters, states).exp()
    hidden = hidden_values(network)
    found = network.expected(parameters, states, hidden)
    for state, image in zip(states, found, strict=True):
        agrees = (states[:, ~hidden] == state[~hidden]).all(dim=1)
        shares = probabilities[agrees] / probabilities[agrees].sum()
        expected = torch.where(hidden, shares @ states[agrees], state)
        np.testing.assert_allclose(image, expected, rtol=1e-6)


def test_float32_is_near_float64() -> None:
    network = rat_spn(28, 28, "gaussian", split_depth=4, repetitions=4, components=5)
    parameters = parameters_of(network)
    parameters["leaf.variance"].fill_(1e-4)
    parameters["leaf.mean"] = parameters["leaf.mean"].abs().clamp(0, 1)
    images = pictures(network, 8).float()
    exact = network.log_likelihood(parameters, images)
    single = {name: value.float() for name, value in banked(parameters).items()}
    np.testing.assert_allclose(network.log_density(single, images[None])[0], exact, rtol=1e-5)
