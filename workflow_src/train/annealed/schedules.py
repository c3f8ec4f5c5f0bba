"""What goes with the share of the steps that are done: step sizes and the weight of divergence.

The settings of section 7.2 and appendix F of the DVAE++ paper, and of the authors' program where
it differs. Numbers only, no tensors.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

# From which share of the steps on the step size has which factor.
_STEPS: Mapping[str, tuple[tuple[float, float], ...]] = {
    "constant": ((0.0, 1.0),),
    "authors_steps": ((0.0, 1 / 10), (0.02, 1.0), (0.6, 1 / 3), (0.75, 1 / 10), (0.95, 1 / 33)),
    "text_steps": ((0.0, 1.0), (0.6, 0.3), (0.75, 0.3**2), (0.95, 0.3**3)),
}


def progress(spec: Mapping[str, Any], step: int) -> float:
    """Share of the steps that are done before step number ``step``, which counts from 0."""
    share: float = step / spec["maximum_steps"]
    return share


def kl_weight(spec: Mapping[str, Any], step: int) -> float:
    """Weight of the divergence in that step, in [0, 1]."""
    annealed = spec["kl_annealing"]
    return min(1.0, progress(spec, step) / annealed) if annealed else 1.0


def learning_rate(spec: Mapping[str, Any], step: int, bounds: Sequence[float]) -> float:
    """Size of that step after validations that gave ``bounds``, in the order they were made.

    Those count that `comparable_bounds` names.
    """
    rate: float = spec["learning_rate"]
    schedule = spec["learning_rate_schedule"]
    if schedule == "plateau":
        decayed: float = spec["plateau_factor"] ** plateaus(bounds, spec["plateau_patience"])
        return rate * decayed
    done = progress(spec, step)
    return rate * next(factor for start, factor in reversed(_STEPS[schedule]) if done >= start)


def comparable_bounds(history: Sequence[Mapping[str, float]]) -> list[float]:
    """Bounds of the validations after steps whose divergence had its whole weight.

    Until then the objective itself changes, and a bound that falls is no plateau.
    """
    return [row["validation_bound"] for row in history if row["kl_weight"] == 1]


def plateaus(bounds: Sequence[float], patience: int) -> int:
    """How often ``patience`` bounds in a row were no new best; each counts for one plateau."""
    best, without, found = -math.inf, 0, 0
    for bound in bounds:
        if bound > best:
            best, without = bound, 0
            continue
        without += 1
        if without == patience:
            found, without = found + 1, 0
    return found
