"""Oracles that the model tests share: plain loops over NumPy arrays, written from the formulas."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch

from workflow_src.models.circuits.circuit import Circuit
from workflow_src.models.circuits.region_graph import super_pixel_region_graph


def perceptron(parameters: Mapping[str, np.ndarray], prefix: str, inputs: np.ndarray) -> np.ndarray:
    """One network on one input vector: softplus(W h + b) ... and a linear last layer."""
    last = max(int(name.split(".")[-2]) for name in parameters if name.startswith(prefix))
    values = inputs
    for layer in range(last + 1):
        weight = parameters[f"{prefix}.{layer}.weight"]
        values = weight @ values + parameters[f"{prefix}.{layer}.bias"][:, 0]
        if layer < last:
            values = np.logaddexp(0, values)
    return values


@dataclass(frozen=True)
class InducedTree:
    """One choice of a product at every sum node on the way down from the root."""

    weight: float
    leaves: frozenset[int]


def induced_trees(circuit: Circuit, parameters: Mapping[str, torch.Tensor]) -> list[InducedTree]:
    """All induced trees of a small circuit, by recursion over its edges."""
    edges: dict[int, list[tuple[float, int, int]]] = {}
    for i, level in enumerate(circuit.levels):
        logits = parameters[f"circuit.{i}.sum_logits"].double().numpy()
        for r in range(len(level.regions)):
            for s in range(level.sums):
                shares = np.exp(logits[r, s]) / np.exp(logits[r, s]).sum()
                edges[level.first_node + r * level.sums + s] = list(
                    zip(shares, level.left[r], level.right[r], strict=True)
                )

    def below(node: int) -> Iterator[InducedTree]:
        if node not in edges:
            yield InducedTree(1.0, frozenset([node]))
            return
        for weight, left, right in edges[node]:
            for first in below(left):
                for second in below(right):
                    yield InducedTree(
                        weight * first.weight * second.weight, first.leaves | second.leaves
                    )

    return list(below(max(edges)))


def leaf_set_probabilities(
    circuit: Circuit, parameters: Mapping[str, torch.Tensor]
) -> dict[tuple[int, ...], float]:
    """Probability of every choice of one component per leaf region, in the order of the regions."""
    result: dict[tuple[int, ...], float] = {}
    for tree in induced_trees(circuit, parameters):
        components = tuple(node % circuit.leaf_components for node in sorted(tree.leaves))
        result[components] = result.get(components, 0.0) + tree.weight
    return result


def log_likelihood_of_leaf(
    parameters: Mapping[str, np.ndarray],
    pixels: np.ndarray,
    log_density: Callable[[np.ndarray, dict[str, np.ndarray]], float],
    outputs: tuple[str, ...],
) -> float:
    """log p(x) of an autoencoder with one latent dimension: trapezoids over z in [-9, 9]."""
    grid = np.linspace(-9, 9, 2001)
    terms = [
        log_density(
            pixels,
            {name: perceptron(parameters, f"decoder.{name}", np.array([z])) for name in outputs},
        )
        - 0.5 * z * z
        - 0.5 * math.log(2 * math.pi)
        for z in grid
    ]
    return float(np.logaddexp.reduce(terms) + math.log(grid[1] - grid[0]))


@pytest.fixture(scope="session")
def numpy_perceptron() -> Callable[..., np.ndarray]:
    return perceptron


@pytest.fixture(scope="session")
def enumerate_trees() -> Callable[..., list[InducedTree]]:
    return induced_trees


@pytest.fixture(scope="session")
def enumerate_leaf_sets() -> Callable[..., dict[tuple[int, ...], float]]:
    return leaf_set_probabilities


@pytest.fixture(scope="session")
def leaf_quadrature() -> Callable[..., float]:
    return log_likelihood_of_leaf


@pytest.fixture(scope="session")
def random_circuit() -> Callable[..., tuple[Circuit, dict[str, torch.Tensor]]]:
    """A circuit on single pixels with random weights, in float64."""

    def make(
        height: int,
        width: int,
        leaves: int = 2,
        sums: int = 2,
        seed: int = 0,
        kind: str = "poon_domingos",
    ) -> tuple[Circuit, dict[str, Any]]:
        graph = super_pixel_region_graph(kind, height, width, 1, repetitions=3, structure_seed=1)
        circuit = Circuit(graph, leaves, sums)
        generator = torch.Generator().manual_seed(seed)
        parameters = circuit.initial_parameters(generator)
        return circuit, {name: value.double() for name, value in parameters.items()}

    return make
