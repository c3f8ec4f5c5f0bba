"""Schedules at the steps that the paper and the authors' program name."""

from __future__ import annotations

from typing import Any

import pytest

from workflow_src.train.annealed.schedules import (
    comparable_bounds,
    kl_weight,
    learning_rate,
    plateaus,
    progress,
)
from workflow_src.train.annealed.stopping import ended

MILLION = 1_000_000


def spec(schedule: str, steps: int = MILLION, **changed: Any) -> dict[str, Any]:
    return {
        "maximum_steps": steps,
        "learning_rate": 3e-3,
        "learning_rate_schedule": schedule,
        "plateau_factor": 0.5,
        "plateau_patience": 2,
        "kl_annealing": 0.3,
        **changed,
    }


@pytest.mark.parametrize(
    ("schedule", "step", "rate"),
    [
        ("constant", 0, 3e-3),
        ("constant", 999_999, 3e-3),
        ("authors_steps", 0, 3e-4),
        ("authors_steps", 19_999, 3e-4),
        ("authors_steps", 20_000, 3e-3),
        ("authors_steps", 599_999, 3e-3),
        ("authors_steps", 600_000, 1e-3),
        ("authors_steps", 749_999, 1e-3),
        ("authors_steps", 750_000, 3e-4),
        ("authors_steps", 950_000, 3e-3 / 33),
        ("text_steps", 0, 3e-3),
        ("text_steps", 599_999, 3e-3),
        ("text_steps", 600_000, 9e-4),
        ("text_steps", 750_000, 2.7e-4),
        ("text_steps", 949_999, 2.7e-4),
        ("text_steps", 950_000, 8.1e-5),
    ],
)
def test_step_sizes_at_the_steps_that_are_named(schedule: str, step: int, rate: float) -> None:
    assert learning_rate(spec(schedule), step, []) == pytest.approx(rate, rel=1e-12)


def test_shorter_trainings_have_the_same_shares() -> None:
    rates = [learning_rate(spec("text_steps", 20), step, []) for step in range(20)]
    assert rates == pytest.approx([3e-3] * 12 + [9e-4] * 3 + [2.7e-4] * 4 + [8.1e-5])


@pytest.mark.parametrize(
    ("bounds", "found"),
    [
        ([], 0),
        ([1.0, 2.0, 3.0], 0),
        ([3.0, 2.0], 0),
        ([3.0, 2.0, 3.0], 1),
        ([3.0, 2.0, 1.0, 0.0, 2.9], 2),
        ([3.0, 2.0, 4.0, 3.0, 5.0, 1.0], 0),
        ([3.0, 2.0, 1.0, 4.0, 3.0, 2.0], 2),
    ],
)
def test_plateaus_are_counted(bounds: list[float], found: int) -> None:
    assert plateaus(bounds, 2) == found
    assert learning_rate(spec("plateau"), 7, bounds) == 3e-3 * 0.5**found


def test_bounds_from_before_the_whole_weight_do_not_count() -> None:
    rows = [(0.2, 9.0), (0.999, 8.0), (1.0, 7.0), (1.0, 6.0)]
    history = [{"kl_weight": weight, "validation_bound": bound} for weight, bound in rows]
    assert comparable_bounds(history) == [7.0, 6.0]
    assert comparable_bounds([]) == []


@pytest.mark.parametrize(
    ("step", "weight"),
    [(0, 0.0), (150_000, 0.5), (299_999, 299_999 / 300_000), (300_000, 1.0), (999_999, 1.0)],
)
def test_the_weight_of_divergence_rises_in_its_share_of_the_steps(step: int, weight: float) -> None:
    assert kl_weight(spec("constant"), step) == pytest.approx(weight, rel=1e-12)


def test_without_annealing_the_weight_is_one_from_the_first_step_on() -> None:
    assert kl_weight(spec("constant", kl_annealing=0), 0) == 1


def test_progress_is_the_share_of_steps_done() -> None:
    assert progress(spec("constant", 8), 2) == 0.25


def test_a_training_ends_with_its_last_step_whatever_its_bounds() -> None:
    assert ended(spec("constant", 8), [3.0, 2.0, 1.0] * 20, 7) is None
    assert ended(spec("constant", 8), [1.0], 8) == "all planned steps were taken"
