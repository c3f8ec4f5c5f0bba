"""A model joins experiments by its own model.yaml: grids have it, and nothing else changes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.studies import take_joins_out

from workflow_src.archive.results import Results
from workflow_src.config import models
from workflow_src.config.models import ModelDeclaration, discovered
from workflow_src.config.studies import Study, load_study
from workflow_src.errors import UserError
from workflow_src.report.claims import judge_claims
from workflow_src.report.evaluations import MISSING, Evaluation, Metric
from workflow_src.report.evidence import Group
from workflow_src.report.joined import joined_sentence
from workflow_src.report.table_files import markdown_text
from workflow_src.report.tables import build_table

_CACHED = (
    models.model_declarations,
    models.trainer_declarations,
    models.evaluation_declarations,
    models.hyperparameters_of,
)
_PACKAGE = models.PACKAGE

_MODEL = """\
name: newcomer
title: Newcomer
trainer: expectation_maximisation
evaluation: image_densities
likelihoods: [gaussian]
measures: [samples]
metrics: [test_log_likelihood, parameter_count]
hyperparameters:
  components:
    type: integer
    minimum: 1
    meaning: How many.
"""
_JOINS = """\
joins:
  - study: dcgmm
    experiments: [likelihoods]
    scales:
      demo:
        - components: [2, 3]
          maximum_epochs: [4]
      paper:
        - components: [9]
"""

AddModel = Callable[..., Path]


@pytest.fixture
def add_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[AddModel]:
    """Adds the folder of a model, with this model.yaml, to a copy in which nothing else joins."""
    package = tmp_path / "workflow_src"
    hidden = shutil.ignore_patterns("__pycache__", ".*")
    shutil.copytree(_PACKAGE, package, ignore=hidden)
    take_joins_out(package)
    monkeypatch.setattr(models, "PACKAGE", package)

    def add(text: str, name: str = "newcomer") -> Path:
        folder = package / "models" / name
        folder.mkdir()
        (folder / "model.py").write_text("COMPONENTS = 3\n")
        (folder / "model.yaml").write_text(text)
        _forget()
        return package

    _forget()
    yield add
    monkeypatch.undo()
    _forget()


def _forget() -> None:
    for one in _CACHED:
        one.cache_clear()


def _entries(study: str, experiment: str, scale: str) -> dict[str, list[dict[str, tuple[object]]]]:
    grid = load_study(study).experiments[experiment].scales[scale]  # type: ignore[index]
    return {name: [dict(entry) for entry in entries] for name, entries in grid.models.items()}


def test_a_model_stands_behind_those_of_the_study_with_the_entries_that_it_gives(
    add_model: AddModel,
) -> None:
    before = _entries("dcgmm", "likelihoods", "demo")
    add_model(_MODEL + _JOINS)
    after = _entries("dcgmm", "likelihoods", "demo")
    assert list(after) == [*before, "newcomer"]
    assert {name: after[name] for name in before} == before
    assert after["newcomer"] == [{"components": (2, 3), "maximum_epochs": (4,)}]
    assert _entries("dcgmm", "likelihoods", "paper")["newcomer"] == [{"components": (9,)}]


def test_experiments_that_share_a_grid_by_an_anchor_are_joined_one_by_one(
    add_model: AddModel,
) -> None:
    """`likelihoods`, `inpainting` and `side_by_side` have one grid in the file."""
    add_model(_MODEL + _JOINS)
    study = load_study("dcgmm")
    assert study.joined("likelihoods") == ("newcomer",)
    assert study.joined("side_by_side") == ()
    assert "newcomer" not in _entries("dcgmm", "side_by_side", "demo")


def test_several_models_and_several_joins_of_one_model_go_together(add_model: AddModel) -> None:
    more = _JOINS + _JOINS.replace("joins:\n", "").replace("likelihoods", "figure14").replace(
        "      paper:\n        - components: [9]\n", ""
    )
    add_model(_MODEL.replace("[samples]", "[samples, centroids]") + more)
    add_model((_MODEL + _JOINS).replace("newcomer", "another"), "another")
    study = load_study("dcgmm")
    assert study.joined("likelihoods") == ("another", "newcomer")
    assert study.joined("figure14") == ("newcomer",)


def test_a_study_elsewhere_says_itself_what_it_has(add_model: AddModel, tmp_path: Path) -> None:
    """Also one that is called as a study that the model joins."""
    package = add_model(_MODEL + _JOINS)
    shutil.copytree(package / "studies", tmp_path / "own")
    assert load_study(str(tmp_path / "own" / "dcgmm.yaml")).joined("likelihoods") == ()


@pytest.mark.parametrize(
    ("old", "new", "line", "key", "said"),
    [
        ("study: dcgmm", "study: dcgm", 14, "joins[0].study", "write dcgmm"),
        (
            "[likelihoods]",
            "[likelihood]",
            15,
            "joins[0].experiments[0]",
            "unknown experiment of dcgmm",
        ),
        (
            "[likelihoods]",
            "[likelihoods, figure8]",
            15,
            "joins[0].experiments[1]",
            "inpainting_error",
        ),
        ("[likelihoods]", "[likelihoods, common_rates]", 15, "experiments[1]", "no grid at scale"),
        ("[likelihoods]", "[likelihoods, inpainting]", 15, "experiments[1]", "has none"),
        ("[likelihoods]", "[likelihoods, figure14]", 15, "experiments[1]", "shows centroids"),
        ("[likelihoods]", "[likelihoods, sizes, likelihoods]", 15, "experiments[2]", "twice"),
        ("demo:", "dem:", 17, "joins[0].scales.dem", "write demo"),
        ("[2, 3]", "[2, 0]", 18, "joins[0].scales.demo[0].components[1]", "from 1"),
        ("components: [2", "component: [2", 18, "scales.demo[0].component", "write components"),
        ("[4]\n", "[4]\n          data_sets: [mnist]\n", 17, "scales.demo", "no entry of newcomer"),
        ("gaussian]", "bernoulli]", 15, "joins[0].experiments[0]", "no likelihood"),
        ("components: [9]", "{}", 21, "joins[0].scales.paper[0]", "components of newcomer has no"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place_in_model_yaml(
    add_model: AddModel, old: str, new: str, line: int, key: str, said: str
) -> None:
    text = _MODEL + _JOINS
    assert text.count(old) == 1
    package = add_model(text.replace(old, new))
    with pytest.raises(UserError) as caught:
        load_study("dcgmm")
    message, place = str(caught.value), str(caught.value.place)
    assert said in message
    assert "\n" not in message
    assert place.startswith(f"{package / 'models' / 'newcomer' / 'model.yaml'}, line {line}, ")
    assert key in place


def test_an_experiment_in_which_the_study_has_the_model_is_refused(add_model: AddModel) -> None:
    package = add_model(_MODEL)
    path = package / "models" / "rat_spn" / "model.yaml"
    joins = _JOINS.replace("components: [2, 3]", "components: [2]")
    path.write_text(path.read_text() + joins)
    _forget()
    with pytest.raises(UserError, match="the study has rat_spn in likelihoods itself"):
        load_study("dcgmm")


def test_two_joins_of_one_experiment_and_scale_are_refused(add_model: AddModel) -> None:
    add_model(_MODEL + _JOINS + _JOINS.replace("joins:\n", ""))
    with pytest.raises(UserError, match="joins likelihoods at scale demo twice"):
        load_study("dcgmm")


def test_a_small_instance_has_values_that_the_model_takes(tmp_path: Path) -> None:
    (tmp_path / "newcomer").mkdir()
    path = tmp_path / "newcomer" / "model.yaml"
    for small, said in (("{component: 1}", "write components"), ("{components: 0}", "from 1")):
        path.write_text(f"{_MODEL}small: {small}\n")
        with pytest.raises(UserError, match=said):
            discovered(ModelDeclaration, tmp_path, "model.yaml")


def _plan(package: Path) -> tuple[set[str], set[str], str]:
    """Fingerprints of runs and evaluations, and of the report, of all studies at scale demo.

    By the copy's own code, since planning looks for modules of models beside itself.
    """
    shutil.copy(_PACKAGE.parent / "config.yaml", package.parent)
    done = subprocess.run(
        [sys.executable, "-m", "workflow_src", "plan", "--json"],
        cwd=package.parent,
        env=os.environ | {"PYTHONPATH": str(package.parent)},
        stdout=subprocess.PIPE,
        check=True,
    )
    told = json.loads(done.stdout)
    return set(told["runs"]), set(told["evaluations"]), told["report"]["fingerprint"]


def test_all_that_was_planned_before_keeps_its_name(add_model: AddModel) -> None:
    runs, evaluations, report = _plan(models.PACKAGE)
    package = add_model(_MODEL)
    assert _plan(package) == (runs, evaluations, report)
    path = package / "models" / "newcomer" / "model.yaml"
    path.write_text(_MODEL + _JOINS)
    more_runs, more_evaluations, other_report = _plan(package)
    assert (runs < more_runs, len(more_runs - runs)) == (True, 2)
    assert (evaluations < more_evaluations, len(more_evaluations - evaluations)) == (True, 1)
    assert other_report != report


def test_tables_and_captions_say_whom_the_paper_does_not_have(add_model: AddModel) -> None:
    add_model(_MODEL + _JOINS)
    study = load_study("dcgmm")
    told = joined_sentence(study, "likelihoods", ["rat_spn", "newcomer"])
    assert told == "Newcomer is no model of the paper; its own model.yaml joins it here."
    assert joined_sentence(study, "likelihoods", ["rat_spn"]) is None
    assert joined_sentence(study, "sizes", ["newcomer"]) is None


def _group(model: str, experiment: str = "table3") -> Group:
    """Of a study's table, on data that the paper does not have, not evaluated yet."""
    missing = Evaluation(
        fingerprint="0" * 16,
        path=Path("evaluation.json"),
        state=MISSING,
        reason="not evaluated yet",
        runs=(),
        winner=None,
        metrics=(),
        measurement=None,
        dimensions=None,
        ended=None,
        archive=Results(Path("results")),
    )
    axes = {"model": model, "data_set": "digits_without_0", "likelihood": "gaussian"}
    way = {"fraction": 1.0, "seed": 0, "protocol": "authors", "stream": "full"}
    return Group("dcgmm", experiment, {**axes, **way}, missing)


def test_claims_are_of_the_papers_models_alone(add_model: AddModel) -> None:
    """Where a newcomer alone is trained, there are no numbers that a claim could be judged by."""
    measuring = _MODEL.replace("[samples]", "[anomalies]").replace("[test_", "[anomaly_auc, test_")
    add_model(measuring + _JOINS.replace("likelihoods", "table3"))
    study = load_study("dcgmm")
    assert study.joined("table3") == ("newcomer",)

    def scopes(model: str) -> set[str]:
        claims = judge_claims(study, [_group(model)])
        return {verdict.scope for claim in claims for verdict in claim.verdicts}

    assert scopes("rat_spn") == {"published", "paper"}
    assert scopes("newcomer") == {"published"}


def _measured(model: str, metric: str, value: float, **variant: str) -> Group:
    """Of likelihoods, with a number, on data that the paper does not have."""
    group = _group(model, "likelihoods")
    number = Metric(metric, value, None, "nats", None)
    return replace(group, variant=variant, evaluation=replace(group.evaluation, metrics=(number,)))


def _told(study: Study, groups: list[Group]) -> tuple[set[tuple[Any, ...]], set[tuple[Any, ...]]]:
    """The table's rows that are marked as best, and those with a note that they are better."""
    table = build_table(study, "likelihoods", groups)
    noted = {
        row
        for (row, _), cell in table.cells.items()
        if any("Better than all models of the paper" in table.notes[note] for note in cell.notes)
    }
    return {row for (row, _), cell in table.cells.items() if cell.best}, noted


@pytest.mark.parametrize(
    ("numbers", "best", "better"),
    [
        ({"rat_spn": 2.0, "pd_spn": 1.0, "newcomer": 3.0}, {"rat_spn"}, {"newcomer"}),
        ({"rat_spn": 2.0, "pd_spn": 3.0, "newcomer": 1.0}, {"pd_spn"}, set()),
        ({"rat_spn": 2.0, "pd_spn": 1.0, "newcomer": 2.0}, {"rat_spn"}, set()),
        ({"rat_spn": 2.0, "newcomer": 3.0}, set(), {"newcomer"}),
        ({"rat_spn": 2.0, "newcomer": 1.0}, set(), set()),
        ({"newcomer": 3.0}, set(), set()),
    ],
)
@pytest.mark.parametrize(("metric", "sign"), [("test_log_likelihood", 1), ("parameter_count", -1)])
def test_the_mark_of_the_best_stays_with_the_papers_models(
    add_model: AddModel,
    numbers: dict[str, float],
    best: set[str],
    better: set[str],
    metric: str,
    sign: int,
) -> None:
    add_model(_MODEL + _JOINS)
    study = load_study("dcgmm")
    one = study.experiments["likelihoods"]
    asked = one.model_copy(update={"table": one.table.model_copy(update={"metric": metric})})
    study.experiments["likelihoods"] = asked
    groups = [_measured(model, metric, sign * value) for model, value in numbers.items()]
    marked, noted = _told(study, groups)
    assert ({row[0] for row in marked}, {row[0] for row in noted}) == (best, better)


def test_a_newcomer_without_a_compared_value_leaves_the_papers_comparisons_apart(
    add_model: AddModel,
) -> None:
    add_model(_MODEL + _JOINS)
    own = {("rat_spn", "A"): 1.0, ("pd_spn", "A"): 2.0, ("rat_spn", "B"): 4.0, ("pd_spn", "B"): 3.0}
    metric = "test_log_likelihood"
    groups = [_measured(model, metric, value, layout=name) for (model, name), value in own.items()]
    study = load_study("dcgmm")
    with_newcomer = [*groups, _measured("newcomer", metric, 3.5)]
    for shown in (groups, with_newcomer):
        marked, noted = _told(study, shown)
        assert {row[0] for row in marked} == {"rat_spn", "pd_spn"}
        assert len(marked) == 2
        # Better than any of layout A, but not than all that it stands beside.
        assert noted == set()
    text = markdown_text(
        build_table(study, "likelihoods", [*groups, _measured("newcomer", metric, 5.0)]), study
    )
    assert text.count("**") == 4
    assert "- [a] Better than all models of the paper; bold compares those alone." in text
