"""Weight priors: their densities, and maximisers with a certificate, against other methods."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import scipy.optimize
import scipy.stats
from support.expectations import (
    KINDS,
    ParticleObjective,
    Particles,
    particle_statistics,
    tiny_model,
)

from workflow_src.models.piecewise_affine.maximisation import layers, quadratics
from workflow_src.models.piecewise_affine.maximisation.layers import best_part
from workflow_src.models.piecewise_affine.maximisation.quadratics import (
    UnsolvedError,
    best_values,
    optimality,
)
from workflow_src.models.piecewise_affine.maximisation.weight_priors import (
    NO_PRIOR,
    WeightPrior,
    log_prior,
    within_prior,
)

PRIORS = [WeightPrior("gaussian", 0.4), WeightPrior("laplace", 0.08), WeightPrior("uniform", 0.3)]


def quadratic(unknowns, rank, seed, problems=1):
    """Gradient, curvature of this rank, and values within (-0.3, 0.3), for a batch of problems."""
    generator = np.random.default_rng(seed)
    roots = generator.normal(size=(problems, rank, unknowns))
    values = generator.uniform(-0.3, 0.3, (problems, unknowns))
    pull = np.einsum("prn,pr->pn", roots, generator.normal(size=(problems, rank)))
    return pull, np.swapaxes(roots, 1, 2) @ roots, values, roots


def height(change, gradient, curvature, values, prior):
    weights = values + change
    penalty = {
        "gaussian": (weights**2).sum() / (2 * prior.scale**2),
        "laplace": np.abs(weights).sum() / prior.scale,
        "uniform": 0.0 if (np.abs(weights) <= prior.scale * (1 + 1e-12)).all() else np.inf,
    }[prior.kind]
    return gradient @ change - change @ curvature @ change / 2 - penalty


def test_log_densities_are_those_of_scipy():
    network = tiny_model((2, 3, 2), seed=1).network
    values = np.concatenate([weights.ravel() for weights in network.weights])
    for prior, law in (
        (WeightPrior("gaussian", 0.7), scipy.stats.norm(0, 0.7)),
        (WeightPrior("laplace", 0.7), scipy.stats.laplace(0, 0.7)),
        (WeightPrior("uniform", 9.0), scipy.stats.uniform(-9, 18)),
        (WeightPrior("uniform", 0.1), scipy.stats.uniform(-0.1, 0.2)),
    ):
        assert log_prior(network, prior) == pytest.approx(law.logpdf(values).sum(), rel=1e-12)
    assert log_prior(network, NO_PRIOR) == 0


def test_only_a_uniform_prior_clips_the_weights_and_never_the_biases():
    network = tiny_model((2, 3, 2), seed=1).network
    assert within_prior(network, WeightPrior("gaussian", 0.1)) is network
    clipped = within_prior(network, WeightPrior("uniform", 0.1))
    assert all(np.abs(weights).max() == 0.1 for weights in clipped.weights)
    assert clipped.biases is network.biases
    assert np.isfinite(log_prior(clipped, WeightPrior("uniform", 0.1)))


@pytest.mark.parametrize("scale", [0.0, -1.0, np.inf, np.nan])
def test_a_scale_is_above_zero(scale):
    with pytest.raises(ValueError, match="above zero"):
        WeightPrior("gaussian", scale)


def test_another_kind_is_refused():
    with pytest.raises(ValueError, match="laplace"):
        WeightPrior("cauchy")


@pytest.mark.parametrize("prior", PRIORS, ids=lambda prior: prior.kind)
@pytest.mark.parametrize("rank", [2, 6, 30])
def test_every_maximiser_bears_its_certificate_also_of_singular_systems(prior, rank):
    gradient, curvature, values, _ = quadratic(12, rank, rank, problems=4)
    penalised = np.arange(12) < 9
    best = best_values(gradient, curvature, values, penalised, prior)
    slope = gradient - np.einsum("pij,pj->pi", curvature, best - values)
    assert optimality(slope, best, penalised, prior).max() < 1e-9
    if rank == 30:
        for moved in (1e-3, -1e-3):
            other = best + moved
            away = optimality(slope - moved * curvature.sum(-1), other, penalised, prior)
            assert away.max() > 1e-4


@pytest.mark.parametrize("kind", ["laplace", "uniform"])
@pytest.mark.parametrize(("unknowns", "rank", "decay"), [(10, 5, 0), (10, 10, 4), (40, 40, 12)])
def test_nearly_singular_systems_are_solved_to_their_certificate(kind, unknowns, rank, decay):
    """Where coordinate ascent crawls along valleys, and a laplace prior pulls where nothing curves.

    The condition of a maximum is written out here: the slope meets the prior's pull.
    """
    generator = np.random.default_rng(rank)
    axes = np.linalg.qr(generator.normal(size=(unknowns, unknowns)))[0]
    axes *= 10 ** (-decay / 2 * np.linspace(0, 1, unknowns))
    for scale in (0.3, 10.0):
        roots = 100 * generator.normal(size=(rank, unknowns)) @ axes.T
        curvature, values = roots.T @ roots, generator.uniform(-1, 1, unknowns) * scale
        gradient = roots.T @ generator.normal(size=rank) * 100
        best = best_values(
            gradient[None],
            curvature[None],
            values[None],
            np.ones(unknowns, bool),
            WeightPrior(kind, scale),
        )[0]
        slope = gradient - curvature @ (best - values)
        small = 2e-8 * (np.abs(gradient) + np.abs(curvature) @ np.abs(best - values)).max()
        if kind == "laplace":
            assert np.abs(slope[best != 0] - np.sign(best[best != 0]) / scale).max() < small
            assert (np.abs(slope[best == 0]) <= 1 / scale + small).all()
        else:
            assert np.abs(best).max() <= scale
            inside = np.abs(best) < scale
            assert np.abs(slope[inside]).max(initial=0) < small
            assert (slope[~inside] * np.sign(best[~inside]) > -small).all()


def test_a_maximiser_that_was_not_reached_is_not_passed_off_as_one(monkeypatch):
    monkeypatch.setattr(quadratics, "MOST_PASSES", 1)
    gradient, curvature, values, _ = quadratic(40, 60, 1)
    with pytest.raises(UnsolvedError, match="laplace"):
        best_values(gradient, curvature, values, np.ones(40, bool), WeightPrior("laplace", 0.08))


def test_a_laplace_maximiser_is_the_best_over_all_sign_patterns():
    """Brute force: solve for every pattern of zeros and signs, keep what fits."""
    prior = WeightPrior("laplace", 0.25)
    zeros = 0
    for seed in range(6):
        gradient, curvature, values, _ = quadratic(5, 9, seed)
        start = gradient[0] + curvature[0] @ values[0]
        top, found = -np.inf, None
        for pattern in itertools.product((-1, 0, 1), repeat=5):
            signs = np.array(pattern)
            free = signs != 0
            weights = np.zeros(5)
            square = curvature[0][np.ix_(free, free)]
            weights[free] = np.linalg.solve(square, (start - signs / prior.scale)[free])
            level = height(weights - values[0], gradient[0], curvature[0], values[0], prior)
            if (np.sign(weights) == signs).all() and level > top:
                top, found = level, weights
        best = best_values(gradient, curvature, values, np.ones(5, bool), prior)[0]
        np.testing.assert_allclose(best, found, atol=1e-10)
        zeros += int((best == 0).sum())
    assert 0 < zeros < 30


def test_a_uniform_maximiser_is_bounded_least_squares():
    prior, bound = WeightPrior("uniform", 0.3), 0
    for seed in range(6):
        gradient, curvature, values, roots = quadratic(6, 9, seed)
        start = gradient[0] + curvature[0] @ values[0]
        target = np.linalg.lstsq(roots[0].T, start, rcond=None)[0]
        expected = scipy.optimize.lsq_linear(
            roots[0], target, (-0.3, 0.3), method="bvls", tol=1e-14
        )
        best = best_values(gradient, curvature, values, np.ones(6, bool), prior)[0]
        np.testing.assert_allclose(best, expected.x, atol=1e-9)
        bound += int((np.abs(best) == 0.3).sum())
    assert 0 < bound < 36


def test_what_no_data_speaks_of_follows_the_prior():
    """A unit without curvature: to zero under gaussian and laplace, untouched under uniform."""
    gradient, curvature, values, _ = quadratic(4, 9, 0)
    gradient[:, 2], curvature[:, 2], curvature[:, :, 2] = 0, 0, 0
    for prior, expected in zip(PRIORS, (0, 0, values[0, 2]), strict=True):
        best = best_values(gradient, curvature, values, np.ones(4, bool), prior)
        assert best[0, 2] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("noise", KINDS)
@pytest.mark.parametrize("prior", PRIORS, ids=lambda prior: prior.kind)
@pytest.mark.parametrize("layer", [1, 2, 3])
@pytest.mark.parametrize("part", ["weights", "layer"])
def test_a_layer_under_a_prior_is_certified_by_automatic_differentiation(part, layer, prior, noise):
    model = tiny_model((2, 5, 3, 4), "leaky_relu", noise)
    model = replace(model, network=within_prior(model.network, prior))
    particles = Particles.random(model, 12, 15, 1)
    regions, statistics = particle_statistics(model, particles)
    objective = ParticleObjective(model, particles)
    network = best_part(model, regions, statistics, layer, part, prior)
    weights, biases, _ = objective.gradient(replace(model, network=network))
    gradient, values = weights[layer - 1].ravel(), network.weights[layer - 1].ravel()
    assert optimality(gradient, values, np.ones(values.size, bool), prior).max() < 1e-8
    if part == "layer":
        assert np.abs(biases[layer - 1]).max() < 1e-8
    free = best_part(model, regions, statistics, layer, part).weights[layer - 1]
    assert np.abs(free.ravel() - values).max() > 1e-3


def test_biases_have_no_prior():
    model = tiny_model((2, 5, 3, 4))
    regions, statistics = particle_statistics(model, Particles.random(model, 12, 15, 1))
    for layer in (1, 3):
        one = best_part(model, regions, statistics, layer, "biases", PRIORS[1])
        other = best_part(model, regions, statistics, layer, "biases")
        np.testing.assert_array_equal(one.biases[layer - 1], other.biases[layer - 1])


def test_coupled_rows_of_a_last_layer_have_a_largest_system(monkeypatch):
    model = tiny_model((2, 5, 3, 4), noise="full")
    regions, statistics = particle_statistics(model, Particles.random(model, 12, 15, 1))
    monkeypatch.setattr(layers, "LARGEST_SYSTEM", 15)
    best_part(model, regions, statistics, 3, "layer", WeightPrior("gaussian"))
    with pytest.raises(ValueError, match="16 unknowns"):
        best_part(model, regions, statistics, 3, "layer", WeightPrior("laplace"))
