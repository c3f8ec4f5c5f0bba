"""The study of the EM-DGN paper has its figures' settings, and starts all methods alike."""

from __future__ import annotations

import itertools

import pytest

from workflow_src.config.claims import Comparison
from workflow_src.config.experiments import Entry, Grid
from workflow_src.config.studies import Study, load_study

MODEL = "deep_generative_network"
NOISES = (0.05, 0.1, 0.3, 0.55, 1.0)
RATES = (0.005, 0.001, 0.0001)
EM = "expectation_maximization"


@pytest.fixture(scope="module")
def study() -> Study:
    return load_study("emdgn")


def paper(study: Study, name: str) -> Grid:
    return study.experiments[name].scales["paper"]


def entries(grid: Grid) -> tuple[Entry, ...]:
    return grid.models[MODEL]


def told(entry: Entry, **defaults: object) -> tuple[object, ...]:
    """The values of some hyperparameters, or else what they are by default."""
    return tuple(entry.get(name, (value,)) for name, value in defaults.items())


# Seeds and epochs of the paper's figures, its data set, and layers and units of its networks.
@pytest.mark.parametrize(
    ("figure", "data_set", "seeds", "epochs", "networks"),
    [
        ("figure4", "circle", 20, 150, {((1,), (0,))}),
        ("figure5", "circle", 3, 150, {((2,), (0,))}),
        ("figure8", "wave", 15, 75, {((1, 2), (0,))}),
        ("figure9", "wave", 15, 75, {((2,), (0,))}),
        ("figure10", "mnist_fours", 3, 30, {((2,), (0, 16))}),
        ("figure11", "mnist_fours", 3, 30, {((2,), (16,))}),
    ],
)
def test_the_figures_settings_are_the_papers(
    study: Study, figure: str, data_set: str, seeds: int, epochs: int, networks: set[object]
) -> None:
    grid = paper(study, figure)
    assert grid.data_sets == (data_set,)
    assert grid.likelihoods == ("gaussian_noise",)
    assert len(grid.seeds) == seeds
    assert study.training_values(MODEL, "authors", grid)["maximum_epochs"] == epochs
    found = {told(entry, hidden_layers=1, last_hidden_units=0) for entry in entries(grid)}
    assert found == networks
    variational = [entry for entry in entries(grid) if entry["method"] == ("variational",)]
    assert [entry["learning_rate"] for entry in variational] == [RATES]
    assert [entry["batch_size"] for entry in variational] == [(50,)]


def test_random_networks_are_the_papers(study: Study) -> None:
    (third,) = entries(paper(study, "figure3"))
    assert (third["hidden_units"], third["last_hidden_units"], third["leak"]) == (
        (4,),
        (16,),
        (0.01,),
    )
    assert [noise**2 for noise in third["starting_noise"]] == pytest.approx([0.01, 0.1])
    for entry, (latent, units) in zip(
        entries(paper(study, "figure6")), ((1, 16), (2, 6)), strict=True
    ):
        assert (entry["latent_dimensions"], entry["hidden_units"]) == ((latent,), (units,))
        assert [noise**2 for noise in entry["starting_noise"]] == pytest.approx([0.05, 0.2, 0.5])
    for name in ("figure2", "figure3", "figure6", "integrals", "cost_of_width", "cost_of_depth"):
        assert paper(study, name).training["maximum_epochs"] == 0


@pytest.mark.parametrize("figure", ["figure4", "figure5", "figure8", "figure10", "gaps"])
def test_the_starting_noise_is_swept_and_the_same_for_all_methods(
    study: Study, figure: str
) -> None:
    assert {entry["starting_noise"] for entry in entries(paper(study, figure))} == {NOISES}
    assert "starting_noise" in study.experiments[figure].compare


def test_methods_that_are_compared_start_alike(study: Study) -> None:
    """What the starting weights depend on, and the noise, is the same for every method."""
    for name, experiment in study.experiments.items():
        for grid in experiment.scales.values():
            starts: dict[object, set[object]] = {}
            for entry in entries(grid):
                start = told(entry, hidden_units=8, hidden_layers=1, last_hidden_units=0)
                starts.setdefault(entry.get("method", EM), set()).add(
                    (*start, *told(entry, starting_noise=0.3, activation="leaky_relu"))
                )
            if len(starts) > 1:
                assert len({frozenset(one) for one in starts.values()}) == 1, name


@pytest.mark.parametrize("kind", ["faster", "higher"])
def test_claims_are_stated_for_every_starting_noise_and_rate(study: Study, kind: str) -> None:
    metric = {"faster": "epochs_to_converge", "higher": "test_log_likelihood"}[kind]
    found = []
    for noise in NOISES:
        word = f"{noise:g}".replace(".", "")
        for check in study.claims[f"em_is_{kind}_from_noise_{word}"].checks:
            assert isinstance(check, Comparison)
            assert check.metric == metric
            assert check.relation == {"faster": "lower", "higher": "higher"}[kind]
            assert (check.first["method"], check.second["method"]) == (EM, "variational")
            # What is compared differs in nothing but the method and its rate.
            differing = check.first.items() ^ check.second.items()
            assert {name for name, _ in differing} == {"method", "learning_rate"}
            assert check.first["starting_noise"] == noise
            found.append((noise, check.second["learning_rate"], check.experiment))
    places = ["figure4"] + ["figure8", "figure10"] * 2
    assert sorted(found) == sorted(itertools.product(NOISES, RATES, places))


def test_the_guarantee_is_asked_of_em_as_printed_and_of_checked_em(study: Study) -> None:
    ways = {
        "em_never_lowers_the_likelihood": ("none", "sweep"),
        "em_with_fresh_expectations_never_lowers_the_likelihood": ("none", "block"),
        "checked_em_never_lowers_the_likelihood": ("halving", "block"),
    }
    for name, way in ways.items():
        checks = study.claims[name].checks
        assert {check.first["hidden_layers"] for check in checks} == {1, 2}
        assert {check.metric for check in checks} == {"largest_likelihood_fall"}
        found = {
            (check.first["backtracking"], check.first["expectation_refresh"]) for check in checks
        }
        assert found == {way}


def test_the_demo_is_small_and_measures_what_it_trains_once(study: Study) -> None:
    grids = [
        (experiment.scales["demo"], experiment.measures)
        for experiment in study.experiments.values()
        if "demo" in experiment.scales
    ]
    assert {name for grid, _ in grids for name in grid.data_sets} == {"circle", "digits_fours"}
    # Every different pair of a grid and measures makes evaluations of its own.
    pairs = [pair for position, pair in enumerate(grids) if pair not in grids[:position]]
    assert len(pairs) <= 5
