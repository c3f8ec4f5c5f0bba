"""Exact log likelihoods of all points, beside that of the isotropic Gaussian they could do without.

A variational run that collapses ends at that Gaussian, so that its likelihood is told beside all.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from workflow_src.evaluate.exact_densities.means import estimate_row, mean_row
from workflow_src.evaluate.exact_densities.subject import Array, Points, Subject
from workflow_src.evaluate.measurement import Arrays
from workflow_src.evaluate.metric_rows import Row, row
from workflow_src.models.piecewise_affine.inference.expectations import e_step, log_likelihoods


@dataclass(frozen=True)
class LogLikelihoods:
    """log p(x) in nats: ``values`` [N], and ``errors`` [N] of estimates (None: they are exact)."""

    values: Array
    errors: Array | None


def log_likelihoods_of(subject: Subject, points: Array) -> LogLikelihoods:
    """log p(x) of points [N, D]."""
    memory, device = subject.memory_bytes, str(subject.device)
    if len(points) == 0:
        return LogLikelihoods(np.zeros(0), None if subject.is_exact else np.zeros(0))
    if subject.is_exact:
        values = log_likelihoods(subject.model, subject.partition, points, memory, device)
        return LogLikelihoods(values, None)
    values, errors = np.empty(len(points)), np.empty(len(points))
    for chunk, posterior in e_step(subject.model, subject.partition, points, memory, device):
        values[chunk] = posterior.log_likelihood
        errors[chunk] = posterior.log_likelihood_error
    return LogLikelihoods(values, errors)


def isotropic_gaussian_log_likelihoods(train: Array, points: Array) -> Array:
    """log density [N] of points [N, D] under the isotropic Gaussian fitted to ``train``."""
    mean = train.mean(axis=0)
    variance = float(((train - mean) ** 2).mean())
    squares = ((points - mean) ** 2).sum(axis=1)
    dimensions = points.shape[1]
    return np.asarray(-squares / (2 * variance) - dimensions / 2 * math.log(2 * math.pi * variance))


def likelihood_rows(
    subject: Subject, points: Points, found: dict[str, LogLikelihoods]
) -> list[Row]:
    """Means over each split with their standard errors, and the Gaussian's over held-out points."""
    rows = [likelihood_row(f"{split}_log_likelihood", found[split]) for split in SPLITS]
    for metric, held_out in (
        ("isotropic_gaussian_log_likelihood", points.test),
        ("isotropic_gaussian_validation_log_likelihood", points.validation),
    ):
        gaussian = isotropic_gaussian_log_likelihoods(points.train, held_out)
        rows.append(mean_row(metric, gaussian, "nats"))
    return rows


SPLITS = ("test", "train", "validation")


def all_log_likelihoods(subject: Subject, points: Points) -> dict[str, LogLikelihoods]:
    """log p(x) of training, validation and test points and of anomalies."""
    return {
        split: log_likelihoods_of(subject, getattr(points, split))
        for split in (*SPLITS, "anomalies")
    }


def likelihood_arrays(found: dict[str, LogLikelihoods]) -> Arrays:
    """The values of every split, and the errors of estimates for test points."""
    arrays: Arrays = {split: one.values for split, one in found.items()}
    errors = found["test"].errors
    return arrays if errors is None else arrays | {"standard_errors": errors}


def likelihood_row(metric: str, found: LogLikelihoods) -> Row:
    """A mean over points; its standard error holds that of the estimates, drawn point by point."""
    return estimate_row(metric, found.values, found.errors)


def noise_row(subject: Subject) -> Row:
    """The noise's standard deviation."""
    deviation = subject.model.noise.standard_deviation()
    return row("noise_standard_deviation", deviation, None, "data units", None)
