"""Studies hold the papers' grids; what is wrong in a study file is refused with its line."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from workflow_src.config.studies import Grid, load_study, study_names, study_path
from workflow_src.errors import UserError


def _cells(grid: Grid, model: str) -> set[tuple[tuple[str, object], ...]]:
    """The different cells of a model's grid."""
    return {
        tuple(sorted(zip(cell, values, strict=True)))
        for cell in grid.models[model]
        for values in itertools.product(*cell.values())
    }


@pytest.mark.parametrize("name", study_names())
def test_every_study_of_the_package_loads(name: str) -> None:
    assert load_study(name).name == name


def test_the_paper_grid_is_the_texts_and_the_published_winners() -> None:
    study = load_study("spvae")
    for experiment in ("table1", "table2", "figure2"):
        grid = study.experiments[experiment].scales["paper"]
        spvae, vae = _cells(grid, "spvae"), _cells(grid, "vae")
        assert (len(spvae), len(vae)) == (16, 32)
        assert (("hidden_units", 30), ("latent_dimensions", 25)) in spvae
        assert (("hidden_units", 300), ("latent_dimensions", 200)) in vae
        assert grid.data_sets == ("mnist", "svhn", "cifar10")
        assert grid.likelihoods == ("gaussian", "binomial")


def test_figure_2_shrinks_the_training_set_by_tenths_and_then_by_equal_factors() -> None:
    study = load_study("spvae")
    tenths = [round(1 - 0.1 * k, 1) for k in range(10)]
    factors = [round(0.1 * 0.05 ** (k / 3), 4) for k in (1, 2, 3)]
    figure = study.experiments["figure2"]
    assert list(figure.scales) == ["paper"]
    assert list(figure.scales["paper"].fractions) == tenths + factors


def test_table_1_table_2_and_figure_2_measure_alike_so_that_winners_are_shared() -> None:
    experiments = load_study("spvae").experiments
    assert experiments["table1"].measures == experiments["table2"].measures
    assert experiments["table1"].measures == experiments["figure2"].measures
    assert experiments["table1"].scales == experiments["table2"].scales
    assert experiments["table1"].measures.importance_samples == (5, 50, 500, 5000)


def test_single_cells_of_other_experiments_are_cells_of_table_1() -> None:
    study = load_study("spvae")
    for name in ("figure3", "published_winners"):
        for scale, grid in study.experiments[name].scales.items():
            whole = study.experiments["table1"].scales[scale]
            assert grid.training == whole.training
            for model in grid.models:
                assert len(_cells(grid, model)) == 1
                assert _cells(grid, model) <= _cells(whole, model)


@pytest.mark.parametrize(
    ("protocol", "model", "learning_rate", "stopping"),
    [
        ("authors", "spvae", 0.01, "eleven_below_best"),
        ("authors", "vae", 0.001, "eleven_below_best"),
        ("text", "spvae", 0.001, "five_decreases"),
        ("text", "vae", 0.001, "five_decreases"),
    ],
)
def test_protocols_fix_the_step_size_and_the_stopping_rule(
    protocol: str, model: str, learning_rate: float, stopping: str
) -> None:
    study = load_study("spvae")
    grids = study.experiments["table1"].scales
    common = {"importance_samples": 5, "batch_size": 128, "validation_interval": 128}
    expected = {**common, "learning_rate": learning_rate, "stopping": stopping}
    assert study.training_values(model, protocol, grids["paper"]) == expected
    assert study.training_values(model, protocol, grids["demo"]) == {
        **expected,
        "maximum_steps": 1920,
    }


def test_published_numbers_are_found_from_the_study() -> None:
    study = load_study("spvae")
    assert len(study.published_values("table1")) == 24
    assert study.published_values("figure2") == ()


_STUDY = """\
name: mine
title: A study
reference: Nobody, nowhere
training:
  batch_size: 32
protocols:
  authors:
    description: The authors'.
    training:
      stopping: five_decreases
    models:
      vae: {learning_rate: 0.1}
experiments:
  first:
    title: First
    description: A table.
    presentation: table
    table:
      rows: model
      columns: [data_set]
      metric: test_bound
    measures:
      importance_samples: [5, 50]
    scales:
      demo:
        data_sets: [digits]
        likelihoods: [gaussian]
        training:
          maximum_steps: 10
        models:
          vae:
            - hidden_units: [3]
              latent_dimensions: [1, 2]
"""


def _study(tmp_path: Path, text: str) -> str:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    return str(path)


def test_a_study_can_lie_anywhere(tmp_path: Path) -> None:
    study = load_study(_study(tmp_path, _STUDY))
    assert study.path == tmp_path / "mine.yaml"
    assert study.experiments["first"].scales["demo"].fractions == (1.0,)


@pytest.mark.parametrize(
    ("old", "new", "line", "key", "said"),
    [
        ("name: mine", "name: yours", 1, "name", "expected mine"),
        ("title: A", "titel: A", 2, "titel", "write title"),
        ("title: A study\n", "", 1, None, "the key 'title' is missing"),
        ("batch_size: 32", "batch_sise: 32", 5, "training.batch_sise", "write batch_size"),
        ("batch_size: 32", "batch_size: big", 5, "training.batch_size", "a whole number from 1"),
        ("batch_size: 32", "batch_size: [32]", 5, "training.batch_size", "a number or text"),
        ("  authors:", "  author:", 7, "protocols.author", "write authors"),
        (
            "stopping: five_decreases",
            "stopping: never",
            10,
            "protocols.authors.training.stopping",
            "one of eleven_below_best, five_decreases",
        ),
        ("vae: {lear", "vea: {lear", 12, "protocols.authors.models.vea", "write vae"),
        (
            "vae: {learning_rate: 0.1}",
            "vae: {learning_rat: 0.1}",
            12,
            "protocols.authors.models.vae.learning_rat",
            "write learning_rate",
        ),
        (
            "vae: {learning_rate: 0.1}",
            "vae: {learning_rate: -1}",
            12,
            "protocols.authors.models.vae.learning_rate",
            "a number",
        ),
        ("presentation: table", "presentation: tabel", 17, None, "write table"),
        ("rows: model", "rows: modle", 19, None, "write model"),
        ("[data_set]", "[]", 20, "experiments.first.table.columns", "the list is empty"),
        ("metric: test_bound", "metric: test_bond", 21, None, "write test_bound"),
        ("[5, 50]", "[50, 5]", 23, "experiments.first.measures.importance_samples", "ascending"),
        ("[5, 50]", "[]", 23, None, "the list is empty"),
        ("[5, 50]", "[0, 5]", 23, None, "at least 1"),
        ("      demo:", "      demos:", 25, "experiments.first.scales.demos", "write demo"),
        ("[digits]", "[digit]", 26, "experiments.first.scales.demo.data_sets[0]", "write digits"),
        ("[digits]", "[]", 26, "experiments.first.scales.demo.data_sets", "the list is empty"),
        ("[gaussian]", "[binominal]", 27, None, "write binomial"),
        ("maximum_steps: 10", "maximum_step: 10", 29, None, "write maximum_steps"),
        ("maximum_steps: 10", "hidden_units: 10", 29, None, "unknown hyperparameter"),
        ("          vae:", "          vea:", 31, None, "write vae"),
        (
            "hidden_units: [3]",
            "hiden_units: [3]",
            32,
            "experiments.first.scales.demo.models.vae[0].hiden_units",
            "write hidden_units",
        ),
        (
            "latent_dimensions: [1, 2]",
            "latent_dimensions: [1, 2.5]",
            33,
            "experiments.first.scales.demo.models.vae[0].latent_dimensions[1]",
            "2.5 is not allowed; expected a whole number",
        ),
        ("latent_dimensions: [1, 2]", "latent_dimensions: []", 33, None, "the list is empty"),
        ("latent_dimensions: [1, 2]", "latent_dimensions: 2", 33, None, "expected a list"),
        ("latent_dimensions: [1, 2]", "latent_dimensions: [2, 2]", 33, None, "listed twice"),
        (
            "              latent_dimensions: [1, 2]\n",
            "",
            32,
            "experiments.first.scales.demo.models.vae[0]",
            "latent_dimensions of vae has no value",
        ),
        ("    models:\n      vae: {learning_rate: 0.1}\n", "", 30, None, "learning_rate of vae"),
        (
            "training:\n          maximum_steps",
            "fractions: [1.5]\n        training:\n          maximum_steps",
            28,
            "experiments.first.scales.demo.fractions[0]",
            "expected at most 1",
        ),
        ("title: First", "title: First\n    title: Again", 16, None, "is given twice"),
    ],
)
def test_what_is_wrong_is_refused_with_line_and_key(
    tmp_path: Path, old: str, new: str, line: int, key: str | None, said: str
) -> None:
    assert _STUDY.count(old) == 1
    path = _study(tmp_path, _STUDY.replace(old, new))
    with pytest.raises(UserError) as caught:
        load_study(path)
    assert said in str(caught.value)
    place = str(caught.value.place)
    assert place.startswith(f"{path}, line {line}")
    if key is not None:
        assert place == f"{path}, line {line}, key {key}"


def test_a_likelihood_that_the_model_lacks_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from workflow_src.config import models, study_checks

    known = dict(models.model_declarations())
    known["vae"] = known["vae"].model_copy(update={"likelihoods": ("binomial",)})
    monkeypatch.setattr(study_checks, "model_declarations", lambda: known)
    with pytest.raises(UserError, match="the model vae has no likelihood"):
        load_study(_study(tmp_path, _STUDY))


def test_missing_published_numbers_are_refused_before_anything_runs(tmp_path: Path) -> None:
    text = _STUDY.replace("presentation: table", "presentation: table\n    published: gone.csv")
    with pytest.raises(UserError, match=r"published/gone\.csv: the file does not exist"):
        load_study(_study(tmp_path, text))


def test_an_unknown_study_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UserError, match="write spvae"):
        study_path("spvea")
    with pytest.raises(UserError, match="does not exist"):
        load_study("somewhere/else.yaml")
