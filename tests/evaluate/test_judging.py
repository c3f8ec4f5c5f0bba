"""What is made of judges' answers, against answers that are counted by hand."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from workflow_src.data.arrays import PreparedData
from workflow_src.evaluate import judging
from workflow_src.evaluate.judging import JudgedBy, judged_rows, labels_to_draw, share_of

Judge = Callable[[int], int]
"""The class that a judge takes an image for that shows a number."""

MEMORY = 1 << 20


def data(test_labels: Sequence[int], train_labels: Sequence[int] = (0, 1)) -> PreparedData:
    """Images of one pixel, which is the number that they show."""

    def images(labels: Sequence[int]) -> NDArray[np.float32]:
        return np.array(labels, dtype=np.float32)[:, None]

    labels = {
        "train": np.array(train_labels, dtype=np.uint8),
        "validation": np.array([], dtype=np.uint8),
        "test": np.array(test_labels, dtype=np.uint8),
    }
    return PreparedData(
        images(train_labels),
        images([]),
        images(test_labels),
        labels,
        (1, 1),
        1,
        "digits",
        "gaussian",
        "0",
    )


@pytest.fixture
def judges(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[JudgedBy]]:
    """Judges that are functions, of data with these test labels."""

    def answers(
        spec: Mapping[str, Any],
        parameters: Any,
        prepared: PreparedData,
        pixels: Tensor,
        device: Any,
        memory: int,
    ) -> NDArray[np.float32]:
        assert memory == MEMORY
        said = [spec["judge"](int(pixel)) for pixel in pixels[:, 0]]
        found = np.full((len(said), 10), np.log(0.01), dtype=np.float32)
        found[np.arange(len(said)), said] = np.log(0.91)
        return found

    monkeypatch.setattr(judging, "log_probabilities", answers)

    def make(*functions: Judge, test_labels: Sequence[int] = (0, 1, 2)) -> list[JudgedBy]:
        known = data(test_labels)
        return [
            JudgedBy(f"judge{at}", {"judge": one}, {"weight": torch.zeros(1)}, known)
            for at, one in enumerate(functions)
        ]

    return make


def shows(*numbers: int) -> Callable[[int, int | None], Tensor]:
    """Draws these numbers, whatever is asked for."""
    return lambda count, label: torch.tensor(numbers, dtype=torch.float32)[:, None]


def values(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    return {row["metric"]: row["value"] for row in rows}


def errors(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    return {row["metric"]: row["standard_error"] for row in rows}


def test_accuracy_is_the_mean_over_judges_with_both_errors_added(judges: Any) -> None:
    knows_all = lambda shown: shown  # noqa: E731
    takes_all_for_three = lambda shown: 3  # noqa: E731
    asked = judges(knows_all, takes_all_for_three, test_labels=[3, 3, 4, 5])
    rows, files = judged_rows(
        shows(3, 3, 4, 7), [3], asked, 4, MEMORY, draw_noiseless=shows(3, 3, 3, 8)
    )
    # Right answers: 1 1 0 0 of the one, 1 1 1 1 of the other.
    assert values(rows)["judged_accuracy"] == pytest.approx(0.75)
    of_images = np.std([1, 1, 0.5, 0.5], ddof=1) / 2
    of_judges = np.std([0.5, 1.0], ddof=1) / math.sqrt(2)
    assert errors(rows)["judged_accuracy"] == pytest.approx(of_images + of_judges)
    assert files["judged"]["sampling_error"] == pytest.approx(of_images)
    assert files["judged"]["judge_error"] == pytest.approx(of_judges)
    # Without noise: 1 1 1 0 of the one, 1 1 1 1 of the other.
    assert values(rows)["noiseless_judged_accuracy"] == pytest.approx(0.875)
    of_images = np.std([1, 1, 1, 0.5], ddof=1) / 2
    of_judges = np.std([0.75, 1.0], ddof=1) / math.sqrt(2)
    assert errors(rows)["noiseless_judged_accuracy"] == pytest.approx(of_images + of_judges)
    assert files["noiseless_judged"]["sampling_error"] == pytest.approx(of_images)
    assert files["noiseless_judged"]["judge_error"] == pytest.approx(of_judges)
    # On real threes both are right; on all images, 4 of 4 and 2 of 4.
    assert values(rows)["judge_accuracy"] == 1.0
    assert values(rows)["overall_judge_accuracy"] == pytest.approx(0.75)
    assert values(rows)["judge_count"] == 2


def test_files_hold_every_answer(judges: Any) -> None:
    asked = judges(lambda shown: shown, test_labels=[3, 4])
    _, files = judged_rows(shows(3, 4), [3], asked, 2, MEMORY, draw_noiseless=shows(5, 3))
    judged = files["judged"]
    assert judged["judges"].tolist() == ["judge0"]
    assert judged["labels"].tolist() == [3, 3]
    assert judged["judge_probabilities"].shape == (1, 2, 10)
    assert judged["judge_probabilities"].argmax(axis=-1).tolist() == [[3, 4]]
    assert judged["test_predictions"].tolist() == [[3, 4]]
    assert judged["test_labels"].tolist() == [3, 4]
    clean = files["noiseless_judged"]
    assert clean["labels"].tolist() == [3, 3]
    assert clean["judge_probabilities"].argmax(axis=-1).tolist() == [[5, 3]]


def test_a_model_with_a_classifier_draws_every_label_and_one_of_a_class_none(judges: Any) -> None:
    asked: list[tuple[int, int | None]] = []

    def draw(count: int, label: int | None) -> Tensor:
        asked.append((count, label))
        return torch.full((count, 1), float(label or 0))

    clean: list[tuple[int, int | None]] = []

    def draw_noiseless(count: int, label: int | None) -> Tensor:
        clean.append((count, label))
        return torch.full((count, 1), float(label or 0))

    judge = judges(lambda shown: shown)
    rows, files = judged_rows(draw, [0, 1, 2], judge, 5, MEMORY, draw_noiseless=draw_noiseless)
    assert asked == clean == [(5, 0), (5, 1), (5, 2)]
    assert files["judged"]["labels"].tolist() == [0] * 5 + [1] * 5 + [2] * 5
    assert values(rows)["judged_accuracy"] == 1.0
    asked.clear()
    judged_rows(draw, [4], judge, 5, MEMORY, draw_noiseless=draw_noiseless)
    assert asked == [(5, None)]


def test_sharpening_gains_by_draw(judges: Any) -> None:
    asked = judges(lambda shown: shown, lambda shown: 3)
    rows, files = judged_rows(
        shows(3, 3, 4, 7),
        [3],
        asked,
        4,
        MEMORY,
        draw_noiseless=shows(3, 3, 3, 3),
        draw_sharpened=shows(3, 4, 3, 3),
    )
    assert values(rows)["sharpened_judged_accuracy"] == pytest.approx((0.75 + 1) / 2)
    assert values(rows)["sharpening_gain"] == pytest.approx(0.125)
    gains = np.std([0, -0.5, 0.5, 0.5], ddof=1) / 2
    of_judges = np.std([0.25, 0.0], ddof=1) / math.sqrt(2)
    assert errors(rows)["sharpening_gain"] == pytest.approx(gains + of_judges)
    assert files["sharpened_judged"]["judge_probabilities"].shape == (2, 4, 10)


def test_without_judges_there_is_but_their_number() -> None:
    rows, files = judged_rows(shows(3), [3], [], 1, MEMORY, draw_noiseless=shows(3))
    assert values(rows) == {"judge_count": 0}
    assert files == {}


def test_what_has_no_labels_is_not_judged(judges: Any) -> None:
    judge = judges(lambda shown: shown)
    assert judged_rows(shows(3), [], judge, 1, MEMORY, draw_noiseless=shows(3)) == ([], {})


@pytest.mark.parametrize(
    ("train_labels", "has_classifier", "expected"),
    [
        ((3, 3, 3), False, (3,)),
        ((3, 3), True, (3,)),
        ((4, 1, 2), False, ()),
        ((4, 1, 4), True, (1, 4)),
    ],
)
def test_labels_are_those_that_a_model_knows(
    train_labels: tuple[int, ...], has_classifier: bool, expected: tuple[int, ...]
) -> None:
    prepared = data([0], train_labels)
    assert labels_to_draw(prepared, has_classifier=has_classifier) == expected


@given(
    st.integers(1, 4).flatmap(
        lambda judges: st.lists(
            st.lists(st.sampled_from([0.0, 1.0]), min_size=6, max_size=6),
            min_size=judges,
            max_size=judges,
        )
    )
)
def test_the_error_over_images_is_that_of_strata(answers: list[list[float]]) -> None:
    right, strata = np.array(answers), np.array([0, 0, 0, 1, 1, 1])
    found = share_of(right, strata)
    # Every way to draw with replacement within strata; its variance is that of n / (n - 1) less.
    means = right.mean(axis=0)
    each = [
        np.mean([means[list(one)].mean() for one in itertools.product(part, repeat=3)])
        for part in ((0, 1, 2), (3, 4, 5))
    ]
    assert found.value == pytest.approx(np.mean(each))
    variances = [
        np.var([means[list(one)].mean() for one in itertools.product(part, repeat=3)])
        for part in ((0, 1, 2), (3, 4, 5))
    ]
    expected = math.sqrt(sum(variances) / 4 * 3 / 2)
    assert found.sampling_error == pytest.approx(expected, abs=1e-12)
    spread = np.std(right.mean(axis=1), ddof=1) / math.sqrt(len(right)) if len(right) > 1 else 0.0
    assert found.judge_error == pytest.approx(spread)
    assert found.standard_error == pytest.approx(expected + spread)
