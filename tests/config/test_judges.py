"""Who judges what: what studies may ask for, and what is refused with the way out."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.judged_world import judged_study

from workflow_src.config.data_sets import DATA_SETS
from workflow_src.config.judges import judged_labels, judging_data_set
from workflow_src.config.studies import Study, load_study
from workflow_src.errors import UserError


def loaded(content: dict[str, Any], folder: Path) -> Study:
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(content))
    return load_study(str(path))


@pytest.fixture
def study() -> dict[str, Any]:
    return copy.deepcopy(judged_study())


def grid_of(study: dict[str, Any]) -> dict[str, Any]:
    grid: dict[str, Any] = study["experiments"]["table1"]["scales"]["demo"]
    return grid


def test_judges_are_five_by_default(study: dict[str, Any], tmp_path: Path) -> None:
    grid_of(study)["judges"] = {"model": "convolutional_classifier"}
    judges = loaded(study, tmp_path).experiments["table1"].scales["demo"].judges
    assert judges is not None
    assert (judges.seeds, judges.protocol, judges.values) == ((0, 1, 2, 3, 4), "authors", {})


@pytest.mark.parametrize(
    ("judges", "words"),
    [
        ({"model": "vae"}, "unknown model that classifies.*convolutional_classifier"),
        (
            {"model": "convolutional_classifier", "values": {"filter": 3}},
            "values.filter: unknown hyperparameter of convolutional_classifier",
        ),
        (
            {"model": "convolutional_classifier", "values": {"filters": 0}},
            "values.filters: 0 is not allowed; expected a whole number from 1",
        ),
        (
            {"model": "convolutional_classifier", "protocol": "text"},
            "judges.protocol: unknown protocol",
        ),
        ({"seeds": [0]}, "the key 'model' is missing"),
    ],
)
def test_judges_that_cannot_be_are_refused(
    study: dict[str, Any], tmp_path: Path, judges: dict[str, Any], words: str
) -> None:
    grid_of(study)["judges"] = judges
    with pytest.raises(UserError, match=words):
        loaded(study, tmp_path)


def test_who_asks_for_judged_samples_names_judges(study: dict[str, Any], tmp_path: Path) -> None:
    del grid_of(study)["judges"]
    with pytest.raises(UserError, match=r"judged_samples are asked for, and nobody judges them"):
        loaded(study, tmp_path)


def test_judges_have_something_to_judge(study: dict[str, Any], tmp_path: Path) -> None:
    table = study["experiments"]["table1"]
    del table["measures"]["judged_samples"]
    table["table"]["metric"] = "test_bound"
    with pytest.raises(UserError, match=r"scales.demo.judges: there are judges and nothing to"):
        loaded(study, tmp_path)


def test_data_of_several_classes_are_not_judged_of_a_model_that_knows_none(
    study: dict[str, Any], tmp_path: Path
) -> None:
    grid_of(study)["data_sets"] = ["digits"]
    with pytest.raises(UserError, match=r"of no cell is it known what they should show"):
        loaded(study, tmp_path)
    grid_of(study)["data_sets"] = ["digits", "digits_class_3"]
    loaded(study, tmp_path)


def test_a_metric_of_judges_needs_judged_samples(study: dict[str, Any], tmp_path: Path) -> None:
    table = study["experiments"]["table1"]
    del table["measures"]["judged_samples"], grid_of(study)["judges"]
    with pytest.raises(UserError, match=r"judged_accuracy is not measured in this experiment"):
        loaded(study, tmp_path)


def test_accuracy_of_classifiers_needs_classification(
    study: dict[str, Any], tmp_path: Path
) -> None:
    study["experiments"]["judges"]["measures"] = {}
    with pytest.raises(UserError, match=r"test_accuracy is not measured.*classification"):
        loaded(study, tmp_path)


def test_a_class_is_judged_by_those_who_know_all_classes() -> None:
    assert judging_data_set(DATA_SETS["digits_class_3"]) == "digits"
    assert judging_data_set(DATA_SETS["digits"]) == "digits"


@pytest.mark.parametrize(
    ("data_set", "values", "expected"),
    [
        ("digits_class_3", {}, (3,)),
        ("digits_class_3", {"classifier": "highest"}, (3,)),
        ("digits", {}, ()),
        ("digits", {"classifier": "none"}, ()),
        ("digits", {"classifier": "lowest"}, tuple(range(10))),
        ("digits_without_0", {"classifier": "highest"}, tuple(range(1, 10))),
        ("digits_without_0", {}, ()),
    ],
)
def test_labels_to_draw_are_known_from_data_or_a_classifier(
    data_set: str, values: dict[str, str], expected: tuple[int, ...]
) -> None:
    assert judged_labels(DATA_SETS[data_set], values) == expected
