"""Complaints say what is wrong in words, and offer the nearest spelling."""

from __future__ import annotations

import pytest

from workflow_src.config.complaints import Complaint, nearest, shown, unknown


@pytest.mark.parametrize(
    ("given", "best"),
    [("mnits", "mnist"), ("MNIST", "mnist"), ("fashion-mnist", "fashion_mnist"), ("zzz", None)],
)
def test_the_nearest_spelling_is_offered_where_there_is_one(given: str, best: str | None) -> None:
    assert nearest(given, ["mnist", "fashion_mnist", "svhn"]) == best


def test_what_is_no_name_at_all_has_no_nearest_spelling_but_is_shown() -> None:
    complaint = unknown(("a",), "model", 3, ["spvae"])
    assert (complaint.problem, complaint.remedy) == ("unknown model 3", None)


def test_long_values_are_cut_to_fit_in_a_line() -> None:
    assert shown(list(range(100)), limit=12) == "[0, 1, 2,..."
    assert shown("short") == '"short"'


def test_a_complaint_can_be_seen_from_outside() -> None:
    assert Complaint(("b", 0), "wrong").below(("a",)) == Complaint(("a", "b", 0), "wrong")
