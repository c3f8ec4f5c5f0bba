"""A fingerprint changes with what can change the result, and with nothing else."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from workflow_src.config.data_sets import data_set
from workflow_src.config.settings import Settings
from workflow_src.plan import fingerprints
from workflow_src.plan.fingerprints import (
    Closures,
    data_recipe,
    evaluation_fingerprint,
    measurement_fingerprint,
    prepared_fingerprint,
    run_fingerprint,
)
from workflow_src.plan.plan import Plan, build_plan
from workflow_src.plan.specs import RunSpec

SPEC = RunSpec(
    "vae",
    "mnist",
    "gaussian",
    1.0,
    0,
    "authors",
    "full",
    (("hidden_units", 30), ("latent_dimensions", 50)),
)


@pytest.fixture
def plan(package: Path, root: Path, settings: Callable[..., Settings]) -> Callable[[], Plan]:
    return lambda: build_plan(settings(), package_root=package, root=root)


def models_of(plan: Plan, fingerprints: set[str]) -> set[str]:
    return {plan.runs[name].spec.model for name in fingerprints if name in plan.runs}


CHANGES: dict[str, Any] = {
    "model": "spvae",
    "data_set": "svhn",
    "likelihood": "binomial",
    "fraction": 0.5,
    "seed": 1,
    "protocol": "text",
    "stream": "restart",
    "hyperparameters": (("hidden_units", 50), ("latent_dimensions", 30)),
}


@pytest.mark.parametrize(("field", "value"), CHANGES.items(), ids=CHANGES)
def test_every_part_of_a_spec_counts(package: Path, field: str, value: Any) -> None:
    code = Closures(package).of_model("vae")
    other = dataclasses.replace(SPEC, **{field: value})
    assert run_fingerprint(other, "data", code) != run_fingerprint(SPEC, "data", code)


def test_data_and_code_count(package: Path) -> None:
    closures = Closures(package)
    one = run_fingerprint(SPEC, "data", closures.of_model("vae"))
    assert len(one) == 16
    assert one == run_fingerprint(SPEC, "data", Closures(package).of_model("vae"))
    assert one != run_fingerprint(SPEC, "other", closures.of_model("vae"))
    assert one != run_fingerprint(SPEC, "data", closures.of_model("spvae"))


ALL = {"spvae", "vae", "conv_spvae", "conv_vae"}


@pytest.mark.parametrize(
    ("path", "old", "new", "models"),
    [
        ("models/vae/model.py", "SAMPLES = 5", "SAMPLES = 6", {"vae"}),
        ("models/spvae/model.py", "LEAVES = 32", "LEAVES = 16", {"spvae"}),
        ("models/shared.py", "a + b", "a - b", ALL),
        ("train/gradient/stopping.py", "11", "12", ALL),
        ("data/preparation.py", "255", "256", ALL),
        ("compute.py", "1", "2", ALL),
        ("models/building.py", "2", "3", ALL),
        ("models/vae/drawing.py", "ROWS = 1", "ROWS = 2", set()),
        ("models/vae/model.py", "SAMPLES = 5", "SAMPLES = 5  # five", set()),
        ("models/shared.py", "    return", '    """Adds."""\n    return', set()),
        ("errors.py", "pass", "x = 1", set()),
        ("evaluate/leaf_models/measurement.py", "64", "32", set()),
        ("report/report.py", "Report", "Page", set()),
        ("nobody_imports_this.py", "1", "2", set()),
    ],
)
def test_an_edit_renames_exactly_the_runs_that_it_reaches(
    plan: Callable[[], Plan], package: Path, path: str, old: str, new: str, models: set[str]
) -> None:
    before = plan()
    code = (package / path).read_text()
    assert old in code
    (package / path).write_text(code.replace(old, new))
    after = plan()
    gone = set(before.runs) - set(after.runs)
    assert models_of(before, gone) == models
    assert len(gone) == sum(run.spec.model in models for run in before.runs.values())


@pytest.mark.parametrize(
    ("path", "old", "new", "evaluations", "report"),
    [
        ("evaluate/leaf_models/measurement.py", "64", "32", True, True),
        ("evaluate/selection.py", "max", "min", True, True),
        ("report/report.py", "Report", "Page", False, True),
        ("report/page.html", "<html>", "<html lang='en'>", False, True),
        ("evaluate/selection.py", "max", "max  # highest", False, False),
    ],
)
def test_later_steps_have_names_of_their_own(
    plan: Callable[[], Plan],
    package: Path,
    path: str,
    old: str,
    new: str,
    evaluations: bool,
    report: bool,
) -> None:
    before = plan()
    (package / path).write_text((package / path).read_text().replace(old, new))
    after = plan()
    assert set(after.runs) == set(before.runs)
    kept = {e.fingerprint for e in before.evaluations} & {e.fingerprint for e in after.evaluations}
    assert bool(kept) != evaluations
    assert (after.report != before.report) == report


def test_renaming_a_file_that_nothing_imports_renames_no_run(
    plan: Callable[[], Plan], package: Path
) -> None:
    before = plan()
    (package / "nobody_imports_this.py").rename(package / "still_nobody.py")
    assert set(plan().runs) == set(before.runs)


def test_going_back_gives_the_old_names(plan: Callable[[], Plan], package: Path) -> None:
    before = plan()
    code = (package / "models/shared.py").read_text()
    (package / "models/shared.py").write_text(code.replace("+", "*"))
    plan()
    (package / "models/shared.py").write_text(code)
    after = plan()
    assert (set(after.runs), after.report) == (set(before.runs), before.report)


FACTS = {
    "channels": 3,
    "levels": 100,
    "shape": (14, 14),
    "reader": "svhn",
    "files": (),
    "training_label": 4,
    "anomalies": 7,
}
WORDS = {"title": "Digits by hand", "licence": "none", "homepage": "https://x", "split": "Yes."}


@pytest.mark.parametrize(("field", "value"), FACTS.items(), ids=FACTS)
def test_facts_of_a_data_set_are_in_its_recipe(field: str, value: object) -> None:
    mnist = data_set("mnist")
    other = mnist.model_copy(update={field: value})
    assert data_recipe(other, "gaussian") != data_recipe(mnist, "gaussian")


@pytest.mark.parametrize(("field", "value"), WORDS.items(), ids=WORDS)
def test_words_about_a_data_set_are_not(field: str, value: object) -> None:
    mnist = data_set("mnist")
    other = mnist.model_copy(update={field: value})
    assert data_recipe(other, "gaussian") == data_recipe(mnist, "gaussian")


def test_the_same_files_from_elsewhere_are_the_same_data() -> None:
    mnist = data_set("mnist")
    moved = tuple(file.model_copy(update={"addresses": ("https://x",)}) for file in mnist.files)
    assert data_recipe(mnist.model_copy(update={"files": moved}), "gaussian") == data_recipe(
        mnist, "gaussian"
    )


def test_gray_images_keep_the_recipe_from_before_there_were_colour_images() -> None:
    assert list(data_recipe(data_set("mnist"), "gaussian")) == [
        "data_set",
        "likelihood",
        "reader",
        "shape",
        "levels",
        "sizes",
        "files",
    ]
    assert data_recipe(data_set("cifar10_colour"), "discretised_logistic")["channels"] == 3


RECIPES = {
    "digits": "86c916e88275e5ff",
    "mnist": "f9d3b140b4914f36",
    "fashion_mnist": "a144df2bdc342f69",
    "svhn": "ce8d25f5d259187b",
    "cifar10": "5f68bb56af63c390",
    "cifar10_colour": "773bcc96cec50d22",
    "binarised_mnist": "5a5863fab8dd5bfa",
    "omniglot": "21a0172fca3d926b",
    "caltech101_silhouettes": "4c11be50bdad1461",
    "mnist_fours": "199addfd3b141d47",
    "digits_fours": "2c273020422783a7",
    "circle": "4acc15827b065641",
    "wave": "8af4049ab2426cc8",
}
"""Of all likelihoods' recipes, as they were before a data set could be a part of another one."""


@pytest.mark.parametrize("name", RECIPES)
def test_data_sets_that_are_no_parts_keep_the_recipes_that_results_were_made_from(
    name: str,
) -> None:
    recipes = [data_recipe(data_set(name), x) for x in data_set(name).likelihoods]
    content = json.dumps(recipes, sort_keys=True, separators=(",", ":"))
    assert hashlib.sha256(content.encode()).hexdigest()[:16] == RECIPES[name]


def test_a_part_says_in_its_recipe_what_it_is_a_part_of_and_which_labels_it_keeps() -> None:
    recipe = data_recipe(data_set("digits_class_3"), "gaussian")
    assert recipe["training_labels"] == [3]
    assert recipe["part_of"] == data_recipe(data_set("digits"), "gaussian")
    without = data_recipe(data_set("digits_without_0"), "gaussian")
    assert (without["training_labels"], without["anomalies"]) == (list(range(1, 10)), 19)


def test_points_have_no_levels_and_say_what_of_their_test_set_are_anomalies() -> None:
    recipe = data_recipe(data_set("circle"), "gaussian_noise")
    assert recipe["levels"] == 0
    assert (recipe["anomalies"], recipe["training_label"]) == (1_000, 0)


def test_a_file_is_known_in_recipes_by_its_best_checksum() -> None:
    (name, checksum), *_ = data_recipe(data_set("omniglot"), "bernoulli")["files"].items()
    assert (name, checksum) == ("chardata.mat", "016a3536ffe5e1d38e42563a18d7a78bfaf643ec")


def test_likelihoods_prepare_apart(package: Path) -> None:
    code = Closures(package).of_preparation()
    mnist = data_set("mnist")
    names = {prepared_fingerprint(data_recipe(mnist, x), code) for x in ("gaussian", "binomial")}
    assert len(names) == 2


def test_an_evaluation_is_named_by_a_set_of_runs_and_by_what_is_measured(package: Path) -> None:
    code = Closures(package).of_evaluation("vae")
    measures = {"importance_samples": [5]}
    one = evaluation_fingerprint(["a", "b"], measures, code)
    assert one == evaluation_fingerprint(["b", "a"], measures, code)
    assert one != evaluation_fingerprint(["a"], measures, code)
    assert one != evaluation_fingerprint(["a", "b"], {"importance_samples": [50]}, code)


def test_a_measurement_is_named_by_its_run_and_what_is_measured(package: Path) -> None:
    code = Closures(package).of_measurement("vae")
    names = {
        measurement_fingerprint(run, {"samples": samples}, code)
        for run in ("a", "b")
        for samples in (0, 64)
    }
    assert len(names) == 4


def test_the_environment_counts_where_the_settings_say_so(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def names(environment: bool) -> list[str]:
        closures = Closures(package, environment=environment)
        return [
            closures.of_model("vae").digest,
            closures.of_evaluation("vae").digest,
            closures.of_preparation().digest,
        ]

    with_it, without = names(True), names(False)
    assert with_it[:2] != without[:2]
    assert with_it[2] == without[2]
    monkeypatch.setattr(fingerprints, "version", lambda name: "99.0")
    assert names(False) == without
    assert [a == b for a, b in zip(names(True), with_it, strict=True)] == [False, False, True]
