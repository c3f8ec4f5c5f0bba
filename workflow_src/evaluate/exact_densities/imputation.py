"""Hidden values of test points expected from the others: exactly, by the encoder, and by means."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from workflow_src.evaluate.exact_densities.means import mean_row
from workflow_src.evaluate.exact_densities.subject import Array, Points, Subject
from workflow_src.evaluate.measurement import Arrays
from workflow_src.evaluate.metric_rows import Row, row
from workflow_src.models.piecewise_affine.inference.conditional import (
    conditional_log_likelihoods,
    imputed,
)
from workflow_src.models.piecewise_affine.networks import outputs

SHOWN = 8
"""Points whose filled-in values are kept."""
ROUNDS = 20
"""How often the encoder and the generator are passed; the fixed point is reached long before."""


def halves(dimensions: int) -> NDArray[np.bool_]:
    """Which values are hidden, [2, D]: the first half, then the others."""
    first = np.arange(dimensions) < dimensions // 2
    return np.stack([first, ~first])


def imputation(subject: Subject, points: Points) -> tuple[list[Row], Arrays]:
    """Rows and arrays for the test points [N, D]; nothing where a point is one number."""
    if points.dimensions < 2:
        return [], {}
    hidden, test = halves(points.dimensions), points.test
    mean = points.train.mean(axis=0)
    found = [imputed(subject.model, subject.partition, test, one) for one in hidden]
    densities = [
        conditional_log_likelihoods(subject.model, subject.partition, test, one) for one in hidden
    ]
    arrays: Arrays = {
        "hidden": hidden,
        "squared_errors": _squared_errors(found, test, hidden),
        "log_densities": np.stack(densities),
        "mean_squared_errors": _squared_errors([mean, mean], test, hidden),
        "points": test[:SHOWN],
        "expected": np.stack([one[:SHOWN] for one in found]),
    }
    by_encoder = [_passed(subject, np.where(one, mean, test), one) for one in hidden]
    whole = [one for one in by_encoder if one is not None]
    if len(whole) == len(hidden):
        arrays["encoder_squared_errors"] = _squared_errors(whole, test, hidden)
    return imputation_rows(arrays), arrays


def imputation_rows(arrays: Arrays) -> list[Row]:
    """Root mean squared errors, of both halves and of the second alone, and the log density.

    Where the second half is a function of the first, as of the wave, its expectation is a sensible
    guess; where it may be one of several things, as of the circle, the log density tells more.
    """
    names = {
        "imputation_error": "squared_errors",
        "encoder_imputation_error": "encoder_squared_errors",
        "mean_imputation_error": "mean_squared_errors",
    }
    known = {metric: arrays[name] for metric, name in names.items() if name in arrays}
    rows = []
    for metric, squares in known.items():
        rows += [_root_row(metric, squares), _root_row(f"{metric}_of_second_half", squares[1:])]
    per_value = arrays["log_densities"] / arrays["hidden"].sum(axis=1)[:, None]
    unit = "nats per hidden dimension"
    return [*rows, mean_row("imputation_log_density", per_value.mean(axis=0), unit)]


def _root_row(metric: str, squares: Array) -> Row:
    """The root of the mean of squares [H, N]; its error by the slope of the root."""
    of_points = squares.mean(axis=0)
    mean = mean_row(metric, of_points, "data units")
    value = math.sqrt(mean["value"])
    error = mean["standard_error"] / (2 * value) if value > 0 else 0.0
    return row(metric, value, error, "data units", None)


def _squared_errors(filled: list[Array], points: Array, hidden: NDArray[np.bool_]) -> Array:
    """Mean squared errors over hidden values, [2, N]."""
    return np.stack(
        [
            ((one - points) ** 2)[:, mask].mean(axis=1)
            for one, mask in zip(filled, hidden, strict=True)
        ]
    )


def _passed(subject: Subject, start: Array, hidden: NDArray[np.bool_]) -> Array | None:
    """Points [N, D] whose hidden values the generator gives at the encoder's mean, repeatedly."""
    points = start
    for _ in range(ROUNDS):
        codes = subject.encoded(points)
        if codes is None:
            return None
        points = np.where(hidden, outputs(subject.model.network, codes.means), points)
    return points
