"""The end of a training whose annealing and delays are shares of its steps: it makes them all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

KEEPS_LAST = True
"""Checkpoints hold the last point and not the best: early bounds are those of wide neighbourhoods,
and of top layers that wait, so that the best of them says little."""


def ended(spec: Mapping[str, Any], bounds: Sequence[float], step: int) -> str | None:
    """Why training is over after ``step`` steps; None where it goes on."""
    return "all planned epochs were made" if len(bounds) >= spec["validations"] else None
