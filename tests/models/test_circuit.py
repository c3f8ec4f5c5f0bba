"""Circuits against the enumeration of their induced trees, and as distributions."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
import torch

from workflow_src.models.circuits.circuit import Circuit
from workflow_src.models.circuits.region_graph import poon_domingos
from workflow_src.models.likelihoods import Binomial

INFINITY = float("inf")


def banked(parameters: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: value.unsqueeze(0) for name, value in parameters.items()}


def enumerated_log_density(trees: list[Any], leaves: torch.Tensor) -> np.ndarray:
    """log sum over trees of weight times leaf densities; leaves [leaf nodes, N]."""
    densities = np.exp(leaves.numpy())
    total = sum(tree.weight * densities[sorted(tree.leaves)].prod(axis=0) for tree in trees)
    return np.log(total)


def test_a_2x2_circuit_has_128_induced_trees_over_16_leaf_sets(
    random_circuit: Any, enumerate_trees: Any
) -> None:
    trees = enumerate_trees(*random_circuit(2, 2))
    assert len(trees) == 128
    assert len({tree.leaves for tree in trees}) == 16
    assert all(len(tree.leaves) == 4 for tree in trees)
    assert sum(tree.weight for tree in trees) == pytest.approx(1, abs=1e-14)


@pytest.mark.parametrize(
    ("height", "width", "leaves", "sums", "kind"),
    [
        (2, 2, 2, 2, "poon_domingos"),
        (2, 2, 3, 2, "poon_domingos"),
        (2, 2, 2, 3, "poon_domingos"),
        (2, 2, 1, 1, "poon_domingos"),
        (2, 3, 2, 1, "poon_domingos"),
        (1, 4, 2, 2, "poon_domingos"),
        (3, 2, 1, 2, "poon_domingos"),
        (2, 2, 2, 2, "random"),
        (1, 5, 2, 2, "random"),
        (1, 5, 3, 1, "random"),
        (2, 3, 1, 2, "random"),
    ],
)
def test_the_density_is_the_sum_over_induced_trees(
    random_circuit: Any,
    enumerate_trees: Any,
    height: int,
    width: int,
    leaves: int,
    sums: int,
    kind: str,
) -> None:
    circuit, parameters = random_circuit(height, width, leaves, sums, kind=kind)
    log_densities = torch.randn(
        circuit.leaf_nodes, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1)
    )
    found = circuit.log_density(banked(parameters), log_densities.unsqueeze(0))[0]
    expected = enumerated_log_density(enumerate_trees(circuit, parameters), log_densities)
    np.testing.assert_allclose(found, expected, atol=1e-13)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-13), (torch.float32, 1e-6)])
@pytest.mark.parametrize(("leaves", "sums"), [(2, 2), (3, 2), (1, 4)])
@pytest.mark.parametrize("kind", ["poon_domingos", "random"])
def test_marginalising_every_leaf_leaves_probability_one(
    random_circuit: Any, dtype: torch.dtype, tolerance: float, leaves: int, sums: int, kind: str
) -> None:
    circuit, parameters = random_circuit(4, 4, leaves, sums, kind=kind)
    typed = {name: value.to(dtype) for name, value in banked(parameters).items()}
    root = circuit.log_density(typed, torch.zeros(1, circuit.leaf_nodes, 1, dtype=dtype))
    assert abs(root.item()) < tolerance


@pytest.mark.parametrize(
    ("height", "width", "leaves", "sums"), [(2, 2, 2, 2), (2, 3, 3, 2), (3, 3, 2, 3)]
)
def test_the_probabilities_of_all_binary_images_sum_to_one(
    random_circuit: Any, height: int, width: int, leaves: int, sums: int
) -> None:
    circuit, parameters = random_circuit(height, width, leaves, sums)
    pixels = height * width
    states = torch.tensor(list(product([0.0, 1.0], repeat=pixels)), dtype=torch.float64)
    logits = torch.randn(
        circuit.leaf_nodes, 1, 1, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(2)
    )
    # Every leaf sees its own pixel: [leaf nodes, one pixel, one sample, images].
    seen = states.T.repeat_interleave(leaves, dim=0)[:, None, None, :]
    leaf = Binomial(1).log_density(seen, {"probability": logits.expand(-1, -1, -1, 2**pixels)})
    probabilities = circuit.log_density(banked(parameters), leaf[:, 0].unsqueeze(0)).exp()
    assert probabilities.sum().item() == pytest.approx(1, abs=1e-12)


def test_a_dead_leaf_takes_its_trees_away_and_leaves_no_nan(
    random_circuit: Any, enumerate_trees: Any
) -> None:
    circuit, parameters = random_circuit(2, 2)
    trainable = {name: value.requires_grad_() for name, value in banked(parameters).items()}
    leaves = torch.full((1, circuit.leaf_nodes, 1), -0.3, dtype=torch.float64)
    leaves[0, 3] = -INFINITY
    leaves.requires_grad_()
    root = circuit.log_density(trainable, leaves)
    alive = [t for t in enumerate_trees(circuit, parameters) if 3 not in t.leaves]
    expected = np.log(sum(tree.weight for tree in alive)) - 4 * 0.3
    assert root.item() == pytest.approx(expected, abs=1e-13)
    root.sum().backward()
    for tensor in (leaves, *trainable.values()):
        assert torch.isfinite(tensor.grad).all()
    assert leaves.grad[0, 3].item() == 0
    # Each image's leaf gradients are posterior probabilities, one for every leaf region.
    assert leaves.grad.sum().item() == pytest.approx(4, abs=1e-13)


@pytest.mark.parametrize("dead", [slice(0, 2), slice(None)], ids=["a whole region", "all"])
def test_an_image_of_probability_zero_has_zero_gradients(random_circuit: Any, dead: slice) -> None:
    circuit, parameters = random_circuit(2, 2)
    trainable = {name: value.requires_grad_() for name, value in banked(parameters).items()}
    leaves = torch.zeros(1, circuit.leaf_nodes, 1, dtype=torch.float64)
    leaves[0, dead] = -INFINITY
    leaves.requires_grad_()
    root = circuit.log_density(trainable, leaves)
    assert root.item() == -INFINITY
    root.sum().backward()
    for tensor in (leaves, *trainable.values()):
        assert not torch.isnan(tensor.grad).any()


def test_runs_and_images_in_a_bank_do_not_mix(random_circuit: Any) -> None:
    circuit, first = random_circuit(3, 2, seed=1)
    _, second = random_circuit(3, 2, seed=2)
    leaves = torch.randn(2, circuit.leaf_nodes, 5, dtype=torch.float64)
    together = circuit.log_density(
        {name: torch.stack([first[name], second[name]]) for name in first}, leaves
    )
    for run, parameters in enumerate([first, second]):
        for image in range(5):
            alone = circuit.log_density(
                banked(parameters), leaves[run : run + 1, :, image : image + 1]
            )
            assert together[run, image].item() == pytest.approx(alone.item(), abs=1e-13)


def test_gradcheck(random_circuit: Any) -> None:
    circuit, parameters = random_circuit(2, 2)
    names = list(parameters)
    leaves = torch.randn(1, circuit.leaf_nodes, 2, dtype=torch.float64, requires_grad=True)

    def density(leaves: torch.Tensor, *values: torch.Tensor) -> torch.Tensor:
        return circuit.log_density(dict(zip(names, values, strict=True)), leaves)

    logits = [value.unsqueeze(0).requires_grad_() for value in parameters.values()]
    assert torch.autograd.gradcheck(density, (leaves, *logits))


def test_initial_logits_are_standard_normal() -> None:
    circuit = Circuit(poon_domingos(4, 4, 1), 2, 2)
    parameters = circuit.initial_parameters(torch.Generator().manual_seed(3))
    logits = torch.cat([value.flatten() for value in parameters.values()])
    assert len(logits) == 1576
    assert abs(logits.mean().item()) < 4 / np.sqrt(1576)
    assert abs(logits.std().item() - 1) < 4 / np.sqrt(2 * 1576)
