"""A collection stands for its members, in grids, in their entries and in the settings."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from workflow_src.config.loading import settings_from_mapping
from workflow_src.config.studies import load_study
from workflow_src.errors import UserError
from workflow_src.plan.grids import Group, expand
from workflow_src.plan.omissions import omissions

_STUDY = """\
name: small
title: A study
reference: Nobody, nowhere
training:
  batch_size: 32
  importance_samples: 5
  validation_interval: 10
protocols:
  authors:
    description: The authors'.
    training:
      stopping: five_decreases
experiments:
  first:
    title: First
    description: A table.
    presentation: table
    table: {rows: model, columns: [data_set], metric: test_bound}
    measures: {importance_samples: [5]}
    scales:
      demo:
        data_sets: [digits, digits_classes]
        likelihoods: [gaussian]
        seeds: [0]
        models:
          vae:
            - hidden_units: [2]
              latent_dimensions: [1]
              learning_rate: [0.1]
              data_sets: [digits_classes]
            - hidden_units: [3]
              latent_dimensions: [1]
              learning_rate: [0.1]
              data_sets: [digits, digits_class_4]
"""

CLASSES = [f"digits_class_{label}" for label in range(10)]


def written(tmp_path: Path, text: str = _STUDY) -> str:
    path = tmp_path / "small.yaml"
    path.write_text(text)
    return str(path)


def cells(groups: Iterable[Group]) -> dict[str, list[object]]:
    return {
        str(group.axes["data_set"]): [run.hyperparameter("hidden_units") for run in group.runs]
        for group in groups
    }


def test_a_grid_and_its_entries_hold_the_members(tmp_path: Path) -> None:
    study = load_study(written(tmp_path))
    assert study.experiments["first"].scales["demo"].data_sets == ("digits", *CLASSES)
    found = cells(expand(study, settings_from_mapping({"studies": [str(study.path)]})))
    assert list(found) == ["digits", *CLASSES]
    assert found["digits"] == [3]
    assert found["digits_class_4"] == [2, 3]
    assert found["digits_class_5"] == [2]


def test_settings_name_collections_too(tmp_path: Path) -> None:
    study = load_study(written(tmp_path))
    settings = settings_from_mapping(
        {"studies": [str(study.path)], "data_sets": ["digits_classes", "mnist_class_1"]}
    )
    groups = expand(study, settings)
    assert list(cells(groups)) == CLASSES
    (note,) = omissions([study], settings, groups)
    assert "MNIST, class 1" in note
    assert "Digits, class" not in note


def test_unknown_names_are_refused_where_they_stand(tmp_path: Path) -> None:
    text = _STUDY.replace("[digits, digits_classes]", "[digits, digits_clases]")
    with pytest.raises(UserError, match="write digits_classes") as caught:
        load_study(written(tmp_path, text))
    assert str(caught.value.place).endswith("experiments.first.scales.demo.data_sets[1]")
    text = _STUDY.replace("data_sets: [digits_classes]", "data_sets: [digits_clases]")
    with pytest.raises(UserError, match="digits_clases") as caught:
        load_study(written(tmp_path, text))
    assert str(caught.value.place).endswith("models.vae[0].data_sets[0]")
    with pytest.raises(UserError, match="write mnist_classes"):
        settings_from_mapping({"data_sets": ["mnist_clases"]})
