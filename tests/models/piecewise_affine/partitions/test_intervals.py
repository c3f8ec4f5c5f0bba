"""Intervals of one latent dimension: their ends in closed form and on a fine grid."""

from __future__ import annotations

import numpy as np
import pytest
from support.random_networks import KINDS, random_network

from workflow_src.models.piecewise_affine.networks import Activation, Kind, Network, signs
from workflow_src.models.piecewise_affine.partitions.intervals import intervals


def test_the_ends_of_one_layer_are_its_roots_in_order() -> None:
    network = random_network([1, 7, 2], seed=1)
    found = intervals(network)
    roots = np.sort(-network.biases[0] / network.weights[0][:, 0])
    np.testing.assert_allclose(found.lower, [-np.inf, *roots], rtol=1e-14)
    np.testing.assert_allclose(found.upper, [*roots, np.inf], rtol=1e-14)


@pytest.mark.parametrize("kind", KINDS)
def test_signs_change_at_the_ends_and_nowhere_else(kind: Kind) -> None:
    network = random_network([1, 6, 6, 5, 2], seed=2, kind=kind)
    found = intervals(network)
    grid = np.linspace(-20, 20, 100_001)
    here = signs(network, grid[:, None])
    places = np.flatnonzero((here[1:] != here[:-1]).any(axis=1))
    ends = found.upper[(found.upper > -20) & (found.upper < 20)]
    np.testing.assert_allclose(ends, grid[places] + 2e-4, atol=2.1e-4)


def test_half_spaces_are_the_finite_ends() -> None:
    network = random_network([1, 3, 1], seed=1)
    found = intervals(network)
    for region in range(4):
        normals, offsets = found.half_spaces(region)
        ends = dict(zip(normals[:, 0].tolist(), (offsets * normals[:, 0]).tolist(), strict=True))
        lower, upper = ends.get(-1.0, -np.inf), ends.get(1.0, np.inf)
        assert (lower, upper) == (found.lower[region], found.upper[region])


def test_roots_that_differ_by_rounding_are_one_end() -> None:
    """Three units with the root 0.3, as near as doubles come to it, and one far from it."""
    weights = np.array([[1.0], [3.0], [-7.0], [1.0]])
    biases = np.array([-0.3, -np.nextafter(0.9, 1), 2.1, -1e12])
    network = Network((weights, np.ones((1, 4))), (biases, np.zeros(1)), Activation("relu"))
    assert len(set(-biases / weights[:, 0])) > 2
    np.testing.assert_allclose(intervals(network).upper, [0.3, 1e12, np.inf], rtol=1e-15)


def test_only_one_latent_dimension_has_intervals() -> None:
    with pytest.raises(ValueError, match="one latent dimension"):
        intervals(random_network([2, 3, 1]))
