"""Probabilities of leaves that are none, or of other leaves, are found."""

from __future__ import annotations

import io
import math
from typing import Any

import numpy as np
import pytest

from workflow_src.audit.findings import Notes
from workflow_src.audit.leaf_posteriors import check_leaf_posteriors

CHANCE = np.random.default_rng(4)
# Three images of two labels; leaves in 2 rows and 3 columns, 4 components of each.
SINGLE = CHANCE.dirichlet(np.ones(4), (3, 6)).astype(np.float32)
MEAN = CHANCE.dirichlet(np.ones(4), (2, 6)).astype(np.float32)
ARRAYS = {
    "images": CHANCE.random((3, 4, 6)).astype(np.float32),
    "labels": np.array([3, 7, 3], dtype=np.uint8),
    "responsibilities": SINGLE,
    "label_names": np.array(["3", "7"]),
    "mean_responsibilities": MEAN,
    "leaf_rows": np.array(2),
    "leaf_columns": np.array(3),
    "leaf_components": np.array(4),
}
BOTH = ("responsibilities", "mean_responsibilities")


def said(bound: float = 100.0, **changed: Any) -> list[str]:
    metrics = [{"metric": "test_bound", "value": bound}, {"metric": "other", "value": math.inf}]
    record = {"content": {"metrics": metrics, "images": 40, "dimensions": 24}}
    stream = io.BytesIO()
    np.savez_compressed(stream, **(ARRAYS | changed))
    notes = Notes()
    with notes.reading("measurement.json"):
        check_leaf_posteriors("measurement.json", record, stream.getvalue(), notes)
    return [finding.text for finding in notes.findings]


def altered(name: str, change: Any) -> dict[str, Any]:
    values = ARRAYS[name].copy()
    values[1, 2] = change(values[1, 2])
    return {name: values}


def test_probabilities_that_sum_to_one_are_right() -> None:
    assert said() == []


@pytest.mark.parametrize("bound", [100.0, -math.inf])
@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize(
    "change",
    [
        lambda one: one * 1.1,
        lambda one: one * 0.9,
        lambda one: np.float32([1.5, -0.5, 0, 0]),
        lambda one: one * 0,
    ],
    ids=["too much", "too little", "negative", "nothing"],
)
def test_what_is_no_probability_is_found(name: str, change: Any, bound: float) -> None:
    (found,) = said(bound, **altered(name, change))
    assert f"has {name} that are no probabilities" in found


@pytest.mark.parametrize("name", BOTH)
def test_only_what_may_have_density_0_may_have_no_leaf(name: str) -> None:
    none = ARRAYS[name] * np.float32([1, 0, 1][: len(ARRAYS[name])])[:, None, None]
    assert said(-math.inf, **{name: none}) == []
    assert len(said(100.0, **{name: none})) == 1


@pytest.mark.parametrize("name", BOTH)
def test_what_is_not_a_number_is_found_where_all_bounds_are_finite(name: str) -> None:
    assert len(said(**altered(name, lambda one: one * math.nan))) == 1


@pytest.mark.parametrize(
    "changed",
    [
        {"leaf_rows": np.array(3)},
        {"leaf_components": np.array(2)},
        {"leaf_columns": np.array([3, 3])},
        {"responsibilities": SINGLE[:, :5]},
        {"responsibilities": SINGLE[:2]},
        {"mean_responsibilities": MEAN[:1]},
        {"label_names": np.array(["3", "3"])},
        {"label_names": np.array(["3", "8"])},
        {"images": ARRAYS["images"][:, :3]},
        {"images": ARRAYS["images"][:2]},
        {"labels": np.array([3, 7])},
    ],
    ids=str,
)
def test_arrays_of_something_else_are_found(changed: dict[str, Any]) -> None:
    assert said(**changed) != []


def test_a_file_that_is_cut_off_is_a_finding() -> None:
    notes = Notes()
    check_leaf_posteriors("measurement.json", {"content": {}}, b"PK\x03\x04", notes)
    assert "cannot be read" in notes.findings[0].text
