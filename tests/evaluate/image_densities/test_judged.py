"""Judges look at draws of every label, plain and sharpened, where it is known what they show."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from support.image_densities import NOTHING, prepared, subject
from torch import Tensor

from workflow_src.evaluate import judging
from workflow_src.evaluate.image_densities.measurement import measure
from workflow_src.evaluate.image_densities.pictures import drawn
from workflow_src.evaluate.image_densities.subject import Subject
from workflow_src.evaluate.judging import JudgedBy
from workflow_src.evaluate.measurement import Measurement

ASKED = NOTHING | {"judged_samples": 40, "sharpened_samples": 1}


def judge(one: Subject, name: str) -> JudgedBy:
    """A judge that knows the components' means."""
    data = prepared(one.facts, {split: [0, 1] * 5 for split in ("train", "validation", "test")})
    return JudgedBy(name, {"model": name}, {"mean": one.parameters["mean"]}, data)


@pytest.fixture(autouse=True)
def _nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    def log_probabilities(
        spec: Mapping[str, Any],
        parameters: Mapping[str, Tensor],
        data: object,
        pixels: Tensor,
        device: torch.device,
        memory_bytes: int,
    ) -> NDArray[np.float32]:
        off = -((pixels.float()[:, None] - parameters["mean"]) ** 2).sum(-1) * 50
        if spec["model"] == "contrary":
            off = off.flip(-1)
        found: NDArray[np.float32] = off.log_softmax(-1).numpy()
        return found

    monkeypatch.setattr(judging, "log_probabilities", log_probabilities)


def rows_of(found: Measurement) -> dict[str, dict[str, Any]]:
    return {row["metric"]: row for row in found.metrics}


def test_draws_of_every_label_are_judged() -> None:
    one = subject()
    found = measure(one, ASKED, [judge(one, "judge")])
    rows, kept = rows_of(found), found.arrays["judged"]
    np.testing.assert_array_equal(kept["labels"], [0] * 40 + [1] * 40)
    draws = torch.cat([drawn(one, 40, "judged samples", label=label) for label in (0, 1)])
    nearer = ((draws[:, None] - one.parameters["mean"]) ** 2).sum(-1).argmin(-1).numpy()
    expected = (nearer == kept["labels"]).mean()
    assert rows["judged_accuracy"]["value"] == pytest.approx(expected)
    assert 0.5 < expected <= 1
    assert rows["judge_count"]["value"] == 1
    # The nearest mean is always that of the component.
    assert rows["noiseless_judged_accuracy"]["value"] == 1.0
    clean = found.arrays["noiseless_judged"]
    np.testing.assert_array_equal(clean["labels"], kept["labels"])
    assert (clean["judge_probabilities"].argmax(-1) == kept["labels"]).all()
    assert found.arrays["sharpened_judged"]["judge_probabilities"].shape == (1, 80, 2)
    gain = rows["sharpened_judged_accuracy"]["value"] - rows["judged_accuracy"]["value"]
    assert rows["sharpening_gain"]["value"] == pytest.approx(gain)


def test_judges_who_disagree_widen_the_error() -> None:
    one = subject()
    alone = rows_of(measure(one, ASKED, [judge(one, "judge")]))
    two = rows_of(measure(one, ASKED, [judge(one, "judge"), judge(one, "contrary")]))
    assert two["judged_accuracy"]["value"] == pytest.approx(0.5)
    errors = [rows["judged_accuracy"]["standard_error"] for rows in (two, alone)]
    assert errors[0] > errors[1] + 0.2


def test_a_model_of_one_label_draws_it_without_being_told() -> None:
    one = dataclasses.replace(subject(has_classifier=False), drawn_labels=(1,))
    found = measure(one, ASKED, [judge(one, "judge")])
    labels = found.arrays["judged"]["labels"]
    np.testing.assert_array_equal(labels, np.ones(40))
    draws = drawn(one, 40, "judged samples")
    nearer = ((draws[:, None] - one.parameters["mean"]) ** 2).sum(-1).argmin(-1).numpy()
    assert rows_of(found)["judged_accuracy"]["value"] == pytest.approx(nearer.mean())


def test_what_nobody_can_judge_is_left_out() -> None:
    one = dataclasses.replace(subject(has_classifier=False), drawn_labels=())
    found = measure(one, ASKED, [judge(one, "judge")])
    assert not any("judge" in metric for metric in rows_of(found))
    assert set(found.arrays) == {"scores", "sharpened_samples"}


def test_what_cannot_be_sharpened_is_judged_as_it_is() -> None:
    one = subject(has_sharpening=False)
    found = measure(one, ASKED, [judge(one, "judge")])
    assert "judged" in found.arrays
    assert "sharpened_judged" not in found.arrays
    assert "sharpening_gain" not in rows_of(found)


def test_sharpened_draws_are_judged_only_where_sharpening_is_asked_for() -> None:
    one = subject()
    found = measure(one, ASKED | {"sharpened_samples": 0}, [judge(one, "judge")])
    assert "judged" in found.arrays
    assert "sharpened_judged" not in found.arrays
