"""Convolutional circuits against a plain recursion, enumeration and automatic derivatives."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare
from support.plain_convolutional_circuit import plain_density
from torch import Tensor

from workflow_src.models.circuits import convolutional
from workflow_src.models.circuits.convolutional import (
    SMALLEST_WEIGHT,
    ConvolutionalCircuit,
    Workspace,
)
from workflow_src.models.circuits.convolutional_geometry import ConvolutionalGeometry
from workflow_src.models.circuits.convolutional_sampling import draw_components

# Seeds are fixed: a right sampler fails such a test for one seed in ten thousand.
UNLIKELY = 1e-4

SIDES = [(1, 2), (2, 1), (2, 2), (2, 3), (4, 4), (3, 5)]


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def small(
    height: int, width: int, components: int = 2, sums: int = 3, concentration: float = 1.0
) -> tuple[ConvolutionalCircuit, dict[str, Tensor]]:
    """A circuit and weights in float64."""
    circuit = ConvolutionalCircuit(ConvolutionalGeometry(height, width), components, sums)
    made = circuit.initial_parameters(generator(height * 10 + width), concentration)
    weights = {name: value.double() for name, value in made.items()}
    for name, value in weights.items():
        # Weights of float32 add up to 1 within its digits only.
        dims = (0, 1, 2) if name == "root.weights" else -1
        weights[name] = value / value.sum(dim=dims, keepdim=True)
    return circuit, weights


def indicators(states: Tensor, components: int) -> Tensor:
    """Log densities of leaves that each are one state, ``[height, width, components, N]``.

    ``states [N, height, width]`` from 0 to ``components`` - 1.
    """
    ones = torch.nn.functional.one_hot(states, components).double()
    return ones.log().permute(1, 2, 3, 0).contiguous()


def all_states(height: int, width: int, components: int) -> Tensor:
    every = list(product(range(components), repeat=height * width))
    return torch.tensor(every).view(-1, height, width)


@pytest.mark.parametrize("sides", SIDES)
def test_densities_are_those_of_the_plain_recursion(sides: tuple[int, int]) -> None:
    circuit, weights = small(*sides)
    leaves = torch.randn(*sides, 2, 4, dtype=torch.float64, generator=generator(1))
    plain = torch.stack([plain_density(weights, leaves[..., n].exp()).log() for n in range(4)])
    found = circuit.upward(weights, leaves).log_density
    torch.testing.assert_close(found, plain, rtol=1e-12, atol=1e-12)
    alone = circuit.upward(weights, leaves, keep=False).log_density
    assert torch.equal(found, alone)


@pytest.mark.parametrize("sides", [(1, 2), (2, 2), (2, 3), (3, 2), (1, 6), (1, 5)])
def test_all_states_of_binary_pixels_have_total_probability_one(sides: tuple[int, int]) -> None:
    circuit, weights = small(*sides)
    leaves = indicators(all_states(*sides, 2), 2)
    densities = circuit.upward(weights, leaves).log_density.exp()
    assert densities.sum().item() == pytest.approx(1, abs=1e-12)


def test_a_leaf_that_is_integrated_out_sums_over_its_states() -> None:
    circuit, weights = small(2, 3)
    states = all_states(2, 3, 2)
    densities = circuit.upward(weights, indicators(states, 2)).log_density.exp()
    hidden = torch.tensor([[True, False, False], [False, True, True]])
    for visible in range(8):
        values = torch.tensor([visible >> i & 1 for i in range(3)])
        agree = (states[:, ~hidden] == values).all(dim=1)
        evidence = torch.zeros(2, 3, dtype=torch.int64)
        evidence[~hidden] = values
        leaves = indicators(evidence.unsqueeze(0), 2)
        leaves[hidden] = 0
        marginal = circuit.upward(weights, leaves).log_density.exp().item()
        assert marginal == pytest.approx(densities[agree].sum().item(), rel=1e-10)


@pytest.mark.parametrize("sides", SIDES)
@pytest.mark.parametrize("values_at_once", [1, 10**9])
def test_statistics_are_derivatives_by_autograd(
    sides: tuple[int, int], values_at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(convolutional._VALUES_AT_ONCE, "cpu", values_at_once)
    circuit, weights = small(*sides)
    logs = {name: value.log().requires_grad_() for name, value in weights.items()}
    leaves = torch.randn(*sides, 2, 3, dtype=torch.float64, generator=generator(2))
    leaves.requires_grad_()
    plain = torch.stack(
        [
            plain_density({k: v.exp() for k, v in logs.items()}, leaves[..., n].exp()).log()
            for n in range(3)
        ]
    )
    gradients = torch.autograd.grad(plain.sum(), [leaves, *logs.values()])
    with torch.no_grad():
        flows, statistics = circuit.downward(weights, circuit.upward(weights, leaves.detach()))
    torch.testing.assert_close(flows, gradients[0], rtol=1e-9, atol=1e-11)
    assert statistics.keys() == logs.keys()
    for name, gradient in zip(logs, gradients[1:], strict=True):
        torch.testing.assert_close(statistics[name], gradient, rtol=1e-9, atol=1e-11)


def test_a_workspace_changes_nothing_and_is_used_again() -> None:
    circuit, weights = small(3, 5)
    space = Workspace()
    for images in (4, 2, 6):
        leaves = torch.randn(3, 5, 2, images, dtype=torch.float64, generator=generator(images))
        own = circuit.upward(weights, leaves)
        shared = circuit.upward(weights, leaves, workspace=space)
        assert torch.equal(own.log_density, shared.log_density)
        expected = circuit.downward(weights, own)
        found = circuit.downward(weights, shared)
        assert torch.equal(expected[0], found[0])
        for name, value in expected[1].items():
            assert torch.equal(value, found[1][name])
    kept = {name: value.data_ptr() for name, value in space.kept.items()}
    circuit.upward(weights, leaves, workspace=space)
    assert kept == {name: value.data_ptr() for name, value in space.kept.items()}


@given(st.integers(0, 2**20))
def test_leaf_probabilities_of_a_pixel_add_up_to_one(seed: int) -> None:
    circuit, weights = small(3, 5, concentration=0.1)
    leaves = 20 * torch.randn(3, 5, 2, 2, dtype=torch.float64, generator=generator(seed))
    flows, statistics = circuit.downward(weights, circuit.upward(weights, leaves))
    torch.testing.assert_close(flows.sum(dim=2), torch.ones(3, 5, 2, dtype=torch.float64))
    assert statistics["root.weights"].sum().item() == pytest.approx(2)


def test_weights_start_positive_and_normalised() -> None:
    circuit = ConvolutionalCircuit(ConvolutionalGeometry(8, 8), 4, 4)
    weights = circuit.initial_parameters(generator(0), 0.1)
    for name, value in weights.items():
        assert tuple(value.shape) == circuit.parameter_shapes()[name]
        assert value.min() >= SMALLEST_WEIGHT
        totals = value.sum() if name == "root.weights" else value.sum(dim=-1)
        torch.testing.assert_close(totals, torch.ones_like(totals), rtol=1e-4, atol=1e-4)
    # A symmetric Dirichlet of 256 weights with concentration 0.1 has second moments
    # (0.1 + 1) / (256 * (25.6 + 1)).
    moment = weights["sums.0.weights"].double().square().mean().item()
    assert moment == pytest.approx(1.1 / (256 * 26.6), rel=0.03)


def test_float32_is_finite_where_channels_are_far_apart() -> None:
    circuit = ConvolutionalCircuit(ConvolutionalGeometry(8, 8), 4, 4)
    weights = circuit.initial_parameters(generator(3), 0.01)
    leaves = 300 * torch.randn(8, 8, 4, 5, generator=generator(4))
    up = circuit.upward(weights, leaves)
    assert torch.isfinite(up.log_density).all()
    flows, statistics = circuit.downward(weights, up)
    for value in (flows, *statistics.values()):
        assert torch.isfinite(value).all()


def probabilities(circuit: ConvolutionalCircuit, weights: dict[str, Tensor]) -> np.ndarray:
    """Of every choice of components on 2 x 2 pixels, by the plain recursion."""
    leaves = indicators(all_states(2, 2, circuit.leaf_components), circuit.leaf_components).exp()
    return np.array([plain_density(weights, leaves[..., n]) for n in range(leaves.shape[3])])


def counted(components: Tensor, choices: int) -> np.ndarray:
    places = components.flatten(0, 1).T
    powers = torch.tensor([choices**i for i in reversed(range(places.shape[1]))])
    return np.bincount((places * powers).sum(dim=1), minlength=choices ** places.shape[1])


def test_draws_follow_the_enumerated_probabilities() -> None:
    circuit, weights = small(2, 2, components=2, sums=2)
    drawn = draw_components(circuit, weights, 20_000, generator(5))
    expected = probabilities(circuit, weights)
    assert expected.sum() == pytest.approx(1)
    assert chisquare(counted(drawn, 2), expected * 20_000).pvalue > UNLIKELY


def test_draws_given_evidence_follow_the_posterior() -> None:
    circuit, weights = small(2, 2, components=2, sums=2)
    evidence = torch.randn(2, 2, 2, dtype=torch.float64, generator=generator(6))
    evidence[1, 1] = 0
    shares = np.array(
        [
            evidence[torch.tensor([0, 0, 1, 1]), torch.tensor([0, 1, 0, 1]), state.flatten()]
            .sum()
            .exp()
            .item()
            for state in all_states(2, 2, 2)
        ]
    )
    posterior = probabilities(circuit, weights) * shares
    posterior /= posterior.sum()
    up = circuit.upward(weights, evidence.unsqueeze(3).expand(-1, -1, -1, 20_000).contiguous())
    drawn = draw_components(circuit, weights, 20_000, generator(7), up)
    assert chisquare(counted(drawn, 2), posterior * 20_000).pvalue > UNLIKELY


@pytest.mark.parametrize("sides", [(3, 5), (8, 8)])
def test_every_draw_has_the_frequencies_of_its_flows(sides: tuple[int, int]) -> None:
    """Marginals of draws are the posterior probabilities that the way down gives exactly."""
    circuit, weights = small(*sides, components=3, sums=2)
    evidence = torch.randn(*sides, 3, 1, dtype=torch.float64, generator=generator(8))
    draws = 4_000
    repeated = circuit.upward(weights, evidence.expand(-1, -1, -1, draws).contiguous())
    drawn = draw_components(circuit, weights, draws, generator(9), repeated)
    flows, _ = circuit.downward(weights, circuit.upward(weights, evidence))
    found = torch.nn.functional.one_hot(drawn, 3).double().mean(dim=2)
    expected = flows[..., 0]
    errors = (expected * (1 - expected) / draws).sqrt()
    # 5 standard errors, for some 200 frequencies that are not independent.
    assert ((found - expected).abs() <= 5 * errors + 1e-9).all()


def test_draws_are_the_generators() -> None:
    circuit, weights = small(4, 4)
    first = draw_components(circuit, weights, 10, generator(1))
    assert torch.equal(first, draw_components(circuit, weights, 10, generator(1)))
    assert not torch.equal(first, draw_components(circuit, weights, 10, generator(2)))
