"""Training of mixture layers: what it reaches, waits for, anneals, tells, and goes on from."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.mixture import GaussianMixture

from workflow_src.config.models import trainer_declaration
from workflow_src.layouts import Shape, parse
from workflow_src.models.convolutional_mixtures.network import MixtureNetwork
from workflow_src.train.layerwise_ascent.trainer import bank_key, planned_steps
from workflow_src.train.loop import starting_point
from workflow_src.train.states import load_state, save_state
from workflow_src.train.training import InterruptedTrainingError, Outcome


def three(layered: Any, **changed: Any) -> list[dict[str, Any]]:
    return [layered.spec(seed=seed, **changed) for seed in range(3)]


def column(outcome: Outcome, name: str) -> list[float]:
    return [row[name] for row in outcome.history]


def assert_close(first: Outcome, second: Outcome) -> None:
    assert (first.state, first.reason, first.steps) == (second.state, second.reason, second.steps)
    for one, other in zip(first.history, second.history, strict=True):
        for name, value in one.items():
            if name != "device_seconds":
                assert other[name] == pytest.approx(value, rel=1e-4, abs=1e-4), name
    for name, value in first.parameters.items():
        torch.testing.assert_close(value, second.parameters[name], rtol=1e-3, atol=1e-4)


def test_a_single_layer_comes_near_the_best_mixture(layered: Any) -> None:
    """EM's optimum of two diagonal Gaussians with the variance that precisions are clipped to."""
    spec = layered.spec(
        maximum_epochs=40, annealing_window=15, learning_rate=0.05, final_learning_rate=0.05
    )
    model = layered.model("F(4,1)-G(4)")
    outcome = layered.run([spec], model=model)[0]
    points = layered.images["train"].numpy().astype(np.float64)
    best = GaussianMixture(2, covariance_type="diag", random_state=0).fit(points)
    best.precisions_cholesky_ = np.minimum(best.precisions_cholesky_, math.sqrt(20))
    limit = best.score(layered.images["validation"].numpy().astype(np.float64))
    # Log-likelihood of all four components: hard assignments lose at most their overlap.
    parameters = {name: value[None] for name, value in outcome.parameters.items()}
    images = model.network.as_images(layered.images["validation"][None])
    reached = model.network.layer_log_likelihoods(parameters, images).mean().item()
    assert reached == pytest.approx(limit, abs=0.5)
    assert outcome.history[-1]["layer_1_sigma"] == 0.01


def test_layers_do_not_move_before_their_turn(layered: Any) -> None:
    """Of 120 steps the second layer waits for 36, and the first for none."""
    model = layered.model()
    start = model.initial_parameters(starting_point("initial parameters", layered.spec()))
    # Validations come after steps 12, 24, 36, 48, ...
    world_states = states_at_validations(layered, model)
    for step, moved in ((12, False), (24, False), (36, False), (48, True)):
        for name, value in world_states[step].items():
            if name.startswith("layer_2") and "logits" not in name:
                assert torch.equal(value, start[name]) != moved, (step, name)
            if name == "layer_1.centroids":
                assert not torch.equal(value, start[name])


def states_at_validations(layered: Any, model: Any) -> dict[int, dict[str, torch.Tensor]]:
    """Parameters by step, from the states that are saved after every validation."""
    found: dict[int, dict[str, torch.Tensor]] = {}

    class Keeping(dict[int, Any]):
        def __setitem__(self, run: int, state: Any) -> None:
            tensors, facts = state
            found[facts["step"]] = {
                name: value for name, value in tensors.items() if name.startswith("layer_")
            }

    from support.training import World

    layered.run([layered.spec(validations=10)], model=model, world=World(states=Keeping()))
    return found


def test_no_number_of_layers_above_changes_those_below(layered: Any) -> None:
    spec = layered.spec()
    deep = layered.run([spec])[0]
    flat = layered.model("F(3,1)-G(4)-F(2,1)-G(9)")
    other = layered.run([spec], model=flat)[0]
    assert column(deep, "layer_1_loss") == column(other, "layer_1_loss")
    for name, value in deep.parameters.items():
        if name.startswith("layer_1"):
            assert torch.equal(value, other.parameters[name])


def test_a_classifier_changes_no_layer_and_learns(layered: Any) -> None:
    spec = layered.spec(maximum_epochs=12, classifier_rate=1.0)
    with_one = layered.run([spec], model=layered.model(classifier="highest"))[0]
    without = layered.run([spec])[0]
    for name, value in without.parameters.items():
        assert torch.equal(value, with_one.parameters[name])
    assert with_one.history[-1]["classifier_accuracy"] == 1.0
    entropies = column(with_one, "classifier_cross_entropy")
    assert entropies[-1] < entropies[0] < math.log(2) + 0.05
    assert "classifier_accuracy" not in without.history[-1]


def test_a_classifier_without_labels_is_refused(layered: Any) -> None:
    images = {name: layered.images[name] for name in ("train", "validation")}
    with pytest.raises(ValueError, match="the data set digits has none; take classifier none"):
        layered.run([layered.spec()], model=layered.model(classifier="highest"), images=images)


def test_the_first_step_is_the_one_by_hand(layered: Any) -> None:
    """One step of one component, which has no choice: the gradient of a normal density."""
    spec = layered.spec(batch_size=400, maximum_epochs=1, validations=1)
    model = layered.model("F(4,1)-G(1)")
    outcome = layered.run([spec], model=model)[0]
    assert outcome.steps == 1
    start = model.initial_parameters(starting_point("initial parameters", spec))
    centroids, roots = start["layer_1.centroids"][0, 0], start["layer_1.precision_roots"][0, 0]
    away = layered.images["train"] - centroids
    moved = centroids + 0.011 * 20 * away.mean(dim=0)
    slopes = 1 / roots - roots * away.square().mean(dim=0)
    sharper = (roots + 0.1 * 0.011 * slopes).clamp(1e-3, math.sqrt(20))
    found = {name: value[0, 0] for name, value in outcome.parameters.items()}
    torch.testing.assert_close(found["layer_1.centroids"], moved)
    torch.testing.assert_close(found["layer_1.precision_roots"], sharper)
    assert found["layer_1.weight_logits"] == 0


def test_rates_of_zero_leave_parameters_where_they_start(layered: Any) -> None:
    spec = layered.spec(weight_rate=0.0, precision_rate=0.0)
    outcome = layered.run([spec])[0]
    for layer in (1, 2):
        assert torch.equal(outcome.parameters[f"layer_{layer}.weight_logits"], torch.zeros(1, 4))
        roots = outcome.parameters[f"layer_{layer}.precision_roots"]
        assert torch.equal(roots, torch.full_like(roots, math.sqrt(20)))


def test_precisions_stay_positive_and_finite_however_long_the_steps(layered: Any) -> None:
    spec = layered.spec(precision_rate=1000.0)
    outcome = layered.run([spec])[0]
    assert outcome.state == "completed"
    for layer in (1, 2):
        roots = outcome.parameters[f"layer_{layer}.precision_roots"]
        assert roots.min() >= 1e-3 - 1e-9
        assert roots.max() <= math.sqrt(20) + 1e-6


def test_the_last_point_is_kept_and_not_the_best(layered: Any) -> None:
    # A top layer that never learns fits ever less of what the one below learns to say.
    spec = layered.spec(validations=4, delay=1.0)
    outcome = layered.run([spec])[0]
    bounds = column(outcome, "validation_bound")
    assert bounds.index(max(bounds)) != 3
    assert (outcome.best_step, outcome.best_validation_bound) == (120, bounds[-1])
    network = layered.model().network
    parameters = {name: value[None] for name, value in outcome.parameters.items()}
    images = network.as_images(layered.images["validation"][None])
    losses = network.layer_losses(parameters, images).mean(dim=(1, 2))
    assert losses[-1].item() == pytest.approx(bounds[-1], rel=1e-6)
    assert column(outcome, "layer_2_loss") == bounds
    assert losses[0].item() == pytest.approx(outcome.history[-1]["layer_1_loss"], rel=1e-6)


def test_a_history_tells_losses_and_widths(layered: Any) -> None:
    outcome = layered.run([layered.spec()])[0]
    assert outcome.reason == "all planned epochs were made"
    assert column(outcome, "step") == [24, 48, 72, 96, 120]
    for layer in (1, 2):
        sigmas = column(outcome, f"layer_{layer}_sigma")
        assert sigmas == sorted(sigmas, reverse=True)
        assert sigmas[-1] < sigmas[0] <= 0.25 * math.sqrt(8)
    # Nothing shrinks while a layer waits, nor in its first two windows.
    assert outcome.history[0]["layer_2_sigma"] == 0.25 * math.sqrt(8)


def test_the_training_bound_is_the_mean_of_the_steps_losses(layered: Any) -> None:
    spec = layered.spec(centroid_rate=0.0, precision_rate=0.0, weight_rate=0.0)
    outcome = layered.run([spec])[0]
    model = layered.model()
    start = model.initial_parameters(starting_point("initial parameters", spec))
    parameters = {name: value[None] for name, value in start.items()}
    images = model.network.as_images(layered.images["train"][None])
    loss = model.network.layer_losses(parameters, images)[-1].mean().item()
    # Every pass of 40 batches shows every image once, and 120 steps are three.
    assert np.mean(column(outcome, "training_bound")) == pytest.approx(loss, rel=1e-5)


def test_a_run_in_a_bank_is_the_run_alone(layered: Any) -> None:
    specs = [layered.spec(seed=0), layered.spec(seed=1, stream="restart"), layered.spec(seed=2)]
    together = layered.run(specs, model=layered.model(classifier="highest"))
    for run, spec in enumerate(specs):
        alone = layered.run([spec], model=layered.model(classifier="highest"))[0]
        assert_close(together[run], alone)


def test_the_same_bank_gives_the_same_bits(layered: Any, assert_same_outcome: Any) -> None:
    first, second = layered.run(three(layered)), layered.run(three(layered))
    for run in range(3):
        assert_same_outcome(first[run], second[run])


@pytest.mark.parametrize("stop_after", [30, 61, 119])
@pytest.mark.parametrize(
    "notation", ["F(3,1)-G(4)-F(2,1)-G(4)", "F(2,2)-G(4,independent)-G(9)-F(2,1)-G(4)"]
)
def test_an_interrupted_bank_ends_as_if_it_had_not_been(
    layered: Any,
    world: Any,
    assert_same_outcome: Any,
    tmp_path: Path,
    stop_after: int,
    notation: str,
) -> None:
    def model() -> Any:
        return layered.model(notation, classifier="highest")

    # Windows of 7 steps end between validations.
    specs = three(layered, annealing_window=7)
    through = layered.run(specs, model=model())
    assert through[0].history[-1]["layer_1_sigma"] < 0.25 * math.sqrt(8)
    interrupted = world(stop_after_steps=stop_after)
    with pytest.raises(InterruptedTrainingError):
        layered.run(specs, model=model(), world=interrupted)
    for run, state in interrupted.states.items():
        save_state(tmp_path / str(run), state)
    states = [load_state(tmp_path / str(run)) for run in range(3)]
    assert all(state is not None for state in states)
    resumed = layered.run(specs, model=model(), states=states)
    for run in range(3):
        assert_same_outcome(resumed[run], through[run])


def test_runs_whose_states_are_of_different_steps_are_all_finished(
    layered: Any, world: Any
) -> None:
    through = layered.run(three(layered))
    later, sooner = world(stop_after_steps=100), world(stop_after_steps=30)
    for interrupted in (later, sooner):
        with pytest.raises(InterruptedTrainingError):
            layered.run(three(layered), world=interrupted)
    resumed = layered.run(three(layered), states=[sooner.states[0], None, later.states[2]])
    for run in range(3):
        assert_close(resumed[run], through[run])


def test_a_run_that_diverges_keeps_its_last_finite_point_and_the_others_do_not_notice(
    layered: Any,
) -> None:
    class Breaking(MixtureNetwork):
        steps = 0

        def training_step(self, *arguments: Any) -> Any:
            steps, loss, activities = super().training_step(*arguments)
            self.steps += 1
            if self.steps == 60:
                steps[0].gradients["layer_1.centroids"][0] = math.nan
            return steps, loss, activities

    model = layered.model()
    model.network = Breaking(parse("F(3,1)-G(4)-F(2,1)-G(4)"), Shape(4, 4, 1))
    together = layered.run(three(layered), model=model)
    assert together[0].state == "diverged"
    assert together[0].reason == "the training bound was nan at step 72"
    assert together[0].best_step == 48
    assert all(torch.isfinite(value).all() for value in together[0].parameters.values())
    for run in (1, 2):
        assert_close(together[run], layered.run([layered.spec(seed=run)])[0])


def test_every_validation_is_after_some_step(layered: Any) -> None:
    spec = layered.spec(batch_size=400, maximum_epochs=2, validations=5)
    assert planned_steps(spec, 400) == 5
    assert column(layered.run([spec])[0], "step") == [1, 2, 3, 4, 5]
    assert planned_steps(layered.spec(fraction=0.1, batch_size=7), 400) == math.ceil(3 * 40 / 7)
    steps = column(layered.run([layered.spec(validations=7)])[0], "step")
    assert steps == [math.ceil(120 * i / 7) for i in range(1, 8)]


def test_seeds_and_streams_share_a_bank_and_nothing_else_does(layered: Any) -> None:
    key = bank_key(layered.spec())
    for name, value in (("seed", 1), ("stream", "restart"), ("protocol", "text")):
        assert bank_key(layered.spec(**{name: value})) == key
    declared = trainer_declaration("layerwise_ascent").hyperparameters
    for name in ("fraction", "data_set", *declared):
        assert bank_key(layered.spec(**{name: "other"})) != key


def test_specs_here_are_those_of_the_declaration(layered: Any) -> None:
    declared = trainer_declaration("layerwise_ascent").hyperparameters
    assert set(declared) <= set(layered.spec())
    defaults = {name: one.default for name, one in declared.items() if one.default is not None}
    assert defaults == {
        "learning_rate": 0.011,
        "final_learning_rate": 0.01,
        "centroid_rate": 1,
        "precision_rate": 0.1,
        "weight_rate": 0.2,
        "classifier_rate": 0.01,
        "batch_size": 100,
        "delay": 0.1,
        "annealing_window": 100,
        "annealing_decrease": 0.9,
        "annealing_threshold": 0.05,
        "final_sigma": 0.01,
        "validations": 20,
    }
