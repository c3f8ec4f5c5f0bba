"""What an encoder loses against the exact posterior, and how much of that is amortisation.

KL(q || p(z | x)) of the encoder's Gaussian is the sum of two gaps: that of the best Gaussian, which
no encoder of this kind can close (approximation), and the rest, which a better encoder would close
(amortisation). All are exact, by moments of q truncated to regions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workflow_src.evaluate.exact_densities.means import mean_row
from workflow_src.evaluate.exact_densities.subject import Array, Subject
from workflow_src.evaluate.measurement import Arrays
from workflow_src.evaluate.metric_rows import Row
from workflow_src.models.piecewise_affine.encoders import (
    Gaussians,
    best_gaussians,
    divergences,
    evidence_lower_bounds,
)
from workflow_src.models.piecewise_affine.posterior import mode_counts


@dataclass(frozen=True)
class Encoded:
    """Exact evidence lower bounds ``elbo`` [N] and ``divergence`` [N] of an encoder, in nats."""

    elbo: Array
    divergence: Array


def encoder_bounds(subject: Subject, points: Array) -> Encoded | None:
    """Of points [N, D]; None where the run has no encoder."""
    codes = subject.encoded(points)
    if codes is None:
        return None
    known = (subject.model, subject.partition, points, codes, subject.memory_bytes)
    return Encoded(evidence_lower_bounds(*known), divergences(*known))


def encoder_rows(found: Encoded) -> list[Row]:
    """The mean bound and the mean divergence over points."""
    return [
        mean_row("test_elbo", found.elbo, "nats"),
        mean_row("encoder_kl_divergence", found.divergence, "nats"),
    ]


def gaps(subject: Subject, points: Array, log_likelihood: Array) -> tuple[list[Row], Arrays]:
    """Rows and arrays of both gaps for points [P, D] with log p(x) [P]."""
    best = best_gaussians(
        subject.model, subject.partition, points, memory_bytes=subject.memory_bytes
    )
    codes = subject.encoded(points)
    arrays: Arrays = {}
    best_elbo = _elbo(subject, points, best)
    if codes is not None:
        encoder_elbo = _elbo(subject, points, codes)
        # A search can end at a lesser optimum than the encoder's Gaussian is near.
        better = encoder_elbo > best_elbo
        best = Gaussians(
            np.where(better[:, None], codes.means, best.means),
            np.where(better[:, None, None], codes.covariances, best.covariances),
        )
        best_elbo = np.maximum(best_elbo, encoder_elbo)
        arrays = {"encoder_elbo": encoder_elbo, "amortisation": best_elbo - encoder_elbo}
    arrays |= {
        "points": points,
        "log_likelihood": log_likelihood,
        "best_elbo": best_elbo,
        "best_mean": best.means,
        "best_covariance": best.covariances,
        "approximation": log_likelihood - best_elbo,
    }
    if subject.latent_dimensions == 1:
        arrays["modes"] = _modes(subject, points)
    return gap_rows(arrays), arrays


def gap_rows(arrays: Arrays) -> list[Row]:
    """Means over points of what the arrays of `gaps` hold."""
    rows = [mean_row("approximation_gap", arrays["approximation"], "nats")]
    if "amortisation" in arrays:
        rows.append(mean_row("amortisation_gap", arrays["amortisation"], "nats"))
    if "modes" in arrays:
        several = (arrays["modes"] > 1).astype(np.float64)
        rows.append(mean_row("multimodal_share", several, "share"))
    return rows


def _elbo(subject: Subject, points: Array, codes: Gaussians) -> Array:
    return evidence_lower_bounds(
        subject.model, subject.partition, points, codes, subject.memory_bytes
    )


def _modes(subject: Subject, points: Array) -> NDArray[np.int64]:
    return mode_counts(subject.model, subject.partition, points)
