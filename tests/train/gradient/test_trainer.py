"""Runs trained in banks: the same as alone, undisturbed by who leaves, resumed bit for bit."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from workflow_src.config.models import hyperparameters_of
from workflow_src.data.subsets import subset_indices
from workflow_src.models.building import build_model
from workflow_src.models.images import ImageFacts
from workflow_src.models.leaf_models import bound, noise_shape, stack_runs
from workflow_src.models.random_streams import run_stream
from workflow_src.models.vae.model import build as build_vae
from workflow_src.train.gradient.stopping import ended
from workflow_src.train.gradient.trainer import bank_key, initial_parameters
from workflow_src.train.member import Member
from workflow_src.train.states import load_state, save_state
from workflow_src.train.training import InterruptedTrainingError

# A bank's batched products may add in another order than a single one's: float32 rounding, grown
# over the few steps taken here.
ROUNDING = 1e-4


def three(training: Any, **changed: Any) -> list[dict[str, Any]]:
    return [training.spec(seed=seed, **changed) for seed in range(3)]


def bounds_of(outcome: Any) -> list[float]:
    return [row["validation_bound"] for row in outcome.history]


def test_training_raises_the_bound(training: Any) -> None:
    (outcome,) = training.run([training.spec(maximum_steps=200, validation_interval=40)]).values()
    assert outcome.state == "completed"
    assert outcome.steps == 200
    curve = bounds_of(outcome)
    assert len(curve) == 5
    assert curve[-1] > curve[0] + 0.5
    assert outcome.best_validation_bound == max(curve)
    assert outcome.best_step == 40 * (1 + curve.index(max(curve)))


def test_a_run_in_a_bank_is_the_run_alone(training: Any) -> None:
    specs = [
        training.spec(seed=0),
        training.spec(seed=1, stream="restart"),
        training.spec(seed=0, fraction=0.1),
    ]
    together = training.run(specs)
    for i, spec in enumerate(specs):
        alone = training.run([spec])[0]
        assert together[i].steps == alone.steps
        np.testing.assert_allclose(bounds_of(together[i]), bounds_of(alone), rtol=ROUNDING)
        for name, value in alone.parameters.items():
            np.testing.assert_allclose(
                together[i].parameters[name], value, rtol=ROUNDING, atol=ROUNDING
            )


def test_the_same_bank_gives_the_same_bits(training: Any, assert_same_outcome: Any) -> None:
    first, second = training.run(three(training)), training.run(three(training))
    for run in range(3):
        assert_same_outcome(first[run], second[run])


@pytest.mark.parametrize("objective", ["importance_weighted_bound", "evidence_lower_bound"])
def test_the_saved_best_parameters_have_the_saved_best_bound(training: Any, objective: str) -> None:
    """The validation bound, computed here from the outcome and the run's own noise."""
    spec = training.spec(objective=objective)
    outcome = training.run([spec])[0]
    generator = run_stream("validation noise", spec, torch.device("cpu"))
    noise = torch.randn(1, *noise_shape(training.model, 2, 40), generator=generator)
    pixels = training.images["validation"].T.unsqueeze(0)
    found = bound(training.model, stack_runs([outcome.parameters]), pixels, noise, objective)
    assert found.mean().item() == pytest.approx(outcome.best_validation_bound, rel=1e-5)


def test_what_is_maximised_is_the_objective(training: Any) -> None:
    """The first step's gradient, by the parameters that one step of Adam has moved upwards."""
    for objective in ("importance_weighted_bound", "evidence_lower_bound"):
        spec = training.spec(objective=objective, maximum_steps=1, validation_interval=1)
        outcome = training.run([spec])[0]
        start = initial_parameters(training.model, spec)
        generator = run_stream("training noise", spec, torch.device("cpu"), step=0)
        noise = torch.randn(1, *noise_shape(training.model, 2, 8), generator=generator)
        pixels = training.images["train"][Member(spec, 200, ended).next_images()].T.unsqueeze(0)
        leaves = {name: value.requires_grad_() for name, value in stack_runs([start]).items()}
        bound(training.model, leaves, pixels, noise, objective).mean().backward()
        for name, value in outcome.parameters.items():
            gradient = leaves[name].grad[0]
            # Adam's first step is one learning rate along the gradient's sign.
            clear = gradient.abs() > 1e-5
            moved = torch.sign(value - start[name])
            assert torch.equal(moved[clear], torch.sign(gradient)[clear]), name


@pytest.mark.parametrize("stop_after", [5, 12, 21])
def test_an_interrupted_bank_ends_as_if_it_had_not_been(
    training: Any, world: Any, assert_same_outcome: Any, tmp_path: Path, stop_after: int
) -> None:
    through = training.run(three(training))
    interrupted = world(stop_after_steps=stop_after)
    with pytest.raises(InterruptedTrainingError):
        training.run(three(training), world=interrupted)
    for run, state in interrupted.states.items():
        save_state(tmp_path / str(run), state)
    states = [load_state(tmp_path / str(run)) for run in range(3)]
    assert all(state is not None for state in states)
    resumed = training.run(three(training), states=states)
    for run in range(3):
        assert_same_outcome(resumed[run], through[run])


def test_a_run_interrupted_again_and_again_ends_the_same(
    training: Any, world: Any, assert_same_outcome: Any
) -> None:
    spec = training.spec(stream="restart", stopping="five_decreases")
    through = training.run([spec])[0]
    state = None
    for _ in range(5):
        once = world(stop_after_steps=4)
        with pytest.raises(InterruptedTrainingError):
            training.run([spec], states=[state], world=once)
        state = once.states[0]
    assert_same_outcome(training.run([spec], states=[state])[0], through)


def test_a_best_point_before_the_interruption_is_not_lost(
    training: Any, world: Any, assert_same_outcome: Any
) -> None:
    # Trained on a single image, the run is best early on and gets worse.
    spec = training.spec(
        fraction=0.005, stopping="five_decreases", learning_rate=0.02, maximum_steps=120
    )
    through = training.run([spec])[0]
    assert through.best_step <= through.steps - 20
    late = world(stop_after_steps=through.steps - 1)
    with pytest.raises(InterruptedTrainingError):
        training.run([spec], world=late)
    assert_same_outcome(training.run([spec], states=[late.states[0]])[0], through)


def test_training_noise_is_fresh_and_validation_noise_is_not(training: Any) -> None:
    # Equal images and steps too small to matter: only the noise can change a bound.
    flat = {name: torch.full_like(value, 0.25) for name, value in training.images.items()}
    outcome = training.run([training.spec(learning_rate=1e-30)], images=flat)[0]
    assert len({row["training_bound"] for row in outcome.history}) == len(outcome.history)
    assert len(set(bounds_of(outcome))) == 1


def test_an_interruption_before_the_first_validation_leaves_no_state(
    training: Any, world: Any
) -> None:
    early = world(stop_after_steps=3)
    with pytest.raises(InterruptedTrainingError):
        training.run([training.spec()], world=early)
    assert early.states == {}


def test_runs_whose_states_are_of_different_steps_are_all_finished(
    training: Any, world: Any
) -> None:
    through = training.run(three(training))
    later, sooner = world(stop_after_steps=17), world(stop_after_steps=5)
    for interrupted in (later, sooner):
        with pytest.raises(InterruptedTrainingError):
            training.run(three(training), world=interrupted)
    resumed = training.run(three(training), states=[sooner.states[0], None, later.states[2]])
    assert sorted(resumed) == [0, 1, 2]
    for run in range(3):
        assert resumed[run].steps == through[run].steps
        np.testing.assert_allclose(bounds_of(resumed[run]), bounds_of(through[run]), rtol=ROUNDING)


def test_a_run_that_leaves_does_not_disturb_the_one_that_stays(training: Any) -> None:
    # Trained on a single image, the first run soon gets worse on all others and stops.
    overfit = training.spec(
        fraction=0.005, stopping="five_decreases", learning_rate=0.02, maximum_steps=120
    )
    steady = training.spec(seed=1, learning_rate=0.02, maximum_steps=120)
    together = training.run([overfit, steady])
    assert together[0].reason == "early stopping (five_decreases)"
    assert together[0].steps < together[1].steps == 120
    alone = training.run([steady])[0]
    np.testing.assert_allclose(bounds_of(together[1]), bounds_of(alone), rtol=ROUNDING)


def test_a_run_whose_data_are_damaged_diverges_and_the_others_do_not_notice(
    training: Any, assert_same_outcome: Any
) -> None:
    healthy, ill = training.spec(fraction=0.2), training.spec(fraction=0.2, seed=1)
    of_healthy = set(subset_indices(200, 0.2, "digits", 0).tolist())
    of_ill = set(subset_indices(200, 0.2, "digits", 1).tolist())
    damaged = training.images["train"].clone()
    damaged[sorted(of_ill - of_healthy)[0]] = float("nan")
    images = {**training.images, "train": damaged}
    clean = training.run([healthy, ill])
    outcomes = training.run([healthy, ill], images=images)
    assert outcomes[1].state == "diverged"
    assert "nan" in outcomes[1].reason
    assert clean[1].state == "completed"
    np.testing.assert_allclose(bounds_of(outcomes[0]), bounds_of(clean[0]), rtol=ROUNDING)
    # Until the ill run left, the bank was the same: the same bits.
    shared = len(outcomes[1].history)
    assert bounds_of(outcomes[0])[:shared] == bounds_of(clean[0])[:shared]


@pytest.mark.parametrize("objective", ["importance_weighted_bound", "evidence_lower_bound"])
@pytest.mark.parametrize("model", ["spvae", "conv_spvae", "conv_vae"])
def test_an_enormous_learning_rate_is_a_divergence_not_an_error(
    training: Any, model: str, objective: str
) -> None:
    declared = hyperparameters_of(model)
    defaults = {name: one.default for name, one in declared.items() if one.default is not None}
    spec = {**defaults, **training.spec(model=model, objective=objective, learning_rate=1e25)}
    density = build_model(spec, (4, 4), 16)
    specs = [spec | {"seed": seed} for seed in range(3)]
    for outcome in dataclasses.replace(training, model=density).run(specs).values():
        assert outcome.state == "diverged"
        assert "bound was" in outcome.reason
        assert outcome.best_validation_bound is None
        assert outcome.parameters == {}
        assert len(outcome.history) == 1


def test_a_late_divergence_keeps_the_best_point_before_it(training: Any) -> None:
    """One bad image that the stream meets after the second validation."""
    spec = training.spec(maximum_steps=40)
    member = Member(spec, 200, ended)
    # One pass of 25 batches shows every image once; this one is in the eleventh.
    late = [member.next_images() for _ in range(11)][-1][0]
    damaged = training.images["train"].clone()
    damaged[late] = float("nan")
    outcome = training.run([spec], images={**training.images, "train": damaged})[0]
    assert outcome.state == "diverged"
    assert outcome.steps == 12
    assert outcome.best_step in (4, 8)
    assert outcome.best_validation_bound is not None
    assert all(torch.isfinite(value).all() for value in outcome.parameters.values())


def test_constant_pixels_raise_the_bound_without_end_and_without_nan(training: Any) -> None:
    flat = {name: torch.full_like(value, 0.25) for name, value in training.images.items()}
    spec = training.spec(maximum_steps=400, validation_interval=100, learning_rate=0.03)
    outcome = training.run([spec], images=flat)[0]
    assert outcome.state == "completed"
    curve = bounds_of(outcome)
    assert np.isfinite(curve).all()
    assert curve[-1] > curve[0] + 5


def test_only_runs_of_one_shape_and_rhythm_share_a_bank(training: Any) -> None:
    base = bank_key(training.spec())
    for axis, other in {
        "seed": 7,
        "fraction": 0.1,
        "stream": "restart",
        "protocol": "text",
        "stopping": "five_decreases",
    }.items():
        assert bank_key(training.spec(**{axis: other})) == base
    for name, other in {
        "hidden_units": 4,
        "latent_dimensions": 2,
        "learning_rate": 0.001,
        "objective": "evidence_lower_bound",
        "importance_samples": 3,
        "batch_size": 9,
        "validation_interval": 5,
        "maximum_steps": 25,
        "likelihood": "binomial",
        "data_set": "mnist",
    }.items():
        assert bank_key(training.spec(**{name: other})) != base


def test_the_world_is_told_of_every_validation_but_the_last(training: Any, world: Any) -> None:
    listening = world()
    outcome = training.run([training.spec()], world=listening)[0]
    assert [told.step for told in listening.told] == [row["step"] for row in outcome.history][:-1]
    assert {told.active_runs for told in listening.told} == {1}


def test_binomial_counts_are_trained_on_as_they_are_stored(training: Any) -> None:
    spec = training.spec(model="vae", likelihood="binomial")
    counts = {
        name: value.mul(16).round().to(torch.uint8) for name, value in training.images.items()
    }
    model = build_vae(ImageFacts(4, 4, "binomial", 16), spec)
    vae = dataclasses.replace(training, model=model, images=counts)
    outcome = vae.run([spec])[0]
    assert outcome.state == "completed"
    assert all(bound < 0 for bound in bounds_of(outcome))
