"""Cells above the cap of memory are not trained, are named, and change nothing of the rest."""

from __future__ import annotations

import argparse
import importlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from workflow_src.commands import plan as command
from workflow_src.config.data_sets import data_set
from workflow_src.config.loading import settings_from_mapping
from workflow_src.config.models import PACKAGE
from workflow_src.config.settings import Settings
from workflow_src.config.studies import load_study
from workflow_src.errors import UserError
from workflow_src.plan import cut_cells
from workflow_src.plan.cut_cells import CutCell, notes, nothing_left, size_told
from workflow_src.plan.grids import expand, expansion
from workflow_src.plan.memberships import report_membership
from workflow_src.plan.plan import Plan, build_plan
from workflow_src.plan.sizes import training_bytes

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
    compare: [latent_dimensions]
    table: {rows: model, columns: [data_set], metric: test_bound}
    measures: {importance_samples: [5]}
    scales:
      demo:
        data_sets: [digits]
        likelihoods: [gaussian]
        seeds: [0, 1]
        models:
          vae:
            - hidden_units: [2, 3, 4]
              latent_dimensions: [1, 2]
              learning_rate: [0.1]
"""

Make = Callable[..., Settings]
SIZED = sorted(path.parent.name for path in (PACKAGE / "models").glob("*/size.py"))


@pytest.fixture
def study(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(_STUDY)
    return path


@pytest.fixture
def make(study: Path) -> Make:
    def with_cap(cap: float) -> Settings:
        return settings_from_mapping({"studies": [str(study)], "memory_cap_gigabytes": cap})

    return with_cap


@pytest.fixture(autouse=True)
def sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A vae takes a gigabyte for each hidden unit and latent dimension."""

    def size(model: str, values: Any, facts: Any) -> int | None:
        return 10**9 * int(values["hidden_units"] * values["latent_dimensions"])

    monkeypatch.setattr(cut_cells, "training_bytes", size)


def test_what_is_above_the_cap_is_in_no_group_and_named(study: Path, make: Make) -> None:
    found = expansion(load_study(str(study)), make(4.0))
    trained = {
        (spec.hyperparameter("hidden_units"), spec.hyperparameter("latent_dimensions"))
        for group in found.groups
        for spec in group.runs
    }
    # Exactly the cap is not above it.
    assert trained == {(2, 1), (3, 1), (4, 1), (2, 2)}
    assert [cell.described() for cell in found.cut_cells] == [
        {
            "study": "small",
            "experiment": "first",
            "axes": {
                "model": "vae",
                "data_set": "digits",
                "likelihood": "gaussian",
                "protocol": "authors",
            },
            "variant": {"latent_dimensions": 2},
            "hyperparameters": {
                "hidden_units": units,
                "latent_dimensions": 2,
                "learning_rate": 0.1,
            },
            "gigabytes": float(2 * units),
            "cap_gigabytes": 4.0,
        }
        for units in (3, 4)
    ]


def test_a_group_of_which_all_is_cut_is_not_there(study: Path, make: Make) -> None:
    found = expansion(load_study(str(study)), make(3.5))
    assert {tuple(group.variant.values()) for group in found.groups} == {(1,)}
    assert len(found.cut_cells) == 4


def test_what_still_runs_has_the_same_names(package: Path, root: Path, make: Make) -> None:
    def plan(cap: float) -> Plan:
        return build_plan(make(cap), package_root=package, root=root)

    wide, narrow, higher = plan(8.0), plan(4.0), plan(100.0)
    assert not wide.cut_cells
    assert set(narrow.runs) < set(wide.runs)
    assert set(higher.runs) == set(wide.runs)
    assert higher.report == wide.report
    assert {one.fingerprint for one in higher.evaluations} == {
        one.fingerprint for one in wide.evaluations
    }
    whole = {one.fingerprint for one in narrow.evaluations if len(one.runs) == 3}
    assert len(whole) == 2
    assert whole < {one.fingerprint for one in wide.evaluations}
    # The report says what was cut, and so it is another one.
    assert narrow.report != wide.report
    assert report_membership(wide)["cut_cells"] == []
    assert report_membership(narrow)["cut_cells"] == [one.described() for one in narrow.cut_cells]


def test_an_experiment_with_nothing_left_is_refused_with_the_cap_and_the_smallest(
    study: Path, make: Make
) -> None:
    with pytest.raises(UserError) as caught:
        expand(load_study(str(study)), make(1.5))
    said = str(caught.value)
    assert "all 6 cells of the experiment first" in said
    assert "the cap of 1.5 GB" in said
    assert "hidden_units 2, latent_dimensions 1, learning_rate 0.1 on Digits" in said
    assert "needs 2 GB" in said
    assert "memory_cap_gigabytes" in said
    alone = str(nothing_left([cell(9)], "somewhere"))
    assert "the only cell of the experiment first needs more memory than the cap of 8 GB" in alone
    assert "it, hidden_units 9 on MNIST, needs 9.1 GB" in alone
    assert "experiments.first.scales.demo" in str(caught.value.place)


def cell(units: int, *, experiment: str = "first") -> CutCell:
    axes: dict[str, Any] = {
        "model": "vae",
        "data_set": "mnist",
        "likelihood": "gaussian",
        "protocol": "authors",
    }
    return CutCell("small", experiment, axes, {}, {"hidden_units": units}, units + 0.04, 8.0)


def test_few_are_told_one_by_one_and_many_by_the_smallest_and_the_largest() -> None:
    few = notes([cell(20), cell(9)], several_studies=False)
    assert few == [
        "first: 2 cells of VAE not trained, above memory_cap_gigabytes 8: "
        "hidden_units 9 on MNIST (9.1 GB); hidden_units 20 on MNIST (20.1 GB)"
    ]
    cells = [*(cell(units) for units in range(9, 29)), cell(9, experiment="second")]
    many, other = notes(cells, several_studies=True)
    assert many == (
        "small/first: 20 cells of VAE not trained, above memory_cap_gigabytes 8: "
        "from hidden_units 9 on MNIST (9.1 GB) to hidden_units 28 on MNIST (28.1 GB)"
    )
    assert other.startswith("small/second: 1 cell of VAE")
    assert notes([], several_studies=True) == []


def test_experiments_that_lack_the_same_share_a_line() -> None:
    cells = [cell(20, experiment=name) for name in ("first", "second")] + [cell(9)]
    others = [cell(9, experiment=name) for name in ("third", "fourth")]
    assert [line.partition(":")[0] for line in notes(cells + others, several_studies=False)] == [
        "first",
        "second",
        "third, fourth",
    ]


@pytest.mark.parametrize(
    ("gigabytes", "told"),
    [(8.001, "8.1 GB"), (11.2, "11.2 GB"), (12.0, "12 GB"), (0.5, "500 MB"), (0.0004, "1 MB")],
)
def test_sizes_are_rounded_up(gigabytes: float, told: str) -> None:
    assert size_told(gigabytes) == told


def test_the_plan_prints_what_is_cut(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    package: Path,
    root: Path,
    study: Path,
) -> None:
    monkeypatch.chdir(root)
    monkeypatch.setenv("PATH", str(root))
    (root / "config.yaml").write_text(f"studies: [{study}]\nmemory_cap_gigabytes: 4\n")
    monkeypatch.setattr(
        command, "build_plan", lambda settings: build_plan(settings, package_root=package)
    )
    parser = argparse.ArgumentParser()
    command.configure(parser)
    assert command.run(parser.parse_args([])) == 0
    printed = capsys.readouterr().out
    assert "first: 2 cells of VAE not trained, above memory_cap_gigabytes 4" in printed


def test_the_cap_is_a_positive_number() -> None:
    for cap in (0, -1, float("inf")):
        with pytest.raises(UserError, match="memory_cap_gigabytes"):
            settings_from_mapping({"memory_cap_gigabytes": cap})
    assert settings_from_mapping({}).memory_cap_gigabytes == 8.0


def test_models_without_a_size_have_no_cap() -> None:
    assert training_bytes("vae", {}, data_set("mnist")) is None


def test_sizes_import_neither_torch_nor_numpy() -> None:
    assert {"dcgmm", "dgc_spn", "pd_spn", "rat_spn"} <= set(SIZED)
    modules = ", ".join(f"workflow_src.models.{name}.size" for name in SIZED)
    code = f"import sys, {modules}\nassert not {{'torch', 'numpy'}} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
    for name in SIZED:
        assert callable(importlib.import_module(f"workflow_src.models.{name}.size").training_bytes)


def test_a_rat_spn_holds_its_weights_more_than_once_and_at_the_papers_largest_is_too_large() -> (
    None
):
    def size(depth: int, components: int, repetitions: int) -> int:
        values = {
            "split_depth": depth,
            "components": components,
            "repetitions": repetitions,
            "batch_size": 100,
        }
        found = training_bytes("rat_spn", values, data_set("mnist"))
        assert found is not None
        return found

    # 1.3e9 weights of four bytes each are 5.2 GB, and a step needs statistics of as many.
    assert size(9, 40, 40) > 2 * 5.2e9
    # The one whose 219,410 weights the paper's other programs train within a gigabyte.
    assert 2 * 4 * 219_410 < size(4, 10, 10) < 1e9
    assert size(9, 40, 10) < size(9, 40, 25) < size(9, 40, 40)
