"""Which leaves explain an image: responsibilities against enumerated trees."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from workflow_src.models.circuits.circuit import Circuit
from workflow_src.models.circuits.posterior import leaf_responsibilities

INFINITY = float("inf")


def enumerated(
    circuit: Circuit, leaf_sets: dict[tuple[int, ...], float], leaves: torch.Tensor
) -> np.ndarray:
    """Share of every leaf, [leaf nodes, N], from probabilities of leaf sets."""
    values = leaves.double().numpy()
    shares = np.zeros_like(values)
    for components, probability in leaf_sets.items():
        nodes = [i * circuit.leaf_components + c for i, c in enumerate(components)]
        shares[nodes] += probability * np.exp(values[nodes].sum(axis=0))
    return shares * len(circuit.graph.leaf_regions) / shares.sum(axis=0)


CASES = pytest.mark.parametrize(
    ("height", "width", "leaves", "sums", "kind"),
    [
        (2, 2, 2, 2, "poon_domingos"),
        (2, 2, 3, 2, "poon_domingos"),
        (2, 3, 1, 2, "poon_domingos"),
        (1, 5, 2, 2, "random"),
        (2, 2, 3, 1, "random"),
    ],
)


@CASES
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-13), (torch.float32, 1e-5)])
def test_responsibilities_are_shares_of_the_trees_that_hold_the_leaf(
    random_circuit: Any,
    enumerate_leaf_sets: Any,
    height: int,
    width: int,
    leaves: int,
    sums: int,
    kind: str,
    dtype: torch.dtype,
    tolerance: float,
) -> None:
    circuit, parameters = random_circuit(height, width, leaves, sums, seed=4, kind=kind)
    generator = torch.Generator().manual_seed(1)
    densities = 3 * torch.randn(circuit.leaf_nodes, 7, dtype=dtype, generator=generator)
    found = leaf_responsibilities(circuit, parameters, densities)
    assert found.dtype == dtype
    expected = enumerated(circuit, enumerate_leaf_sets(circuit, parameters), densities)
    np.testing.assert_allclose(found, expected, atol=tolerance)


def test_without_observations_they_are_the_circuits_own_probabilities(
    random_circuit: Any, enumerate_leaf_sets: Any
) -> None:
    circuit, parameters = random_circuit(2, 2, 2, 2, seed=2)
    found = leaf_responsibilities(circuit, parameters, torch.zeros(8, 1, dtype=torch.float64))
    expected = np.zeros((4, 2))
    for components, probability in enumerate_leaf_sets(circuit, parameters).items():
        expected[np.arange(4), list(components)] += probability
    np.testing.assert_allclose(found.view(4, 2), expected, atol=1e-14)


@pytest.mark.parametrize("kind", ["poon_domingos", "random"])
def test_they_sum_to_one_over_the_components_of_a_region(random_circuit: Any, kind: str) -> None:
    circuit, parameters = random_circuit(5, 5, leaves=3, kind=kind)
    densities = 1000 * torch.randn(circuit.leaf_nodes, 9, dtype=torch.float64)
    found = leaf_responsibilities(circuit, parameters, densities)
    assert ((found >= 0) & (found <= 1 + 1e-12)).all()
    np.testing.assert_allclose(found.view(25, 3, 9).sum(dim=1), 1, atol=1e-12)


def test_dead_leaves_explain_nothing_and_impossible_images_have_no_explanation(
    random_circuit: Any, enumerate_leaf_sets: Any
) -> None:
    circuit, parameters = random_circuit(2, 2, 2, 2)
    densities = torch.full((8, 3), -2.0, dtype=torch.float64)
    densities[3, 0] = -INFINITY
    densities[4:6, 1] = -INFINITY
    densities[:, 2] = -INFINITY
    found = leaf_responsibilities(circuit, parameters, densities)
    expected = enumerated(circuit, enumerate_leaf_sets(circuit, parameters), densities[:, :1])
    np.testing.assert_allclose(found[:, :1], expected, atol=1e-13)
    assert found[3, 0] == 0
    assert (found[:, 1:] == 0).all()


def test_they_need_no_gradients_and_leave_none(random_circuit: Any) -> None:
    circuit, parameters = random_circuit(2, 2)
    densities = torch.zeros(8, 2, dtype=torch.float64, requires_grad=True)
    trained = {name: value.requires_grad_() for name, value in parameters.items()}
    with torch.no_grad():
        found = leaf_responsibilities(circuit, trained, densities)
    assert not found.requires_grad
    assert densities.grad is None
    assert all(value.grad is None for value in trained.values())
