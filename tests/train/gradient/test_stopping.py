"""Both stopping rules on curves whose ends were found by hand."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_src.train.gradient.stopping import (
    RULES,
    StoppingState,
    advance,
    ended,
    says_stop,
)

BOUNDS = st.lists(st.integers(-5, 5).map(float), max_size=60)


def ends_after(rule: str, curve: list[float]) -> int | None:
    """How many validations it takes; None where the rule would go on."""
    state = StoppingState()
    for i, bound in enumerate(curve):
        state = advance(rule, state, bound)
        if says_stop(rule, state):
            return i + 1
    return None


@pytest.mark.parametrize(
    ("curve", "end"),
    [
        ([0.0] + [-1.0] * 11, 12),
        ([0.0] + [-1.0] * 10, None),
        ([0.0] + [-1.0] * 10 + [1.0] + [0.5] * 11, 23),
        # Equal to the best is not a new best.
        ([3.0] * 12, 12),
        ([float(i) for i in range(100)], None),
        # Up and down below the best counts as well as falling.
        ([10.0] + [1.0, 2.0] * 5 + [9.0], 12),
    ],
)
def test_eleven_below_best(curve: list[float], end: int | None) -> None:
    assert ends_after("eleven_below_best", curve) == end


@pytest.mark.parametrize(
    ("curve", "end"),
    [
        ([5.0, 4.0, 3.0, 2.0, 1.0, 0.0], 6),
        ([5.0, 4.0, 3.0, 2.0, 1.0], None),
        # A rise and a standstill start the count again.
        ([9.0, 8.0, 7.0, 6.0, 5.0, 5.5, 5.0, 4.0, 3.0, 2.0, 1.0], 11),
        ([9.0, 8.0, 7.0, 6.0, 5.0, 5.0, 4.0, 3.0, 2.0, 1.0], None),
        ([9.0, 8.0, 7.0, 6.0, 5.0, 5.0, 4.0, 3.0, 2.0, 1.0, 0.0], 11),
        # Far below the best, but never five falls in a row.
        ([100.0] + [1.0, 2.0] * 50, None),
    ],
)
def test_five_decreases(curve: list[float], end: int | None) -> None:
    assert ends_after("five_decreases", curve) == end


@given(BOUNDS)
def test_the_best_is_the_maximum(curve: list[float]) -> None:
    for rule in RULES:
        state = StoppingState()
        for bound in curve:
            state = advance(rule, state, bound)
        assert state.best == max(curve, default=-math.inf)


@given(BOUNDS)
def test_eleven_below_best_is_eleven_validations_since_the_first_best(curve: list[float]) -> None:
    end = ends_after("eleven_below_best", curve)
    expected = next(
        (n for n in range(1, len(curve) + 1) if n - 1 - curve.index(max(curve[:n])) >= 11), None
    )
    assert end == expected


@given(BOUNDS)
def test_five_decreases_is_five_falling_pairs(curve: list[float]) -> None:
    falls = [b < a for a, b in itertools.pairwise(curve)]
    expected = next((n + 1 for n in range(5, len(curve)) if all(falls[n - 5 : n])), None)
    assert ends_after("five_decreases", curve) == expected


def test_an_unknown_rule_is_refused() -> None:
    with pytest.raises(ValueError, match="patience"):
        advance("patience", StoppingState(), 0.0)


@pytest.mark.parametrize(
    ("rule", "bounds", "step", "reason"),
    [
        ("five_decreases", [6.0, 5.0, 4.0, 3.0, 2.0], 20, None),
        ("five_decreases", [6.0, 5.0, 4.0, 3.0, 2.0, 1.0], 24, "early stopping (five_decreases)"),
        ("eleven_below_best", [1.0] + [0.0] * 11, 48, "early stopping (eleven_below_best)"),
        ("eleven_below_best", [1.0], 100, "maximum_steps reached before early stopping"),
        ("eleven_below_best", [1.0] + [0.0] * 11, 100, "early stopping (eleven_below_best)"),
    ],
)
def test_a_training_is_over_by_its_rule_or_its_last_step(
    rule: str, bounds: list[float], step: int, reason: str | None
) -> None:
    assert ended({"stopping": rule, "maximum_steps": 100}, bounds, step) == reason
