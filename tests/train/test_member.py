"""What one run remembers of itself, and how it ends."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch

from workflow_src.train.gradient.stopping import ended
from workflow_src.train.member import Member

NAN, INFINITY = float("nan"), float("inf")


def member(training: Any, **changed: Any) -> Member:
    return Member(training.spec(**changed), 200, ended)


def row(training: float, validation: float) -> dict[str, float]:
    return {"training_bound": training, "validation_bound": validation}


def test_the_best_point_is_kept_where_the_bound_was_highest(training: Any) -> None:
    one = member(training)
    for step, bound in enumerate([1.0, 3.0, 2.0, 3.0], start=1):
        one.step = step
        one.validated(row(0.0, bound), {"x": torch.tensor(float(step))})
        assert one.verdict() is None
    assert one.best_step == 2
    assert one.best_parameters["x"].item() == 2
    assert [row["validation_bound"] for row in one.history] == [1, 3, 2, 3]


@pytest.mark.parametrize(
    ("training_bound", "validation_bound", "named"),
    [
        (NAN, 1.0, "training bound was nan"),
        (1.0, NAN, "validation bound was nan"),
        (1.0, -INFINITY, "validation bound was -inf"),
        (1.0, INFINITY, "validation bound was inf"),
        (-INFINITY, 1.0, "training bound was -inf"),
    ],
)
def test_what_is_not_finite_is_a_divergence_with_its_reason(
    training: Any, training_bound: float, validation_bound: float, named: str
) -> None:
    one = member(training)
    one.step = 4
    one.validated(row(training_bound, validation_bound), {})
    verdict = one.verdict()
    assert verdict is not None
    assert verdict[0] == "diverged"
    assert named in verdict[1]
    assert "step 4" in verdict[1]


def test_an_infinite_bound_is_never_the_best(training: Any) -> None:
    one = member(training)
    one.step = 1
    one.validated(row(0.0, 2.0), {"x": torch.tensor(1.0)})
    one.step = 2
    one.validated(row(0.0, INFINITY), {"x": torch.tensor(2.0)})
    assert one.best_bound == 2
    assert one.best_step == 1
    assert one.best_parameters["x"].item() == 1


def test_the_last_step_ends_a_run(training: Any) -> None:
    one = member(training, maximum_steps=8)
    one.step = 4
    one.validated(row(0.0, 4.0), {})
    assert one.verdict() is None
    one.step = 8
    one.validated(row(0.0, 8.0), {})
    assert one.verdict() == ("completed", "maximum_steps reached before early stopping")


def test_the_stopping_rule_of_the_spec_ends_a_run(training: Any) -> None:
    one = member(training, stopping="five_decreases", maximum_steps=1000)
    for bound in (6.0, 5.0, 4.0, 3.0, 2.0, 1.0):
        assert not one.history or one.verdict() is None
        one.validated(row(0.0, bound), {})
    assert one.verdict() == ("completed", "early stopping (five_decreases)")


def test_a_column_that_the_trainer_adds_comes_after_those_of_all(training: Any) -> None:
    one = member(training)
    one.step = 4
    one.validated({"validation_bound": 2.0, "training_bound": 1.0, "kl_weight": 0.5}, {})
    names = ["step", "training_bound", "validation_bound", "device_seconds", "kl_weight"]
    assert list(one.history[0]) == names
    assert one.validation_bounds() == [2.0]


def test_a_run_without_a_best_point_is_restored_without_one(training: Any) -> None:
    one, other = member(training), member(training)
    other.restore(json.loads(json.dumps(one.facts())), {})
    other.validated(row(0.0, -1e9), {"x": torch.tensor(1.0)})
    assert other.best_bound == -1e9


def test_facts_survive_json_and_restore_the_stream(training: Any) -> None:
    one, other = member(training), member(training)
    for _ in range(40):
        one.next_images()
    one.step = 40
    one.validated(row(0.5, 1.5), {"x": torch.tensor(1.0)})
    tensors = {"best.x": torch.tensor(1.0), "x": torch.tensor(2.0)}
    other.restore(json.loads(json.dumps(one.facts())), tensors)
    assert other.facts() == one.facts()
    assert other.best_parameters == {"x": torch.tensor(1.0)}
    for _ in range(40):
        assert other.next_images().tolist() == one.next_images().tolist()


def test_a_fraction_sees_only_its_images(training: Any) -> None:
    one = member(training, fraction=0.1)
    seen = {int(image) for _ in range(50) for image in one.next_images()}
    assert len(seen) == 20
    everything = member(training)
    assert {int(i) for _ in range(25) for i in everything.next_images()} == set(range(200))
