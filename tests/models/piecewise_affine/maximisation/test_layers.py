"""The best weights, biases and noise: stationary, highest, finite where systems are singular."""

from dataclasses import replace

import numpy as np
import pytest
from support.expectations import (
    ACTIVATIONS,
    KINDS,
    ParticleObjective,
    Particles,
    particle_statistics,
    plain_outputs,
    tiny_model,
)

from workflow_src.models.piecewise_affine.maximisation import layers, quadratics
from workflow_src.models.piecewise_affine.maximisation.layers import (
    best_biases,
    best_last_layer,
    best_part,
    best_weights,
)
from workflow_src.models.piecewise_affine.maximisation.noise import best_noise, between
from workflow_src.models.piecewise_affine.networks import Network, rescaled, with_layer

NOT_SQUARE = (2, 5, 3, 4)
"""S, two hidden layers, D: no weight matrix is square, and no two have one shape."""


def example(widths, activation="leaky_relu", noise="full", seed=0, points=12, count=15):
    model = tiny_model(widths, activation, noise, seed=seed)
    particles = Particles.random(model, points, count, seed + 1)
    return model, particles, *particle_statistics(model, particles)


@pytest.mark.parametrize("noise", KINDS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("layer", [1, 2, 3])
@pytest.mark.parametrize("part", ["weights", "biases", "layer"])
def test_the_gradient_vanishes_at_the_best(part, layer, activation, noise):
    model, particles, regions, statistics = example(NOT_SQUARE, activation, noise)
    objective = ParticleObjective(model, particles)
    best = replace(model, network=best_part(model, regions, statistics, layer, part))
    weights, biases, _ = objective.gradient(best)
    if part != "biases":
        assert np.abs(weights[layer - 1]).max() < 1e-8
    else:
        np.testing.assert_array_equal(
            best.network.weights[layer - 1], model.network.weights[layer - 1]
        )
    if part != "weights":
        assert np.abs(biases[layer - 1]).max() < 1e-8
    else:
        np.testing.assert_array_equal(
            best.network.biases[layer - 1], model.network.biases[layer - 1]
        )
    assert objective.of(best) > objective.of(model) + 0.1


def test_named_blocks_are_those_parts():
    model, _, regions, statistics = example(NOT_SQUARE)
    for found, layer, part in (
        (best_weights(model, regions, statistics, 2), 2, "weights"),
        (best_biases(model, regions, statistics, 2), 2, "biases"),
        (best_last_layer(model, regions, statistics), 3, "layer"),
    ):
        expected = best_part(model, regions, statistics, layer, part)
        for one, other in zip(
            found.weights + found.biases, expected.weights + expected.biases, strict=True
        ):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("noise", KINDS)
def test_the_last_layer_is_weighted_least_squares_on_the_last_hidden_units(noise):
    model, particles, regions, statistics = example(NOT_SQUARE, noise=noise)
    network = model.network
    units = Network(
        (*network.weights[:-1], np.eye(3)), (*network.biases[:-1], np.zeros(3)), network.activation
    )
    flat = particles.latents.reshape(-1, 2)
    hidden = plain_outputs(units, flat)
    hidden = np.column_stack([hidden, np.ones(len(hidden))])
    root = np.sqrt(particles.weights).reshape(-1, 1)
    targets = np.repeat(particles.points, particles.weights.shape[1], axis=0)
    expected = np.linalg.lstsq(root * hidden, root * targets, rcond=None)[0].T
    best = best_last_layer(model, regions, statistics)
    np.testing.assert_allclose(best.weights[-1], expected[:, :-1], atol=1e-9)
    np.testing.assert_allclose(best.biases[-1], expected[:, -1], atol=1e-9)


@pytest.mark.parametrize("layer", [1, 2, 3])
def test_no_other_parameters_of_the_layer_do_better(layer):
    model, particles, regions, statistics = example(NOT_SQUARE)
    objective = ParticleObjective(model, particles)
    network = best_part(model, regions, statistics, layer, "layer")
    highest = objective.of(replace(model, network=network))
    generator = np.random.default_rng(0)
    for size in (1e-3, 0.1, 3.0):
        for _ in range(10):
            weights = network.weights[layer - 1] + size * generator.normal(
                size=network.weights[layer - 1].shape
            )
            biases = network.biases[layer - 1] + size * generator.normal(
                size=network.biases[layer - 1].shape
            )
            other = with_layer(network, layer, weights, biases)
            assert objective.of(replace(model, network=other)) < highest


def test_a_dead_unit_gives_finite_updates_and_stays_as_it_is():
    model = tiny_model((1, 4, 3, 2), "relu", "full", seed=2)
    biases = model.network.biases[0].copy()
    biases[1] = -1e3
    model = replace(model, network=with_layer(model.network, 1, biases=biases))
    particles = Particles.random(model, 9, 10, 5)
    regions, statistics = particle_statistics(model, particles)
    objective = ParticleObjective(model, particles)
    for layer in (1, 2, 3):
        best = best_part(model, regions, statistics, layer, "layer")
        changed = replace(model, network=best)
        assert np.isfinite(objective.of(changed))
        assert objective.of(changed) > objective.of(model)
        gradient = objective.gradient(changed)
        assert np.abs(gradient[0][layer - 1]).max() < 1e-8
        if layer == 1:
            np.testing.assert_array_equal(best.weights[0][1], model.network.weights[0][1])
            assert best.biases[0][1] == -1e3
        if layer == 2:
            np.testing.assert_array_equal(best.weights[1][:, 1], model.network.weights[1][:, 1])


def test_fewer_particles_than_weights_leave_a_singular_system_with_a_best_value():
    model, particles, regions, statistics = example((2, 6, 5, 3), points=2, count=2)
    objective = ParticleObjective(model, particles)
    best = replace(model, network=best_part(model, regions, statistics, 2, "layer"))
    gradient = objective.gradient(best)
    assert np.abs(gradient[0][1]).max() < 1e-8
    assert np.abs(best.network.weights[1]).max() < 100


def test_the_change_of_the_function_does_not_depend_on_the_scale_of_hidden_units():
    """Also where the system is singular: the least change is counted in units of the curvature."""
    model, particles, regions, statistics = example((2, 6, 5, 3), points=3, count=2)
    other = replace(model, network=rescaled(model.network, 1, np.array([1e-3, 7, 50, 1, 1e3, 0.2])))
    latents = particles.latents.reshape(-1, 2)
    for layer in (1, 2, 3):
        one = best_part(model, regions, statistics, layer, "layer")
        same = best_part(other, regions, statistics, layer, "layer")
        np.testing.assert_allclose(
            plain_outputs(one, latents), plain_outputs(same, latents), rtol=1e-6, atol=1e-6
        )


def test_a_large_system_is_solved_by_a_small_ridge_and_refinement(monkeypatch):
    model, particles, regions, statistics = example(NOT_SQUARE)
    expected = best_part(model, regions, statistics, 2, "layer")
    monkeypatch.setattr(quadratics, "LARGEST_SPECTRUM", 2)
    for layer in (2, 3):
        best = replace(model, network=best_part(model, regions, statistics, layer, "layer"))
        gradient = ParticleObjective(model, particles).gradient(best)
        assert np.abs(gradient[0][layer - 1]).max() < 1e-7
        if layer == 2:
            np.testing.assert_allclose(best.network.weights[1], expected.weights[1], atol=1e-6)


@pytest.mark.parametrize("largest", [1024, 2])
def test_what_curves_less_than_the_cut_is_left_alone_in_small_and_large_systems(
    monkeypatch, largest
):
    """A direction of a millionth of the largest curvature; the full step is known by design."""
    monkeypatch.setattr(quadratics, "LARGEST_SPECTRUM", largest)
    # The diagonal is 1: strong and weak lie between the first two axes.
    strong, weak = np.array([1.0, 1.0]) / np.sqrt(2), np.array([1.0, -1.0]) / np.sqrt(2)
    other = np.array([0.0, 0.0, 1.0])
    strong, weak = np.append(strong, 0), np.append(weak, 0)
    curvature = sum(
        size * np.outer(axis, axis) for size, axis in ((2.0, strong), (2e-6, weak), (1.0, other))
    )
    gradient = curvature @ (5 * strong + 7 * weak + 3 * other)
    for cut, share in ((1e-12, 1.0), (1e-3, 0.0)):
        change = quadratics.least_change(gradient[None], curvature[None], cut)[0]
        assert change @ strong == pytest.approx(5, rel=1e-6)
        assert change @ other == pytest.approx(3, rel=1e-6)
        assert change @ weak == pytest.approx(7 * share, abs=0.05)


def test_too_large_a_system_is_refused(monkeypatch):
    model, _, regions, statistics = example(NOT_SQUARE)
    monkeypatch.setattr(layers, "LARGEST_SYSTEM", 17)
    with pytest.raises(ValueError, match="18 unknowns"):
        best_part(model, regions, statistics, 2, "layer")


@pytest.mark.parametrize("noise", KINDS)
def test_the_best_noise_is_the_mean_outer_product_of_the_residuals(noise):
    model, particles, regions, statistics = example(NOT_SQUARE, noise=noise)
    outputs = plain_outputs(model.network, particles.latents.reshape(-1, 2))
    residuals = particles.points[:, None] - outputs.reshape(12, 15, 4)
    full = np.einsum("nm,nmd,nme->de", particles.weights, residuals, residuals) / 12
    expected = {"isotropic": np.trace(full) / 4, "diagonal": np.diagonal(full), "full": full}[noise]
    best = best_noise(model, regions, statistics)
    np.testing.assert_allclose(best.values, expected, rtol=1e-11)
    matrix = best.matrix()
    np.testing.assert_array_equal(matrix, matrix.T)
    assert np.linalg.eigvalsh(matrix)[0] > 0


@pytest.mark.parametrize("noise", KINDS)
def test_q_rises_all_along_the_way_to_the_best_noise(noise):
    model, particles, regions, statistics = example(NOT_SQUARE, noise=noise)
    objective = ParticleObjective(model, particles)
    best = best_noise(model, regions, statistics)
    values = [
        objective.of(replace(model, noise=between(model.noise, best, step)))
        for step in np.linspace(0, 1, 9)
    ]
    assert (np.diff(values) > 0).all()


@pytest.mark.parametrize("noise", KINDS)
def test_noise_does_not_fall_below_the_smallest_variance(noise):
    """One region and one particle to a point lie on a plane: its noise would be zero."""
    model, _, regions, statistics = example((1, 1, 3), noise=noise, points=2, count=1)
    exact = best_part(model, regions, statistics, 2, "layer")
    model = replace(model, network=exact)
    for floor in (1e-4, 0.5):
        best = best_noise(model, regions, statistics, floor)
        eigenvalues = np.linalg.eigvalsh(best.matrix())
        assert eigenvalues[0] == pytest.approx(floor, rel=1e-9)
        assert np.isfinite(best.log_determinant())


@pytest.mark.parametrize("noise", KINDS)
def test_a_variance_that_rounding_made_negative_is_not_raised(noise):
    model, _, regions, statistics = example((1, 2, 3), noise=noise, points=4)
    lowered = replace(
        statistics, squares=statistics.squares - 1e3, outer=statistics.outer - 1e3 * np.eye(3)
    )
    with pytest.raises(quadratics.UnsolvedError, match="variance of the noise"):
        best_noise(model, regions, lowered)


def test_a_raised_full_covariance_is_the_best_of_those_allowed():
    model, particles, regions, statistics = example((1, 2, 3), points=4)
    objective = ParticleObjective(model, particles)
    free = np.linalg.eigvalsh(best_noise(model, regions, statistics).values)
    floor = free[1] * 1.01
    best = best_noise(model, regions, statistics, floor)
    top = objective.of(replace(model, noise=best))
    generator = np.random.default_rng(0)
    for _ in range(200):
        root = generator.normal(size=(3, 3)) * generator.choice([0.01, 0.3])
        values = best.values + root + root.T
        if np.linalg.eigvalsh(values)[0] >= floor:
            assert objective.of(replace(model, noise=replace(best, values=values))) < top
