"""Layouts in grids: a study names them, specs hold their notation, people see the names again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from workflow_src.config.loading import settings_from_mapping
from workflow_src.config.models import known_as, resolved_values
from workflow_src.config.studies import load_study
from workflow_src.errors import UserError
from workflow_src.plan.grids import Group, expand
from workflow_src.report.wording import axis_value, hyperparameter_text, plain_key

B_8 = "F(3,1)-G(25)-F(6,1)-G(25)"


def study(folder: Path, layouts: list[str], data_set: str = "digits") -> str:
    """A study of one experiment that compares layouts."""
    grid: dict[str, Any] = {
        "data_sets": [data_set],
        "likelihoods": ["gaussian"],
        "seeds": [0],
        "models": {"dcgmm": [{"layout": layouts, "maximum_epochs": [1]}]},
    }
    content = {
        "name": "layouts",
        "title": "A test",
        "reference": "Nobody, nowhere",
        "protocols": {"authors": {"description": "A test."}},
        "experiments": {
            "table": {
                "title": "A table",
                "description": "A test.",
                "presentation": "table",
                "compare": ["layout"],
                "table": {"rows": "layout", "columns": ["data_set"], "metric": "parameter_count"},
                "measures": {},
                "scales": {"demo": grid},
            }
        },
    }
    path = folder / "layouts.yaml"
    path.write_text(yaml.safe_dump(content))
    return str(path)


def groups(path: str) -> list[Group]:
    chosen = {"studies": [path], "scale": "demo", "experiments": "all"}
    return expand(load_study(path), settings_from_mapping(chosen))


def test_names_become_notations_in_specs_and_variants(tmp_path: Path) -> None:
    found = groups(study(tmp_path, ["A_8", "B_8", " F(8, 1) - G(4)"]))
    assert [group.variant for group in found] == [
        {"layout": "F(8,1)-G(25)"},
        {"layout": B_8},
        {"layout": "F(8,1)-G(4)"},
    ]
    for group in found:
        for run in group.runs:
            assert run.hyperparameter("layout") == group.variant["layout"]


def test_a_name_and_its_notation_are_one_run(tmp_path: Path) -> None:
    (one,) = groups(study(tmp_path, ["B_8", B_8, "F(3, 1)-G(25)-F(6, 1)-G(25)"]))
    assert len(one.runs) == 1


@pytest.mark.parametrize(
    ("layout", "data_set", "said"),
    [
        ("A", "digits", '"A" does not suit the 8 x 8 x 1 images of digits'),
        ("A", "digits", "block 1, F(28,1), does not fit into the 8 x 8 positions"),
        ("B", "svhn", "32 x 32, 13 x 13, 13 x 13, 3 x 3, 3 x 3"),
        ("H", "digits", "block 1, 'H', is none"),
        ("F(8,1)-G(26)", "digits", "26 components are no square"),
    ],
)
def test_what_does_not_suit_is_refused_with_its_sizes(
    tmp_path: Path, layout: str, data_set: str, said: str
) -> None:
    with pytest.raises(UserError) as caught:
        load_study(study(tmp_path, [layout], data_set))
    assert said in str(caught.value)
    assert "models.dcgmm" in str(caught.value)


def test_people_see_names(tmp_path: Path) -> None:
    assert known_as("layout", B_8) == "B_8"
    assert known_as("layout", "F(8,1)-G(4)") == "F(8,1)-G(4)"
    assert known_as("hidden_units", 3) == 3
    assert axis_value("layout", B_8) == "B_8"
    assert hyperparameter_text("layout", B_8) == "layout B_8"
    assert hyperparameter_text("layout", "F(8,1)-G(4)") == "F(8,1)-G(4)"
    assert plain_key(["data_set", "layout"], ["digits", B_8]) == ["digits", "layout=B_8"]


def test_values_are_resolved_as_far_as_they_are_known() -> None:
    given = {"layout": "B_8", "delay": 1, "no_such_thing": 3}
    assert resolved_values("dcgmm", given) == {"layout": B_8, "delay": 1.0, "no_such_thing": 3}
    assert resolved_values("no_such_model", given) == given
