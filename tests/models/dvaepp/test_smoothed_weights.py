"""Weights at the temperature of training: their means are the smoothed model's probabilities.

These are computed from the prior alone, by enumerating bits and by quadrature over smoothed and
local variables.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from support.dvaepp import all_images, noise, random_bank, tiny
from torch import Tensor

from workflow_src.models.dvaepp.global_latents import DirectedLatents
from workflow_src.models.dvaepp.model import DvaeppModel

BETA = 2.0
POINTS = 5
SCALE = 0.4
BOLTZMANN = ("visible_bias", "hidden_bias", "weights")
SAMPLES = 12_000
IMAGES = all_images(4)[[0, 3, 5, 15]]
KINDS: list[dict[str, Any]] = [
    {"global_latents": "boltzmann_machine", "local_latents": "normal"},
    {"global_latents": "boltzmann_machine", "local_latents": "bernoulli", "global_groups": 1},
    {"global_latents": "boltzmann_machine", "smoothing": "spike_and_exponential"},
    {"global_latents": "bernoulli", "local_latents": "normal", "global_groups": 1},
]

Points = NDArray[np.float64]


def small(**values: Any) -> DvaeppModel:
    return tiny(**{"inverse_temperature": BETA, "local_groups": 1, **values})


def weighty(model: DvaeppModel) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """A bank of one whose pixels and bits depend much on its global codes."""
    parameters, state = random_bank(model, 1, SCALE)
    for name, value in parameters.items():
        if name.startswith("upsample") and name.endswith(("weight", "transposed")):
            value *= 3
    if "prior.weights" in parameters:
        parameters["prior.weights"] += 1.5
    return parameters, state


def unit_interval(points: int) -> tuple[Points, Points]:
    """Nodes and weights of Gauss and Legendre's quadrature from 0 to 1."""
    nodes, weights = np.polynomial.legendre.leggauss(points)
    return (nodes + 1) / 2, weights / 2


def masses(smoothing: str) -> tuple[Points, Points]:
    """Values of one smoothed unit, and the share of r(. | 0) and r(. | 1) at each, [2, values]."""
    nodes, weights = unit_interval(POINTS)
    rising = np.exp(BETA * nodes) * BETA / math.expm1(BETA) * weights
    if smoothing == "spike_and_exponential":
        at_zero = np.eye(POINTS + 1)[0]
        return np.append(0, nodes), np.stack([at_zero, np.append(0, rising)])
    falling = np.exp(-BETA * nodes) * BETA / -math.expm1(-BETA) * weights
    return nodes, np.stack([falling, rising])


def boltzmann_codes(parameters: dict[str, Tensor], smoothing: str) -> tuple[Tensor, Tensor]:
    """All values of four smoothed units [P, 4] under a Boltzmann machine, and their shares [P]."""
    visible, hidden, pairs = (parameters[f"prior.{name}"][0].numpy() for name in BOLTZMANN)
    bits = np.array(np.meshgrid(*[[0, 1]] * 4, indexing="ij")).reshape(4, -1).T
    energies = [z[:2] @ visible + z[2:] @ hidden + z[:2] @ pairs @ z[2:] for z in bits]
    probabilities = np.exp(energies) / np.exp(energies).sum()
    values, share = masses(smoothing)
    total = sum(
        p * np.einsum("a,b,c,d->abcd", *(share[one] for one in z))
        for p, z in zip(probabilities, bits, strict=True)
    )
    codes = np.array(np.meshgrid(*[values] * 4, indexing="ij")).reshape(4, -1).T
    return torch.tensor(codes), torch.tensor(np.ravel(total))


def bernoulli_codes(model: DvaeppModel, parameters: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """The same of independent units with the logits of the prior's bias."""
    assert isinstance(model.networks.globals_, DirectedLatents)
    chance = torch.sigmoid(parameters["global.prior.0.bias"][0]).numpy()
    values, share = masses("overlapping_exponential")
    mixed = [(1 - p) * share[0] + p * share[1] for p in chance]
    codes = np.array(np.meshgrid(*[values] * 4, indexing="ij")).reshape(4, -1).T
    return torch.tensor(codes), torch.tensor(np.einsum("a,b,c,d->abcd", *mixed).ravel())


def exact(model: DvaeppModel, parameters: dict[str, Tensor], kind: dict[str, Any]) -> Tensor:
    """p(x) of the images under the smoothed model."""
    if kind["global_latents"] == "bernoulli":
        codes, shares = bernoulli_codes(model, parameters)
    else:
        smoothing = kind.get("smoothing", "overlapping_exponential")
        codes, shares = boltzmann_codes(parameters, smoothing)
    if model.networks.locals_.distribution.noise == "normal":
        nodes, weights = np.polynomial.hermite_e.hermegauss(6)
        weights = weights / weights.sum()
    else:
        nodes, weights = unit_interval(6)
    rows = codes.repeat_interleave(len(nodes), dim=0).unsqueeze(0)
    shares = torch.outer(shares, torch.tensor(weights)).flatten()
    upsampled = model.networks._upsampled(parameters, rows, len(shares))
    # One map of one local variable, made of the prior's outputs by the quadrature's noise.
    local = model.networks.locals_
    prior = local._outputs(parameters, "local.prior.0", upsampled, local._prior_blocks)
    drawn = torch.tensor(nodes).repeat(len(codes)).view(-1, 1, 1, 1, 1)
    joined = torch.cat([upsampled, local.distribution.sample(prior, drawn)], dim=2)
    found = []
    for image in IMAGES:
        pixels = image.view(1, 1, 1, 2, 2).expand(len(shares), -1, -1, -1, -1)
        density = model.networks.decoder.log_density(parameters, "decoder", joined, pixels)
        found.append((density[:, 0].exp() * shares).sum())
    return torch.stack(found)


def log_partition(parameters: dict[str, Tensor]) -> float:
    if "prior.weights" not in parameters:
        return 0.0
    energies = []
    for bits in all_images(4):
        left, right = bits[:2], bits[2:]
        energy = left @ parameters["prior.visible_bias"][0]
        energy = energy + right @ parameters["prior.hidden_bias"][0]
        energies.append(energy + left @ parameters["prior.weights"][0] @ right)
    return float(torch.logsumexp(torch.stack(energies), dim=0))


def estimated(model: DvaeppModel, parameters: Any, state: Any) -> tuple[Tensor, Tensor]:
    """Means of the images' weights, and their standard errors."""
    drawn = noise(model.weight_noise(SAMPLES, len(IMAGES)), 1)
    log_weights = model.log_weights(parameters, state, IMAGES[None], drawn)[0]
    weights = torch.exp(log_weights - log_partition(parameters))
    return weights.mean(dim=0), weights.std(dim=0) / math.sqrt(SAMPLES)


@pytest.mark.parametrize("kind", KINDS)
def test_weights_of_the_smoothed_model_have_its_probabilities_for_means(
    kind: dict[str, Any],
) -> None:
    model = small(**kind)
    parameters, state = weighty(model)
    with torch.no_grad():
        wanted = exact(model, parameters, kind)
    means, errors = estimated(model.smoothed(), parameters, state)
    assert ((means - wanted) / errors).abs().max() < 4
    # In the binary limit it is another model, which these errors tell from this one.
    limit, limit_errors = estimated(model, parameters, state)
    standardised = (limit - wanted) / (errors**2 + limit_errors**2).sqrt()
    assert standardised.abs().max() > 6


def test_a_model_without_binary_variables_is_its_own_smoothed_one() -> None:
    model = small(global_latents="normal", local_latents="normal")
    assert model.smoothed() is model
    binary = small(global_latents="none", local_latents="bernoulli")
    assert binary.smoothed() != binary
    assert binary.smoothed().smoothed() == binary.smoothed()


@pytest.mark.parametrize("kind", KINDS)
def test_a_smoothed_weight_depends_on_its_own_run_image_and_noise_alone(
    kind: dict[str, Any],
) -> None:
    model = small(**kind).smoothed()
    parameters, state = random_bank(model, 2)
    images = torch.stack([all_images(4)[[3, 5, 14]], all_images(4)[[7, 0, 1]]])
    drawn = noise(model.weight_noise(2, 3), 2)
    together = model.log_weights(parameters, state, images, drawn)
    run, sample, image = 1, 1, 2
    alone = model.log_weights(
        {name: value[run:] for name, value in parameters.items()},
        {name: value[run:] for name, value in state.items()},
        images[run:, image:],
        {name: value[run:, sample:, image:] for name, value in drawn.items()},
    )
    torch.testing.assert_close(alone[0, 0, 0], together[run, sample, image])


@pytest.mark.parametrize("kind", [*KINDS, {"smoothing": "overlapping_logistic"}])
@pytest.mark.parametrize("inverse_temperature", [2.0, 30.0])
def test_smoothed_weights_are_finite_where_units_are_saturated(
    kind: dict[str, Any], inverse_temperature: float
) -> None:
    model = small(**kind, inverse_temperature=inverse_temperature).smoothed()
    parameters, state = random_bank(model, 1, 20.0)
    single = {name: value.float() for name, value in parameters.items()}
    drawn = {k: v.float() for k, v in noise(model.weight_noise(20, 16), 1).items()}
    floats = {name: value.float() for name, value in state.items()}
    weights = model.log_weights(single, floats, all_images(4).float()[None], drawn)
    assert weights.isfinite().all()
