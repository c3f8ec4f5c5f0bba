"""The end of a training in a planned number of passes over its images: it makes them all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def ended(spec: Mapping[str, Any], bounds: Sequence[float], step: int) -> str | None:
    """Why training is over after ``step`` epochs; None where it goes on."""
    return "all planned epochs were made" if step >= spec["maximum_epochs"] else None
