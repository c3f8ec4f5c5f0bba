"""The winner is the completed run with the highest validation bound."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_src.evaluate.selection import Candidate, choose, held_in_common


def test_the_highest_validation_bound_wins() -> None:
    runs = [
        Candidate("a", "completed", -3.0, 10),
        Candidate("b", "completed", -1.0, 10),
        Candidate("c", "completed", -2.0, 10),
    ]
    assert choose(runs) == ("b", None)


@pytest.mark.parametrize("bound", [None, math.nan, math.inf, 1e9])
def test_a_run_that_diverged_never_wins(bound: float | None) -> None:
    runs = [Candidate("bad", "diverged", bound, 1), Candidate("good", "completed", -5.0, 1)]
    assert choose(runs) == ("good", None)


@pytest.mark.parametrize("bound", [None, math.nan, math.inf])
def test_a_bound_that_is_not_a_number_never_wins(bound: float | None) -> None:
    runs = [Candidate("odd", "completed", bound, 1), Candidate("good", "completed", -5.0, 1)]
    assert choose(runs) == ("good", None)


def test_of_equal_bounds_the_smaller_model_wins() -> None:
    runs = [Candidate("large", "completed", 1.0, 900), Candidate("small", "completed", 1.0, 100)]
    assert choose(runs) == ("small", None)


def test_without_a_finite_bound_there_is_a_reason_instead_of_a_winner() -> None:
    winner, reason = choose(
        [Candidate("a", "diverged", None, 1), Candidate("b", "diverged", 2.0, 1)]
    )
    assert winner is None
    assert reason is not None
    assert "2 runs" in reason
    assert "diverged" in reason


@given(st.permutations([("a", 1.0, 5), ("b", 1.0, 5), ("c", 0.5, 1), ("d", 1.0, 7)]))
def test_the_choice_does_not_depend_on_the_order(order: list[tuple[str, float, int]]) -> None:
    winner, _ = choose([Candidate(name, "completed", bound, n) for name, bound, n in order])
    assert winner == "b"


def test_candidates_are_told_by_what_they_have_in_common_beside_their_axes() -> None:
    specs = [
        {"model": "vae", "hidden_units": units, "hidden_layers": 3, "stopping": "never"}
        for units in (30, 100)
    ]
    axes = {"model": "vae"}
    assert held_in_common(specs, axes) == {"hidden_layers": 3, "stopping": "never"}
    assert held_in_common(specs[:1], axes)["hidden_units"] == 30
