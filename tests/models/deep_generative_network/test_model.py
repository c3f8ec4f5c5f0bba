"""The deep generative network as a model: its starts, its parameters and its encoder."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from workflow_src.models.deep_generative_network.encoder import LEAK, Encoder
from workflow_src.models.deep_generative_network.model import (
    ENCODER,
    GeneratorModel,
    build,
    packed_gradient,
)
from workflow_src.models.images import ImageFacts
from workflow_src.models.piecewise_affine.maximisation.gradients import Gradients
from workflow_src.train.names import STATE

HYPERPARAMETERS = {
    "latent_dimensions": 1,
    "hidden_units": 5,
    "hidden_layers": 1,
    "last_hidden_units": 0,
    "activation": "leaky_relu",
    "leak": 0.1,
    "noise_covariance": "isotropic",
    "starting_noise": 0.3,
}

KINDS = ("isotropic", "diagonal", "full")


def model(values: int = 2, **changed: Any) -> GeneratorModel:
    return build(ImageFacts(1, values, "gaussian_noise", 0), {**HYPERPARAMETERS, **changed})


def start(one: GeneratorModel, seed: int = 0) -> dict[str, torch.Tensor]:
    return one.initial_parameters(torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("kind", "parameters"),
    [("isotropic", 22 + 1), ("diagonal", 22 + 2), ("full", 22 + 3)],
)
def test_the_parameters_are_counted(kind: str, parameters: int) -> None:
    """5 + 5 of the hidden layer, 10 + 2 of the last, and the covariance's own."""
    one = model(noise_covariance=kind)
    assert one.parameter_count() == parameters
    assert sum(value.numel() for value in start(one).values()) == parameters
    assert {name: tuple(value.shape) for name, value in start(one).items()} == (
        one.parameter_shapes()
    )


@pytest.mark.parametrize(
    ("changed", "widths"),
    [
        ({}, (1, 5, 784)),
        ({"hidden_layers": 0, "last_hidden_units": 3}, (1, 784)),
        ({"hidden_layers": 3, "latent_dimensions": 2}, (2, 5, 5, 5, 784)),
        ({"hidden_layers": 2, "hidden_units": 8, "last_hidden_units": 16}, (1, 8, 16, 784)),
    ],
)
def test_the_widths_are_the_hyperparameters(
    changed: dict[str, Any], widths: tuple[int, ...]
) -> None:
    assert model(784, **changed).widths == widths


@pytest.mark.parametrize("kind", KINDS)
def test_the_starting_weights_depend_on_no_noise(kind: str) -> None:
    plain, other = start(model()), start(model(noise_covariance=kind, starting_noise=2.0))
    for name in plain.keys() - {"noise"}:
        assert torch.equal(plain[name], other[name])
    noise = model(noise_covariance=kind, starting_noise=2.0).generative_network(other).noise
    np.testing.assert_array_equal(noise.matrix(), 4 * np.eye(2))
    assert not torch.equal(plain["weights.1"], start(model(), seed=1)["weights.1"])


def test_the_starting_numbers_have_the_variances_that_are_said() -> None:
    """Of 40,000 numbers the variance is known to 0.7 %, and six times that is allowed."""
    wide = start(model(200, hidden_units=200, hidden_layers=2))
    assert wide["weights.2"].var().item() == pytest.approx(2 / 200, rel=0.05)
    assert wide["weights.3"].var().item() == pytest.approx(1 / 200, rel=0.05)
    assert wide["biases.2"].std().item() == pytest.approx(1, rel=0.3)
    assert not wide["biases.3"].any()


@pytest.mark.parametrize("kind", KINDS)
def test_parameters_and_densities_are_one_to_one(kind: str) -> None:
    one = model(3, noise_covariance=kind, hidden_layers=2)
    parameters = start(one)
    mixed = torch.randn(3, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    covariance = mixed @ mixed.T + torch.eye(3)
    parameters["noise"] = {
        "isotropic": covariance[0, 0],
        "diagonal": covariance.diagonal().clone(),
        "full": covariance[tuple(torch.tril_indices(3, 3))],
    }[kind]
    density = one.generative_network(parameters)
    if kind == "full":
        np.testing.assert_array_equal(np.tril(density.noise.matrix()), covariance.tril())
        np.testing.assert_array_equal(density.noise.matrix(), density.noise.matrix().T)
    again = one.parameters_of(density)
    assert again.keys() == parameters.keys()
    for name, value in parameters.items():
        assert torch.equal(again[name], value), name
        assert again[name].dtype == torch.float64


@pytest.mark.parametrize(("name", "value"), [("weights.1", torch.nan), ("noise", -1.0)])
def test_what_is_no_density_is_refused(name: str, value: float) -> None:
    parameters = start(model())
    parameters[name] = torch.full_like(parameters[name], value)
    with pytest.raises(ValueError, match="finite"):
        model().generative_network(parameters)


def test_a_derivative_by_the_triangle_is_that_of_both_its_places() -> None:
    slope = np.array([[1.0, 0.5], [0.5, 2.0]])
    packed = packed_gradient(Gradients((np.ones((2, 1)),), (np.zeros(2),), slope))
    # f(C) = <slope, C>, with C = [[a, b], [b, c]]: a + 2 (0.5 b) + 2 c.
    assert packed["noise"].tolist() == [1.0, 1.0, 2.0]
    assert packed["weights.1"].tolist() == [[1.0], [1.0]]


def test_an_encoder_is_read_from_a_checkpoint() -> None:
    """One hidden unit, by hand: 2 x1 - 3 = -1 leaks to -0.1; mean 1 - 0.1 w, deviation e^-0.2."""
    assert model().encoded(start(model()), np.zeros((4, 2))) is None
    encoder = {
        "encoder.weights.1": [[2.0, 0.0]],
        "encoder.biases.1": [-3.0],
        "encoder.weights.2": [[5.0], [2.0]],
        "encoder.biases.2": [1.0, 0.0],
    }
    held = {ENCODER + k: torch.tensor(v, dtype=torch.float64) for k, v in encoder.items()}
    found = model().encoded(start(model()) | held, np.array([[1.0, 7.0], [2.0, 7.0]]))
    assert found is not None
    means, covariances = found
    np.testing.assert_allclose(means, [[1 - 5 * LEAK], [6.0]], rtol=1e-15)
    np.testing.assert_allclose(covariances, np.exp([[[-4 * LEAK]], [[4.0]]]), rtol=1e-15)


def test_an_encoder_is_known_by_its_parameters() -> None:
    encoder = Encoder.shaped(3, 4, 2, 2)
    assert encoder.widths == (3, 4, 4, 4)
    parameters = encoder.initial_parameters(torch.Generator().manual_seed(0))
    assert {name: tuple(one.shape) for name, one in parameters.items()} == (
        encoder.parameter_shapes()
    )
    assert Encoder.of(parameters) == encoder
    assert Encoder.shaped(3, 4, 0, 2).widths == (3, 4)


def test_encoders_are_not_counted_as_trained_numbers_of_the_density() -> None:
    assert ENCODER.startswith(STATE)
