"""Rules that end training, fed with one validation bound after another.

``eleven_below_best`` is what the published SPVAE program does, ``five_decreases`` what section 4 of
the paper says. Both keep the best point; a bound that equals the best is not an improvement.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_ELEVEN = 11
_FIVE = 5

RULES = ("eleven_below_best", "five_decreases")


@dataclass(frozen=True)
class StoppingState:
    """What a rule remembers between validations; bounds are means over images, in nats.

    Attributes
    ----------
    best:
        Highest bound so far, -inf before the first validation.
    previous:
        The last bound.
    strikes:
        ``eleven_below_best``: validations since the best; ``five_decreases``: decreases in a row.
    """

    best: float = -math.inf
    previous: float = -math.inf
    strikes: int = 0


def advance(rule: str, state: StoppingState, bound: float) -> StoppingState:
    """The state after a validation that gave ``bound``.

    Raises
    ------
    ValueError
        If there is no such rule.
    """
    if rule == "eleven_below_best":
        strikes = 0 if bound > state.best else state.strikes + 1
    elif rule == "five_decreases":
        strikes = state.strikes + 1 if bound < state.previous else 0
    else:
        raise ValueError(f"unknown stopping rule {rule!r}; known are {', '.join(RULES)}")
    return StoppingState(best=max(state.best, bound), previous=bound, strikes=strikes)


def says_stop(rule: str, state: StoppingState) -> bool:
    """Whether training ends now."""
    return state.strikes >= (_ELEVEN if rule == "eleven_below_best" else _FIVE)


def ended(spec: Mapping[str, Any], bounds: Sequence[float], step: int) -> str | None:
    """Why training is over after validations that gave ``bounds``; None where it goes on."""
    rule, state = spec["stopping"], StoppingState()
    for bound in bounds:
        state = advance(rule, state, bound)
    if says_stop(rule, state):
        return f"early stopping ({rule})"
    if step >= spec["maximum_steps"]:
        return "maximum_steps reached before early stopping"
    return None
