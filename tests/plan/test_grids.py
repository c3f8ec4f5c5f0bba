"""The paper's grids have the paper's sizes, and what experiments share is one run."""

from __future__ import annotations

import itertools
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from workflow_src.config.loading import settings_from_mapping
from workflow_src.config.settings import Settings
from workflow_src.config.studies import STUDIES, load_study
from workflow_src.errors import UserError
from workflow_src.plan.grids import Group, expand
from workflow_src.plan.omissions import omissions
from workflow_src.plan.specs import RunSpec, Scalar

# Section 4 of the paper.
SPVAE_CELLS = 3 * 5
VAE_CELLS = 4 * 8
CONV_SPVAE_CELLS = 3 * 5
CONV_VAE_CELLS = 3 * 8
FAMILIES = 3 * 2
# Published winners of the SPVAE outside the text's grid: three of hidden_units 30, one of 100.
OTHERS = 4

Make = Callable[..., Settings]


def groups(settings: Settings, *experiments: str) -> list[Group]:
    found = expand(load_study("spvae"), settings)
    return [g for g in found if not experiments or g.experiment in experiments]


def runs(of: list[Group]) -> set[RunSpec]:
    return {spec for group in of for spec in group.runs}


@pytest.mark.parametrize("seeds", [[0], [0, 1, 7]])
def test_table_1_is_the_paper_s_number_of_trainings(settings: Make, seeds: list[int]) -> None:
    found = groups(
        settings(scale="paper", seeds=seeds, protocols=["authors"], streams=["full"]), "table1"
    )
    cells = SPVAE_CELLS + VAE_CELLS + CONV_SPVAE_CELLS + CONV_VAE_CELLS
    assert len(runs(found)) == (cells * FAMILIES + OTHERS) * len(seeds)
    assert len(found) == 4 * FAMILIES * len(seeds)
    assert Counter(len(group.runs) for group in found) == {
        SPVAE_CELLS + 1: OTHERS * len(seeds),
        SPVAE_CELLS: (FAMILIES - OTHERS + FAMILIES) * len(seeds),
        VAE_CELLS: FAMILIES * len(seeds),
        CONV_VAE_CELLS: FAMILIES * len(seeds),
    }


def test_a_cell_of_some_data_is_trained_on_these_alone(settings: Make) -> None:
    found: dict[Scalar, set[tuple[str, str]]] = {}
    for spec in runs(groups(settings(scale="paper"), "table1")):
        if spec.model == "spvae":
            units = spec.hyperparameter("hidden_units")
            found.setdefault(units, set()).add((spec.data_set, spec.likelihood))
    assert found.pop(30) == {
        ("mnist", "gaussian"),
        ("mnist", "binomial"),
        ("cifar10", "binomial"),
    }
    assert found.pop(100) == {("svhn", "binomial")}
    assert {units: len(families) for units, families in found.items()} == {8: 6, 16: 6, 32: 6}


def test_a_model_without_a_cell_for_some_data_has_no_group_there(settings: Make) -> None:
    found = groups(settings(scale="paper", seeds=[0]), "unexplained_cells")
    assert {(g.axes["model"], g.axes["data_set"], g.axes["likelihood"]) for g in found} == {
        ("spvae", "svhn", "binomial"),
        ("conv_vae", "mnist", "binomial"),
        ("conv_vae", "svhn", "binomial"),
    }
    assert len(found) == 3 * 2 * 2


def test_what_has_table_1_s_grids_has_its_groups(settings: Make) -> None:
    paper = settings(scale="paper", seeds=[0])
    one = [(g.axes, g.runs, g.measures) for g in groups(paper, "table1")]
    for other in ("table2", "per_dimension", "importance_samples", "restarted_stream", "protocols"):
        assert one == [(g.axes, g.runs, g.measures) for g in groups(paper, other)]


def test_table_1_is_the_whole_training_set_of_figure_2(settings: Make) -> None:
    paper = settings(scale="paper")
    figure = groups(paper, "figure2")
    cells = (SPVAE_CELLS + VAE_CELLS) * FAMILIES + OTHERS
    assert len(runs(figure)) == 13 * cells * 3
    whole = [group for group in figure if group.axes["fraction"] == 1.0]
    table = groups(settings(scale="paper", protocols=["authors"], streams=["full"]), "table1")
    assert runs(whole) == {s for s in runs(table) if s.model in ("spvae", "vae")}


def test_what_looks_at_winners_again_trains_nothing_beside_table_1(settings: Make) -> None:
    paper = settings(scale="paper")
    table = runs(groups(paper, "table1"))
    again = ["published_winners", "unexplained_cells", "cost", "inpainting", "leaf_posteriors"]
    assert runs(groups(paper, *again, "figure3")) < table


def test_the_demo_trains_what_experiments_share_once(settings: Make) -> None:
    assert len(runs(groups(settings()))) <= 45
    assert {g.experiment for g in groups(settings())} == set(load_study("spvae").experiments)


def test_each_grid_has_seeds_protocols_and_streams_of_its_own(settings: Make) -> None:
    def ways(experiment: str, **keys: object) -> set[tuple[Scalar, ...]]:
        found = groups(settings(scale="paper", **keys), experiment)
        return {(g.axes["protocol"], g.axes["stream"], g.axes["seed"]) for g in found}

    every = itertools.product(("authors", "text"), ("full", "restart"), (0, 1, 2))
    assert ways("table1") == ways("figure2_fixed_hyperparameters") == set(every)
    assert ways("figure2") == {("authors", "full", seed) for seed in (0, 1, 2)}
    assert ways("figure2", seeds=[5], protocols=["text"], streams=["restart"]) == {
        ("text", "restart", 5)
    }


def test_values_that_are_compared_have_groups_of_their_own(settings: Make) -> None:
    found = groups(settings(scale="paper", seeds=[0], likelihoods=["gaussian"]), "three_layers")
    cells = [
        (g.axes["data_set"], g.axes["protocol"], g.axes["stream"], g.variant["hidden_layers"])
        for g in found
    ]
    assert len(cells) == len(set(cells))
    assert set(cells) == set(
        itertools.product(
            ("mnist", "svhn", "cifar10"), ("authors", "text"), ("full", "restart"), (2, 3)
        )
    )
    assert all(set(g.variant) == {"hidden_layers"} for g in found)
    assert {len(group.runs) for group in found} == {VAE_CELLS}
    for group in found:
        (layers,) = {spec.hyperparameter("hidden_layers") for spec in group.runs}
        assert group.variant == {"hidden_layers": layers}
    two = {spec for g in found if g.variant == {"hidden_layers": 2} for spec in g.runs}
    assert two <= runs(groups(settings(scale="paper"), "table1"))


def test_a_compared_value_may_be_a_default(settings: Make) -> None:
    found = groups(settings(), "region_graphs")
    assert [(*g.variant.values(),) for g in found] == [
        # Where repetitions mean nothing, they are no part of the variant.
        ("poon_domingos", 2),
        ("poon_domingos", 4),
        ("random", 2, 1),
        ("random", 2, 4),
    ]
    assert {tuple(g.variant) for g in found} == {
        ("region_graph", "split_step"),
        ("region_graph", "split_step", "repetitions"),
    }
    assert {spec.hyperparameter("repetitions") for g in found[:2] for spec in g.runs} == {4}


@pytest.mark.parametrize("name", ["repetitions", "structure_seed"])
def test_one_model_twice_in_a_grid_is_refused(settings: Make, tmp_path: Path, name: str) -> None:
    path = Path(study_with(tmp_path))
    content = yaml.safe_load(path.read_text())
    grid = content["experiments"]["table1"]["scales"]["demo"]
    entry = {"hidden_units": [16], "latent_dimensions": [2], name: [1, 3]}
    grid["models"]["spvae"] = [entry | {"region_graph": ["poon_domingos", "random"]}]
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(UserError, match=f"{name} 1 and {name} 3 are one model") as caught:
        expand(load_study(str(path)), settings())
    assert "only where region_graph is random" in str(caught.value)
    grid["models"]["spvae"] = [entry | {"region_graph": ["random"]}]
    path.write_text(yaml.safe_dump(content))
    found = [s for s in runs(expand(load_study(str(path)), settings())) if s.model == "spvae"]
    assert {spec.hyperparameter(name) for spec in found} == {1, 3}


def test_where_nothing_is_compared_there_are_no_variants(settings: Make) -> None:
    assert all(group.variant == {} for group in groups(settings(), "table1", "figure2"))


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
        ("maximum_steps", 640),
        ("objective", "importance_weighted_bound"),
        ("region_graph", "poon_domingos"),
        ("repetitions", 4),
        ("split_step", 2),
        ("stopping", "eleven_below_best"),
        ("structure_seed", 0),
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
        ("authors", "conv_spvae", 0.01, "eleven_below_best"),
        ("authors", "vae", 0.001, "eleven_below_best"),
        ("authors", "conv_vae", 0.001, "eleven_below_best"),
        ("text", "spvae", 0.001, "five_decreases"),
        ("text", "conv_vae", 0.001, "five_decreases"),
    ],
)
def test_protocols_train_as_they_say(
    settings: Make, protocol: str, model: str, rate: float, stopping: str
) -> None:
    found = groups(settings(protocols=[protocol]), "table1")
    chosen = [g for g in found if g.axes["model"] == model]
    assert {spec.hyperparameter("learning_rate") for spec in runs(chosen)} == {rate}
    assert {spec.hyperparameter("stopping") for spec in runs(chosen)} == {stopping}


def test_what_is_asked_for_and_does_not_exist_is_refused(settings: Make) -> None:
    study = load_study("spvae")
    figure = study.experiments["figure2"]
    paper = figure.model_copy(update={"scales": {"paper": figure.scales["paper"]}})
    study = study.model_copy(update={"experiments": {"figure2": paper}})
    with pytest.raises(UserError, match=r"figure2 does not exist at scale demo.*scale paper"):
        expand(study, settings().model_copy(update={"experiments": ("figure2",)}))


def test_settings_choose_data_sets_and_likelihoods(settings: Make) -> None:
    found = groups(
        settings(scale="paper", data_sets=["fashion_mnist"], likelihoods=["binomial"]), "table1"
    )
    assert {(g.axes["data_set"], g.axes["likelihood"]) for g in found} == {
        ("fashion_mnist", "binomial")
    }


def test_what_settings_name_and_a_study_cannot_have_is_left_out_and_noted() -> None:
    settings = settings_from_mapping(
        {"studies": ["spvae", "dvaepp"], "scale": "paper", "data_sets": ["mnist", "omniglot"]}
    )
    study = load_study("spvae")
    found = expand(study, settings)
    assert {(g.axes["data_set"], g.axes["likelihood"]) for g in found} == {
        ("mnist", "gaussian"),
        ("mnist", "binomial"),
    }
    notes = omissions([study], settings, found)
    assert "table1: no cells for OMNIGLOT" in notes


def test_likelihoods_may_be_those_of_one_of_two_studies() -> None:
    both = {"studies": ["spvae", "dvaepp"]}
    settings = settings_from_mapping({**both, "likelihoods": ["binomial"]})
    assert expand(load_study("spvae"), settings)
    assert not expand(load_study("dvaepp"), settings)
    with pytest.raises(UserError, match="likelihood of the chosen models"):
        settings_from_mapping({"studies": ["spvae"], "likelihoods": ["bernoulli"]})


def test_a_named_experiment_without_images_of_its_likelihoods_is_refused(settings: Make) -> None:
    with pytest.raises(UserError, match="table1 has no cells for omniglot"):
        groups(settings(data_sets=["omniglot"], experiments=["table1"]))


def study_with(folder: Path, **training: object) -> str:
    content = yaml.safe_load((STUDIES / "spvae.yaml").read_text())
    content["name"] = "mine"
    content.pop("claims")
    for experiment in content["experiments"].values():
        experiment.pop("published", None)
    content["experiments"] = {"table1": content["experiments"]["table1"]}
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
    with pytest.raises(UserError, match=f"{step} does not cut the 8 x 8 images"):
        load_study(str(path))
    # The settings may bring in other data than a grid's own.
    own = text.replace(given, f"{given}\n              split_step: [7]")
    path.write_text(own.replace("data_sets: [digits]", "data_sets: [mnist]", 1))
    with pytest.raises(UserError, match="split_step 7 does not cut the 32 x 32") as caught:
        expand(load_study(str(path)), settings(experiments=["table1"], data_sets=["svhn"]))
    assert "experiments.table1.scales.demo.models.spvae" in str(caught.value.place)
    assert "data_sets" in str(caught.value.remedy)


@pytest.mark.parametrize(
    ("data_set", "steps", "default"),
    [
        ("mnist", {4, 7, 14}, 7),
        ("fashion_mnist", {4, 7, 14}, 7),
        ("svhn", {4, 8, 16}, 8),
        ("cifar10", {4, 8, 16}, 8),
        ("digits", {1, 2, 4}, 2),
    ],
)
def test_region_graphs_are_compared_on_images_of_any_size(
    settings: Make, data_set: str, steps: set[int], default: int
) -> None:
    found = groups(settings(scale="paper", data_sets=[data_set]), "region_graphs")
    compared: dict[Scalar, set[Scalar]] = {}
    for one in found:
        compared.setdefault(one.variant["region_graph"], set()).add(one.variant["split_step"])
    assert compared == {"poon_domingos": steps, "random": {default}}


def test_an_experiment_asked_for_by_name_without_cells_is_refused(settings: Make) -> None:
    study = load_study("spvae")
    keys = {"scale": "paper", "data_sets": ["fashion_mnist"]}
    with pytest.raises(UserError, match="cost has no cells for fashion_mnist") as caught:
        expand(study, settings(experiments=["table1", "cost"], **keys))
    assert "experiments.cost.scales.paper" in str(caught.value.place)
    assert "mnist, svhn, cifar10" in str(caught.value.expected)
    assert "config.yaml" in str(caught.value.remedy)
    found = {group.experiment for group in expand(study, settings(**keys))}
    assert "table1" in found
    assert "cost" not in found


def test_what_is_left_out_is_told(settings: Make) -> None:
    study = load_study("spvae")

    def told(**keys: object) -> list[str]:
        chosen = settings(scale="paper", **keys)
        return list(omissions([study], chosen, expand(study, chosen)))

    assert told() == []
    notes = told(data_sets=["fashion_mnist"])
    assert "cost: no cells for Fashion-MNIST" in notes
    assert not [note for note in notes if note.startswith(("table1:", "region_graphs:"))]
    assert told(data_sets=["mnist", "svhn"], experiments=["unexplained_cells"]) == [
        "unexplained_cells: no cells of SPVAE for MNIST"
    ]
    assert told(likelihoods=["gaussian"], data_sets=["mnist", "digits"]) == [
        f"{name}: no cells for {what}"
        for name, what in (
            ("published_winners", "Digits"),
            ("unexplained_cells", "Digits, of SPVAE for MNIST"),
            ("figure2_fixed_hyperparameters", "Digits"),
            ("cost", "Digits"),
            ("inpainting", "Digits"),
            ("leaf_posteriors", "Digits"),
        )
    ]
    only = study.experiments["figure3"].model_copy(
        update={"scales": {"paper": study.experiments["figure3"].scales["paper"]}}
    )
    changed = study.model_copy(update={"experiments": {**study.experiments, "figure3": only}})
    demo = settings()
    assert omissions([changed], demo, expand(changed, demo)) == (
        "figure3: does not exist at scale demo",
    )
