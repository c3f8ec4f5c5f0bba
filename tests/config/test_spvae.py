"""The SPVAE study holds the paper's grids, and what looks at the same winners shares them."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from support.studies import study_alone

from workflow_src.config.experiments import Grid
from workflow_src.config.grid_entries import cells_of

Cells = set[tuple[tuple[str, object], ...]]


def _cells(grid: Grid, model: str, data_set: str, likelihood: str) -> Cells:
    """The different cells of a model's grid."""
    cells = cells_of(grid.models[model], data_set, likelihood)
    return {tuple(sorted(cell.items())) for cell in cells}


def _sizes(hidden: Iterable[int], latent: Iterable[int]) -> Cells:
    return {
        (("hidden_units", h), ("latent_dimensions", z))
        for h, z in itertools.product(hidden, latent)
    }


LATENT = (1, 2, 5, 25, 50)
# Section 4.
TEXT = {
    "spvae": _sizes((8, 16, 32), LATENT),
    "vae": _sizes((30, 100, 300, 600), (*LATENT, 100, 150, 200)),
    "conv_spvae": _sizes((8, 32, 64), LATENT),
    "conv_vae": _sizes((32, 64, 128), (*LATENT, 100, 150, 200)),
}
FAMILIES = tuple(itertools.product(("mnist", "svhn", "cifar10"), ("gaussian", "binomial")))
# By the order of FAMILIES: the cells that Table 2's counts belong to.
WINNERS = {
    "spvae": ((30, 25), (30, 25), (32, 25), (32, 50), (32, 25), (30, 25)),
    "vae": ((300, 200), (300, 200), (300, 100), (600, 100), (300, 50), (600, 200)),
    "conv_spvae": ((64, 25), (64, 25), (64, 25), (64, 25), (32, 25), (32, 25)),
    "conv_vae": ((64, 200), (64, 200), (128, 150), (128, 200), (128, 150), (128, 150)),
}


def _paper(experiment: str) -> Grid:
    return study_alone("spvae").experiments[experiment].scales["paper"]


@pytest.mark.parametrize("family", FAMILIES)
def test_the_paper_grid_is_the_text_s_and_the_published_winners(family: tuple[str, str]) -> None:
    for experiment in ("table1", "table2", "figure2"):
        grid = _paper(experiment)
        assert {(d, k) for d in grid.data_sets for k in grid.likelihoods} == set(FAMILIES)
        others = {("svhn", "binomial"): (100, 50)}.get(family)
        winner = WINNERS["spvae"][FAMILIES.index(family)]
        own = [winner] if winner[0] == 30 else [others] if others else []
        for model in grid.models:
            more = _sizes(*zip(*own, strict=True)) if model == "spvae" and own else set()
            assert _cells(grid, model, *family) == TEXT[model] | more


def test_the_published_winners_are_one_cell_of_each_family() -> None:
    grid = _paper("published_winners")
    for model, winners in WINNERS.items():
        for family, (hidden, latent) in zip(FAMILIES, winners, strict=True):
            assert _cells(grid, model, *family) == _sizes([hidden], [latent])


def test_the_hyperparameters_of_figure_2_can_be_those_behind_table_1() -> None:
    grid = _paper("figure2_fixed_hyperparameters")
    for model in grid.models:
        for family, winner in zip(FAMILIES, WINNERS[model], strict=True):
            is_larger = (model, *family) == ("spvae", "svhn", "binomial")
            hidden, latent = (100, 50) if is_larger else winner
            assert _cells(grid, model, *family) == _sizes([hidden], [latent])


def test_figure_2_shrinks_the_training_set_by_tenths_and_then_by_equal_factors() -> None:
    tenths = [round(1 - 0.1 * k, 1) for k in range(10)]
    factors = [round(0.1 * 0.05 ** (k / 3), 4) for k in (1, 2, 3)]
    for experiment in ("figure2", "figure2_fixed_hyperparameters"):
        assert list(_paper(experiment).fractions) == tenths + factors


def test_what_is_shown_of_the_same_winners_is_measured_once() -> None:
    experiments = study_alone("spvae").experiments
    pictures = {"figure3", "inpainting", "leaf_posteriors"}
    for name in experiments.keys() - pictures:
        assert experiments[name].measures == experiments["table1"].measures
    assert experiments["table1"].measures.importance_samples == (5, 50, 500, 5000)
    for name in ("table2", "per_dimension", "importance_samples", "restarted_stream", "protocols"):
        assert experiments[name].scales == experiments["table1"].scales
    assert experiments["cost"].scales == experiments["published_winners"].scales


def test_single_cells_of_other_experiments_are_cells_of_table_1() -> None:
    study = study_alone("spvae")
    table = study.experiments["table1"].scales
    names = ("published_winners", "unexplained_cells", "cost", "inpainting", "leaf_posteriors")
    for name in (*names, "figure3"):
        for scale, grid in study.experiments[name].scales.items():
            assert grid.training == table[scale].training
            for model, data_set, likelihood in itertools.product(
                grid.models, grid.data_sets, grid.likelihoods
            ):
                own = _cells(grid, model, data_set, likelihood)
                assert len(own) <= 1
                assert own <= _cells(table[scale], model, data_set, likelihood)


@pytest.mark.parametrize(
    ("experiment", "values"),
    [
        ("three_layers", {"hidden_layers": {2, 3}}),
        (
            "objectives",
            {
                "objective": {"evidence_lower_bound", "importance_weighted_bound"},
                "importance_samples": {1, 5, 50},
            },
        ),
        ("learning_rates", {"learning_rate": {0.0001, 0.001, 0.003, 0.01, 0.03, 0.1}}),
        (
            "region_graphs",
            {
                "region_graph": {"poon_domingos", "random"},
                "split_step": {4, 7, 14},
                "repetitions": {1, 4, 16},
            },
        ),
    ],
)
def test_what_is_compared_has_these_values(experiment: str, values: dict[str, set[Any]]) -> None:
    assert study_alone("spvae").experiments[experiment].compare == tuple(values)
    grid = _paper(experiment)
    for model, entries in grid.models.items():
        own = [entry for entry in entries if "mnist" in entry.get("data_sets", ["mnist"])]
        for name, expected in values.items():
            assert {v for e in own for v in e.get(name, ())} == expected, model


@pytest.mark.parametrize(
    ("protocol", "model", "learning_rate", "stopping"),
    [
        ("authors", "spvae", 0.01, "eleven_below_best"),
        ("authors", "conv_spvae", 0.01, "eleven_below_best"),
        ("authors", "vae", 0.001, "eleven_below_best"),
        ("authors", "conv_vae", 0.001, "eleven_below_best"),
        ("text", "spvae", 0.001, "five_decreases"),
        ("text", "conv_spvae", 0.001, "five_decreases"),
        ("text", "vae", 0.001, "five_decreases"),
        ("text", "conv_vae", 0.001, "five_decreases"),
    ],
)
def test_protocols_fix_the_step_size_and_the_stopping_rule(
    protocol: str, model: str, learning_rate: float, stopping: str
) -> None:
    study = study_alone("spvae")
    grids = study.experiments["table1"].scales
    common = {"importance_samples": 5, "batch_size": 128, "validation_interval": 128}
    expected = {**common, "learning_rate": learning_rate, "stopping": stopping}
    assert study.training_values(model, protocol, grids["paper"]) == expected
    assert study.training_values(model, protocol, grids["demo"]) == {
        **expected,
        "maximum_steps": 640,
    }


def test_config_yaml_names_what_has_both_protocols_and_streams() -> None:
    text = " ".join(line.lstrip("# ") for line in Path("config.yaml").read_text().splitlines())
    (named,) = re.findall(r"default, what has the grids of Table 1 \((.*?)\)(.*?) have both", text)
    grids = {name: one.scales["paper"] for name, one in study_alone("spvae").experiments.items()}
    both = {name for name, grid in grids.items() if len(grid.protocols) == 2}
    assert both == {name for name, grid in grids.items() if len(grid.streams) == 2}
    assert set(re.findall(r"[a-z_0-9]+", " ".join(named))) - {"and"} == both
    everything = text[text.index("spvae: of the paper") : text.index("What experiments share")]
    assert set(re.findall(r"[a-z_0-9]+", everything)) >= grids.keys()


def test_published_numbers_are_found_from_the_study() -> None:
    study = study_alone("spvae")
    assert len(study.published_values("table1")) == 24
    assert study.published_values("figure2") == ()
