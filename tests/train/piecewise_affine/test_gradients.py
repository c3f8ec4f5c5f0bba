"""What the two ways by gradients ascend, against quadrature and torch's own distributions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from workflow_src.train.piecewise_affine.exact_gradient import ExactGradientBank
from workflow_src.train.piecewise_affine.gradient_bank import GradientBank
from workflow_src.train.piecewise_affine.variational import VariationalBank


def bank(kind: type[GradientBank], affine: Any, **changed: Any) -> Any:
    spec = affine.spec(**changed)
    points = {name: value.double() for name, value in affine.points.items()}
    made = kind(affine.model(spec), [0], [spec], points, torch.device("cpu"))
    made.begin()
    return made


def moved(one: Any) -> None:
    """Every parameter away from the start, where the free noise is 0."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for value in one.optimizer.parameters.values():
            value += 0.1 * torch.randn(value.shape, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("kind", ["isotropic", "diagonal", "full"])
def test_the_exact_gradient_is_that_of_quadrature(affine: Any, oracle: Any, kind: str) -> None:
    one = bank(ExactGradientBank, affine, method="exact_gradient", noise_covariance=kind)
    moved(one)
    points = affine.points["train"][:5].double()
    objective = one.objective(points.unsqueeze(0), [])
    parameters = one.optimizer.parameters
    slopes = torch.autograd.grad(objective, list(parameters.values()))

    def likelihood() -> float:
        values = oracle.log_likelihoods(one.generator_parameters(0), points.numpy())
        return float(values.mean())

    step = 1e-4
    for (name, value), slope in zip(parameters.items(), slopes, strict=True):
        flat = value.detach().view(-1)
        for place in range(len(flat)):
            ends = []
            for sign in (1, -2):
                flat[place] += sign * step
                ends.append(likelihood())
            flat[place] += step
            central = (ends[0] - ends[1]) / (2 * step)
            assert slope.view(-1)[place].item() == pytest.approx(central, abs=1e-7), name


def test_the_variational_objective_is_the_bound_of_its_samples(affine: Any) -> None:
    one = bank(VariationalBank, affine, method="variational", noise_covariance="diagonal")
    moved(one)
    points = affine.points["train"][:7].double()
    stream = torch.Generator().manual_seed(9)
    found = one.objective(points.unsqueeze(0), [stream]).item()

    kept = one.kept(0)
    means, covariances = one.model.encoded(kept, points.numpy())
    drawn = torch.empty(7, 1, dtype=torch.float64)
    drawn.normal_(generator=torch.Generator().manual_seed(9))
    deviations = np.sqrt(covariances[:, 0])
    hidden = (means + deviations * drawn.numpy()) @ kept["weights.1"].numpy().T
    hidden = hidden + kept["biases.1"].numpy()
    hidden = np.where(hidden > 0, hidden, 0.1 * hidden)
    decoded = hidden @ kept["weights.2"].numpy().T + kept["biases.2"].numpy()
    fit = stats.norm.logpdf(points.numpy(), decoded, np.sqrt(kept["noise"].numpy())).sum(axis=1)
    divergence = torch.distributions.kl_divergence(
        torch.distributions.Normal(torch.from_numpy(means), torch.from_numpy(deviations)),
        torch.distributions.Normal(0.0, 1.0),
    )
    assert found == pytest.approx(fit.mean() - divergence.sum(dim=1).mean().item(), rel=1e-12)


@pytest.mark.parametrize("activation", ["relu", "absolute_value", "leaky_relu"])
def test_the_decoder_is_the_generator(affine: Any, activation: str) -> None:
    one = bank(VariationalBank, affine, activation=activation, hidden_layers=2)
    latents = torch.linspace(-3, 3, 11, dtype=torch.float64).view(1, -1, 1)
    function = {
        "relu": lambda values: np.maximum(values, 0),
        "absolute_value": np.abs,
        "leaky_relu": lambda values: np.where(values > 0, values, 0.1 * values),
    }[activation]
    kept = one.generator_parameters(0)
    values = latents[0].numpy()
    for layer in (1, 2, 3):
        values = values @ kept[f"weights.{layer}"].numpy().T + kept[f"biases.{layer}"].numpy()
        values = function(values) if layer < 3 else values
    np.testing.assert_allclose(one._decoded(latents)[0].detach(), values, atol=1e-12)


@pytest.mark.parametrize(
    ("kind", "law"),
    [("gaussian", stats.norm(0, 0.7)), ("laplace", stats.laplace(0, 0.7))],
)
def test_priors_of_weights_are_ascended_per_point(affine: Any, kind: str, law: Any) -> None:
    one = bank(VariationalBank, affine, weight_prior=kind, weight_prior_scale=0.7)

    def densities() -> float:
        kept = one.generator_parameters(0)
        return sum(float(law.logpdf(kept[f"weights.{n}"].numpy()).sum()) for n in (1, 2)) / 60

    before = densities(), one._log_prior().item()
    moved(one)
    after = densities(), one._log_prior().item()
    # But for the constant, which has no gradient.
    assert after[1] - before[1] == pytest.approx(after[0] - before[0], rel=1e-9)
