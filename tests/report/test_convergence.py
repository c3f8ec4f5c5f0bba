"""Runs from the same start have converged when they come near the best of them, and else never."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from support.exact_density_arrays import group_of

from workflow_src.config.metrics import METRICS
from workflow_src.report import evidence
from workflow_src.report.claim_numbers import Measured, Place, Way
from workflow_src.report.convergence import Course, convergences, largest_fall, target
from workflow_src.report.evaluations import Metric
from workflow_src.report.evidence import Group
from workflow_src.report.metrics import _metric, not_finite

GAUSSIAN = -2.0


def course(
    validation: Sequence[float], problem: str = "seed 0", training: Sequence[float] = ()
) -> Course:
    """A validation every fifth epoch, and 0.3 s an epoch."""
    steps = 5 * np.arange(len(validation))
    history = {
        "step": steps,
        "device_seconds": 0.3 * steps,
        "validation_bound": np.array(validation),
        "training_bound": np.array(training or validation),
    }
    return Course(problem, GAUSSIAN, history)


def epochs(*courses: Course | None) -> list[float | None]:
    return [one.get("epochs_to_converge") for one in convergences(courses)]


def test_a_stuck_run_is_not_fast_at_its_own_best() -> None:
    # From -2 to the best, 0: the target is -0.1. The second is stuck from its first epochs on.
    good, stuck = course([-9.0, -1.0, -0.2, -0.1, 0.0]), course([-3.0, -1.0, -1.0, -1.0, -1.0])
    assert epochs(good, stuck) == [15, math.inf]
    assert epochs(stuck) == [5]
    # Runs of another start, as another seed, have a target of their own.
    assert epochs(good, course([-3.0, -1.0, -1.0, -1.0, -1.0], "seed 1")) == [15, 5]


def test_seconds_are_those_of_the_same_validation() -> None:
    found = convergences([course([-9.0, -1.0, -0.05, 0.0])])[0]
    assert found["seconds_to_converge"] == pytest.approx(3.0)


@pytest.mark.parametrize("scale", [1.0, 784.0])
def test_the_number_of_values_of_a_point_does_not_matter(scale: float) -> None:
    """Every log likelihood grows with it, so that a distance in nats would be met sooner."""
    one = course([scale * bound - (scale - 1) * GAUSSIAN for bound in (-9.0, -0.4, -0.1, 0.0)])
    assert epochs(one) == [10]


def test_where_none_rises_above_the_gaussian_none_converges() -> None:
    collapsed = course([-9.0, -2.0, -1.995, -2.0])
    assert epochs(collapsed, course([-9.0, -5.0, -2.1, -2.1])) == [math.inf, math.inf]
    assert target(-2.0, -1.98) == pytest.approx(-1.981)
    assert target(-2.0, -2.5) == math.inf


def test_what_is_not_finite_is_passed_over() -> None:
    assert epochs(course([math.nan, -math.inf, 0.0, 0.0, math.inf])) == [10]
    assert epochs(course([math.nan] * 3)) == [math.inf]


def test_what_was_not_trained_has_no_time() -> None:
    assert convergences([course([-1.0]), None]) == [{}, {}]
    # Its start is among what is reached nonetheless.
    assert epochs(course([-0.5]), course([-3.0, -1.0])) == [None, math.inf]


def test_the_largest_fall_is_known_where_all_is_finite_and_else_infinite() -> None:
    assert largest_fall(np.array([-8.0, -1.0, -1.25, -0.5, -0.625])) == 0.25
    assert largest_fall(np.arange(5.0)) == 0
    for lost in (math.nan, -math.inf, math.inf):
        assert largest_fall(np.array([0.0, lost, 1.0])) == math.inf
    found = convergences([course([-9.0, 0.0, 0.0], training=[0.0, -0.5, math.nan])])[0]
    assert found["largest_likelihood_fall"] == math.inf


def trained(
    name: str, bounds: Sequence[float], monkeypatch: pytest.MonkeyPatch, seed: int = 0, **spec: Any
) -> Group:
    """A group whose winner went so, and whose name is its method."""
    metrics = {"isotropic_gaussian_validation_log_likelihood": GAUSSIAN}
    group = group_of(f"{name}-{seed}", {"method": name}, seed=seed, metrics=metrics)
    assert group.evaluation.winner is not None
    values = {"model": "deep_generative_network", "hidden_layers": 1, "method": name, **spec}
    winner = replace(group.evaluation.winner, spec=values)
    HISTORIES[winner.fingerprint] = course(bounds).history
    monkeypatch.setattr(evidence, "read_history", lambda _, run: HISTORIES.get(run.fingerprint))
    return replace(group, evaluation=replace(group.evaluation, winner=winner))


HISTORIES: dict[str, Any] = {}


def found_epochs(*groups: Group) -> list[float]:
    found = evidence._with_convergence(groups)
    metrics = [one.evaluation.metric("epochs_to_converge") for one in found]
    return [math.nan if one is None else one.value for one in metrics]


def test_methods_and_starting_noises_share_a_target_and_other_starts_do_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    good, stuck = [-9.0, -1.0, -0.2, 0.0], [-3.0, -1.0, -1.0, -1.0]
    best = trained("em", good, monkeypatch, starting_noise=0.3)
    for changed, wanted in (
        ({"starting_noise": 1.0}, math.inf),
        ({"learning_rate": 0.1}, math.inf),
        ({"hidden_layers": 2}, 5),
        ({"seed": 1}, 5),
    ):
        other = trained("vae", stuck, monkeypatch, **changed)
        assert found_epochs(best, other) == [15, wanted], changed
    elsewhere = replace(trained("vae", stuck, monkeypatch), experiment="y")
    assert found_epochs(best, elsewhere) == [15, 5]


def test_without_a_gaussian_or_a_history_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    one = trained("em", [-9.0, -1.0], monkeypatch)
    lost = replace(one, evaluation=replace(one.evaluation, metrics=()))
    assert math.isnan(found_epochs(lost)[0])
    HISTORIES.clear()
    assert math.isnan(found_epochs(one)[0])


def test_what_never_converged_loses_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    groups = [
        trained("em", [-9.0, -1.0, 0.0], monkeypatch),
        trained("vae", [-9.0, -2.1, -2.0], monkeypatch),
    ]
    numbers = Measured(evidence._with_convergence(groups))
    place = Place("x", "circle", "gaussian_noise", 1.0, Way("authors", "full"))
    chosen = {"model": "deep_generative_network", "method": "vae"}
    series = numbers.series("epochs_to_converge", chosen, place)
    assert series.all_diverged
    assert series.reason == "it never came 95 % of the way to the best run from the same start"


def test_a_fall_of_any_seed_is_the_one_that_a_bound_is_asked_of() -> None:
    assert METRICS["largest_likelihood_fall"].over_seeds == "largest"
    metrics = {"largest_likelihood_fall": 0.25}
    numbers = Measured([group_of("em", metrics=metrics)])
    place = Place("x", "circle", "gaussian_noise", 1.0, Way("authors", "full"))
    chosen = {"model": "deep_generative_network"}
    assert numbers.series("largest_likelihood_fall", chosen, place).largest
    assert not numbers.series("epochs_to_converge", chosen, place).largest


def test_a_metric_without_a_known_reason_tells_its_value() -> None:
    plain = Metric("test_bound", math.nan, None, "nats", None)
    assert not_finite(plain) == "the test bound was nan"


def test_a_mean_of_one_point_has_no_standard_error() -> None:
    one = Metric("multimodal_approximation_gap", 0.5, math.nan, "nats", None)
    assert _metric(one)["value"] == 0.5
    assert _metric(one)["standard_error"] is None
    two = Metric("multimodal_approximation_gap", 0.5, 0.25, "nats", None)
    assert _metric(two)["standard_error"] == 0.25
