"""Guessed seconds of runs in epochs: in the ratios that their sizes make likely."""

from __future__ import annotations

import pytest

from workflow_src.config.data_sets import data_set
from workflow_src.plan.guesses import guessed_seconds
from workflow_src.plan.specs import RunSpec, Scalar
from workflow_src.plan.step_guesses import step_milliseconds

VALUES: dict[str, Scalar] = {
    "method": "expectation_maximisation",
    "latent_dimensions": 1,
    "hidden_units": 8,
    "hidden_layers": 1,
    "maximum_epochs": 150,
    "validation_interval": 1,
    "batch_size": 0,
}


def guess(fraction: float = 1.0, **changed: Scalar) -> float:
    values = tuple({**VALUES, **changed}.items())
    model, data_set, likelihood = "deep_generative_network", "mnist", "gaussian_noise"
    spec = RunSpec(model, data_set, likelihood, fraction, 0, "text", "full", values)
    return guessed_seconds(spec, on_gpu=False)


def test_every_epoch_costs_alike() -> None:
    start, some, more = (guess(maximum_epochs=epochs) for epochs in (0, 10, 20))
    assert 0 < start < some
    assert more - some == pytest.approx(some - start)


def test_deeper_wider_and_more_are_slower() -> None:
    for changed in ({"hidden_layers": 2}, {"hidden_units": 16}, {"latent_dimensions": 2}):
        assert guess(**changed) > 1.5 * guess()
    assert guess(latent_dimensions=3) > guess(latent_dimensions=2)
    assert guess(fraction=0.1) == pytest.approx(0.1 * guess(), rel=0.1)


def test_divergences_of_encoders_count_by_their_points() -> None:
    def variational(points: int) -> float:
        return guess(method="variational", latent_dimensions=2, divergence_points=points)

    # MNIST has 50,000 training points.
    whole, half, none = variational(0), variational(25_000), variational(1)
    assert whole > 1.5 * none
    assert whole - half == pytest.approx(half - none, rel=0.01)
    assert variational(10**6) == whole
    em = guess(latent_dimensions=2, maximum_epochs=0)
    assert guess(method="variational", latent_dimensions=2, maximum_epochs=0) > 1.5 * em


def test_updates_of_batches_count() -> None:
    followed = {"validation_interval": 150, "divergence_points": 100}
    few = guess(method="variational", batch_size=5000, **followed)
    many = guess(method="variational", batch_size=50, **followed)
    assert many > 10 * few
    assert guess(method="exact_gradient") < guess()


A = "F(28,1)-G(49)"
B = "F(8,2)-G(49)-F(11,1)-G(49)"
E = "F(3,1)-G(25)-F(4,2)-G(25)-F(12,1)-G(49)"
F = "F(3,1)-G(25)-F(4,2)-G(25)-F(4,2)-G(25)-F(5,1)-G(49)"


@pytest.mark.parametrize(
    ("model", "values", "milliseconds"),
    [
        # Of a step of 100 images of 28 x 28 pixels, as timed with closed-form programs of one core.
        ("dcgmm", {"layout": A}, 0.84),
        ("dcgmm", {"layout": B}, 16),
        ("dcgmm", {"layout": E}, 70),
        ("dcgmm", {"layout": F}, 58),
        ("pd_spn", {"components": 40, "split_step": 7}, 12.8),
        ("rat_spn", {"components": 10, "split_depth": 4, "repetitions": 10}, 25),
        ("rat_spn", {"components": 20, "split_depth": 5, "repetitions": 10}, 122),
        ("rat_spn", {"components": 40, "split_depth": 1, "repetitions": 40}, 103),
        ("dgc_spn", {"sums": 16}, 1350),
        ("convolutional_classifier", {"filters": 64, "dense_units": 350}, 450),
    ],
)
def test_steps_are_guessed_within_a_factor_of_two(
    model: str, values: dict[str, Scalar], milliseconds: float
) -> None:
    guessed = step_milliseconds(model, {"batch_size": 100, **values}, data_set("mnist"))
    assert guessed is not None
    assert milliseconds / 2 < guessed < 2 * milliseconds


def of_epochs(data: str = "mnist", fraction: float = 1.0, **changed: Scalar) -> float:
    values = {"layout": B, "batch_size": 100, "maximum_epochs": 80, "validations": 1, **changed}
    hyperparameters = tuple(values.items())
    spec = RunSpec("dcgmm", data, "gaussian", fraction, 0, "authors", "full", hyperparameters)
    return guessed_seconds(spec, on_gpu=False)


def test_a_mixture_network_takes_its_epochs_times_its_images() -> None:
    # 80 epochs of 500 steps of 16 ms are 640 s.
    assert 320 < of_epochs() < 1280
    assert of_epochs(maximum_epochs=160) == pytest.approx(2 * of_epochs(), rel=0.01)
    assert of_epochs(fraction=0.1) == pytest.approx(0.1 * of_epochs(), rel=0.05)
    assert of_epochs("mnist_class_3") == pytest.approx(5091 / 50_000 * of_epochs(), rel=0.05)
    assert of_epochs(validations=1000) > 1.2 * of_epochs()


def test_more_of_anything_is_slower_and_all_images_may_be_one_batch() -> None:
    facts = data_set("mnist")

    def rat(**changed: Scalar) -> float:
        values: dict[str, Scalar] = {"components": 5, "split_depth": 3, "repetitions": 10}
        guessed = step_milliseconds("rat_spn", {**values, "batch_size": 100, **changed}, facts)
        assert guessed is not None
        return guessed

    for changed in ({"components": 20}, {"split_depth": 9}, {"repetitions": 40}):
        assert rat(**changed) > 1.5 * rat()
    assert rat(batch_size=0) == pytest.approx(rat(batch_size=50_000))
    values = {"components": 5, "split_depth": 3, "repetitions": 10, "batch_size": 0}
    spec = RunSpec(
        "rat_spn",
        "mnist",
        "gaussian",
        1.0,
        0,
        "authors",
        "full",
        tuple({**values, "maximum_epochs": 25, "validation_interval": 1}.items()),
    )
    assert 0 < guessed_seconds(spec, on_gpu=False) < 1e6
    assert 0 < guessed_seconds(spec, on_gpu=True) < guessed_seconds(spec, on_gpu=False)


def test_models_that_nobody_timed_have_no_guess_of_a_step() -> None:
    assert step_milliseconds("vae", {}, data_set("mnist")) is None


def judge_guess(data_set: str = "mnist", *, on_gpu: bool = False, **changed: Scalar) -> float:
    values = {"filters": 64, "dense_units": 350, "batch_size": 100, "maximum_epochs": 15}
    own = tuple({**values, **changed}.items())
    spec = RunSpec("convolutional_classifier", data_set, "gaussian", 1.0, 0, "text", "full", own)
    return guessed_seconds(spec, on_gpu=on_gpu)


def test_judges_cost_by_epochs_and_the_square_of_filters() -> None:
    assert judge_guess(maximum_epochs=30) == pytest.approx(2 * judge_guess())
    assert judge_guess(filters=128) == pytest.approx(4 * judge_guess(), rel=0.1)
    assert judge_guess("digits") < 0.01 * judge_guess()
    assert judge_guess(on_gpu=True) < judge_guess()
