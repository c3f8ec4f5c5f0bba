"""What an encoder loses against the exact posterior, and how much of that is amortisation.

KL(q || p(z | x)) of the encoder's Gaussian is the sum of two gaps: that of the best Gaussian, which
no encoder of this kind can close (approximation), and the rest, which a better encoder would close
(amortisation). All are exact, by moments of q truncated to regions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workflow_src.evaluate.exact_densities.means import estimate_row, mean_row
from workflow_src.evaluate.exact_densities.subject import Array, Subject
from workflow_src.evaluate.measurement import Arrays
from workflow_src.evaluate.metric_rows import Row
from workflow_src.models.piecewise_affine.inference.encoders import (
    Gaussians,
    best_gaussians,
    divergences_with_errors,
    evidence_lower_bounds,
    evidence_lower_bounds_with_errors,
)
from workflow_src.models.piecewise_affine.inference.posterior import mode_counts

LEAST_DENSITY = 0.1
"""Of the highest mode: a mode of less density is a ripple where regions meet, and not counted."""


@dataclass(frozen=True)
class Encoded:
    """Evidence lower bounds ``elbo`` [N] and ``divergence`` [N] of an encoder, in nats.

    With ``elbo_errors`` and ``divergence_errors`` [N] of estimates; None where both are exact.
    """

    elbo: Array
    divergence: Array
    elbo_errors: Array | None = None
    divergence_errors: Array | None = None


def encoder_bounds(subject: Subject, points: Array) -> Encoded | None:
    """Of points [N, D]; None where the run has no encoder."""
    codes = subject.encoded(points)
    if codes is None:
        return None
    known = (subject.model, subject.partition, points, codes, subject.memory_bytes)
    elbo, elbo_errors = evidence_lower_bounds_with_errors(*known)
    divergence, divergence_errors = divergences_with_errors(*known)
    if subject.is_exact:
        return Encoded(elbo, divergence)
    return Encoded(elbo, divergence, elbo_errors, divergence_errors)


def encoder_rows(found: Encoded) -> list[Row]:
    """The mean bound and the mean divergence over points."""
    return [
        estimate_row("test_elbo", found.elbo, found.elbo_errors),
        estimate_row("encoder_kl_divergence", found.divergence, found.divergence_errors),
    ]


def encoder_arrays(found: Encoded) -> Arrays:
    """The values of every point, and the errors of estimates."""
    arrays: Arrays = {"encoder_elbo": found.elbo, "encoder_divergence": found.divergence}
    if found.elbo_errors is not None and found.divergence_errors is not None:
        arrays["encoder_elbo_errors"] = found.elbo_errors
        arrays["encoder_divergence_errors"] = found.divergence_errors
    return arrays


def gaps(subject: Subject, points: Array, log_likelihood: Array) -> tuple[list[Row], Arrays]:
    """Rows and arrays of both gaps for points [P, D] with log p(x) [P]."""
    best = best_gaussians(
        subject.model, subject.partition, points, memory_bytes=subject.memory_bytes
    )
    codes, converged = subject.encoded(points), best.converged
    arrays: Arrays = {}
    best_elbo = _elbo(subject, points, best)
    if codes is not None:
        encoder_elbo = _elbo(subject, points, codes)
        # A search can end at a lesser optimum than the encoder's Gaussian is near.
        better = encoder_elbo > best_elbo
        best.means[better] = codes.means[better]
        best.covariances[better] = codes.covariances[better]
        converged = converged & ~better
        best_elbo = np.maximum(best_elbo, encoder_elbo)
        arrays = {"encoder_elbo": encoder_elbo, "amortisation": best_elbo - encoder_elbo}
    arrays |= {
        "points": points,
        "log_likelihood": log_likelihood,
        "best_elbo": best_elbo,
        "best_mean": best.means,
        "best_covariance": best.covariances,
        "converged": converged,
        "approximation": log_likelihood - best_elbo,
    }
    if subject.latent_dimensions == 1:
        arrays["modes"] = modes(subject, points)
    return gap_rows(arrays), arrays


def gap_rows(arrays: Arrays) -> list[Row]:
    """Means over points of what the arrays of `gaps` hold."""
    lost = (~arrays["converged"]).astype(np.float64)
    rows = [
        mean_row("approximation_gap", arrays["approximation"], "nats"),
        mean_row("unfinished_search_share", lost, "share"),
    ]
    if "amortisation" in arrays:
        rows.append(mean_row("amortisation_gap", arrays["amortisation"], "nats"))
    if "modes" in arrays:
        several = arrays["modes"] > 1
        for kind, chosen in (("multimodal", several), ("unimodal", ~several)):
            lost = arrays["approximation"][chosen]
            rows.append(mean_row(f"{kind}_approximation_gap", lost, "nats"))
    return rows


def multimodality(subject: Subject, points: Array) -> tuple[list[Row], Arrays]:
    """The row and arrays of how many of all points [N, D] have a posterior of several modes."""
    found = modes(subject, points)
    several = (found > 1).astype(np.float64)
    arrays: Arrays = {"modes": found, "least_density": np.array(LEAST_DENSITY)}
    return [mean_row("multimodal_share", several, "share")], arrays


def modes(subject: Subject, points: Array) -> NDArray[np.int64]:
    """Modes [N] of z given x that have at least `LEAST_DENSITY` of the highest one's density."""
    return mode_counts(subject.model, subject.partition, points, LEAST_DENSITY)


def _elbo(subject: Subject, points: Array, codes: Gaussians) -> Array:
    return evidence_lower_bounds(
        subject.model, subject.partition, points, codes, subject.memory_bytes
    )
