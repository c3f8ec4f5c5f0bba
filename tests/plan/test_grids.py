"""The paper's grids have the paper's sizes, and what experiments share is one run."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from workflow_src.config.settings import Settings
from workflow_src.config.studies import STUDIES, load_study
from workflow_src.errors import UserError
from workflow_src.plan.grids import Group, expand
from workflow_src.plan.specs import RunSpec

# Section 4 of the paper for MLPs, and the published winners' own cell of the SPVAE.
SPVAE_CELLS = 3 * 5 + 1
VAE_CELLS = 4 * 8
FAMILIES = 3 * 2

Make = Callable[..., Settings]


def groups(settings: Settings, *experiments: str) -> list[Group]:
    found = expand(load_study("spvae"), settings)
    return [g for g in found if not experiments or g.experiment in experiments]


def runs(of: list[Group]) -> set[RunSpec]:
    return {spec for group in of for spec in group.runs}


@pytest.mark.parametrize("seeds", [[0], [0, 1, 7]])
def test_table_1_is_the_paper_s_number_of_trainings(settings: Make, seeds: list[int]) -> None:
    found = groups(settings(scale="paper", seeds=seeds), "table1")
    assert len(runs(found)) == (SPVAE_CELLS + VAE_CELLS) * FAMILIES * len(seeds)
    assert len(found) == 2 * FAMILIES * len(seeds)
    assert Counter(len(group.runs) for group in found) == {
        SPVAE_CELLS: FAMILIES * len(seeds),
        VAE_CELLS: FAMILIES * len(seeds),
    }


def test_table_2_has_table_1_s_groups(settings: Make) -> None:
    paper = settings(scale="paper")
    one = [(g.axes, g.runs, g.measures) for g in groups(paper, "table1")]
    assert one == [(g.axes, g.runs, g.measures) for g in groups(paper, "table2")]


def test_table_1_is_the_whole_training_set_of_figure_2(settings: Make) -> None:
    paper = settings(scale="paper")
    figure = groups(paper, "figure2")
    assert len(runs(figure)) == 13 * (SPVAE_CELLS + VAE_CELLS) * FAMILIES * len(paper.seeds)
    whole = [group for group in figure if group.axes["fraction"] == 1.0]
    assert runs(whole) == runs(groups(paper, "table1"))


def test_all_experiments_train_nothing_beside_figure_2(settings: Make) -> None:
    paper = settings(scale="paper")
    assert runs(groups(paper)) == runs(groups(paper, "figure2"))


def test_a_group_s_runs_differ_in_hyperparameters_alone(settings: Make) -> None:
    for group in groups(settings(scale="paper", streams=["full", "restart"])):
        for spec in group.runs:
            assert {name: spec.canonical()[name] for name in group.axes} == group.axes
        assert len(set(group.runs)) == len(group.runs)


def test_every_hyperparameter_is_resolved(settings: Make) -> None:
    spvae = next(g.runs[0] for g in groups(settings()) if g.axes["model"] == "spvae")
    assert spvae.hyperparameters == (
        ("batch_size", 128),
        ("hidden_layers", 2),
        ("hidden_units", 16),
        ("importance_samples", 5),
        ("latent_dimensions", 2),
        ("leaf_components", 2),
        ("learning_rate", 0.01),
        ("maximum_steps", 1920),
        ("split_step", 2),
        ("stopping", "eleven_below_best"),
        ("sum_components", 2),
        ("validation_interval", 128),
    )


@pytest.mark.parametrize(("data_set", "step"), [("mnist", 7), ("svhn", 8), ("digits", 2)])
def test_a_default_can_come_from_the_data_set(settings: Make, data_set: str, step: int) -> None:
    spvae = groups(settings(data_sets=[data_set]), "figure3")[0].runs[0]
    assert spvae.hyperparameter("split_step") == step


@pytest.mark.parametrize(
    ("protocol", "model", "rate", "stopping"),
    [
        ("authors", "spvae", 0.01, "eleven_below_best"),
        ("authors", "vae", 0.001, "eleven_below_best"),
        ("text", "spvae", 0.001, "five_decreases"),
        ("text", "vae", 0.001, "five_decreases"),
    ],
)
def test_protocols_train_as_they_say(
    settings: Make, protocol: str, model: str, rate: float, stopping: str
) -> None:
    found = groups(settings(protocols=[protocol]), "table1")
    chosen = [g for g in found if g.axes["model"] == model]
    assert {spec.hyperparameter("learning_rate") for spec in runs(chosen)} == {rate}
    assert {spec.hyperparameter("stopping") for spec in runs(chosen)} == {stopping}


def test_the_demo_leaves_out_what_exists_on_paper_only(settings: Make) -> None:
    assert {g.experiment for g in groups(settings())} == {"table1", "table2", "figure3"}


def test_what_is_asked_for_and_does_not_exist_is_refused(settings: Make) -> None:
    with pytest.raises(UserError, match=r"figure2 does not exist at scale demo.*scale paper"):
        groups(settings().model_copy(update={"experiments": ("figure2",)}))


def test_settings_choose_data_sets_and_likelihoods(settings: Make) -> None:
    found = groups(
        settings(scale="paper", data_sets=["fashion_mnist"], likelihoods=["binomial"]), "table1"
    )
    assert {(g.axes["data_set"], g.axes["likelihood"]) for g in found} == {
        ("fashion_mnist", "binomial")
    }


def study_with(folder: Path, **training: object) -> str:
    content = yaml.safe_load((STUDIES / "spvae.yaml").read_text())
    content["name"] = "mine"
    for experiment in content["experiments"].values():
        experiment.pop("published", None)
    grid = content["experiments"]["table1"]["scales"]["demo"]
    grid["models"]["vae"] = [
        {"hidden_units": [30, 100], "latent_dimensions": [2]},
        {"hidden_units": [100, 300], "latent_dimensions": [2]},
    ]
    grid["training"] |= training
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump(content))
    return str(path)


def test_a_cell_in_two_entries_is_one_run(settings: Make, tmp_path: Path) -> None:
    found = expand(load_study(study_with(tmp_path)), settings())
    vae = next(g for g in found if g.experiment == "table1" and g.axes["model"] == "vae")
    assert [spec.hyperparameter("hidden_units") for spec in vae.runs] == [30, 100, 300]


def test_a_whole_number_and_its_decimal_are_one_rate(settings: Make, tmp_path: Path) -> None:
    one, other = (
        {
            spec
            for g in expand(load_study(study_with(tmp_path, learning_rate=rate)), settings())
            for spec in g.runs
            if g.experiment == "table1"
        }
        for rate in (1, 1.0)
    )
    assert [s.canonical() for s in sorted(one, key=str)] == [
        s.canonical() for s in sorted(other, key=str)
    ]
    assert {type(s.hyperparameter("learning_rate")) for s in one} == {float}


@pytest.mark.parametrize("step", [3, 8, 5])
def test_a_step_that_does_not_cut_the_images_is_refused_by_the_plan(
    settings: Make, step: int, tmp_path: Path
) -> None:
    source = STUDIES / "spvae.yaml"
    given = "latent_dimensions: [2, 5]"
    text = source.read_text()
    assert given in text
    path = tmp_path / "spvae.yaml"
    path.write_text(text.replace(given, f"{given}\n              split_step: [{step}]"))
    shutil.copytree(STUDIES / "published", tmp_path / "published")
    with pytest.raises(UserError, match=f"split_step {step} does not cut the 8 x 8 images"):
        expand(load_study(str(path)), settings(studies=[str(path)]))
