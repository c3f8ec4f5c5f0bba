"""Weights, partition function and samples in the binary limit, against enumeration."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from tests.support.small_discrete_vae import (
    IMAGE,
    all_units,
    arrays_of,
    exact_log_probability,
    expected_pixels,
    log_partition,
    log_posterior,
    noise_of,
    random_case,
    small_model,
)

BATCH = {"normalisation": "batch"}
MACHINE = {"prior": "boltzmann_machine"}
KINDS: list[dict[str, Any]] = [
    {"network": "linear", "latent_units": 5},
    {"objective": "rebar", "code_values": "plus_minus_one"},
    {"latent_layers": 2, **BATCH},
    {"latent_layers": 2, "code_values": "plus_minus_one", "network": "linear"},
    {"latent_units": 6, **MACHINE, **BATCH},
    {"latent_layers": 2, **MACHINE},
]


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_weights_over_all_states_sum_to_the_probability(kind: dict[str, Any]) -> None:
    """The noise that forces every state, weighed by q as NumPy has it."""
    model = small_model(**kind)
    parameters, state = random_case(model)
    arrays, image = arrays_of(parameters, state), IMAGE.numpy()
    states = all_units(model)
    bits = torch.tensor(np.array([np.concatenate(one) for one in states]))
    noise = {"uniform": (bits * (1 - 1e-16)).view(1, len(states), 1, -1)}
    weights = model.log_weights(parameters, state, IMAGE.view(1, 1, 4), noise)[0, :, 0].numpy()
    log_q = np.array([log_posterior(model, arrays, image, one) for one in states])
    assert np.exp(log_q).sum() == pytest.approx(1)
    found = np.logaddexp.reduce(log_q + weights) - log_partition(model, arrays)
    assert found == pytest.approx(exact_log_probability(model, arrays, image), abs=1e-10)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_the_mean_weight_of_drawn_bits_is_the_probability(kind: dict[str, Any]) -> None:
    model = small_model(**kind)
    parameters, state = random_case(model, spread=0.4)
    arrays = arrays_of(parameters, state)
    exact = np.exp(exact_log_probability(model, arrays, IMAGE.numpy()))
    samples = 40_000
    noise = noise_of(model.weight_noise(samples, 1), seed=4)
    weights = model.log_weights(parameters, state, IMAGE.view(1, 1, 4), noise)[0, :, 0]
    shares = torch.exp(weights - log_partition(model, arrays)).numpy()
    error = shares.std() / np.sqrt(samples)
    assert error < 0.05 * exact
    assert abs(shares.mean() - exact) < 4 * error


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_the_log_partition_function_is_exact_for_few_units(kind: dict[str, Any]) -> None:
    model = small_model(**kind)
    parameters, state = random_case(model)
    streams = [torch.Generator().manual_seed(0)]
    found = model.log_partition(parameters, streams, "training")
    expected = log_partition(model, arrays_of(parameters, state))
    assert found.value.tolist() == pytest.approx([expected], abs=1e-9)
    assert found.standard_error.tolist() == [0.0]
    assert bool(model.log_partition_estimates(parameters, streams)) == (
        kind.get("prior") is not None
    )


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_samples_have_the_models_expected_pixels(kind: dict[str, Any]) -> None:
    model = small_model(**kind)
    parameters, state = random_case(model)
    expected = expected_pixels(model, arrays_of(parameters, state))
    # A checkpoint has no chains, and samples need none.
    state = {name: value for name, value in state.items() if not name.startswith("chains")}
    states, draws = (600 if "prior" in kind else 3000), 2
    stream = torch.Generator().manual_seed(7)
    images, means = model.draw(parameters, state, stream, states, draws)
    assert means.shape == images.shape == (states, draws, 4)
    assert set(images.unique().tolist()) <= {0.0, 1.0}
    by_state = means.mean(dim=1)
    error = (by_state.std(dim=0) / states**0.5).numpy()
    assert (np.abs(by_state.mean(dim=0).numpy() - expected) < 4.5 * error + 1e-6).all()
    # Draws of one state may agree, so that there are as many as states; rare pixels may be absent.
    error = np.sqrt(expected * (1 - expected) / states)
    off = np.abs(images.mean(dim=(0, 1)).numpy() - expected)
    assert (off < 4.5 * error + 3 / states).all()
    # The means are those that the images were drawn from.
    off_by = ((images - means) / (means * (1 - means)).sqrt()).clamp(-20, 20)
    assert off_by.mean().abs().item() < 4 / (states * draws * 4) ** 0.5
    shared = kind.get("latent_layers", 1) == 1 or "prior" in kind
    assert torch.equal(means[:, 0], means[:, 1]) == shared
