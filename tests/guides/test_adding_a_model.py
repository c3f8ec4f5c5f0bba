"""Whoever follows docs/adding_a_model.md gets what it promises, and nothing else is touched."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import pytest
from support.guides import Followed, follow, project, steps_of, write

pytestmark = pytest.mark.workflow

MODEL = "factorised_mixture"
TRAINING = "snakemake --profile local --configfile ../try.yaml"


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Followed:
    folder = tmp_path_factory.mktemp("guide") / "checkout"
    return follow("adding_a_model.md", folder)


def _rows(followed: Followed) -> dict[str, dict[str, str]]:
    path = followed.checkout.folder / "results" / "tables" / "dcgmm_likelihoods.csv"
    with path.open(newline="") as stream:
        return {row["model"]: row for row in csv.DictReader(stream)}


def test_the_model_stands_beside_those_of_the_study_with_a_finite_number(
    followed: Followed,
) -> None:
    rows = _rows(followed)
    assert list(rows) == ["dcgmm", "rat_spn", "pd_spn", "spvae", MODEL]
    for name in ("rat_spn", "pd_spn", MODEL):
        assert math.isfinite(float(rows[name]["digits_without_0.ours"])), name
    first, second = followed.said["python -m workflow_src show likelihoods"]
    told = "Factorised mixture is no model of the paper"
    assert (told in first, told in second) == (False, True)


def test_the_page_and_captions_tell_it_from_the_paper_s_models(followed: Followed) -> None:
    report = followed.checkout.folder / "results" / "report"
    told = "Factorised mixture is no model of the paper"
    assert told in (report / "dcgmm.html").read_text()
    (captions,) = report.glob("figures/*/captions.json")
    (samples,) = [
        one["caption"]
        for name, one in json.loads(captions.read_text()).items()
        if name.startswith("dcgmm/likelihoods/samples")
    ]
    assert told in samples


def test_no_run_of_an_earlier_model_is_trained_or_measured_again(followed: Followed) -> None:
    first, second = followed.said[TRAINING]
    assert "training 1 x rat_spn" in first
    trained = [line for line in second.splitlines() if line.startswith("training ")]
    assert len(trained) == 2
    assert all(f" x {MODEL} " in line for line in trained)
    folder = followed.checkout.folder / "results" / "evaluations"
    assert len(list(folder.glob(f"{MODEL}/*/*/evaluation.json"))) == 1
    assert second.count("rule evaluate_group:") == 1


def test_git_knows_of_the_new_folders_alone(followed: Followed) -> None:
    told = {line.split()[1] for line in followed.only("git status").splitlines()}
    assert told == {f"workflow_src/models/{MODEL}/", f"tests/models/{MODEL}/"}


def test_the_contract_looks_at_the_new_model(followed: Followed) -> None:
    assert " passed" in followed.only("test_image_densities.py")
    assert " passed" in followed.only(f"tests/models/{MODEL}")


def test_what_is_told_before_training_is_what_is_trained(followed: Followed) -> None:
    assert MODEL in followed.only("workflow_src why")
    plan = followed.only("workflow_src plan").splitlines()
    columns = plan[0].split()
    (row,) = [line.split() for line in plan if line.startswith("dcgmm")]
    assert row[columns.index("missing")] == "2"


def test_the_audit_stands(followed: Followed) -> None:
    assert "every number stands" in followed.only("workflow_src audit")


def test_tests_of_studies_pass_with_the_model_in_place(tmp_path: Path) -> None:
    """Who follows the guide to its end can go on with `make test`."""
    steps = list(steps_of("adding_a_model.md"))
    checkout = project(tmp_path / "checkout", steps)
    for step in steps:
        if step.file is not None:
            write(step, checkout.folder)
    files = [f"tests/config/test_{name}.py" for name in ("dcgmm", "joining", "studies")]
    words = " ".join(["tests/test_readme.py", *files])
    said = checkout.must(f"python -m pytest {words} -q -m 'not workflow' -p no:cacheprovider")
    assert " passed" in said
    assert f"tests/models/{MODEL}/" in checkout.must("git status --short")


def test_all_files_of_the_model_are_in_the_guide() -> None:
    folder = Path("workflow_src") / "models" / MODEL
    written = {Path(step.file) for step in steps_of("adding_a_model.md") if step.file}
    assert {folder / "model.yaml", folder / "model.py", folder / "__init__.py"} <= written
