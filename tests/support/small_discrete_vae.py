"""Small discrete VAEs in float64, and what NumPy says about them by enumerating their units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
import torch
from scipy.special import expit, log_expit

from workflow_src.models.discrete_vae.model import DiscreteVae, build
from workflow_src.models.images import ImageFacts
from workflow_src.models.latent_variables import NoiseShape

Tensors = dict[str, torch.Tensor]
Arrays = Mapping[str, np.ndarray]

HYPERPARAMETERS: dict[str, Any] = {
    "network": "nonlinear",
    "latent_units": 3,
    "latent_layers": 1,
    "hidden_units": 5,
    "hidden_layers": 2,
    "normalisation": "none",
    "prior": "directed",
    "chains": 6,
    "gibbs_sweeps": 2,
    "objective": "joint_bound",
    "smoothing": "overlapping_exponential",
    "inverse_temperature": 3.0,
    "final_inverse_temperature": 3.0,
    "code_values": "zero_one",
}
MEAN = torch.tensor([0.2, 0.9, 0.5, 0.0])
IMAGE = torch.tensor([1.0, 0.0, 1.0, 1.0], dtype=torch.float64)


def small_model(**hyperparameters: Any) -> DiscreteVae:
    """On images of 2 x 2 pixels."""
    return build(ImageFacts(2, 2, "bernoulli", 1), HYPERPARAMETERS | hyperparameters)


def random_case(model: DiscreteVae, seed: int = 0, spread: float = 0.7) -> tuple[Tensors, Tensors]:
    """Parameters and state of a bank of one with nothing at zero, in float64."""
    generator = torch.Generator().manual_seed(seed)
    parameters = model.initial_parameters(generator, MEAN)
    state = model.initial_state(generator, MEAN)

    def moved(values: torch.Tensor) -> torch.Tensor:
        noise = torch.randn(values.shape, generator=generator)
        return (values + spread * noise).double().unsqueeze(0)

    for name, value in state.items():
        state[name] = value.double().unsqueeze(0)
        if name.endswith(("moving_mean", "moving_variance")):
            state[name] = state[name] + torch.rand(value.shape, generator=generator)
    return {name: moved(value) for name, value in parameters.items()}, state


def noise_of(
    shapes: Mapping[str, NoiseShape], runs: int = 1, seed: int = 0, dtype: Any = torch.float64
) -> Tensors:
    generator = torch.Generator().manual_seed(seed)
    return {
        name: torch.rand(runs, *noise.shape, generator=generator, dtype=dtype)
        for name, noise in shapes.items()
    }


def arrays_of(*tensors: Tensors) -> dict[str, np.ndarray]:
    """Of the first run of the bank, by name."""
    return {name: value.detach()[0].numpy() for group in tensors for name, value in group.items()}


def network(arrays: Arrays, prefix: str, inputs: np.ndarray) -> np.ndarray:
    """A perceptron on one input vector, with moving statistics where it has them."""
    layers = sum(name.startswith(f"{prefix}.") and name.endswith(".weight") for name in arrays)
    values = inputs
    for layer in range(layers):
        name = f"{prefix}.{layer}"
        values = values @ arrays[f"{name}.weight"] + arrays[f"{name}.bias"]
        if f"{name}.scale" in arrays:
            deviation = np.sqrt(arrays[f"{name}.moving_variance"] + 0.01)
            values = (values - arrays[f"{name}.moving_mean"]) / deviation
            values = values * arrays[f"{name}.scale"] + arrays[f"{name}.shift"]
        if layer < layers - 1:
            values = np.tanh(values)
    return values


def codes(model: DiscreteVae, bits: Sequence[np.ndarray]) -> np.ndarray:
    """What networks see of so many groups of units."""
    joined = np.concatenate([np.zeros(0), *bits])
    return joined if model.networks.code_values == "zero_one" else 2 * joined - 1


def log_bernoulli(values: np.ndarray, logits: np.ndarray) -> float:
    return float((values * log_expit(logits) + (1 - values) * log_expit(-logits)).sum())


def all_units(model: DiscreteVae) -> list[list[np.ndarray]]:
    """Every state, as one array of bits for each layer."""
    units = model.networks.units
    states = [np.array(bits, dtype=float) for bits in product([0, 1], repeat=sum(units))]
    return [np.split(bits, np.cumsum(units)[:-1]) for bits in states]


def log_posterior(
    model: DiscreteVae, arrays: Arrays, image: np.ndarray, bits: Sequence[np.ndarray]
) -> float:
    """log q(z | x)."""
    centred = image - arrays["mean_image"]
    return sum(
        log_bernoulli(
            own,
            network(arrays, f"encoder.{i}", np.concatenate([centred, codes(model, bits[:i])])),
        )
        for i, own in enumerate(bits)
    )


def log_prior(model: DiscreteVae, arrays: Arrays, bits: Sequence[np.ndarray]) -> float:
    """log p(z), or -E(z) where it is a Boltzmann machine."""
    if "prior.weights" in arrays:
        joined = np.concatenate(bits)
        left, right = joined[: joined.size // 2], joined[joined.size // 2 :]
        single = left @ arrays["prior.visible_bias"] + right @ arrays["prior.hidden_bias"]
        return float(single + left @ arrays["prior.weights"] @ right)
    total = log_bernoulli(bits[0], arrays["prior.logits"])
    for i in range(1, len(bits)):
        logits = network(arrays, f"prior.{i}", codes(model, bits[:i]))
        total += log_bernoulli(bits[i], logits)
    return total


def log_likelihood(
    model: DiscreteVae, arrays: Arrays, image: np.ndarray, bits: Sequence[np.ndarray]
) -> float:
    """log p(x | z), of bits or of smoothed units."""
    return log_bernoulli(image, network(arrays, "decoder", codes(model, bits)))


def log_partition(model: DiscreteVae, arrays: Arrays) -> float:
    """log of the sum of the prior over all states; 0 for a directed one."""
    return float(np.logaddexp.reduce([log_prior(model, arrays, bits) for bits in all_units(model)]))


def exact_log_probability(model: DiscreteVae, arrays: Arrays, image: np.ndarray) -> float:
    """log p(x) of the binary model."""
    terms = [
        log_prior(model, arrays, bits) + log_likelihood(model, arrays, image, bits)
        for bits in all_units(model)
    ]
    return float(np.logaddexp.reduce(terms)) - log_partition(model, arrays)


def expected_pixels(model: DiscreteVae, arrays: Arrays) -> np.ndarray:
    """E[x] of the binary model, [D]."""
    unit = log_partition(model, arrays)
    return np.sum(
        [
            np.exp(log_prior(model, arrays, bits) - unit)
            * expit(network(arrays, "decoder", codes(model, bits)))
            for bits in all_units(model)
        ],
        axis=0,
    )
