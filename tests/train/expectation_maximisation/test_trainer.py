"""Circuits in banks: expectation maximisation as alone, in epochs, and resumed bit for bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.mixture import GaussianMixture
from support.training import World

from workflow_src.config.models import hyperparameters_of
from workflow_src.models.building import build_model
from workflow_src.train.expectation_maximisation.trainer import bank_key, initial_parameters, train
from workflow_src.train.states import load_state, save_state
from workflow_src.train.training import InterruptedTrainingError, Outcome

HEIGHT, WIDTH, LEVELS = 2, 4, 16


def spec(model: str = "rat_spn", **changed: Any) -> dict[str, Any]:
    given = {"components": 3, "split_depth": 2, "repetitions": 2, "split_step": 1}
    declared = hyperparameters_of(model)
    return {
        "model": model,
        "data_set": "digits",
        "likelihood": "gaussian",
        "fraction": 1.0,
        "seed": 0,
        "protocol": "text",
        "stream": "full",
        **{name: given.get(name, one.default) for name, one in declared.items()},
        "batch_size": 16,
        "maximum_epochs": 4,
        **changed,
    }


def images(likelihood: str = "gaussian") -> dict[str, torch.Tensor]:
    """Two kinds of images with noise."""
    generator = torch.Generator().manual_seed(3)

    def some(count: int) -> torch.Tensor:
        kinds = torch.tensor([[0.2, 0.8] * 4, [0.7, 0.7, 0.1, 0.1] * 2])
        which = torch.randint(2, (count,), generator=generator)
        noise = 0.1 * torch.randn(count, HEIGHT * WIDTH, generator=generator)
        shares = (kinds[which] + noise).clamp(0, 1)
        return shares if likelihood == "gaussian" else (shares * LEVELS).round().to(torch.uint8)

    return {"train": some(80), "validation": some(24)}


def run(
    specs: list[dict[str, Any]], states: list[Any] | None = None, world: World | None = None
) -> dict[int, Outcome]:
    model = build_model(specs[0], (HEIGHT, WIDTH), LEVELS)
    outcomes = train(
        model,
        specs,
        images(specs[0]["likelihood"]),
        torch.device("cpu"),
        states or [None] * len(specs),
        (world or World()).hooks(),
    )
    return {outcome.run: outcome for outcome in outcomes}


def column(outcome: Outcome, name: str) -> list[float]:
    return [row[name] for row in outcome.history]


def assert_equal(one: Outcome, other: Outcome) -> None:
    for name in ("step", "training_bound", "validation_bound"):
        assert column(one, name) == column(other, name)
    assert one.parameters.keys() == other.parameters.keys()
    for name, value in other.parameters.items():
        assert torch.equal(one.parameters[name], value), name


@pytest.mark.parametrize("model", ["rat_spn", "pd_spn"])
@pytest.mark.parametrize("likelihood", ["gaussian", "binomial"])
def test_training_finds_structure_that_independent_pixels_do_not(
    model: str, likelihood: str
) -> None:
    settings = {"step_size": 0.3, "maximum_epochs": 15, "likelihood": likelihood}
    found = run([spec(model, **settings)])[0]
    alone = run([spec(model, components=1, repetitions=1, **settings)])[0]
    assert found.state == "completed"
    assert found.reason == "all planned epochs were made"
    assert found.best_validation_bound is not None
    assert alone.best_validation_bound is not None
    assert found.best_validation_bound > alone.best_validation_bound + 1
    assert found.best_validation_bound == max(column(found, "validation_bound"))


def test_epochs_are_counted_and_validated_at_the_interval() -> None:
    outcome = run([spec(maximum_epochs=7, validation_interval=3)])[0]
    assert column(outcome, "step") == [3, 6, 7]
    assert outcome.steps == 7


def test_the_checkpoint_is_the_best_validation() -> None:
    given = spec()
    outcome = run([given])[0]
    model = build_model(given, (HEIGHT, WIDTH), LEVELS)
    found = model.log_likelihood(outcome.parameters, images()["validation"]).mean().item()
    assert found == pytest.approx(outcome.best_validation_bound, rel=1e-5)
    assert outcome.parameters.keys() == model.parameter_shapes().keys()
    for name, shape in model.parameter_shapes().items():
        assert outcome.parameters[name].shape == shape


def test_validation_does_not_change_training() -> None:
    one = run([spec(maximum_epochs=4, validation_interval=1)])[0]
    other = run([spec(maximum_epochs=4, validation_interval=4)])[0]
    assert column(one, "validation_bound")[-1] == column(other, "validation_bound")[-1]


def test_one_component_finds_the_moments_of_all_images_in_one_epoch() -> None:
    whole = {"batch_size": 0, "step_size": 1.0, "maximum_epochs": 1}
    outcome = run([spec(components=1, repetitions=1, **whole)])[0]
    oracle = GaussianMixture(1, covariance_type="diag", reg_covar=0).fit(images()["train"])
    expected = oracle.score(images()["validation"])
    assert outcome.best_validation_bound == pytest.approx(expected, rel=1e-4)


def test_batches_of_a_step_are_one_large_batch() -> None:
    """80 images: in four batches of 20 for one step, or at once."""
    large = run([spec(batch_size=0, step_size=1.0)])[0]
    for batches in (0, 4):
        small = run([spec(batch_size=20, batches_per_step=batches, step_size=1.0)])[0]
        for name in ("training_bound", "validation_bound"):
            np.testing.assert_allclose(column(small, name), column(large, name), rtol=1e-4)


def test_what_is_left_of_an_epoch_makes_a_step() -> None:
    """Three batches to a step of five: steps after the third and the fifth."""
    outcome = run([spec(batches_per_step=3, step_size=1.0, maximum_epochs=1)])[0]
    model = build_model(spec(), (HEIGHT, WIDTH), LEVELS)
    assert outcome.state == "completed"
    start = initial_parameters(model, spec(), images()["train"])
    moved = [name for name in start if not torch.equal(start[name], outcome.parameters[name])]
    assert "leaf.mean" in moved


def test_all_images_in_a_step_never_lower_the_training_bound() -> None:
    outcome = run([spec(batch_size=0, step_size=1.0, maximum_epochs=20)])[0]
    assert (np.diff(column(outcome, "training_bound")) > -1e-4).all()


def test_runs_in_a_bank_are_what_they_are_alone() -> None:
    specs = [spec(seed=seed) for seed in range(3)]
    together = run(specs)
    for number, one in enumerate(specs):
        alone = run([one])[0]
        for name in ("training_bound", "validation_bound"):
            np.testing.assert_allclose(
                column(together[number], name), column(alone, name), rtol=1e-4
            )


def test_fractions_of_the_images_have_epochs_of_their_own() -> None:
    specs = [spec(), spec(fraction=0.5)]
    together = run(specs)
    for number, one in enumerate(specs):
        assert_equal(together[number], run([one])[0])


@pytest.mark.parametrize("model", ["rat_spn", "pd_spn"])
def test_a_resumed_run_is_the_uninterrupted_one_bit_for_bit(model: str, tmp_path: Path) -> None:
    specs = [spec(model, seed=seed) for seed in range(2)]
    whole = run(specs)
    world = World(stop_after_steps=12)  # in the third epoch of five batches
    with pytest.raises(InterruptedTrainingError):
        run(specs, world=world)
    assert sorted(world.states) == [0, 1]
    states = []
    for number in range(2):
        save_state(tmp_path / str(number), world.states[number])
        states.append(load_state(tmp_path / str(number)))
    resumed = run(specs, states)
    for number in range(2):
        assert_equal(resumed[number], whole[number])


def test_runs_at_different_epochs_go_on_alone() -> None:
    specs = [spec(seed=seed) for seed in range(2)]
    world = World(stop_after_steps=12)
    with pytest.raises(InterruptedTrainingError):
        run(specs[:1], world=world)
    found = run(specs, [world.states[0], None])
    assert found[0].bank == (0,)
    assert_equal(found[0], run(specs[:1])[0])
    assert_equal(found[1], run(specs[1:])[0])


def test_a_run_that_leaves_all_numbers_has_diverged() -> None:
    specs = [spec()]
    model = build_model(specs[0], (HEIGHT, WIDTH), LEVELS)
    pixels = images()
    pixels["train"] = torch.where(torch.arange(8) == 3, torch.inf, pixels["train"])
    (outcome,) = train(model, specs, pixels, torch.device("cpu"), [None], World().hooks())
    assert outcome.state == "diverged"


def test_seeds_and_fractions_share_banks_and_shapes_do_not() -> None:
    assert bank_key(spec()) == bank_key(spec(seed=4, fraction=0.5, stream="restart"))
    assert bank_key(spec()) != bank_key(spec(components=4))
    assert bank_key(spec()) != bank_key(spec(structure_seed=1))
