"""Guessed seconds of runs in epochs: in the ratios that their sizes make likely."""

from __future__ import annotations

import pytest

from workflow_src.plan.guesses import guessed_seconds
from workflow_src.plan.specs import RunSpec, Scalar

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
