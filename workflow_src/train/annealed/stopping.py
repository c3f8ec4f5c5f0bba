"""The end of a training whose schedules are shares of its steps: it does them all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def ended(spec: Mapping[str, Any], bounds: Sequence[float], step: int) -> str | None:
    """Why training is over after ``step`` steps; None where it goes on."""
    return "all planned steps were taken" if step >= spec["maximum_steps"] else None
