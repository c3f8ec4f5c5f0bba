"""When runs had come near the best that any of them reaches, and whether they fell on their way.

A run that comes near its own best alone would be fast by being stuck. All runs that start at the
same weights therefore have one target: 95 % of the way from the log likelihood of an isotropic
Gaussian, which needs no network and to which variational runs collapse, to the best that any of
them reaches, each on the same validation points. This is the convergence test by which optimisers
are compared (J. J. Moré and S. M. Wild, SIAM Journal on Optimization 20, 2009, equation 2.2). It
does not depend on the unit of the data nor on how many values a point has.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

WAY = 0.95
"""Share of the way from the isotropic Gaussian to the best run at which a run has converged."""
LEAST_RISE = 0.01
"""Nats above the isotropic Gaussian that the best run has at least, or none has learnt anything."""

History = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Course:
    """How a run went.

    Attributes
    ----------
    problem:
        Equal for the runs that have one target.
    gaussian:
        Log likelihood of the isotropic Gaussian, mean over validation points in nats.
    history:
        ``step`` (an epoch), ``device_seconds``, ``validation_bound`` and ``training_bound``, a
        value per validation.
    """

    problem: Hashable
    gaussian: float
    history: History


def convergences(courses: Sequence[Course | None]) -> list[dict[str, float]]:
    """Of each run epochs and device seconds until it met its target, and its largest fall.

    By metric. Empty where there is no course, or no more of it than its start. Epochs and seconds
    are infinite where the target was never met.
    """
    best: dict[Hashable, float] = {}
    for course in courses:
        if course is not None:
            reached = _highest(course.history["validation_bound"])
            best[course.problem] = max(best.get(course.problem, -math.inf), reached)
    return [
        {}
        if course is None or len(course.history["step"]) < 2
        else _times(course.history, target(course.gaussian, best[course.problem]))
        | {"largest_likelihood_fall": largest_fall(course.history["training_bound"])}
        for course in courses
    ]


def target(gaussian: float, best: float) -> float:
    """What a validation log likelihood must reach; infinite where the best learnt nothing."""
    rise = best - gaussian
    return gaussian + WAY * rise if rise >= LEAST_RISE else math.inf


def largest_fall(bounds: NDArray[Any]) -> float:
    """From one validation to the next, 0 where it never fell; infinite with one not finite."""
    if not np.isfinite(bounds).all():
        return math.inf
    return float(np.maximum(bounds[:-1] - bounds[1:], 0).max())


def _times(history: History, wanted: float) -> dict[str, float]:
    bounds = history["validation_bound"]
    near = np.flatnonzero(np.isfinite(bounds) & (bounds >= wanted))
    names = {"epochs_to_converge": "step", "seconds_to_converge": "device_seconds"}
    return {
        metric: float(history[name][near[0]]) if len(near) else math.inf
        for metric, name in names.items()
    }


def _highest(bounds: NDArray[Any]) -> float:
    finite = bounds[np.isfinite(bounds)]
    return float(finite.max()) if len(finite) else -math.inf
