"""A run ends where it diverges, else where its trainer's rule says so."""

from __future__ import annotations

import math
from typing import Any

import pytest

from workflow_src.train.endings import verdict


def history(*bounds: float) -> list[dict[str, float]]:
    return [
        {"step": 4 * (at + 1), "training_bound": 1.0, "validation_bound": bound}
        for at, bound in enumerate(bounds)
    ]


def asked(spec: Any, bounds: Any, step: int) -> str | None:
    return f"{spec['name']}: {list(bounds)} at {step}" if step >= 8 else None


def test_the_rule_is_asked_with_all_bounds_and_the_last_step() -> None:
    assert verdict(asked, {"name": "rule"}, history(1.0)) is None
    assert verdict(asked, {"name": "rule"}, history(1.0, 2.0)) == (
        "completed",
        "rule: [1.0, 2.0] at 8",
    )


@pytest.mark.parametrize("bound", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_has_diverged_whatever_the_rule_says(bound: float) -> None:
    state, reason = verdict(asked, {"name": "rule"}, history(1.0, bound)) or ("", "")
    assert (state, reason) == ("diverged", f"the validation bound was {bound} at step 8")
