"""The DVAE++ study has the paper's grids, and the numbers of its tables as they are printed."""

from __future__ import annotations

from typing import Any

import pytest
from support.studies import study_alone

from workflow_src.config.experiments import Grid
from workflow_src.config.models import hyperparameters_of
from workflow_src.config.published import PublishedValue, read_published
from workflow_src.config.studies import STUDIES, Study

OVERLAPPING, SPIKE = "overlapping_exponential", "spike_and_exponential"
DATA = ("binarised_mnist", "mnist", "omniglot", "caltech101_silhouettes", "cifar10_colour")

# Row by row as printed, number and spread: NVIL, MuProp, REBAR, Concrete, joint, marginal.
TABLE_1 = {
    ("binarised_mnist", "linear"): "108.35 .06 108.03 .07 107.65 .08 107.00 .10 107.98 .10 "
    "108.57 .10",
    ("binarised_mnist", "nonlinear"): "100.00 .10 100.66 .08 100.69 .08 99.54 .06 99.16 .12 "
    "99.10 .21",
    ("omniglot", "linear"): "117.59 .04 117.64 .04 117.65 .04 117.65 .05 117.38 .08 118.35 .06",
    ("omniglot", "nonlinear"): "116.57 .08 117.51 .09 118.02 .05 116.69 .08 113.83 .11 113.76 .18",
}
OF_TABLE_1: tuple[dict[str, Any], ...] = (
    {"objective": "nvil"},
    {"objective": "muprop"},
    {"objective": "rebar"},
    {"objective": "marginal_bound", "smoothing": "concrete"},
    {"objective": "joint_bound", "smoothing": OVERLAPPING},
    {"objective": "marginal_bound", "smoothing": OVERLAPPING},
)
# MNIST: RBM of the paper, RBM of Rolfe, joint, marginal; the same of OMNIGLOT.
TABLE_2 = {
    (1, "linear"): "91.21 .11 91.55 .08 106.70 .08 106.80 .19 "
    "109.66 .09 109.83 .17 117.62 .09 117.78 .07",
    (2, "linear"): "94.15 .45 91.06 .21 98.16 .11 98.56 .10 "
    "109.01 .45 110.35 .14 111.21 .12 111.49 .08",
    (1, "nonlinear"): "85.41 .04 85.57 .03 95.04 .10 95.06 .08 "
    "102.62 .07 103.12 .06 108.77 .24 108.82 .20",
    (2, "nonlinear"): "84.27 .05 84.52 .05 87.96 .13 88.23 .11 "
    "100.55 .05 105.60 .68 103.57 .15 104.05 .22",
}
OF_TABLE_2: tuple[dict[str, Any], ...] = (
    {"prior": "boltzmann_machine", "objective": "joint_bound", "smoothing": OVERLAPPING},
    {"prior": "boltzmann_machine", "objective": "joint_bound", "smoothing": SPIKE},
    {"prior": "directed", "objective": "joint_bound", "smoothing": OVERLAPPING},
    {"prior": "directed", "objective": "marginal_bound", "smoothing": OVERLAPPING},
)
# Without spread; the last column is bits per dimension, the others nats without their minus sign.
OTHER_TABLES: dict[int, dict[tuple[tuple[str, Any], ...], str]] = {
    3: {
        (("global_latents", "normal"), ("local_latents", "normal")): (
            "79.40 78.59 92.51 82.24 3.40"
        ),
        (
            ("global_latents", "boltzmann_machine"),
            ("local_latents", "normal"),
            ("smoothing", SPIKE),
        ): "79.04 78.65 92.56 81.95 3.39",
        (
            ("global_latents", "boltzmann_machine"),
            ("local_latents", "normal"),
            ("smoothing", OVERLAPPING),
        ): "79.17 78.49 92.38 81.88 3.38",
        (
            ("global_latents", "boltzmann_machine"),
            ("local_latents", "bernoulli"),
            ("smoothing", OVERLAPPING),
        ): "79.72 79.55 93.95 85.40 3.59",
        (
            ("global_latents", "bernoulli"),
            ("local_latents", "bernoulli"),
            ("smoothing", OVERLAPPING),
        ): "79.90 79.62 93.87 86.57 3.62",
    },
    5: {
        (("local_groups", n),): f"- - - - {v}"
        for n, v in ((8, "3.45"), (12, "3.41"), (16, "3.40"), (20, "3.40"), (24, "3.39"))
    },
    6: {
        (("global_groups", n),): f"- - - - {v}" for n, v in ((1, "3.39"), (2, "3.38"), (4, "3.37"))
    },
    7: {
        (("decoder", "conditional"),): "79.37 78.62 92.36 81.85 3.37",
        (("decoder", "unconditional"),): "79.12 78.47 92.94 82.40 3.91",
    },
    8: {
        (("global_latents", "boltzmann_machine"), ("kl_balancing", "balanced")): (
            "79.12 - 92.36 - 3.37"
        ),
        (("global_latents", "none"), ("kl_balancing", "balanced")): "78.96 - 92.60 - 3.41",
        (("global_latents", "boltzmann_machine"), ("kl_balancing", "unbalanced")): (
            "79.72 - 92.74 - 3.42"
        ),
    },
}


@pytest.fixture(scope="module")
def study() -> Study:
    return study_alone("dvaepp")


def _published(table: int) -> tuple[PublishedValue, ...]:
    return read_published(STUDIES / "published" / f"dvaepp_table{table}.csv")


def _with_spread(table: int) -> dict[tuple[Any, ...], tuple[float, float | None]]:
    values = _published(table)
    assert {(one.model, one.likelihood, one.metric, one.unit) for one in values} == {
        ("discrete_vae", "bernoulli", "test_bound", "nats")
    }
    found = {(one.data_set, *one.hyperparameters): (one.value, one.spread) for one in values}
    assert len(found) == len(values)
    return found


def _pairs(text: str) -> list[tuple[float, float]]:
    numbers = [float(word) for word in text.split()]
    return [(-value, spread) for value, spread in zip(numbers[::2], numbers[1::2], strict=True)]


def test_table_1_is_as_printed() -> None:
    assert _with_spread(1) == {
        (data, *sorted({**told, "network": network}.items())): pair
        for (data, network), text in TABLE_1.items()
        for told, pair in zip(OF_TABLE_1, _pairs(text), strict=True)
    }


def test_table_2_is_as_printed() -> None:
    expected = {}
    for (layers, network), text in TABLE_2.items():
        places = [(data, told) for data in ("binarised_mnist", "omniglot") for told in OF_TABLE_2]
        for (data, told), pair in zip(places, _pairs(text), strict=True):
            every = {**told, "network": network, "latent_layers": layers}
            expected[data, *sorted(every.items())] = pair
    assert _with_spread(2) == expected


@pytest.mark.parametrize("table", list(OTHER_TABLES))
def test_the_other_tables_are_as_printed(table: int) -> None:
    found = {}
    for one in _published(table):
        colour = one.data_set == "cifar10_colour"
        assert one.spread is None
        # Appendix I is at the temperature of training.
        smoothed = "smoothed_" if table >= 5 else ""
        assert one.metric == f"test_{smoothed}{'bits_per_dimension' if colour else 'bound'}"
        assert one.likelihood == ("discretised_logistic" if colour else "bernoulli")
        found[one.data_set, one.hyperparameters] = one.value if colour else -one.value
    assert found == {
        (data, told): float(word)
        for told, text in OTHER_TABLES[table].items()
        for data, word in zip(DATA, text.split(), strict=True)
        if word != "-"
    }


def test_every_published_number_is_of_something_that_its_experiment_tells_apart(
    study: Study,
) -> None:
    for name, experiment in study.experiments.items():
        grid = experiment.scales["paper"]
        metric = experiment.table.metric
        shown = [one for one in study.published_values(name) if one.metric == metric]
        assert bool(shown) == (experiment.published is not None)
        for one in shown:
            assert one.model in grid.models
            assert one.data_set in grid.data_sets
            declared = hyperparameters_of(one.model)
            told = dict(one.hyperparameters)
            assert set(told) == {
                key for key in experiment.compare if declared[key].applies(told)
            }, (name, one)
            assert all(declared[key].accepts(value) for key, value in told.items())


def _paper(study: Study, experiment: str) -> Grid:
    return study.experiments[experiment].scales["paper"]


def test_the_searches_are_the_paper_s(study: Study) -> None:
    table1 = _paper(study, "table1").models["discrete_vae"]
    (overlapping,) = [one for one in table1 if one.get("smoothing") == (OVERLAPPING,)]
    assert overlapping["learning_rate"] == (0.0001, 0.0005)
    assert overlapping["inverse_temperature"] == (5, 6, 7, 8)
    assert overlapping["final_inverse_temperature"] == (12, 14, 16, 18)
    table2 = _paper(study, "table2").models["discrete_vae"]
    assert {one["inverse_temperature"] for one in table2} == {(5,), (6,), (8,), (10,)}
    # The temperature stays the same.
    for name in ("table2", "smoothings", "inverse_cdfs", "temperatures"):
        for one in _paper(study, name).models["discrete_vae"]:
            assert one["inverse_temperature"] == one["final_inverse_temperature"]
    groups = [one["global_groups"] for one in _paper(study, "table3").models["dvaepp"]]
    assert set(groups) == {(1, 2, 4)}
    assert _paper(study, "table1").training["maximum_steps"] == 2_000_000
    assert _paper(study, "table2").training["maximum_steps"] == 1_000_000


def test_the_learning_rates_follow_the_protocol_in_table_2_alone(study: Study) -> None:
    schedules = {
        (name, protocol): study.training_values(model, protocol, _paper(study, name))[
            "learning_rate_schedule"
        ]
        for name, model in (
            ("table1", "discrete_vae"),
            ("table2", "discrete_vae"),
            ("table3", "dvaepp"),
        )
        for protocol in ("authors", "text")
    }
    assert schedules == {
        ("table1", "authors"): "constant",
        ("table1", "text"): "constant",
        ("table2", "authors"): "authors_steps",
        ("table2", "text"): "text_steps",
        ("table3", "authors"): "plateau",
        ("table3", "text"): "plateau",
    }
    assert _paper(study, "table2").protocols == ("authors", "text")


def test_the_demo_is_small_and_needs_no_download(study: Study) -> None:
    demos = {
        name: one.scales["demo"] for name, one in study.experiments.items() if "demo" in one.scales
    }
    assert set(study.experiments) - set(demos) == {
        name for name in study.experiments if name.endswith("_colour")
    }
    for grid in demos.values():
        assert grid.data_sets == ("digits",)
        assert int(grid.training["maximum_steps"]) <= 600
