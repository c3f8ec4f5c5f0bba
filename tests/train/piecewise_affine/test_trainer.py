"""Deep generative networks in banks: one start for all, exact histories, resumed bit for bit."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.training import World
from train.piecewise_affine.conftest import Training

from workflow_src.data.points import circle
from workflow_src.data.subsets import subset_indices
from workflow_src.models.piecewise_affine.maximisation.em import em_sweep
from workflow_src.train.piecewise_affine import epochs, expectation_maximisation
from workflow_src.train.piecewise_affine.epochs import EpochBank
from workflow_src.train.piecewise_affine.stopping import ended
from workflow_src.train.piecewise_affine.trainer import bank_key
from workflow_src.train.states import load_state, save_state
from workflow_src.train.training import InterruptedTrainingError

METHODS = ("expectation_maximisation", "exact_gradient", "variational")


def column(outcome: Any, name: str) -> list[float]:
    return [row[name] for row in outcome.history]


def untimed(outcome: Any) -> list[dict[str, float]]:
    return [{k: v for k, v in row.items() if k != "device_seconds"} for row in outcome.history]


def assert_same(one: Any, other: Any) -> None:
    """Two outcomes are equal bit for bit, but for the seconds they took."""
    assert (one.state, one.reason) == (other.state, other.reason)
    assert (one.steps, one.best_step) == (other.steps, other.best_step)
    assert untimed(one) == untimed(other)
    assert one.parameters.keys() == other.parameters.keys()
    for name, value in one.parameters.items():
        assert torch.equal(value, other.parameters[name]), name


@pytest.mark.parametrize("method", METHODS)
def test_a_history_is_of_epochs_from_the_start_on(affine: Any, method: str) -> None:
    outcome = affine.run([affine.spec(method=method, validation_interval=3)])[0]
    assert (outcome.state, outcome.reason) == ("completed", "all planned epochs were made")
    assert column(outcome, "step") == [0, 3, 4]
    assert outcome.steps == 4
    assert outcome.best_validation_bound == max(column(outcome, "validation_bound"))
    assert all(row.keys() == outcome.history[0].keys() for row in outcome.history)
    for row in outcome.history:
        assert {type(value) for name, value in row.items() if name != "step"} == {float}
    assert column(outcome, "noise_standard_deviation")[0] == pytest.approx(0.5, rel=1e-14)
    # A breakpoint for each of the three units, all of which have a slope.
    assert column(outcome, "region_count")[0] == 4


@pytest.mark.parametrize("method", METHODS)
def test_bounds_are_the_exact_log_likelihoods(affine: Any, oracle: Any, method: str) -> None:
    spec = affine.spec(method=method, noise_covariance="full", learning_rate=0.1)
    outcome = affine.run([spec])[0]
    assert outcome.best_step > 0
    row = outcome.history[outcome.best_step]
    for name, part in (("training_bound", "train"), ("validation_bound", "validation")):
        points = affine.points[part].double().numpy()
        values = oracle.log_likelihoods(outcome.parameters, points)
        assert row[name] == pytest.approx(values.mean(), abs=1e-9)
    assert outcome.best_validation_bound == row["validation_bound"]


def test_encoders_are_followed_by_their_exact_divergence(affine: Any, oracle: Any) -> None:
    spec = affine.spec(method="variational", learning_rate=0.1, batch_size=20)
    outcome = affine.run([spec])[0]
    row = outcome.history[outcome.best_step]
    points = affine.points["train"].double().numpy()
    means, covariances = affine.model().encoded(outcome.parameters, points)
    gaps = oracle.divergences(outcome.parameters, points, means[:, 0], covariances[:, 0, 0])
    assert row["kl_divergence"] == pytest.approx(gaps.mean(), abs=1e-9)
    bound = oracle.log_likelihoods(outcome.parameters, points) - gaps
    assert row["elbo"] == pytest.approx(bound.mean(), abs=1e-9)
    assert row["kl_divergence"] > 0.001


def test_divergences_are_of_as_many_points_as_are_asked_for(affine: Any, oracle: Any) -> None:
    spec = affine.spec(method="variational", divergence_points=7, maximum_epochs=1)
    outcome = affine.run([spec])[0]
    row = outcome.history[outcome.best_step]
    points = affine.points["train"].double().numpy()[:7]
    means, covariances = affine.model().encoded(outcome.parameters, points)
    gaps = oracle.divergences(outcome.parameters, points, means[:, 0], covariances[:, 0, 0])
    assert row["kl_divergence"] == pytest.approx(gaps.mean(), abs=1e-9)
    bound = oracle.log_likelihoods(outcome.parameters, points) - gaps
    assert row["elbo"] == pytest.approx(bound.mean(), abs=1e-9)
    whole = affine.run([affine.spec(method="variational", maximum_epochs=1)])[0]
    others = ("elbo", "kl_divergence", "device_seconds")
    for one, other in zip(outcome.history, whole.history, strict=True):
        assert {k: v for k, v in one.items() if k not in others} == {
            k: v for k, v in other.items() if k not in others
        }


def test_all_ways_of_training_start_at_one_point(affine: Any) -> None:
    ways = [{"method": method} for method in METHODS]
    ways += [{"learning_rate": 0.5, "method": "variational"}, {"damping": 0.5}, {"batch_size": 7}]
    rows = [affine.run([affine.spec(maximum_epochs=0, **way)])[0].history[0] for way in ways]
    shared = ("training_bound", "validation_bound", "noise_standard_deviation", "region_count")
    for row in rows[1:]:
        assert [row[name] for name in shared] == [rows[0][name] for name in shared]
    # Nor do the weights depend on the noise that they start with, as parameters are kept.
    kept = [
        affine.run([affine.spec(maximum_epochs=0, **way)])[0].parameters
        for way in ({}, {"starting_noise": 1.0}, {"method": "variational"}, {"seed": 1})
    ]
    for name in ("weights.1", "biases.1", "weights.2", "biases.2"):
        assert torch.equal(kept[0][name], kept[1][name])
        assert torch.equal(kept[0][name], kept[2][name])
    assert torch.equal(kept[0]["noise"], kept[2]["noise"])
    assert not torch.equal(kept[0]["weights.1"], kept[3]["weights.1"])


def test_without_epochs_the_network_stays_as_it_was_drawn(affine: Any) -> None:
    outcome = affine.run([affine.spec(maximum_epochs=0)])[0]
    assert (outcome.state, outcome.steps, outcome.best_step) == ("completed", 0, 0)
    assert len(outcome.history) == 1
    assert (column(outcome, "smallest_step"), column(outcome, "rejected_blocks")) == ([1.0], [0.0])


def test_expectation_maximisation_never_falls(affine: Any) -> None:
    outcomes = affine.run([affine.spec(seed=seed, maximum_epochs=6) for seed in range(3)])
    for outcome in outcomes.values():
        bounds = column(outcome, "training_bound")
        assert all(after >= before - 1e-9 for before, after in itertools.pairwise(bounds))
        assert bounds[-1] > bounds[0] + 0.5
        assert all(0 <= step <= 1 for step in column(outcome, "smallest_step"))


def test_sweeps_go_as_the_spec_says(affine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def sweep(density: Any, points: Any, settings: Any, **more: Any) -> Any:
        seen.append((settings, len(points)))
        return em_sweep(density, points, settings, **more)

    monkeypatch.setattr(expectation_maximisation, "em_sweep", sweep)
    spec = affine.spec(
        block_order="first_layer_first",
        expectation_refresh="sweep",
        damping=0.5,
        backtracking="none",
        parameter_expansion="latent_prior",
        batch_size=20,
        step_decay=1.0,
        maximum_epochs=2,
        weight_prior="laplace",
        weight_prior_scale=3.0,
    )
    outcome = affine.run([spec])[0]
    assert [points for _, points in seen] == [20] * 6
    # Steps of 1, 1/2, 1/3, ... over both epochs, times the damping.
    assert [one.damping for one, _ in seen] == pytest.approx([0.5 / n for n in range(1, 7)])
    one = seen[0][0]
    assert (one.order, one.refresh, one.backtracking) == ("first_layer_first", "sweep", False)
    assert one.expanded_prior
    assert (one.weight_prior.kind, one.weight_prior.scale) == ("laplace", 3.0)
    # Without backtracking every step is taken as it is.
    assert column(outcome, "smallest_step") == pytest.approx([1, 0.5 / 3, 0.5 / 6])
    assert column(outcome, "rejected_blocks") == [0, 0, 0]
    affine.run([affine.spec(maximum_epochs=1)])
    assert not seen[-1][0].expanded_prior


def test_gradients_ascend_the_exact_log_likelihood(affine: Any) -> None:
    spec = affine.spec(method="exact_gradient", maximum_epochs=30, learning_rate=0.02)
    bounds = column(affine.run([spec])[0], "training_bound")
    assert bounds[-1] > bounds[0] + 0.3


@pytest.mark.parametrize("method", METHODS)
def test_a_run_does_not_depend_on_its_bank(affine: Any, method: str) -> None:
    specs = [affine.spec(seed=seed, method=method, batch_size=16) for seed in range(2)]
    together = affine.run(specs)
    # Each is trained alone, so that its seconds are its own.
    assert together[1].bank == (1,)
    assert_same(together[1], affine.run([specs[1]])[0])


@pytest.mark.parametrize(
    ("method", "batch_size"),
    [(METHODS[0], 0), (METHODS[0], 25), (METHODS[1], 25), (METHODS[2], 25)],
)
def test_an_interrupted_run_goes_on_bit_for_bit(
    affine: Any, method: str, batch_size: int, tmp_path: Path
) -> None:
    specs = [
        affine.spec(method=method, batch_size=batch_size, seed=seed, noise_covariance="full")
        for seed in range(2)
    ]
    whole = affine.run(specs)
    # Each epoch asks once or, for batches of 25 of 60 points, three times.
    steps = 4 * (3 if batch_size else 1)
    for stop in (steps // 2 + 1, steps + steps // 2 + 1):
        world = World(stop_after_steps=stop)
        with pytest.raises(InterruptedTrainingError):
            affine.run(specs, world=world)
        # The first run, or the second one after the first has ended.
        run = 0 if stop < steps else 1
        assert 0 < world.states[run][1]["step"] < 4
        save_state(tmp_path / str(stop), world.states[run])
        states = [load_state(tmp_path / str(stop)) if run == one else None for one in range(2)]
        resumed = affine.run(specs, states=states)
        for one in range(2):
            assert_same(resumed[one], whole[one])


def test_a_state_from_before_the_first_epoch_is_a_start(affine: Any) -> None:
    spec = affine.spec(seed=3)
    world = World(stop_after_steps=0)
    with pytest.raises(InterruptedTrainingError):
        affine.run([spec], world=world)
    assert world.states[0][1]["step"] == 0
    # Another run of the bank has no state at all.
    resumed = affine.run([spec, affine.spec(seed=4)], states=[world.states[0], None])
    assert_same(resumed[1], affine.run([spec, affine.spec(seed=4)])[1])
    assert untimed(resumed[0]) == untimed(affine.run([spec])[0])


@pytest.mark.parametrize("method", ["exact_gradient", "variational"])
def test_a_run_that_leaves_all_numbers_has_diverged(affine: Any, method: str) -> None:
    specs = [affine.spec(method=method, learning_rate=1e200, seed=seed) for seed in range(2)]
    outcomes = affine.run(specs)
    for outcome in outcomes.values():
        assert outcome.state == "diverged"
        assert outcome.best_step == 0
        assert np.isnan(column(outcome, "validation_bound")[-1])
        assert all(row.keys() == outcome.history[0].keys() for row in outcome.history)


def circle_of(count: int) -> Training:
    """Points of the noisy circle, drawn as numpy draws them."""
    points = {
        name: torch.from_numpy(circle(count, np.random.default_rng(seed)))
        for seed, name in enumerate(("train", "validation"))
    }
    return Training(points)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_sweep_without_backtracking_never_fails_its_bank(seed: int) -> None:
    around = circle_of(150)
    specs = [
        around.spec(
            data_set="circle",
            seed=one,
            hidden_units=8,
            hidden_layers=2,
            activation="relu",
            starting_noise=0.05,
            backtracking="none",
            expectation_refresh="sweep",
            block_order="biases_then_weights",
            maximum_epochs=3,
        )
        for one in (seed, 9)
    ]
    outcomes = around.run(specs)
    assert outcomes.keys() == {0, 1}
    for outcome in outcomes.values():
        last = outcome.history[-1]
        finite = np.isfinite([last["training_bound"], last["validation_bound"]]).all()
        assert outcome.state == ("completed" if finite else "diverged")


def test_a_failing_sweep_ends_its_run_and_no_other(
    affine: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    calls = itertools.count()

    def sweep(*known: Any, **more: Any) -> Any:
        if next(calls) == 2:
            raise np.linalg.LinAlgError("SVD did not converge")
        return em_sweep(*known, **more)

    monkeypatch.setattr(expectation_maximisation, "em_sweep", sweep)
    specs = [affine.spec(seed=seed, maximum_epochs=3) for seed in range(2)]
    lost, other = affine.run(specs).values()
    assert (lost.state, lost.steps) == ("diverged", 3)
    assert lost.best_step == max(range(3), key=column(lost, "validation_bound").__getitem__)
    assert np.isnan(column(lost, "training_bound")[-1])
    assert all(torch.isfinite(value).all() for value in lost.parameters.values())
    assert "seed 0 left all numbers: SVD did not converge" in caplog.text
    monkeypatch.undo()
    assert_same(other, affine.run(specs)[1])


@pytest.mark.parametrize("method", METHODS)
def test_a_density_that_cannot_be_measured_ends_its_run(
    affine: Any, method: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def failing(*known: Any) -> Any:
        raise ArithmeticError("an integral did not converge")

    monkeypatch.setattr(epochs, "log_likelihoods", failing)
    outcome = affine.run([affine.spec(method=method)])[0]
    assert (outcome.state, outcome.steps, outcome.parameters) == ("diverged", 0, {})
    assert "an integral did not converge" in caplog.text


@pytest.mark.parametrize(("batch_size", "batches"), [(0, 1), (25, 3), (60, 1), (1000, 1)])
def test_an_epoch_holds_all_points(affine: Any, batch_size: int, batches: int) -> None:
    world = World()
    affine.run(
        [affine.spec(method="variational", batch_size=batch_size, maximum_epochs=2)], world=world
    )
    assert world.steps == 2 * batches


def test_seconds_are_those_of_training_alone(affine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that shows one second more each time that it is read: twice per run and epoch."""
    clock = itertools.count()
    monkeypatch.setattr(EpochBank, "now", lambda bank: float(next(clock)))
    outcomes = affine.run([affine.spec(seed=seed) for seed in range(2)])
    for outcome in outcomes.values():
        assert column(outcome, "device_seconds") == [0, 1, 2, 3, 4]
        assert outcome.device_seconds == 4


@pytest.mark.parametrize("method", METHODS)
def test_weights_stay_where_a_uniform_prior_lets_them(affine: Any, method: str) -> None:
    prior = {"weight_prior": "uniform", "weight_prior_scale": 0.4}
    spec = affine.spec(method=method, learning_rate=0.3, **prior)
    outcome = affine.run([spec])[0]
    free = affine.run([affine.spec(method=method, learning_rate=0.3)])[0]
    largest = [
        max(one.parameters[f"weights.{layer}"].abs().max().item() for layer in (1, 2))
        for one in (outcome, free)
    ]
    assert largest[0] <= 0.4 < largest[1]


def test_only_runs_of_one_shape_share_a_bank(affine: Any) -> None:
    one = bank_key(affine.spec())
    assert bank_key(affine.spec(seed=5, protocol="authors", stream="restart")) == one
    for changed in ({"learning_rate": 0.5}, {"starting_noise": 1.0}, {"fraction": 0.5}):
        assert bank_key(affine.spec(**changed)) != one


def test_a_fraction_of_the_points_is_trained_on(affine: Any, oracle: Any) -> None:
    outcome = affine.run([affine.spec(fraction=0.1)])[0]
    six = affine.points["train"].double().numpy()[subset_indices(60, 0.1, "wave", 0)]
    assert len(six) == 6
    found = outcome.history[outcome.best_step]["training_bound"]
    values = oracle.log_likelihoods(outcome.parameters, six)
    assert found == pytest.approx(values.mean(), abs=1e-9)


def test_training_ends_with_its_epochs() -> None:
    spec = {"maximum_epochs": 3}
    assert ended(spec, [-1.0], 2) is None
    assert ended(spec, [-1.0], 3) == "all planned epochs were made"
    assert ended({"maximum_epochs": 0}, [], 0) == "all planned epochs were made"
