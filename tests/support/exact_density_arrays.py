"""Arrays as measurements of exact densities have them, of generators that fit on a line of text.

With one latent dimension the generator is g(z) = (z, |z|), two regions that meet at 0; with two the
regions are the quadrants, with the outputs (|z1|, |z2|). Noise has the standard deviation 0.3.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workflow_src.archive.results import Results
from workflow_src.report.evaluations import MEASURED, Evaluation, Metric, Run
from workflow_src.report.evidence import Group

Arrays = dict[str, NDArray[Any]]
NOISE = 0.3
AXES = {
    "model": "deep_generative_network",
    "data_set": "circle",
    "likelihood": "gaussian_noise",
    "fraction": 1.0,
    "seed": 0,
    "protocol": "authors",
    "stream": "full",
}


def group_of(
    name: str,
    variant: Mapping[str, Any] | None = None,
    *,
    seed: int = 0,
    metrics: Mapping[str, float] | None = None,
    state: str = "completed",
    reason: str | None = None,
) -> Group:
    """A group of one run, called ``name``; with a ``reason`` it has no winner."""
    run = Run(name, {}, f"results/runs/{name}", state)
    evaluation = Evaluation(
        fingerprint=name,
        path=Path("results/evaluations") / name / "evaluation.json",
        state=MEASURED,
        reason=reason,
        runs=(run,),
        winner=None if reason else run,
        metrics=tuple(Metric(key, one, None, "s", None) for key, one in (metrics or {}).items()),
        measurement=Path("results/measurements") / name,
        dimensions=2,
        ended=None,
        archive=Results(Path("results")),
    )
    return Group("emdgn", "x", AXES | {"seed": seed}, evaluation, dict(variant or {}))


def bent(z: NDArray[Any]) -> NDArray[Any]:
    """g(z) = (z, |z|)."""
    return np.stack([z, np.abs(z)], axis=-1)


def intervals() -> dict[str, Arrays]:
    """One latent dimension."""
    random = np.random.default_rng(3)
    z = np.linspace(-4, 4, 401)
    latents = random.normal(size=(200, 1))
    noiseless = bent(latents[:, 0])
    noisy = noiseless + NOISE * random.normal(size=noiseless.shape)
    slopes = np.array([[[1.0], [-1.0]], [[1.0], [1.0]]])
    axis = np.linspace(-2, 2, 41)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1)
    likelihood = np.exp(-((grid[:, :, None] - bent(z)) ** 2).sum(axis=-1) / (2 * NOISE**2))
    density = likelihood @ np.exp(-(z**2) / 2) * (z[1] - z[0])
    return {
        "partition": {
            "window": np.array([[-3.0, 3.0]]),
            "slopes": slopes,
            "offsets": np.zeros((2, 2)),
            "colours": np.array([[0.9, 0.4, 0.2], [0.2, 0.4, 0.9]]),
            "log_prior_mass": np.log([0.5, 0.5]),
            "discovery_steps": np.array([1, 0]),
            "lower": np.array([-3.0, 0.0]),
            "upper": np.array([0.0, 3.0]),
        },
        "marginal": {
            "first": axis,
            "second": axis,
            "log_density": np.log(density),
            "test": noisy[:100],
            "train": noisy[100:],
            "curve": bent(z),
        },
        "posteriors": posteriors(z),
        "point_samples": {
            "latents": latents,
            "noiseless": noiseless,
            "noisy": noisy,
            "shape": np.array([1, 2]),
            "test": noisy[:100],
        },
        "zero_noise": zero_noise(),
        "components": {
            "log_weights": np.log([0.5, 0.5]),
            "slopes": slopes,
            "offsets": np.zeros((2, 2)),
            "means": bent(np.array([-1.0, 1.0]) * math.sqrt(2 / math.pi)),
            "covariances": np.array([[[0.45, -0.36], [-0.36, 0.45]], [[0.45, 0.36], [0.36, 0.45]]]),
            "latent_means": np.array([[-1.0], [1.0]]) * math.sqrt(2 / math.pi),
            "latent_covariances": np.full((2, 1, 1), 1 - 2 / math.pi),
        },
        "integrals": {
            "points": noisy[:3],
            "log_likelihood": np.array([-1.0, -2.0, -3.0]),
            "reference_log_likelihood": np.array([-1.0, -2.0 + 1e-9, -3.0 - 1e-12]),
            "mean": np.zeros((3, 1)),
            "reference_mean": np.array([[0.0], [1e-10], [-2e-10]]),
            "second": np.ones((3, 1, 1)),
            "reference_second": np.ones((3, 1, 1)) + 1e-8,
        },
        "gaps": {
            "points": noisy[:50],
            "approximation": random.exponential(0.1, 50),
            "modes": random.integers(1, 3, 50),
            "amortisation": random.exponential(0.3, 50),
        },
    }


def posteriors(z: NDArray[Any]) -> Arrays:
    """Of two noiseless, noisy and test points each: mixtures of two Gaussians at 1 and -1."""
    deviations = np.array([0.2, 0.3, 0.4, 0.2, 0.3, 0.4])
    parts = [
        np.exp(-((z - middle) ** 2) / (2 * deviations[:, None] ** 2))
        / np.sqrt(2 * np.pi * deviations[:, None] ** 2)
        for middle in (-1.0, 1.0)
    ]
    drawn = np.array([[1.0], [-1.0], [1.0], [-1.0], [np.nan], [np.nan]])
    return {
        "kinds": np.array(["noiseless", "noiseless", "noisy", "noisy", "test", "test"]),
        "points": np.stack([deviations, deviations], axis=1),
        "drawn_latents": drawn,
        "latents": z,
        "log_density": np.log((parts[0] + 2 * parts[1]) / 3),
        "boundaries": np.array([0.0]),
        "mean": np.full((6, 1), 1 / 3),
        "encoder_mean": np.full((6, 1), 0.5),
        "encoder_covariance": np.full((6, 1, 1), 0.25),
    }


def zero_noise() -> Arrays:
    """Two points, with means that come nearer as the square of the noise."""
    noise = np.array([1.0, 0.1, 0.01])
    latents = np.array([[1.0], [-2.0]])
    return {
        "points": np.array([[1.2, 0.8], [-2.5, 1.5]]),
        "latents": latents,
        "reconstructions": bent(latents[:, 0]),
        "regions": np.array([1, 0]),
        "penalised_latents": 0.9 * latents,
        "clipped_latents": np.clip(latents, -1.5, 1.5),
        "clip": np.array(1.5),
        "noise_standard_deviations": noise,
        "means": latents + (noise**2)[:, None, None],
        "standard_deviations": np.broadcast_to(noise[:, None, None], (3, 2, 1)),
        "curve": bent(np.linspace(-4, 4, 81)),
    }


def polygons() -> dict[str, Arrays]:
    """Two latent dimensions; a fifth region is off the window."""
    corners = [
        [[0, 0], [2, 0], [2, 2], [0, 2]],
        [[-2, 0], [0, 0], [0, 2], [-2, 2]],
        [[-2, -2], [0, -2], [0, 0], [-2, 0]],
        [[0, -2], [2, -2], [2, 0], [0, 0]],
    ]
    z = np.linspace(-3, 3, 31)
    spread = np.exp(-(z**2) / 2)
    return {
        "partition": {
            "window": np.array([[-2.0, 2.0], [-2.0, 2.0]]),
            "slopes": np.zeros((5, 2, 2)),
            "offsets": np.zeros((5, 2)),
            "colours": np.linspace(0.1, 0.9, 15).reshape(5, 3),
            "log_prior_mass": np.log([0.25, 0.25, 0.25, 0.25, 1e-9]),
            "discovery_steps": np.array([0, 1, 2, 1, 3]),
            "vertices": np.array(corners, dtype=float).reshape(-1, 2),
            "starts": np.array([0, 4, 8, 12, 16, 16]),
        },
        "triangulation": {
            "window": np.array([[-2.0, 2.0], [-2.0, 2.0]]),
            "triangles": np.array(
                [[c[i] for i in places] for c in corners for places in ((0, 1, 2), (0, 2, 3))],
                dtype=float,
            ),
            "region": np.repeat(np.arange(4), 2),
        },
        "posteriors": {
            "kinds": np.array(["noiseless", "noisy", "test"]),
            "points": np.zeros((3, 2)),
            "drawn_latents": np.array([[0.5, 0.5], [0.5, 0.5], [np.nan, np.nan]]),
            "latents": np.stack([z, z]),
            "log_density": np.log(np.stack([np.outer(spread, spread)] * 3) / (2 * np.pi)),
            "mean": np.zeros((3, 2)),
            "encoder_mean": np.zeros((3, 2)),
            "encoder_covariance": np.stack([np.diag([1.0, 0.25])] * 3),
        },
    }


def images() -> dict[str, Arrays]:
    """Samples of three by four pixels: white on black."""
    random = np.random.default_rng(4)
    noiseless = (random.uniform(size=(30, 12)) > 0.5).astype(float)
    return {
        "point_samples": {
            "latents": random.normal(size=(30, 1)),
            "noiseless": noiseless,
            "noisy": noiseless + 0.1 * random.normal(size=noiseless.shape),
            "shape": np.array([3, 4]),
            "test": noiseless,
        }
    }
