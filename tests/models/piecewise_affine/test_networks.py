"""Networks against a plain loop over units, and their maps against finite differences."""

from __future__ import annotations

import numpy as np
import pytest
from support.random_networks import KINDS, plain_outputs, random_network

from workflow_src.models.piecewise_affine.networks import (
    Activation,
    Kind,
    Network,
    affine_maps,
    layer_maps,
    outputs,
    rescaled,
    signs,
    with_layer,
)

LATENTS = np.random.default_rng(5).standard_normal((20, 3))


@pytest.mark.parametrize("kind", KINDS)
def test_outputs_are_those_of_a_loop_over_units(kind: Kind) -> None:
    network = random_network([3, 5, 4, 2], kind=kind)
    expected = [plain_outputs(network, latent) for latent in LATENTS]
    np.testing.assert_allclose(outputs(network, LATENTS), expected, atol=1e-14)


@pytest.mark.parametrize("kind", KINDS)
def test_the_map_of_a_region_has_the_slopes_and_values_of_the_network_there(kind: Kind) -> None:
    network = random_network([3, 5, 4, 2], kind=kind)
    maps = affine_maps(network, signs(network, LATENTS))
    for latent, slopes, offsets in zip(LATENTS, maps.slopes, maps.offsets, strict=True):
        value = plain_outputs(network, latent)
        np.testing.assert_allclose(slopes @ latent + offsets, value, atol=1e-14)
        moved = [(plain_outputs(network, latent + 1e-6 * e) - value) / 1e-6 for e in np.eye(3)]
        np.testing.assert_allclose(slopes, np.transpose(moved), atol=1e-8)


def test_a_network_without_hidden_layers_is_its_own_map() -> None:
    network = random_network([3, 2])
    assert signs(network, LATENTS).shape == (20, 0)
    maps = affine_maps(network, np.zeros((1, 0), dtype=bool))
    np.testing.assert_array_equal(maps.slopes[0], network.weights[0])
    np.testing.assert_array_equal(maps.offsets[0], network.biases[0])


def test_signs_are_of_all_hidden_layers_in_order() -> None:
    network = Network(
        (np.array([[1.0], [-1.0]]), np.array([[1.0, 0.0]]), np.array([[1.0]])),
        (np.zeros(2), np.array([-1.0]), np.zeros(1)),
        Activation("relu"),
    )
    expected = [[False, True, False], [True, False, False], [True, False, True]]
    assert signs(network, np.array([[-2.0], [0.5], [2.0]])).tolist() == expected


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("layer", [1, 2, 3])
def test_layer_maps_say_what_a_change_of_a_layer_does(kind: Kind, layer: int) -> None:
    network = random_network([3, 5, 4, 2], kind=kind)
    inside = signs(network, LATENTS)
    maps = layer_maps(network, inside, layer)
    stream = np.random.default_rng(1)
    weights = network.weights[layer - 1]
    # So small a change that no unit changes its sign at these latents.
    change, shift = 1e-9 * stream.standard_normal(weights.shape), 1e-9 * stream.random(len(weights))
    changed = with_layer(network, layer, weights + change, network.biases[layer - 1] + shift)
    assert (signs(changed, LATENTS) == inside).all()
    inputs = np.einsum("ris,rs->ri", maps.inputs_slopes, LATENTS) + maps.inputs_offsets
    expected = np.einsum("rdi,ri->rd", maps.back, inputs @ change.T + shift)
    found = [plain_outputs(changed, z) - plain_outputs(network, z) for z in LATENTS]
    np.testing.assert_allclose(expected, found, atol=1e-14)
    assert np.abs(found).max() > 1e-11


def test_layer_maps_are_identities_at_the_ends() -> None:
    network = random_network([3, 5, 2])
    inside = signs(network, LATENTS)
    first, last = layer_maps(network, inside, 1), layer_maps(network, inside, 2)
    np.testing.assert_array_equal(first.inputs_slopes, np.tile(np.eye(3), (20, 1, 1)))
    np.testing.assert_array_equal(first.inputs_offsets, np.zeros((20, 3)))
    np.testing.assert_array_equal(last.back, np.tile(np.eye(2), (20, 1, 1)))


@pytest.mark.parametrize("kind", KINDS)
def test_rescaling_units_leaves_the_function(kind: Kind) -> None:
    network = random_network([3, 5, 4, 2], kind=kind)
    other = rescaled(network, 2, np.array([0.1, 2.0, 30.0, 1.0]))
    assert not np.allclose(other.weights[1], network.weights[1])
    np.testing.assert_allclose(outputs(other, LATENTS), outputs(network, LATENTS), atol=1e-13)


@pytest.mark.parametrize(
    ("layer", "factors"), [(0, [1.0] * 3), (3, [1.0] * 2), (2, [1, 1, -1, 1]), (2, [1, 1, 0, 1])]
)
def test_only_hidden_layers_are_rescaled_by_positive_factors(
    layer: int, factors: list[float]
) -> None:
    with pytest.raises(ValueError, match=r"hidden layers|positive factors"):
        rescaled(random_network([3, 5, 4, 2]), layer, np.asarray(factors))


def test_sizes_of_a_network() -> None:
    network = random_network([3, 5, 4, 2])
    sizes = network.latent_dimensions, network.outputs, network.layers, network.hidden_units
    assert sizes == (3, 2, 3, (5, 4))


def test_max_pooling_is_refused_with_the_reason() -> None:
    with pytest.raises(ValueError, match="not by the sign of each unit"):
        Activation("max_pooling")  # type: ignore[arg-type]


@pytest.mark.parametrize(("kind", "leak"), [("tanh", 0.1), ("leaky_relu", 1.0), ("leaky_relu", 0)])
def test_other_activations_and_leaks_are_refused(kind: Kind, leak: float) -> None:
    with pytest.raises(ValueError, match=r"activation|leak"):
        Activation(kind, leak)


@pytest.mark.parametrize(
    ("weights", "biases"),
    [
        ([np.ones((2, 1)), np.ones((1, 3))], [np.ones(2), np.ones(1)]),
        ([np.ones((2, 1))], [np.ones(1)]),
        ([np.ones((2, 1))], []),
        ([np.full((2, 1), np.nan)], [np.ones(2)]),
    ],
)
def test_layers_that_do_not_fit_or_are_not_finite_are_refused(
    weights: list[np.ndarray], biases: list[np.ndarray]
) -> None:
    with pytest.raises(ValueError, match=r"layer on|one bias vector|finite"):
        Network(tuple(weights), tuple(biases), Activation("relu"))
