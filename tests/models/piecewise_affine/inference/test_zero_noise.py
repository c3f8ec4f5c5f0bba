"""Tests of the limit without noise against grids and the posterior at small noise."""

from __future__ import annotations

import itertools

import mpmath
import numpy as np
import pytest
from scipy.optimize import minimize
from support.generative_oracles import forward, random_model

from workflow_src.models.piecewise_affine.inference.expectations import DeepGenerativeNetwork
from workflow_src.models.piecewise_affine.inference.posterior import posterior_moments
from workflow_src.models.piecewise_affine.inference.zero_noise import optimal_latents
from workflow_src.models.piecewise_affine.networks import Activation, Network
from workflow_src.models.piecewise_affine.noise import NoiseCovariance
from workflow_src.models.piecewise_affine.partitions.enumeration import partition
from workflow_src.models.piecewise_affine.solvers import (
    constrained_least_squares as constrained_least_squares_module,
)
from workflow_src.models.piecewise_affine.solvers.constrained_least_squares import (
    constrained_least_squares,
)


def value(network, point, latents, weight):
    distance = ((point - forward(network, latents)) ** 2).sum(axis=1)
    return distance + weight * (latents**2).sum(axis=1)


def grid(latent, reach):
    axis = np.linspace(-reach, reach, {1: 8_001, 2: 121, 3: 25}[latent])
    return np.stack(np.meshgrid(*[axis] * latent), axis=-1).reshape(-1, latent)


@pytest.mark.parametrize("sizes", [(1, 6, 2), (1, 4, 3, 5), (2, 4, 3), (3, 3, 2)])
@pytest.mark.parametrize(("weight", "clip"), [(0.0, 1.5), (0.5, None), (1.0, 0.4)])
def test_no_latent_on_a_grid_is_better(sizes, weight, clip):
    model = random_model(sizes, kind="leaky_relu", seed=2)
    points = np.random.default_rng(0).normal(size=(4, sizes[-1])) * 1.5
    found = optimal_latents(model.network, partition(model.network), points, weight, clip)
    assert np.allclose(found.outputs, forward(model.network, found.latents))
    if clip is not None:
        assert np.abs(found.latents).max() <= clip + 1e-9
    candidates = grid(sizes[0], clip or 6.0)
    for row, point in enumerate(points):
        reached = value(model.network, point, found.latents[[row]], weight)[0]
        assert found.objective[row] == pytest.approx(reached, rel=1e-12)
        assert reached <= value(model.network, point, candidates, weight).min() + 1e-12


@pytest.mark.parametrize("sizes", [(1, 6, 2), (2, 4, 3)])
def test_the_posterior_gathers_at_the_optimal_latent(sizes):
    model = random_model(sizes, seed=3)
    regions = partition(model.network)
    points = np.random.default_rng(1).normal(size=(4, sizes[-1]))
    found = optimal_latents(model.network, regions, points)
    assert found.full_rank.all()
    distances = []
    for variance in (1e-3, 1e-5, 1e-7):
        noise = NoiseCovariance.isotropic(variance, sizes[-1])
        moments = posterior_moments(DeepGenerativeNetwork(model.network, noise), regions, points)
        spread = np.sqrt(np.trace(moments.covariance, axis1=1, axis2=2))
        distances.append(np.linalg.norm(moments.mean - found.latents, axis=1) + spread)
    assert distances[2].max() < 0.01
    assert np.all(distances[2] < distances[0])


def test_dead_units_have_no_single_optimal_latent():
    """g(z) = max(z, 0): every z below 0 gives 0; the smallest is taken, the limit is no point."""
    one = np.ones((1, 1))
    network = Network((one, one), (np.zeros(1), np.zeros(1)), Activation("relu"))
    points = np.array([[-1.0], [2.0]])
    found = optimal_latents(network, partition(network), points)
    assert np.allclose(found.latents, [[0.0], [2.0]])
    assert np.allclose(found.objective, [1.0, 0.0])
    dead = Network((one, one), (np.full(1, -5.0), np.zeros(1)), Activation("relu"))
    flat = optimal_latents(dead, partition(dead), np.array([[-1.0]]))
    assert flat.latents[0, 0] == 0
    assert not flat.full_rank[0]


def test_several_solutions_give_the_smallest():
    """Two latents, one output: of the line of solutions the point nearest to the origin."""
    network = Network((np.array([[3.0, 4.0]]),), (np.zeros(1),), Activation("relu"))
    found = optimal_latents(network, partition(network), np.array([[5.0]]))
    assert np.allclose(found.latents, [[0.6, 0.8]], atol=1e-9)
    assert not found.full_rank[0]


@pytest.mark.parametrize("rows", [1, 4])
def test_constrained_least_squares_is_the_minimum(rows):
    generator = np.random.default_rng(rows)
    for _ in range(10):
        system, target = generator.normal(size=(rows, 3)), generator.normal(size=rows) * 3
        normals = generator.normal(size=(5, 3))
        normals /= np.linalg.norm(normals, axis=1)[:, None]
        offsets = generator.uniform(0.1, 1, 5)
        size = float(np.linalg.norm(system, 2))
        found = constrained_least_squares(system, target, normals, offsets, size)
        assert np.all(normals @ found <= offsets + 1e-9)
        other = minimize(
            lambda z, a=system, b=target: ((b - a @ z) ** 2).sum(),
            np.zeros(3),
            jac=lambda z, a=system, b=target: -2 * a.T @ (b - a @ z),
            constraints={
                "type": "ineq",
                "fun": lambda z, n=normals, o=offsets: o - n @ z,
                "jac": lambda z, n=normals: -n,
            },
            method="SLSQP",
            options={"ftol": 1e-14, "maxiter": 500},
        )
        assert ((target - system @ found) ** 2).sum() <= other.fun + 1e-8
        assert np.linalg.norm(found) <= np.linalg.norm(other.x) + 1e-4 or rows == 4


def test_constraints_that_exclude_each_other_have_no_minimum():
    normals, offsets = np.array([[1.0, 0.0], [-1.0, 0.0]]), np.array([-1.0, -1.0])
    assert constrained_least_squares(np.eye(2), np.ones(2), normals, offsets, 1.0) is None


def test_settings_that_mean_nothing_are_refused():
    model = random_model((1, 3, 2))
    regions, points = partition(model.network), np.zeros((1, 2))
    with pytest.raises(ValueError, match="clip above 0"):
        optimal_latents(model.network, regions, points, clip=0.0)
    with pytest.raises(ValueError, match="at least 0"):
        optimal_latents(model.network, regions, points, prior_weight=-1.0)


@pytest.mark.parametrize("slope", [1e-6, 1e-9, 1e-11])
def test_a_slope_far_below_the_largest_still_decides(slope):
    """The second unknown costs (slope (z - 1))^2 alone: it goes to its limit, however small."""
    found = constrained_least_squares(
        np.diag([1.0, slope]),
        np.array([0.3, slope]),
        np.array([[0.0, 1.0]]),
        np.array([0.5]),
        1.0,
    )
    assert np.allclose(found, [0.3, 0.5], rtol=0, atol=1e-9)


@pytest.mark.parametrize("seed", range(12))
def test_minima_over_many_slopes_are_the_best_of_all_borders(seed):
    """Every set of at most S borders is tried, with arithmetic of 40 digits."""
    generator = np.random.default_rng(seed)
    system = generator.normal(size=(3, 3)) * 10.0 ** generator.uniform(-7, 0, 3)
    target = 2 * system @ generator.normal(size=3)
    normals = generator.normal(size=(5, 3))
    normals /= np.linalg.norm(normals, axis=1)[:, None]
    offsets = normals @ generator.normal(size=3) + generator.uniform(0, 0.5, 5)
    size = float(np.linalg.norm(system, 2))
    found = constrained_least_squares(system, target, normals, offsets, size)
    assert np.all(normals @ found <= offsets + 1e-8)
    with mpmath.workdps(40):
        best = min(border_minima(system, target, normals, offsets))
        reached = squares(system, target, mpmath.matrix(found.tolist()))
        free = squares(system, target, mpmath.matrix(3, 1))
        assert reached - best < mpmath.mpf("1e-6") * best + mpmath.mpf("1e-20") * free


def squares(system, target, latent):
    rest = mpmath.matrix(system.tolist()) * latent - mpmath.matrix(target.tolist())
    return sum(value**2 for value in rest)


def border_minima(system, target, normals, offsets):
    """The objective at the solution on every set of borders that satisfies the others."""
    for count in range(4):
        for borders in itertools.combinations(range(len(normals)), count):
            width = 3 + count
            matrix, right = mpmath.zeros(width, width), mpmath.zeros(width, 1)
            gram = mpmath.matrix(system.T.tolist()) * mpmath.matrix(system.tolist())
            moment = mpmath.matrix(system.T.tolist()) * mpmath.matrix(target.tolist())
            for row in range(3):
                right[row] = moment[row]
                for column in range(3):
                    matrix[row, column] = gram[row, column]
            for place, border in enumerate(borders):
                right[3 + place] = float(offsets[border])
                for column in range(3):
                    value = float(normals[border, column])
                    matrix[3 + place, column] = matrix[column, 3 + place] = value
            latent = mpmath.lu_solve(matrix, right)[:3]
            held = [
                sum(float(n) * z for n, z in zip(normal, latent, strict=True)) - float(offset)
                for normal, offset in zip(normals, offsets, strict=True)
            ]
            if max(held) < 1e-25:
                yield squares(system, target, mpmath.matrix(latent))


def test_a_deep_network_with_a_small_leak_has_no_better_latent_anywhere():
    """Slopes of (0.01)^3 of the largest: random search, wide and near what was found."""
    generator = np.random.default_rng(5)
    sizes = (2, 5, 5, 5, 3)
    weights = tuple(
        generator.normal(size=(after, before)) / np.sqrt(before)
        for before, after in itertools.pairwise(sizes)
    )
    biases = tuple(generator.normal(size=after) for after in sizes[1:])
    network = Network(weights, biases, Activation("leaky_relu", 0.01))
    points = 1.5 * generator.normal(size=(12, 3))
    found = optimal_latents(network, partition(network), points)
    wide = 10.0 ** generator.uniform(-3, 5, (60_000, 1)) * generator.normal(size=(60_000, 2))
    for row, point in enumerate(points):
        near = found.latents[row] + 10.0 ** generator.uniform(
            -8, 3, (20_000, 1)
        ) * generator.normal(size=(20_000, 2))
        tried = np.concatenate([wide, near])
        best = value(network, point, tried, 0.0).min()
        assert found.objective[row] <= best * (1 + 1e-10) + 1e-13


def test_many_sets_of_borders_are_not_gone_through(monkeypatch):
    """Where no candidate passes, the last way is taken for few borders and refused for many."""
    monkeypatch.setattr(constrained_least_squares_module, "FAINT", ())
    target, normals, offsets = np.array([2.0, 3.0]), np.eye(2), np.array([1.0, 1.0])
    found = constrained_least_squares(np.eye(2), target, normals, offsets, 1.0)
    assert np.allclose(found, [1, 1])
    monkeypatch.setattr(constrained_least_squares_module, "MOST_SETS", 2)
    with pytest.raises(ValueError, match="no minimum"):
        constrained_least_squares(np.eye(2), target, normals, offsets, 1.0)
