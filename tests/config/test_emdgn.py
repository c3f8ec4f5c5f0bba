"""The study of the EM-DGN paper has its figures' settings, and starts all methods alike."""

from __future__ import annotations

import itertools
import json

import pytest
from support.studies import study_alone

from workflow_src.config.claims import Comparison, Limit
from workflow_src.config.experiments import Grid
from workflow_src.config.grid_entries import GridEntry
from workflow_src.config.loading import settings_from_mapping
from workflow_src.config.metrics import METRICS
from workflow_src.config.models import hyperparameters_of
from workflow_src.config.studies import Study
from workflow_src.plan.grids import expand

MODEL = "deep_generative_network"
NOISES = (0.05, 0.1, 0.3, 0.55, 1.0)
RATES = (0.005, 0.001, 0.0001)
EM = "expectation_maximisation"


@pytest.fixture(scope="module")
def study() -> Study:
    return study_alone("emdgn")


def paper(study: Study, name: str) -> Grid:
    return study.experiments[name].scales["paper"]


def entries(grid: Grid) -> tuple[GridEntry, ...]:
    return grid.models[MODEL]


def told(entry: GridEntry, **defaults: object) -> tuple[object, ...]:
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


def deviations(entry: GridEntry) -> list[float]:
    """The standard deviations of the starting noise."""
    return [float(noise) for noise in entry["starting_noise"]]


def test_random_networks_are_the_papers(study: Study) -> None:
    (third,) = entries(paper(study, "figure3"))
    assert (third["hidden_units"], third["last_hidden_units"], third["leak"]) == (
        (4,),
        (16,),
        (0.01,),
    )
    assert [noise**2 for noise in deviations(third)] == pytest.approx([0.01, 0.1])
    for entry, (latent, units) in zip(
        entries(paper(study, "figure6")), ((1, 16), (2, 6)), strict=True
    ):
        assert (entry["latent_dimensions"], entry["hidden_units"]) == ((latent,), (units,))
        assert [noise**2 for noise in deviations(entry)] == pytest.approx([0.05, 0.2, 0.5])
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


ASKED = {
    "is_faster_on_circle": ("epochs_to_converge", "lower", "figure4", 1),
    "is_faster_on_wave": ("epochs_to_converge", "lower", "figure8", 2),
    "is_faster_on_mnist_fours": ("epochs_to_converge", "lower", "figure10", 2),
    "takes_fewer_seconds_on_circle": ("seconds_to_converge", "lower", "seconds_to_converge", 1),
    "is_higher_on_circle": ("test_log_likelihood", "higher", "figure4", 1),
    "is_higher_on_wave": ("test_log_likelihood", "higher", "figure8", 2),
    "is_higher_on_mnist_fours": ("test_log_likelihood", "higher", "figure10", 2),
}


@pytest.mark.parametrize("kind", ASKED)
def test_claims_are_stated_for_every_data_set_starting_noise_and_rate(
    study: Study, kind: str
) -> None:
    """Each has a verdict of its own, so that one that fails does not sink the others."""
    metric, relation, place, networks = ASKED[kind]
    data_set = kind.partition("_on_")[2]
    for noise in NOISES:
        word = f"{noise:g}"
        claim = study.claims[f"em_{kind}_from_starting_noise_{word.replace('.', '_')}"]
        assert claim.statement.endswith(f"from a starting noise of {word}.")
        rates = []
        for check in claim.checks:
            assert isinstance(check, Comparison)
            assert (check.metric, check.relation, check.experiment) == (metric, relation, place)
            assert paper(study, check.experiment).data_sets == (data_set,)
            assert (check.first["method"], check.second["method"]) == (EM, "variational")
            # What is compared differs in nothing but the method and its rate.
            differing = check.first.items() ^ check.second.items()
            assert {name for name, _ in differing} == {"method", "learning_rate"}
            assert check.first["starting_noise"] == noise
            rates.append(check.second["learning_rate"])
        assert sorted(rates) == sorted(RATES * networks)


def test_posteriors_that_encoders_miss_are_asked_for_their_modes(study: Study) -> None:
    bounds = {
        ("multimodal_share", 0.05, None),
        ("encoder_kl_divergence", 0.1, None),
        ("multimodal_approximation_gap", 0.1, None),
        ("unimodal_approximation_gap", None, 0.1),
    }
    asked = set(itertools.product(("figure4", "figure5"), RATES, bounds))
    for noise in NOISES:
        word = f"{noise:g}".replace(".", "_")
        checks = study.claims[f"encoders_miss_the_posterior_from_starting_noise_{word}"].checks
        found = set()
        for check in checks:
            assert isinstance(check, Limit)
            assert check.first["starting_noise"] == noise
            bound = (check.metric, check.at_least, check.at_most)
            found.add((check.experiment, check.first["learning_rate"], bound))
        assert found == asked


def test_the_divergence_is_asked_of_the_same_runs_early_and_late(study: Study) -> None:
    (entry,) = entries(paper(study, "divergence_by_epochs"))
    (fifth,) = entries(paper(study, "figure5"))
    assert entry == {**fifth, "maximum_epochs": (1, 15, 150)}
    for noise in NOISES:
        word = f"{noise:g}".replace(".", "_")
        name = f"posteriors_become_harder_to_approximate_from_starting_noise_{word}"
        for check in study.claims[name].checks:
            assert isinstance(check, Comparison)
            assert (check.metric, check.relation) == ("approximation_gap", "higher")
            differing = check.first.items() ^ check.second.items()
            assert differing == {("maximum_epochs", 150), ("maximum_epochs", 1)}


def test_expectations_are_judged_where_they_tell_something(study: Study) -> None:
    """A circle's second coordinate has two values, so that errors are asked of the wave alone."""
    for claim in study.claims.values():
        for check in claim.checks:
            if "imputation_error" in check.metric:
                assert check.data_sets == ("wave",)
                assert check.metric == "imputation_error_of_second_half"
    metrics = [
        study.experiments[name].table.metric
        for name in ("imputation_error", "imputation_by_encoder")
    ]
    assert metrics[1] == f"encoder_{metrics[0]}"
    assert study.experiments["imputation"].table.metric == "imputation_log_density"


def test_steps_of_em_are_tried_in_every_order_and_damped(study: Study) -> None:
    (entry,) = entries(paper(study, "order_and_damping"))
    declared = hyperparameters_of(MODEL)["block_order"].choices
    assert declared is not None
    assert set(entry["block_order"]) == set(declared)
    assert set(entry["damping"]) == {0.5, 1.0}


def test_estimates_are_trained_and_measured_too(study: Study) -> None:
    (entry,) = entries(paper(study, "latent_dimensions"))
    assert {3, 4} <= set(entry["latent_dimensions"])
    assert float(paper(study, "latent_dimensions").training["maximum_epochs"]) > 0


def test_the_guarantee_is_asked_of_em_as_printed_and_of_checked_em(study: Study) -> None:
    ways = {
        "em_never_lowers_the_likelihood": ("none", "sweep"),
        "em_with_fresh_expectations_never_lowers_the_likelihood": ("none", "block"),
        "checked_em_never_lowers_the_likelihood": ("halving", "block"),
    }
    # One run that falls is enough to refute "never".
    assert METRICS["largest_likelihood_fall"].over_seeds == "largest"
    for name, way in ways.items():
        checks = study.claims[name].checks
        assert {check.metric for check in checks} == {"largest_likelihood_fall"}
        found = {
            (check.first["backtracking"], check.first["expectation_refresh"]) for check in checks
        }
        assert found == {way}
        starts = {(check.first["hidden_layers"], check.first["starting_noise"]) for check in checks}
        assert starts == set(itertools.product((1, 2), (0.05, 0.3, 1.0)))
    (printed,) = (
        entry
        for entry in entries(paper(study, "guarantee"))
        if entry["expectation_refresh"] == ("sweep",)
    )
    assert printed["block_order"] == ("biases_then_weights",)


def test_the_demo_is_small_and_measures_what_it_trains_once(study: Study) -> None:
    grids = [
        (experiment.scales["demo"], experiment.measures)
        for experiment in study.experiments.values()
        if "demo" in experiment.scales
    ]
    assert {name for grid, _ in grids for name in grid.data_sets} == {"circle", "digits_fours"}
    settings = settings_from_mapping({"studies": ["emdgn"], "scale": "demo"})
    groups = expand(study, settings)
    assert len({run for group in groups for run in group.runs}) <= 22
    # Equal runs with equal measures are evaluated once, in whichever experiments they are.
    evaluations = {(group.runs, json.dumps(group.measures)) for group in groups}
    assert len(evaluations) <= 24
