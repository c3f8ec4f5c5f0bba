"""Training of tiny deep generative networks on points around a bent line, and a slow oracle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import stats
from scipy.special import logsumexp
from support.training import World
from torch import Tensor

from workflow_src.models.deep_generative_network.model import GeneratorModel, build
from workflow_src.models.images import ImageFacts
from workflow_src.train.piecewise_affine.trainer import train
from workflow_src.train.training import Outcome

Floats = NDArray[np.float64]

SPEC = {
    "model": "deep_generative_network",
    "data_set": "wave",
    "likelihood": "gaussian_noise",
    "fraction": 1.0,
    "seed": 0,
    "protocol": "text",
    "stream": "full",
    "latent_dimensions": 1,
    "hidden_units": 3,
    "hidden_layers": 1,
    "last_hidden_units": 0,
    "activation": "leaky_relu",
    "leak": 0.1,
    "noise_covariance": "isotropic",
    "starting_noise": 0.5,
    "method": "expectation_maximisation",
    "maximum_epochs": 4,
    "validation_interval": 1,
    "batch_size": 0,
    "learning_rate": 0.01,
    "divergence_points": 0,
    "encoder_units": 4,
    "encoder_layers": 1,
    "block_order": "last_layer_first",
    "expectation_refresh": "block",
    "damping": 1.0,
    "backtracking": "halving",
    "parameter_expansion": "none",
    "step_decay": 0.6,
    "weight_prior": "none",
    "weight_prior_scale": 1.0,
}


@dataclass(frozen=True)
class Training:
    """Trains variants of one tiny run on points of two values."""

    points: dict[str, Tensor]

    def spec(self, **changed: Any) -> dict[str, Any]:
        return {**SPEC, **changed}

    def model(self, spec: Mapping[str, Any] = SPEC) -> GeneratorModel:
        return build(ImageFacts(1, 2, "gaussian_noise", 0), spec)

    def run(
        self,
        specs: list[dict[str, Any]],
        states: list[Any] | None = None,
        world: World | None = None,
    ) -> dict[int, Outcome]:
        outcomes = train(
            self.model(specs[0]),
            specs,
            self.points,
            torch.device("cpu"),
            states or [None] * len(specs),
            (world or World()).hooks(),
        )
        return {outcome.run: outcome for outcome in outcomes}


@dataclass(frozen=True)
class Oracle:
    """Integrals over one latent dimension by Gauss's rule, piece by piece, for one hidden layer.

    Pieces are 0.1 long at most and end where a unit bends, so that integrands are smooth in each.
    """

    def nodes(self, parameters: Mapping[str, Tensor]) -> tuple[Floats, Floats]:
        """Latent values [G] from -9 to 9, and their weights [G]."""
        bends = -(parameters["biases.1"] / parameters["weights.1"][:, 0]).numpy()
        ends = np.unique([*np.linspace(-9, 9, 181), *bends[np.abs(bends) < 9]])
        places, weights = np.polynomial.legendre.leggauss(12)
        halves = np.diff(ends)[:, None] / 2
        return (ends[:-1, None] + halves * (places + 1)).ravel(), (halves * weights).ravel()

    def log_joint(self, parameters: Mapping[str, Tensor], points: Floats) -> Floats:
        """log p(x, z) of points [N, D] at every node, [N, G]."""
        nodes, _ = self.nodes(parameters)
        hidden = nodes[:, None] @ parameters["weights.1"].numpy().T
        hidden = hidden + parameters["biases.1"].numpy()
        hidden = np.where(hidden > 0, hidden, 0.1 * hidden)
        values = hidden @ parameters["weights.2"].numpy().T + parameters["biases.2"].numpy()
        noise = covariance(parameters["noise"].numpy(), points.shape[1])
        given = stats.multivariate_normal(np.zeros(points.shape[1]), noise)
        return np.asarray(given.logpdf(points[:, None] - values) + stats.norm.logpdf(nodes))

    def log_likelihoods(self, parameters: Mapping[str, Tensor], points: Floats) -> Floats:
        """Of points [N, D], in nats, [N]."""
        _, weights = self.nodes(parameters)
        return np.asarray(logsumexp(self.log_joint(parameters, points), axis=1, b=weights))

    def divergences(
        self, parameters: Mapping[str, Tensor], points: Floats, means: Floats, variances: Floats
    ) -> Floats:
        """KL of the Gaussians [N] from the posteriors, [N]."""
        log_posterior = (
            self.log_joint(parameters, points) - self.log_likelihoods(parameters, points)[:, None]
        )
        nodes, weights = self.nodes(parameters)
        log_q = stats.norm.logpdf(nodes, means[:, None], np.sqrt(variances)[:, None])
        return np.asarray((np.exp(log_q) * (log_q - log_posterior) * weights).sum(axis=1))


def covariance(packed: Floats, values: int) -> Floats:
    """The matrix of what a checkpoint holds: a variance, variances, or a triangle by rows."""
    if packed.ndim == 0 or len(packed) == values:
        return np.eye(values) * packed
    matrix = np.zeros((values, values))
    matrix[np.tril_indices(values)] = packed
    matrix.T[np.tril_indices(values)] = packed
    return matrix


@pytest.fixture(scope="session")
def affine() -> Training:
    """Points (t, |t|) and noise of deviation 0.2; t is normal."""
    generator = torch.Generator().manual_seed(0)
    points = {}
    for name, count in (("train", 60), ("validation", 30)):
        t = torch.randn(count, generator=generator)
        clean = torch.stack([t, t.abs()], dim=1)
        points[name] = clean + 0.2 * torch.randn(count, 2, generator=generator)
    return Training(points)


@pytest.fixture(scope="session")
def oracle() -> Oracle:
    return Oracle()
