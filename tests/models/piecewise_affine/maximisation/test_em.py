"""Sweeps: the exact log likelihood never falls, and what happens where nothing holds it up."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from support.expectations import circle, quadrature, tiny_model

from workflow_src.models.piecewise_affine.inference.expectations import (
    expected_statistics,
    log_likelihoods,
)
from workflow_src.models.piecewise_affine.maximisation.em import (
    ORDERS,
    Block,
    SweepSettings,
    blocks,
    em_sweep,
    expect,
    robbins_monro_step,
)
from workflow_src.models.piecewise_affine.maximisation.gradients import gradients
from workflow_src.models.piecewise_affine.maximisation.weight_priors import (
    WeightPrior,
    log_prior,
    within_prior,
)
from workflow_src.models.piecewise_affine.networks import with_layer
from workflow_src.models.piecewise_affine.partitions.enumeration import partition

POINTS = circle(60)


def sweeps(model, settings, count, points=POINTS, expectation=None):
    results, start = [], None
    for _ in range(count):
        result = em_sweep(model, points, settings, start, expectation)
        model, start = result.model, result.expected
        results.append(result)
    return results


def exact(model, points=POINTS):
    """The log likelihood by quadrature; for noise that is not small."""
    return quadrature(model, partition(model.network), points).log_likelihood.sum()


def same(one, other):
    return all(
        np.array_equal(first, second)
        for first, second in zip(
            (*one.network.weights, *one.network.biases, one.noise.values),
            (*other.network.weights, *other.network.biases, other.noise.values),
            strict=True,
        )
    )


@pytest.mark.parametrize(
    ("activation", "order", "refresh"),
    [
        *(("leaky_relu", order, refresh) for order in ORDERS for refresh in ("block", "sweep")),
        ("relu", "whole_layers", "block"),
        ("absolute_value", "whole_layers", "sweep"),
    ],
)
def test_the_log_likelihood_never_falls_after_any_block(activation, order, refresh):
    model = tiny_model((1, 4, 3, 2), activation, "full", seed=1)
    settings = SweepSettings(order=order, refresh=refresh)
    results = sweeps(model, settings, 4)
    for result in results:
        assert (np.diff(result.log_likelihoods) >= 0).all()
        assert len(result.log_likelihoods) == len(result.steps) + 1
    for before, after in pairwise(results):
        assert after.log_likelihoods[0] == before.log_likelihoods[-1]
    assert results[-1].log_likelihoods[-1] > results[0].log_likelihoods[0] + 10


def test_recorded_log_likelihoods_are_those_of_quadrature():
    """Noise held at a variance of 0.3, which quadrature resolves."""
    model = tiny_model((1, 4, 3, 2), seed=1)
    order = (Block("layer", 1), Block("weights", 2), Block("layer", 3))
    settings = SweepSettings(order=order)
    (result,) = sweeps(model, settings, 1)
    assert result.log_likelihoods[0] == pytest.approx(exact(model), rel=1e-9)
    assert result.log_likelihoods[-1] == pytest.approx(exact(result.model), rel=1e-9)
    (by_quadrature,) = sweeps(model, settings, 1, expectation=quadrature)
    np.testing.assert_allclose(by_quadrature.log_likelihoods, result.log_likelihoods, rtol=1e-9)


@pytest.mark.parametrize(
    ("widths", "activation", "noise", "order", "seed", "count"),
    [
        ((2, 3, 2), "leaky_relu", "isotropic", "whole_layers", 9, 12),
        ((2, 3, 2, 2), "leaky_relu", "full", "biases_then_weights", 0, 10),
        ((3, 2, 2), "absolute_value", "isotropic", "whole_layers", 5, 8),
        ((3, 2, 3), "leaky_relu", "diagonal", "first_layer_first", 0, 6),
    ],
)
def test_more_latent_dimensions_climb_too(widths, activation, noise, order, seed, count):
    """From starts where undamped steps do fall."""
    model = tiny_model(widths, activation, noise, seed=seed)
    points = np.column_stack([circle(count), np.linspace(-1, 1, count) ** 2])[:, : widths[-1]]
    free, held = (
        np.concatenate([result.log_likelihoods for result in sweeps(model, settings, 2, points)])
        for settings in (SweepSettings(order, backtracking=False), SweepSettings(order))
    )
    assert np.diff(free).min() < -1
    assert (np.diff(held) >= 0).all()
    assert held[-1] > held[0] + 2


@pytest.mark.parametrize("refresh", ["block", "sweep"])
def test_undamped_hidden_updates_lower_the_log_likelihood(refresh):
    """Convergence is not guaranteed without backtracking: the regions move.

    With expectations taken anew for every block, the last layer's and the noise's updates, which
    leave the regions, still never lower it.
    """
    model = tiny_model((1, 6, 5, 2), seed=0, variance=0.3)
    settings = SweepSettings(order="biases_then_weights", refresh=refresh, backtracking=False)
    hidden, still = [], []
    for result in sweeps(model, settings, 15):
        for step, gain in zip(result.steps, np.diff(result.log_likelihoods), strict=True):
            assert step.step == 1
            assert result.rejected == 0
            (hidden if step.block.layer in (1, 2) else still).append(gain)
    assert min(hidden) < -0.1
    if refresh == "block":
        assert min(still) > -1e-9


@pytest.mark.parametrize("offset", [0.0, 1e7])
def test_without_hidden_layers_sweeps_end_at_probabilistic_principal_components(offset):
    """The maximum in closed form (Tipping and Bishop 1999): eigenvalues of the covariance.

    They are those of the points around their mean, however far that is from the origin.
    """
    generator = np.random.default_rng(0)
    points = generator.normal(size=(50, 3)) @ np.diag([0.3, 2.0, 0.5]) + 1.0 + offset
    eigenvalues = np.linalg.eigvalsh(np.cov(points.T, bias=True))[::-1]
    variance = eigenvalues[1:].mean()
    level = np.log(eigenvalues[0]) + 2 * np.log(variance) + 3 * np.log(2 * np.pi) + 3
    settings = SweepSettings(order="biases_then_weights")
    model = tiny_model((1, 3), seed=2)
    model = replace(
        model, network=with_layer(model.network, 1, biases=model.network.biases[0] + offset)
    )
    end = sweeps(model, settings, 80, points)[-1]
    assert end.log_likelihoods[-1] == pytest.approx(-25 * level, abs=1e-5)
    assert end.model.noise.values == pytest.approx(variance, rel=1e-4)
    np.testing.assert_allclose(
        end.model.network.biases[0] - offset, points.mean(0) - offset, atol=1e-3
    )
    found = gradients(end.model, end.partition, end.expected.statistics)
    assert np.abs(found.weights[0]).max() < 0.5
    start = expect(model, points, settings)
    assert np.abs(gradients(start.model, start.partition, start.statistics).weights[0]).max() > 50


def test_a_rejected_block_leaves_the_model_as_it_is():
    model = tiny_model((1, 4, 3, 2), seed=1)

    def falling(other, regions, points):
        statistics = expected_statistics(other, regions, points)
        worse = 0.0 if same(other, model) else 1.0
        return replace(statistics, log_likelihood=statistics.log_likelihood - 1e6 * worse)

    tried = []

    def counted(other, regions, points):
        tried.append(other)
        return falling(other, regions, points)

    settings = SweepSettings(order=(Block("weights", 1), Block("noise")), damping=0.5)
    result = em_sweep(model, POINTS, settings, expectation=counted)
    assert same(result.model, model)
    assert [step.outcome for step in result.steps] == ["rejected"] * 2
    assert result.rejected == 2
    assert result.smallest_step == 0
    assert len(tried) == 1 + 2 * 7
    moves = [np.abs(one.noise.values - model.noise.values).max() for one in tried[8:]]
    np.testing.assert_allclose(np.array(moves[:-1]) / moves[1:], 2, rtol=1e-9)


def test_halving_accepts_the_first_step_that_does_not_lower_the_objective():
    model = tiny_model((1, 4, 3, 2), seed=1)
    settings = SweepSettings(order=(Block("noise"),))
    full = em_sweep(model, POINTS, settings).model.noise.values - model.noise.values

    def falling(other, regions, points):
        statistics = expected_statistics(other, regions, points)
        far = abs(other.noise.values - model.noise.values) > 0.3 * abs(full)
        return replace(statistics, log_likelihood=statistics.log_likelihood - 1e6 * far)

    result = em_sweep(model, POINTS, settings, expectation=falling)
    assert result.steps[0].step == 0.25
    assert result.smallest_step == 0.25
    np.testing.assert_allclose(result.model.noise.values - model.noise.values, full / 4, rtol=1e-9)


@pytest.mark.parametrize(("fall", "outcome"), [(1e-14, "settled"), (1e-8, "rejected")])
def test_a_fall_within_rounding_is_settled_not_rejected(fall, outcome):
    model = tiny_model((1, 3, 2), seed=1)
    statistics = expect(model, POINTS, SweepSettings()).statistics
    lower = statistics.log_likelihood - fall * abs(statistics.total_log_likelihood)

    def level(other, regions, points):
        height = statistics.log_likelihood if same(other, model) else lower
        return replace(statistics, log_likelihood=height)

    settings = SweepSettings(order=(Block("layer", 2),))
    result = em_sweep(model, POINTS, settings, expectation=level)
    assert same(result.model, model)
    assert [step.outcome for step in result.steps] == [outcome]
    assert result.rejected == (outcome == "rejected")


def test_a_block_without_a_maximiser_is_told_and_left_as_it_is():
    model = tiny_model((1, 3, 2), seed=1)

    def contradictory(other, regions, points):
        statistics = expected_statistics(other, regions, points)
        return replace(statistics, squares=statistics.squares - 1e3)

    settings = SweepSettings(order=(Block("noise"), Block("layer", 2)), backtracking=False)
    result = em_sweep(model, POINTS, settings, expectation=contradictory)
    assert [step.outcome for step in result.steps] == ["unsolved", "accepted"]
    assert result.rejected == 1
    np.testing.assert_array_equal(result.model.noise.values, model.noise.values)


@pytest.mark.parametrize("noise", ["isotropic", "diagonal", "full"])
def test_sweeps_do_not_depend_on_where_the_origin_is(noise):
    """Shifted by 2^20 without rounding: points and last biases are multiples of 2^-20."""
    model = tiny_model((1, 4, 3), noise=noise, variance=0.01, seed=1)
    points = np.column_stack([circle(40), np.linspace(-1, 1, 40) ** 2])
    points = np.round(points * 2**20) / 2**20
    biases = np.round(model.network.biases[1] * 2**20) / 2**20
    model = replace(model, network=with_layer(model.network, 2, biases=biases))
    far = replace(model, network=with_layer(model.network, 2, biases=biases + 2**20))
    for refresh in ("block", "sweep"):
        settings = SweepSettings(refresh=refresh)
        here = sweeps(model, settings, 2, points)[-1]
        there = sweeps(far, settings, 2, points + 2**20)[-1]
        np.testing.assert_allclose(there.log_likelihoods, here.log_likelihoods, atol=1e-4)
        np.testing.assert_allclose(there.model.noise.values, here.model.noise.values, atol=1e-8)
        for one, other in zip(there.model.network.weights, here.model.network.weights, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-6)
        moved = there.model.network.biases[1] - 2**20
        np.testing.assert_allclose(moved, here.model.network.biases[1], atol=1e-6)


@pytest.mark.parametrize("damping", [1.0, 0.5, 0.003])
def test_damping_goes_part_of_the_way(damping):
    model = tiny_model((1, 4, 2), seed=1)
    order = (Block("layer", 2),)
    whole = em_sweep(model, POINTS, SweepSettings(order=order)).model
    part = em_sweep(model, POINTS, SweepSettings(order=order, damping=damping)).model
    start = model.network.weights[1]
    np.testing.assert_allclose(
        part.network.weights[1] - start, damping * (whole.network.weights[1] - start), rtol=1e-9
    )


def test_a_sweep_of_one_expectation_differs_from_one_of_many():
    model = tiny_model((1, 4, 3, 2), seed=1)
    once = em_sweep(model, POINTS, SweepSettings(refresh="sweep")).model
    anew = em_sweep(model, POINTS, SweepSettings(refresh="block")).model
    assert not same(once, anew)


def test_a_sweep_from_a_given_start_is_the_same_bit_for_bit():
    model = tiny_model((1, 4, 3, 2), seed=1)
    settings = SweepSettings()
    first = em_sweep(model, POINTS, settings)
    on = em_sweep(first.model, POINTS, settings, first.expected)
    anew = em_sweep(first.model, POINTS, settings)
    assert same(on.model, anew.model)
    np.testing.assert_array_equal(on.log_likelihoods, anew.log_likelihoods)


@pytest.mark.parametrize("kind", ["gaussian", "laplace", "uniform"])
def test_the_objective_with_a_weight_prior_never_falls(kind):
    prior = WeightPrior(kind, {"gaussian": 0.5, "laplace": 0.2, "uniform": 0.6}[kind])
    model = tiny_model((1, 4, 3, 2), seed=1)
    model = replace(model, network=within_prior(model.network, prior))
    results = sweeps(model, SweepSettings(weight_prior=prior), 4)
    for result in results:
        assert (np.diff(result.objectives) >= 0).all()
        prior_height = log_prior(result.model.network, prior)
        expected = result.log_likelihoods[-1] + prior_height
        assert result.objectives[-1] == pytest.approx(expected, rel=1e-12)
        assert math.isfinite(prior_height)
    free = sweeps(model, SweepSettings(), 4)[-1].model.network
    held = results[-1].model.network
    assert log_prior(held, prior) > log_prior(free, prior)


def test_a_dead_network_stays_finite():
    model = tiny_model((1, 3, 2), "relu", "full", seed=1)
    dead = with_layer(model.network, 1, biases=np.full(3, -1e3))
    for result in sweeps(replace(model, network=dead), SweepSettings(), 3):
        assert np.isfinite(result.log_likelihoods).all()
        assert np.linalg.eigvalsh(result.model.noise.values)[0] > 0


def test_a_start_that_is_not_finite_moves_nothing():
    model = tiny_model((1, 3, 2), seed=1)

    def broken(other, regions, points):
        statistics = expected_statistics(other, regions, points)
        return replace(statistics, log_likelihood=statistics.log_likelihood * math.nan)

    result = em_sweep(model, POINTS, SweepSettings(backtracking=False), expectation=broken)
    assert same(result.model, model)
    assert np.isnan(result.log_likelihoods).all()


def test_stochastic_sweeps_with_shortening_steps_raise_the_likelihood_of_all_points():
    model = tiny_model((1, 4, 2), seed=1)
    points = circle(120)
    before = log_likelihoods(model, partition(model.network), points).mean()
    generator = np.random.default_rng(0)
    for number in range(40):
        batch = points[generator.choice(120, 30, replace=False)]
        settings = SweepSettings(damping=robbins_monro_step(number))
        model = em_sweep(model, batch, settings).model
    after = log_likelihoods(model, partition(model.network), points).mean()
    assert after > before + 0.3


def test_steps_of_stochastic_sweeps():
    steps = [robbins_monro_step(number, 2.0, 0.75) for number in range(5)]
    np.testing.assert_allclose(steps, [2**-0.75, 3**-0.75, 4**-0.75, 5**-0.75, 6**-0.75])
    assert robbins_monro_step(0) == 1
    for delay, decay in ((0.5, 0.6), (1.0, 1.1), (1.0, -0.1)):
        with pytest.raises(ValueError, match="decay"):
            robbins_monro_step(3, delay, decay)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("layers", [1, 2, 4])
def test_every_order_holds_every_parameter_once(order, layers):
    found = []
    for block in blocks(order, layers):
        parts = ("biases", "weights") if block.kind == "layer" else (block.kind,)
        found += [(part, block.layer) for part in parts]
    expected = [(part, layer) for part in ("biases", "weights") for layer in range(1, layers + 1)]
    assert sorted(found) == sorted([*expected, ("noise", 0)])


def test_another_order_is_refused():
    with pytest.raises(ValueError, match="last_layer_first"):
        blocks("random", 2)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("damping", (0.0, -0.5, 1.5, math.nan)),
        ("smallest_step", (0.0, 2.0)),
        ("order", ("random",)),
        ("refresh", ("never",)),
        ("smallest_variance", (0.0, math.inf)),
        ("relative_cut", (-1e-3, 1.0)),
    ],
)
def test_settings_are_checked(name, values):
    for value in values:
        with pytest.raises(ValueError, match=str(value)):
            SweepSettings(**{name: value})
    SweepSettings(damping=1.0, smallest_step=1.0, relative_cut=0.0)


def test_blocks_are_of_layers_that_there_are():
    for kind, layer in (("noise", 1), ("weights", 0), ("biases", -1), ("bias", 1)):
        with pytest.raises(ValueError, match=kind):
            Block(kind, layer)
    model = tiny_model((1, 3, 2), seed=1)
    with pytest.raises(ValueError, match="layer 3; the network has 2"):
        em_sweep(model, POINTS, SweepSettings(order=(Block("layer", 1), Block("layer", 3))))


def test_a_start_outside_a_uniform_prior_is_refused():
    model = tiny_model((1, 3, 2), seed=1)
    settings = SweepSettings(weight_prior=WeightPrior("uniform", 0.1))
    with pytest.raises(ValueError, match="within_prior"):
        em_sweep(model, POINTS, settings)
    clipped = replace(model, network=within_prior(model.network, settings.weight_prior))
    assert np.isfinite(em_sweep(clipped, POINTS, settings).objectives).all()


def test_expectations_of_another_model_or_of_other_points_are_no_start():
    model = tiny_model((1, 3, 2), seed=1)
    start = expect(model, POINTS, SweepSettings())
    with pytest.raises(ValueError, match="another model"):
        em_sweep(tiny_model((1, 3, 2), seed=2), POINTS, SweepSettings(), start)
    with pytest.raises(ValueError, match="other points"):
        em_sweep(model, POINTS[1:], SweepSettings(), start)
