"""Information criteria on the training points, with the parameters counted in two ways.

The plain count is too large: rescaling a unit and undoing it behind changes no density, and units
whose hyperplanes lie far out change none either. The rank of the score matrix (a row per training
point, the gradient of its exact log likelihood) counts the directions that do change densities at
the trained parameters.
"""

from __future__ import annotations

import math

import numpy as np

from workflow_src.evaluate.exact_densities.subject import Array, Subject
from workflow_src.evaluate.measurement import Arrays
from workflow_src.evaluate.metric_rows import Row, row
from workflow_src.models.piecewise_affine.inference.expectations import expected_statistics
from workflow_src.models.piecewise_affine.maximisation.gradients import gradients

MOST_PARAMETERS = 2_000
"""Scores of larger networks are not taken: their rank would be the number of points."""
MOST_POINTS = 2_000
"""Training points whose scores are taken, the first ones."""
RELATIVE_RANK_TOLERANCE = 1e-8
"""Singular values below this share of the largest are zero; gradients are right to about 1e-12."""


def score_matrix(subject: Subject, points: Array) -> Array:
    """Gradients [N, parameters] of log p(x) for points [N, D]: weights, biases, noise."""
    rows = []
    for point in points:
        statistics = expected_statistics(
            subject.model,
            subject.partition,
            point[None],
            memory_bytes=subject.memory_bytes,
            device=str(subject.device),
        )
        found = gradients(subject.model, subject.partition, statistics)
        noise = np.asarray(found.noise)
        # Of a symmetric matrix only one half is free.
        noise = noise[np.tril_indices(len(noise))] if noise.ndim == 2 else noise.ravel()
        parts = [*(one.ravel() for one in (*found.weights, *found.biases)), noise]
        rows.append(np.concatenate(parts))
    return np.stack(rows)


def singular_values_of(scores: Array) -> Array:
    """Singular values, descending, of scores with columns of equal length (or zero)."""
    lengths = np.linalg.norm(scores, axis=0)
    scaled = scores / np.where(lengths > 0, lengths, 1.0)
    return np.asarray(np.linalg.svd(scaled, compute_uv=False))


def numerical_rank(singular_values: Array) -> int:
    """How many singular values are not zero."""
    largest = float(singular_values.max(initial=0.0))
    return int((singular_values > RELATIVE_RANK_TOLERANCE * largest).sum())


def criteria(
    subject: Subject, train: Array, log_likelihood: float, error: float | None = None
) -> tuple[list[Row], Arrays]:
    """Rows and arrays of both criteria.

    ``log_likelihood`` is the sum over ``train`` [N, D], and ``error`` its standard error where it
    is an estimate.
    """
    parameters, points = free_parameters(subject), len(train)
    rows = criterion_rows("", parameters, log_likelihood, points, error)
    arrays: Arrays = {
        "parameters": np.array(parameters),
        "train_log_likelihood": np.array(log_likelihood),
        "points": np.array(points),
        "singular_values": np.zeros(0),
        "rank": np.array(-1),
    }
    if error is not None:
        arrays["train_log_likelihood_error"] = np.array(error)
    if not subject.is_exact or parameters > MOST_PARAMETERS:
        return rows, arrays
    values = singular_values_of(score_matrix(subject, train[:MOST_POINTS]))
    rank = numerical_rank(values)
    rows += [row("score_rank", rank, None, "parameters", None)]
    rows += criterion_rows("_of_rank", rank, log_likelihood, points)
    return rows, arrays | {"singular_values": values, "rank": np.array(rank)}


def criterion_rows(
    suffix: str, parameters: int, log_likelihood: float, points: int, error: float | None = None
) -> list[Row]:
    """2 k - 2 log L (Akaike) and k log N - 2 log L (Schwarz), L of all training points."""
    twice = None if error is None else 2 * error
    akaike = 2 * parameters - 2 * log_likelihood
    bayesian = parameters * math.log(points) - 2 * log_likelihood
    return [
        row(f"akaike_criterion{suffix}", akaike, twice, "nats", None),
        row(f"bayesian_criterion{suffix}", bayesian, twice, "nats", None),
    ]


def free_parameters(subject: Subject) -> int:
    """Weights, biases and free numbers of the noise; an encoder is no part of the density."""
    network, noise = subject.model.network, subject.model.noise
    size = noise.dimensions
    free = {"isotropic": 1, "diagonal": size, "full": size * (size + 1) // 2}[noise.kind]
    return free + sum(one.size for one in (*network.weights, *network.biases))
