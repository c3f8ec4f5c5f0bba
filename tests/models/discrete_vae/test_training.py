"""What training ascends: bounds against quadrature, gradients against enumeration."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import expit, log_expit

from tests.support.small_discrete_vae import (
    IMAGE,
    all_units,
    arrays_of,
    log_likelihood,
    log_posterior,
    log_prior,
    network,
    noise_of,
    random_case,
    small_model,
)
from workflow_src.models.discrete_vae.model import DiscreteVae
from workflow_src.models.latent_variables import Schedule

BETA = 3.0
NODES = 60
FULL = Schedule(progress=1.0, kl_weight=1.0)


def components(zeta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The overlapping exponentials' r(zeta | 0) and r(zeta | 1)."""
    norm = (1 - np.exp(-BETA)) / BETA
    return np.exp(-BETA * zeta) / norm, np.exp(BETA * (zeta - 1)) / norm


def mixture(zeta: np.ndarray, logit: np.ndarray) -> np.ndarray:
    zero, one = components(zeta)
    return expit(-logit) * zero + expit(logit) * one


def kl(logit: np.ndarray, prior: np.ndarray) -> np.ndarray:
    """KL of Bernoulli units."""
    return expit(logit) * (log_expit(logit) - log_expit(prior)) + expit(-logit) * (
        log_expit(-logit) - log_expit(-prior)
    )


def integrals(model: DiscreteVae, arrays: dict[str, np.ndarray]) -> dict[str, float]:
    """Both bounds and log p(x) of a smoothed model with one unit in every layer."""
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    nodes, weights = (nodes + 1) / 2, weights / 2
    image, layers = IMAGE.numpy(), len(model.networks.units)
    totals = {"joint_bound": 0.0, "marginal_bound": 0.0, "probability": 0.0}
    for at in product(range(NODES), repeat=layers):
        zeta = [nodes[i : i + 1] for i in at]
        q, p, closed = 1.0, 1.0, 0.0
        for layer in range(layers):
            before = [*zeta[:layer]]
            inputs = np.concatenate([image - arrays["mean_image"], *before])
            own = network(arrays, f"encoder.{layer}", inputs)
            prior = arrays["prior.logits"]
            if layer:
                prior = network(arrays, f"prior.{layer}", np.concatenate(before))
            q *= mixture(zeta[layer], own).item()
            p *= mixture(zeta[layer], prior).item()
            closed += kl(own, prior).item()
        volume = np.prod(weights[list(at)])
        fit = log_likelihood(model, arrays, image, zeta)
        totals["joint_bound"] += volume * q * (fit - closed)
        totals["marginal_bound"] += volume * q * (fit - np.log(q / p))
        totals["probability"] += volume * p * np.exp(fit)
    totals["log_probability"] = float(np.log(totals.pop("probability")))
    return totals


@pytest.mark.parametrize(
    "kind", [{}, {"latent_layers": 2, "hidden_layers": 1}, {"normalisation": "batch"}], ids=str
)
def test_bounds_are_the_integrals_and_in_order(kind: dict[str, Any]) -> None:
    """The mean over the noise by a fine rule: Gauss-Legendre in the uniform numbers."""
    model = small_model(latent_units=1, objective="marginal_bound", **kind)
    parameters, state = random_case(model, seed=3)
    exact = integrals(model, arrays_of(parameters, state))
    layers = len(model.networks.units)
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    uniform = torch.tensor(list(product((nodes + 1) / 2, repeat=layers)))
    shares = torch.tensor([np.prod(w) for w in product(weights / 2, repeat=layers)])
    pixels = IMAGE.expand(1, len(uniform), 4)
    noise = {"uniform": uniform.unsqueeze(0)}
    bounds = model.training_bounds(parameters, state, pixels, noise)
    found = {name: float((values[0] * shares).sum()) for name, values in bounds.items()}
    assert found["joint_bound"] == pytest.approx(exact["joint_bound"], abs=1e-6)
    assert found["marginal_bound"] == pytest.approx(exact["marginal_bound"], abs=1e-6)
    assert found["joint_bound"] < found["marginal_bound"] < exact["log_probability"]
    if "normalisation" not in kind:
        for name in ("joint_bound", "marginal_bound"):
            one = small_model(latent_units=1, objective=name, **kind)
            step = one.training_step(parameters, state, pixels[:, :7], _first(noise, 7), FULL)
            torch.testing.assert_close(step.bound, bounds[name][:, :7].mean(dim=1))
            torch.testing.assert_close(step.objective, step.bound)


def _first(noise: dict[str, torch.Tensor], images: int) -> dict[str, torch.Tensor]:
    return {name: value[:, :images] for name, value in noise.items()}


@pytest.mark.parametrize(
    "kind",
    [
        {"objective": "nvil"},
        {"objective": "joint_bound", "prior": "boltzmann_machine", "latent_layers": 2},
        {"objective": "marginal_bound", "smoothing": "concrete"},
    ],
    ids=str,
)
def test_models_that_do_not_have_both_bounds_give_none(kind: dict[str, Any]) -> None:
    model = small_model(**kind)
    parameters, state = random_case(model)
    noise = noise_of(model.training_noise(1))
    assert model.training_bounds(parameters, state, IMAGE.view(1, 1, 4), noise) == {}


@pytest.mark.parametrize("kind", [{}, {"latent_layers": 2}, {"objective": "muprop"}], ids=str)
def test_group_divergences_are_the_closed_form(kind: dict[str, Any]) -> None:
    """Of the first layer, which depends on no noise; all are positive."""
    model = small_model(**kind)
    parameters, state = random_case(model)
    arrays = arrays_of(parameters, state)
    own = network(arrays, "encoder.0", IMAGE.numpy() - arrays["mean_image"])
    expected = kl(own, arrays["prior.logits"]).sum()
    pixels = IMAGE.expand(1, 3, 4)
    found = model.group_divergences(parameters, state, pixels, noise_of(model.training_noise(3)))
    assert found.shape == (1, len(model.networks.units))
    assert found[0, 0].item() == pytest.approx(expected)
    assert (found > 0).all()


def exact_bound(model: DiscreteVae, arrays: dict[str, np.ndarray]) -> float:
    """E_q[log p(x, z) - log q(z | x)] of the binary model, without any partition function."""
    image, total = IMAGE.numpy(), 0.0
    for bits in all_units(model):
        log_q = log_posterior(model, arrays, image, bits)
        fit = log_likelihood(model, arrays, image, bits)
        total += np.exp(log_q) * (fit + log_prior(model, arrays, bits) - log_q)
    return total


CHECKED = ("encoder.0.0.weight", "encoder.0.0.bias", "decoder.0.weight", "prior.logits")


@pytest.mark.parametrize("objective", ["nvil", "muprop", "rebar"])
def test_score_functions_ascend_the_binary_bound(objective: str) -> None:
    """Gradients of many draws against finite differences of the enumerated bound."""
    model = small_model(objective=objective, network="linear")
    parameters, state = random_case(model, seed=2)
    if objective == "nvil":  # a deviation below 1 divides nothing
        state["signal.variance"] = torch.full((1,), 0.5, dtype=torch.float64)
    draws, repetitions = 2000, 30
    grads: dict[str, list[torch.Tensor]] = {name: [] for name in CHECKED}
    for repetition in range(repetitions):
        own = {name: value.clone().requires_grad_() for name, value in parameters.items()}
        noise = noise_of(model.training_noise(draws), seed=repetition)
        pixels = IMAGE.expand(1, draws, 4)
        model.training_step(own, state, pixels, noise, FULL).objective.sum().backward()
        for name in CHECKED:
            grads[name].append(own[name].grad[0])
    for name in CHECKED:
        found = torch.stack(grads[name])
        error = found.std(dim=0) / repetitions**0.5
        expected = torch.zeros_like(parameters[name][0])
        step = 1e-5
        for index in np.ndindex(*expected.shape):
            ends = []
            for h in (step, -step):
                arrays = arrays_of(parameters, state)
                arrays[name] = arrays[name].copy()
                arrays[name][index] += h
                ends.append(exact_bound(model, arrays))
            expected[index] = (ends[0] - ends[1]) / (2 * step)
        # 5 standard errors of 30 means; the small number is that of exact gradients.
        assert ((found.mean(dim=0) - expected).abs() < 5 * error + 1e-7).all(), name
        assert (error < 0.1 * expected.abs().max()).all(), name


def test_the_boltzmann_machine_ascends_its_bound() -> None:
    """Chains that are the machine's distribution make its gradient that of the exact bound.

    Two units with equal biases of 0 and weight log 3 are both on in three of six states.
    """
    model = small_model(latent_units=2, prior="boltzmann_machine", network="linear")
    parameters, state = random_case(model, seed=5)
    for name in ("prior.visible_bias", "prior.hidden_bias"):
        parameters[name] = torch.zeros_like(parameters[name])
    parameters["prior.weights"] = torch.full((1, 1, 1), np.log(3.0), dtype=torch.float64)
    states = [(0, 0), (0, 1), (1, 0), (1, 1), (1, 1), (1, 1)]
    chains = torch.tensor(states, dtype=torch.float64).unsqueeze(0)
    state |= {"chains.left": chains[..., :1], "chains.right": chains[..., 1:]}
    noise = noise_of(model.training_noise(3))
    own = {name: value.clone().requires_grad_() for name, value in parameters.items()}
    pixels = IMAGE.expand(1, 3, 4)
    model.training_step(own, state, pixels, noise, FULL).objective.sum().backward()

    def divergence(arrays: dict[str, np.ndarray]) -> float:
        """KL(q || p) with log Z, by enumeration."""
        image = IMAGE.numpy()
        energies = [log_prior(model, arrays, bits) for bits in all_units(model)]
        total = float(np.logaddexp.reduce(energies))
        for bits, energy in zip(all_units(model), energies, strict=True):
            log_q = log_posterior(model, arrays, image, bits)
            total += np.exp(log_q) * (log_q - energy)
        return total

    step = 1e-5
    for name in ("prior.visible_bias", "prior.hidden_bias", "prior.weights"):
        ends = []
        for h in (step, -step):
            arrays = arrays_of(parameters, state)
            arrays[name] = arrays[name] + h
            ends.append(divergence(arrays))
        expected = -(ends[0] - ends[1]) / (2 * step)
        assert own[name].grad.item() == pytest.approx(expected, abs=1e-8), name


def test_two_layers_have_the_divergence_from_their_boltzmann_machine() -> None:
    """By the midpoint rule in the noise, against a sum over bits and an integral over zeta1.

    It leaves log Z out; and the first layer's own smoothed unit must count in it, not only its
    probability given the image.
    """
    model = small_model(latent_units=1, latent_layers=2, prior="boltzmann_machine")
    parameters, state = random_case(model, seed=1, spread=1.5)
    arrays, image = arrays_of(parameters, state), IMAGE.numpy()
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    centred = image - arrays["mean_image"]
    first = network(arrays, "encoder.0", centred)
    expected = 0.0
    for zeta, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
        second = network(arrays, "encoder.1", np.concatenate([centred, [zeta]]))
        density = components(np.array(zeta))
        for z1, z2 in product([0, 1], repeat=2):
            log_q = [log_expit(own if z else -own)[0] for z, own in ((z1, first), (z2, second))]
            energy = log_prior(model, arrays, [np.array([float(z1)]), np.array([float(z2)])])
            expected += weight * density[z1] * np.exp(sum(log_q)) * (sum(log_q) - energy)
    points = 4000
    uniform = (torch.arange(points, dtype=torch.float64) + 0.5) / points
    noise = {"uniform": torch.stack([uniform, uniform.flip(0)], dim=-1).unsqueeze(0)}
    pixels = IMAGE.expand(1, points, 4)
    found = model.group_divergences(parameters, state, pixels, noise)
    assert found.shape == (1, 1)
    assert found.item() == pytest.approx(expected, abs=1e-5)
