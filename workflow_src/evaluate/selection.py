"""Chooses a group's winner: the completed run with the highest validation bound, and nothing else.

Section 4 of the SPVAE paper cross-validates its grid on the validation set; test data has no part.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Candidate:
    """What the choice may look at.

    Attributes
    ----------
    fingerprint:
        The run's.
    state:
        ``completed`` or ``diverged``.
    validation_bound:
        Best validation bound in nats; None where no validation was finite.
    parameter_count:
        Decides ties: of equal bounds the smaller model wins.
    """

    fingerprint: str
    state: str
    validation_bound: float | None
    parameter_count: int


def candidate_of(record: Mapping[str, Any]) -> Candidate:
    """What a finished run's record says to the choice."""
    content = record["content"]
    return Candidate(
        fingerprint=record["fingerprint"],
        state=content["status"]["state"],
        validation_bound=content["result"]["best_validation_bound"],
        parameter_count=content["result"]["parameter_count"],
    )


def held_in_common(specs: Sequence[Mapping[str, Any]], axes: Mapping[str, Any]) -> dict[str, Any]:
    """The hyperparameters that all candidates have the same value of; ``axes`` are none of them.

    Groups of equal axes that an experiment tells apart differ in some of these.
    """
    first, *others = specs
    return {
        name: value
        for name, value in first.items()
        if name not in axes and all(one.get(name) == value for one in others)
    }


def choose_among(records: Iterable[Mapping[str, Any]]) -> tuple[str | None, str | None]:
    """As `choose`, among the runs of these records."""
    return choose([candidate_of(record) for record in records])


def choose(candidates: Sequence[Candidate]) -> tuple[str | None, str | None]:
    """``(winner's fingerprint, None)``, or ``(None, why there is no winner)``."""
    eligible = [
        (candidate.validation_bound, -candidate.parameter_count, candidate.fingerprint)
        for candidate in candidates
        if candidate.state == "completed"
        and candidate.validation_bound is not None
        and math.isfinite(candidate.validation_bound)
    ]
    if eligible:
        return max(eligible)[2], None
    states = sorted({candidate.state for candidate in candidates})
    return None, f"none of {len(candidates)} runs gave a finite bound ({', '.join(states)})"
