"""Hyperparameters that are layouts: their names, their notation, and the images they suit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from workflow_src.config.data_sets import data_set
from workflow_src.config.hyperparameters import Hyperparameter, check_conditions
from workflow_src.config.published import read_published

NAMES = {
    "A": "F(28,1)-G(49)",
    "B": "F(8,2)-G(49)-F(11,1)-G(49)",
    "A_8": "F(8, 1) - G(25)",
    "again": "F(28,1)-G(49)",
}


def layout(**changed: Any) -> Hyperparameter:
    declared = {"type": "layout", "names": NAMES, "meaning": "A test.", **changed}
    return Hyperparameter.model_validate(declared)


def test_names_and_notations_are_values() -> None:
    one = layout()
    assert all(one.accepts(value) for value in ("A", "A_8", "F(3,1)-G(25)", " F(3, 1)-G(25)"))
    for value in ("a", "D", "F(3,1)", "F(3,1)-G(26)", 3, None, ["A"], True):
        assert not one.accepts(value)
    assert not layout(names={}).accepts("A")


def test_specs_hold_notations_whatever_a_study_calls_them() -> None:
    one = layout()
    assert one.resolved("A") == one.resolved(" F(28, 1)-G(49)") == "F(28,1)-G(49)"
    assert one.resolved("A_8") == "F(8,1)-G(25)"


def test_people_see_the_first_name() -> None:
    one = layout()
    assert one.shown("F(28,1)-G(49)") == one.shown("again") == one.shown("A") == "A"
    assert one.shown("F(8,1)-G(25)") == "A_8"
    assert one.shown("F(3,1) - G(25)") == "F(3,1)-G(25)"


def test_other_types_are_shown_as_they_are() -> None:
    number = Hyperparameter.model_validate({"type": "number", "meaning": "A test."})
    assert number.resolved(1) == 1.0
    assert isinstance(number.resolved(1), float)
    assert number.shown(1.0) == 1.0
    choice = Hyperparameter.model_validate(
        {"type": "choice", "choices": ["a"], "meaning": "A test."}
    )
    assert (choice.resolved("a"), choice.shown("a"), choice.objection("b")) == ("a", "a", None)


def test_a_layout_suits_images_that_it_ends_at_one_position_of() -> None:
    one = layout()
    assert one.suits("B", data_set("mnist"))
    assert one.suits("A_8", data_set("digits"))
    assert not one.suits("A", data_set("digits"))
    misfit = one.misfit("B", data_set("svhn"))
    assert misfit is not None
    assert "3 x 3" in misfit[0]
    assert "svhn" in misfit[0]
    assert "1 x 1" in misfit[1]


def test_a_refused_notation_says_what_is_wrong_with_it() -> None:
    one = layout()
    assert "no square" in str(one.objection("F(3,1)-G(26)"))
    assert one.objection("A") is None
    assert "A, B, A_8" in one.allowed


@pytest.mark.parametrize(
    "changed",
    [
        {"names": {"A": "F(28,1)"}},
        {"default": "C"},
        {"default": "F(28,1)"},
        {"choices": ["A"]},
        {"type": "integer"},
    ],
)
def test_a_declaration_that_cannot_be_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        layout(**changed)


def test_a_default_may_be_a_name() -> None:
    assert layout(default="B").default_for(data_set("mnist")) == "B"


def test_no_hyperparameter_depends_on_a_layout() -> None:
    other = Hyperparameter.model_validate(
        {"type": "integer", "only_where": {"layout": ["A"]}, "meaning": "A test."}
    )
    with pytest.raises(ValueError, match="refused"):
        check_conditions({"layout": layout(), "other": other})


def test_published_numbers_may_name_layouts(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text(
        "model,data_set,likelihood,metric,value,unit,place,note,hyperparameters,spread\n"
        "dcgmm,mnist,gaussian,anomaly_auc,0.95,share,Table II,,layout=A,0.2\n"
    )
    (value,) = read_published(path)
    assert value.is_of({"layout": "F(28,1)-G(49)"})
    assert not value.is_of({"layout": "F(8,1)-G(25)"})
