"""When a run had come near the best bound that it would reach, and whether it fell on its way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

NEAR = 0.01
"""Nats per value of a point below the best bound at which a run counts as converged."""


def convergence(history: Mapping[str, NDArray[Any]], dimensions: int) -> dict[str, float]:
    """Epochs and device seconds until the validation bound first came near its best, by metric.

    With them the largest fall of the training bound from one validation to the next, 0 where it
    never fell; left out where one of them is not finite.

    Parameters
    ----------
    history:
        ``step`` (an epoch), ``device_seconds``, ``validation_bound`` and ``training_bound``, a
        value per validation.
    dimensions:
        Values of a point.

    Returns
    -------
    Empty where no validation was finite.
    """
    bounds = history["validation_bound"]
    finite = np.isfinite(bounds)
    if not finite.any():
        return {}
    near = finite & (bounds >= bounds[finite].max() - NEAR * dimensions)
    first = int(np.flatnonzero(near)[0])
    return {
        "epochs_to_converge": float(history["step"][first]),
        "seconds_to_converge": float(history["device_seconds"][first]),
        **_largest_fall(history["training_bound"]),
    }


def _largest_fall(bounds: NDArray[Any]) -> dict[str, float]:
    if len(bounds) < 2 or not np.isfinite(bounds).all():
        return {}
    return {"largest_likelihood_fall": float(np.maximum(bounds[:-1] - bounds[1:], 0).max())}
