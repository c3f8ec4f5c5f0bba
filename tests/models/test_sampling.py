"""Top-down samples against enumerated probabilities, from the model and given evidence."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from workflow_src.models.circuits.circuit import Circuit
from workflow_src.models.circuits.sampling import sample_leaf_components

DRAWS = 20_000
# Seeds are fixed: a right sampler fails such a test for one seed in ten thousand.
UNLIKELY = 1e-4


def assert_draws_follow(
    components: torch.Tensor, probabilities: dict[tuple[int, ...], float]
) -> None:
    counts = Counter(tuple(row) for row in components.tolist())
    possible = {key: p for key, p in probabilities.items() if p > 0}
    assert set(counts) <= set(possible)
    # Chi-square needs some five expected draws per cell: rare cells are told together.
    common = [key for key, p in possible.items() if p * len(components) >= 5]
    observed = [counts[key] for key in common]
    expected = [possible[key] * len(components) for key in common]
    if len(common) < len(possible):
        observed.append(len(components) - sum(observed))
        expected.append(len(components) - sum(expected))
    assert chisquare(observed, expected).pvalue > UNLIKELY


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    ("height", "width", "leaves", "sums", "kind"),
    [
        (2, 2, 2, 2, "poon_domingos"),
        (2, 2, 3, 2, "poon_domingos"),
        (1, 3, 2, 3, "poon_domingos"),
        (2, 3, 2, 1, "poon_domingos"),
        (2, 2, 2, 2, "random"),
        (1, 5, 2, 2, "random"),
    ],
)
def test_leaf_sets_are_drawn_as_often_as_their_trees_weigh(
    random_circuit: Any,
    enumerate_leaf_sets: Any,
    height: int,
    width: int,
    leaves: int,
    sums: int,
    kind: str,
) -> None:
    circuit, parameters = random_circuit(height, width, leaves, sums, seed=5, kind=kind)
    components = sample_leaf_components(circuit, parameters, DRAWS, generator(1))
    assert_draws_follow(components, enumerate_leaf_sets(circuit, parameters))


@pytest.mark.parametrize("kind", ["poon_domingos", "random"])
def test_given_evidence_leaf_sets_are_drawn_from_the_posterior(
    random_circuit: Any, enumerate_leaf_sets: Any, kind: str
) -> None:
    circuit, parameters = random_circuit(2, 2, seed=6, kind=kind)
    # The first two leaf regions are observed, the others are not.
    evidence = torch.zeros(circuit.leaf_nodes, dtype=torch.float64)
    evidence[:4] = torch.tensor([-3.0, -4.5, -1.0, 0.8])
    joint = {
        key: p * np.exp(sum(evidence[2 * i + component].item() for i, component in enumerate(key)))
        for key, p in enumerate_leaf_sets(circuit, parameters).items()
    }
    total = sum(joint.values())
    components = sample_leaf_components(
        circuit, parameters, DRAWS, generator(2), evidence.unsqueeze(1).expand(-1, DRAWS)
    )
    assert_draws_follow(components, {key: p / total for key, p in joint.items()})


def test_each_draw_has_evidence_of_its_own(random_circuit: Any) -> None:
    circuit, parameters = random_circuit(2, 2, seed=7)
    evidence = torch.zeros(circuit.leaf_nodes, 16, dtype=torch.float64)
    wanted = torch.tensor([[draw >> region & 1 for region in range(4)] for draw in range(16)])
    for draw in range(16):
        for region in range(4):
            evidence[2 * region + 1 - wanted[draw, region], draw] = -torch.inf
    components = sample_leaf_components(circuit, parameters, 16, generator(3), evidence)
    assert torch.equal(components, wanted)


@pytest.mark.parametrize("kind", ["poon_domingos", "random"])
def test_every_draw_is_one_component_of_every_region(random_circuit: Any, kind: str) -> None:
    """On a circuit too large to enumerate, with the evidence that allows a single leaf set."""
    circuit, parameters = random_circuit(7, 7, leaves=3, seed=3, kind=kind)
    wanted = torch.randint(0, 3, (20, 49), generator=generator(5))
    allowed = torch.nn.functional.one_hot(wanted, 3).flatten(1).T.double()
    drawn = sample_leaf_components(circuit, parameters, 20, generator(6), allowed.log())
    assert torch.equal(drawn, wanted)


def test_impossible_evidence_is_refused(random_circuit: Any) -> None:
    circuit, parameters = random_circuit(2, 2)
    evidence = torch.zeros(circuit.leaf_nodes, 5, dtype=torch.float64)
    evidence[2:4, 3] = -torch.inf
    with pytest.raises(ValueError, match="impossible"):
        sample_leaf_components(circuit, parameters, 5, generator(1), evidence)


def test_evidence_of_thousands_of_nats_below_zero_is_no_obstacle(random_circuit: Any) -> None:
    circuit, parameters = random_circuit(2, 2, seed=7)
    evidence = torch.full((circuit.leaf_nodes, 50), -5000.0)
    evidence[1::2] = -6000.0
    single = {name: value.float() for name, value in parameters.items()}
    components = sample_leaf_components(circuit, single, 50, generator(3), evidence)
    assert components.eq(0).all()


def test_marginals_of_a_4x4_circuit_are_the_models_own(random_circuit: Any) -> None:
    circuit, parameters = random_circuit(4, 4, seed=8)
    draws = 4000
    components = sample_leaf_components(circuit, parameters, draws, generator(4))
    expected = first_component_probabilities(circuit, parameters)
    found = components.eq(0).double().mean(dim=0).numpy()
    deviation = np.sqrt(expected * (1 - expected) / draws)
    assert np.abs(found - expected).max() < 4.5 * deviation.max()
    assert ((components == 0) | (components == 1)).all()


def first_component_probabilities(
    circuit: Circuit, parameters: dict[str, torch.Tensor]
) -> np.ndarray:
    """P(component 0) of every leaf region: the density where the other one is impossible."""
    banked = {name: value.unsqueeze(0) for name, value in parameters.items()}
    regions = len(circuit.graph.leaf_regions)
    leaves = torch.zeros(1, circuit.leaf_nodes, regions, dtype=torch.float64)
    for region in range(regions):
        leaves[0, 2 * region + 1, region] = -torch.inf
    return circuit.log_density(banked, leaves)[0].exp().numpy()


def test_equal_generators_give_equal_draws(random_circuit: Any) -> None:
    circuit, parameters = random_circuit(3, 3)
    first, second = (
        sample_leaf_components(circuit, parameters, 100, generator(9)) for _ in range(2)
    )
    assert torch.equal(first, second)
