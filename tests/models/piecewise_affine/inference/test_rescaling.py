"""Tests of the directions in which parameters change no density: one at least per hidden unit."""

from __future__ import annotations

import numpy as np
import pytest
from support.generative_oracles import line_log_densities, random_model

from workflow_src.models.piecewise_affine.inference.expectations import (
    DeepGenerativeNetwork,
    expected_statistics,
    sampled_points,
)
from workflow_src.models.piecewise_affine.maximisation.gradients import gradients
from workflow_src.models.piecewise_affine.networks import Network
from workflow_src.models.piecewise_affine.partitions.enumeration import partition

UNITS, OUTPUTS = 5, 2
PARAMETERS = UNITS + OUTPUTS * UNITS + UNITS + OUTPUTS + 1


def packed(weights, biases, noise):
    return np.concatenate([one.ravel() for one in (*weights, *biases, np.asarray(noise))])


def scores(model, points):
    """Gradients of log p(x), ``[N, parameters]``."""
    regions = partition(model.network)
    rows = []
    for point in points:
        found = gradients(model, regions, expected_statistics(model, regions, point[None]))
        rows.append(packed(found.weights, found.biases, found.noise))
    return np.stack(rows)


def rescaling(model, unit):
    """How parameters move as a unit's weights and bias grow and what follows shrinks."""
    weights = [np.zeros_like(one) for one in model.network.weights]
    biases = [np.zeros_like(one) for one in model.network.biases]
    weights[0][unit] = model.network.weights[0][unit]
    biases[0][unit] = model.network.biases[0][unit]
    weights[1][:, unit] = -model.network.weights[1][:, unit]
    return packed(weights, biases, np.zeros(()))


def moved(model, direction):
    """The model with its parameters moved."""
    rest, arrays = direction, []
    for one in (*model.network.weights, *model.network.biases):
        arrays.append(one + rest[: one.size].reshape(one.shape))
        rest = rest[one.size :]
    network = Network(tuple(arrays[:2]), tuple(arrays[2:]), model.network.activation)
    noise = type(model.noise).isotropic(float(model.noise.values) + rest[0], OUTPUTS)
    return DeepGenerativeNetwork(network, noise)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_each_unit_takes_one_from_the_rank(seed):
    """[1, 5, 2] has 23 parameters; how far its rank is below 18 depends on the draw."""
    model = random_model((1, UNITS, OUTPUTS), seed=seed, kind="relu", variance=0.05)
    points = sampled_points(model, 200, np.random.default_rng(0))[2]
    found = scores(model, points)
    assert found.shape == (200, PARAMETERS)
    assert PARAMETERS == 23
    size = np.linalg.norm(found, axis=0).max()
    directions = np.stack([rescaling(model, unit) for unit in range(UNITS)])
    assert np.linalg.matrix_rank(directions) == UNITS
    assert np.abs(found @ directions.T).max() < 1e-9 * size
    values = np.linalg.svd(found, compute_uv=False)
    rank = int((values > 1e-9 * values[0]).sum())
    assert 1 < rank <= PARAMETERS - UNITS
    step = 1e-6
    for direction in (directions[0], np.random.default_rng(1).normal(size=PARAMETERS)):
        more, less = (
            line_log_densities(moved(model, sign * step * direction), points[:20])
            for sign in (1, -1)
        )
        assert np.allclose(found[:20] @ direction, (more - less) / (2 * step), rtol=1e-4, atol=1e-4)
