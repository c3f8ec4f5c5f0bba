"""Many small minimisations side by side: BFGS with backtracking for a batch of problems."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]
Objective: TypeAlias = Callable[[NDArray[np.int64], Array], tuple[Array, Array]]
"""Numbers of problems ``[M]`` and places ``[M, P]`` to values ``[M]``, gradients ``[M, P]``."""

SUFFICIENT = 1e-4
HALVINGS = 30

ROUNDING = 1e-15
"""Relative decrease that may be rounding."""

LARGEST_STEP = 2.0
"""Longest step tried; problems are to be scaled so that their unknowns are of size 1."""


SETTLED = 1e3
"""Roundings that the best step may promise where none lowers the value: less cannot be seen."""


@dataclass(frozen=True, eq=False)
class Minima:
    """Where B problems ended.

    Attributes
    ----------
    places, values:
        ``[B, P]`` and ``[B]``.
    converged:
        Whether it is a local minimum as far as numbers tell, ``[B]``: False where the iterations
        ran out, or where no step along the last direction lowered the value as much as it promised.
    """

    places: Array
    values: Array
    converged: NDArray[np.bool_]


def minimised(
    objective: Objective, starts: Array, tolerance: float = 1e-6, iterations: int = 200
) -> Minima:
    """Local minima of B problems from ``starts`` [B, P].

    A problem is done when no part of its gradient exceeds ``tolerance``, when a step lowers it by
    no more than rounding, or after so many ``iterations``. Values never rise.
    """
    places = starts.astype(np.float64)
    everyone = np.arange(len(places))
    values, gradients = objective(everyone, places)
    curvatures = np.tile(np.eye(places.shape[1]), (len(places), 1, 1))
    unfinished = np.abs(gradients).max(axis=1) > tolerance
    converged = ~unfinished & np.isfinite(values)
    active = everyone[unfinished]
    for iteration in range(iterations):
        if not len(active):
            break
        directions = -np.einsum("bpq,bq->bp", curvatures[active], gradients[active])
        uphill = np.einsum("bp,bp->b", directions, gradients[active]) >= 0
        directions[uphill] = -gradients[active][uphill]
        longest = LARGEST_STEP if iteration else 1.0
        directions /= np.maximum(1.0, np.linalg.norm(directions, axis=1) / longest)[:, None]
        promised = -np.einsum("bp,bp->b", directions, gradients[active])
        moved = _line_search(objective, active, places, values, gradients, directions)
        rows, steps, new_values, new_gradients = moved
        size = ROUNDING * (1 + np.abs(values[active]))
        converged[active] = promised <= SETTLED * size
        changes = new_gradients - gradients[rows]
        curvatures[rows] = _updated(curvatures[rows], steps, changes)
        places[rows] += steps
        progress = values[rows] - new_values > ROUNDING * (1 + np.abs(new_values))
        values[rows], gradients[rows] = new_values, new_gradients
        unfinished = progress & (np.abs(new_gradients).max(axis=1) > tolerance)
        converged[rows] = ~unfinished
        active = rows[unfinished]
    return Minima(places, values, converged)


def _line_search(
    objective: Objective,
    active: NDArray[np.int64],
    places: Array,
    values: Array,
    gradients: Array,
    directions: Array,
) -> tuple[NDArray[np.int64], Array, Array, Array]:
    """Halve until values fall enough: the problems that moved, their steps, values, gradients."""
    slopes = np.einsum("bp,bp->b", directions, gradients[active])
    steps = directions.copy()
    found_values = values[active].copy()
    found_gradients = gradients[active].copy()
    waiting = np.arange(len(active))
    moved = np.zeros(len(active), dtype=bool)
    share = 1.0
    for _ in range(HALVINGS):
        if not len(waiting):
            break
        rows = active[waiting]
        tried = share * directions[waiting]
        tried_values, tried_gradients = objective(rows, places[rows] + tried)
        enough = tried_values <= values[rows] + SUFFICIENT * share * slopes[waiting]
        enough &= tried_values < values[rows]
        done = waiting[enough]
        steps[done] = tried[enough]
        found_values[done], found_gradients[done] = tried_values[enough], tried_gradients[enough]
        moved[done] = True
        waiting, share = waiting[~enough], share / 2
    return active[moved], steps[moved], found_values[moved], found_gradients[moved]


def _updated(inverses: Array, steps: Array, changes: Array) -> Array:
    """The BFGS update of inverse curvatures ``[B, P, P]``; none where curvature is not positive."""
    curvature = np.einsum("bp,bp->b", steps, changes)
    sizes = np.linalg.norm(steps, axis=1) * np.linalg.norm(changes, axis=1)
    usable = curvature > 1e-10 * sizes
    scale = np.where(usable, 1 / np.where(usable, curvature, 1.0), 0.0)[:, None, None]
    identity = np.eye(steps.shape[1])
    left = identity - scale * steps[:, :, None] * changes[:, None, :]
    updated = left @ inverses @ left.transpose(0, 2, 1)
    return np.asarray(updated + scale * steps[:, :, None] * steps[:, None, :])
