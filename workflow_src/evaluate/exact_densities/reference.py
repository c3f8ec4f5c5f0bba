"""The expectation step by the paper's simplices, for its time and for how far the fast one is off.

Theorem 1 of the EM-DGN paper with its corrections, written out densely and independently of
`workflow_src.models.piecewise_affine.inference.expectations`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from workflow_src.evaluate.exact_densities.subject import Array, Subject
from workflow_src.evaluate.measurement import Arrays
from workflow_src.evaluate.metric_rows import Row, row
from workflow_src.models.piecewise_affine.inference.posterior import posterior_moments
from workflow_src.models.piecewise_affine.integrals.reference import reference_moments
from workflow_src.models.piecewise_affine.networks import affine_maps


@dataclass(frozen=True)
class Conditioned:
    """Of each region and point, were the region all of the space: the density of x, and of z.

    ``log_density`` [N, R] of x, ``means`` [N, R, S] and ``covariances`` [R, S, S] of z given x.
    """

    log_density: Array
    means: Array
    covariances: Array


def reference(subject: Subject, points: Array) -> tuple[list[Row], Arrays, float]:
    """Rows, arrays and seconds for points [P, D].

    A difference of inclusion and exclusion can lose all digits far from the prior. Points to which
    the reference gives no positive density are no part of the largest difference; the share that
    was lost in this way is told beside it.
    """
    fast = posterior_moments(subject.model, subject.partition, points)
    second = fast.covariance + fast.mean[:, :, None] * fast.mean[:, None, :]
    started = time.perf_counter()
    log_likelihood, mean, reference_second = _reference_moments(subject, points)
    seconds = time.perf_counter() - started
    differences = np.abs(log_likelihood - fast.log_likelihood)
    known = np.isfinite(differences)
    largest = float(differences[known].max()) if known.any() else float("nan")
    arrays: Arrays = {
        "points": points,
        "log_likelihood": fast.log_likelihood,
        "reference_log_likelihood": log_likelihood,
        "mean": fast.mean,
        "reference_mean": mean,
        "second": second,
        "reference_second": reference_second,
    }
    rows = [
        row("reference_difference", largest, None, "nats", None),
        row("reference_lost_share", float(np.mean(~known)), None, "share", None),
    ]
    return rows, arrays, seconds


def conditioned(subject: Subject, points: Array) -> Conditioned:
    """Equations (6) and (7), corrected, by dense linear algebra."""
    maps = affine_maps(subject.model.network, subject.partition.signs)
    noise = subject.model.noise.matrix()
    size, (count, dimensions) = subject.latent_dimensions, maps.offsets.shape
    density, means = np.empty((len(points), count)), np.empty((len(points), count, size))
    covariances = np.empty((count, size, size))
    for number, (slopes, offsets) in enumerate(zip(maps.slopes, maps.offsets, strict=True)):
        spread = noise + slopes @ slopes.T
        away = points - offsets
        squares = (away * np.linalg.solve(spread, away.T).T).sum(axis=1)
        constant = dimensions * np.log(2 * np.pi) + np.linalg.slogdet(spread)[1]
        density[:, number] = -(squares + constant) / 2
        weighed = np.linalg.solve(noise, slopes)
        covariances[number] = np.linalg.inv(np.eye(size) + slopes.T @ weighed)
        means[:, number] = away @ weighed @ covariances[number]
    return Conditioned(density, means, covariances)


def _reference_moments(subject: Subject, points: Array) -> tuple[Array, Array, Array]:
    """log p(x) [P], E[z | x] [P, S], E[z z' | x] [P, S, S], region by region, point by point."""
    found = conditioned(subject, points)
    size, largest = subject.latent_dimensions, found.log_density.max(axis=1)
    mass, first = np.zeros(len(points)), np.zeros((len(points), size))
    second = np.zeros((len(points), size, size))
    for point in range(len(points)):
        for region in range(subject.partition.regions):
            weight = np.exp(found.log_density[point, region] - largest[point])
            e0, e1, e2 = reference_moments(
                subject.partition,
                region,
                found.means[point, region],
                found.covariances[region],
            )
            mass[point] += weight * e0
            first[point] += weight * e1
            second[point] += weight * e2
    known = np.where(mass > 0, mass, np.nan)
    return (
        np.log(known) + largest,
        first / known[:, None],
        second / known[:, None, None],
    )
