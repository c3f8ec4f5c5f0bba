"""Claims name what there is: experiments, metrics, models, cells; all else is refused by line."""

from __future__ import annotations

from pathlib import Path

import pytest

from workflow_src.config.claim_checks import claimed_cells
from workflow_src.config.metrics import metric
from workflow_src.config.studies import load_study
from workflow_src.errors import UserError

_STUDY = """\
name: mine
title: A study
reference: Nobody, nowhere
training: {learning_rate: 0.1, stopping: five_decreases}
protocols:
  authors:
    description: The authors'.
claims:
  one:
    statement: One is better than the other.
    place: Table 1
    checks:
      - kind: comparison
        experiment: first
        metric: test_bound
        first: {model: spvae, hidden_layers: 3}
        second: {model: vae, hidden_layers: 2}
        relation: higher
        data_sets: [mnist]
      - kind: stability
        experiment: first
        metric: test_bound
        first: {model: vae, hidden_layers: 2}
        fraction: 0.5
        tolerance: 0.1
      - {kind: limit, experiment: first, metric: test_bound, first: {model: vae, hidden_layers: 2},
         at_most: 1.5}
experiments:
  first:
    title: First
    description: A table.
    presentation: table
    compare: [hidden_layers]
    table: {rows: model, columns: [data_set], metric: test_bound}
    measures: {importance_samples: [5]}
    scales:
      demo: &grid
        data_sets: [digits]
        likelihoods: [gaussian]
        models:
          vae:
            - {hidden_units: [3], latent_dimensions: [1, 2]}
          spvae:
            - {hidden_units: [3], latent_dimensions: [1], hidden_layers: [3]}
      paper:
        data_sets: [mnist, svhn]
        likelihoods: [gaussian, binomial]
        fractions: [1.0, 0.5]
        models:
          vae:
            - {hidden_units: [3], latent_dimensions: [1, 2]}
          spvae:
            - hidden_units: [3]
              latent_dimensions: [1]
              hidden_layers: [3]
              data_sets:
                - mnist
            - hidden_units: [3]
              latent_dimensions: [1]
              hidden_layers: [5]
              likelihoods: [gaussian]
"""


def _study(tmp_path: Path, text: str) -> str:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    return str(path)


def test_a_claim_is_read_with_its_checks(tmp_path: Path) -> None:
    study = load_study(_study(tmp_path, _STUDY))
    comparison, stability, limit = study.claims["one"].checks
    assert comparison.kind == "comparison"
    assert (comparison.relation, comparison.fraction) == ("higher", 1.0)
    assert comparison.second == {"model": "vae", "hidden_layers": 2}
    assert stability.kind == "stability"
    assert (stability.fraction, stability.tolerance) == (0.5, 0.1)
    assert limit.kind == "limit"
    assert (limit.at_least, limit.at_most) == (None, 1.5)


def test_a_check_is_about_the_paper_s_cells_unless_it_names_its_own(tmp_path: Path) -> None:
    study = load_study(_study(tmp_path, _STUDY))
    comparison, stability, _ = study.claims["one"].checks
    first = study.experiments["first"]
    assert claimed_cells(comparison, first) == (("mnist", "gaussian"), ("mnist", "binomial"))
    assert set(claimed_cells(stability, first)) == {
        (data_set, likelihood)
        for data_set in ("mnist", "svhn")
        for likelihood in ("gaussian", "binomial")
    }


def test_a_check_on_data_that_the_paper_lacks_is_about_the_grid_that_has_them(
    tmp_path: Path,
) -> None:
    study = load_study(_study(tmp_path, _STUDY.replace("[mnist]", "[digits]", 1)))
    check = study.claims["one"].checks[0]
    assert claimed_cells(check, study.experiments["first"]) == (("digits", "gaussian"),)


@pytest.mark.parametrize(
    ("old", "new", "line", "key", "said"),
    [
        ("place: Table 1", "palce: Table 1", 11, "palce", "write place"),
        ("kind: comparison", "kind: comparisn", 13, "checks[0].kind", "write comparison"),
        ("- kind: comparison\n        ", "- ", 13, "checks[0]", "the key 'kind' is missing"),
        ("experiment: first\n        metric: test_bound\n        first: {model: spvae",
         "experiment: frist\n        metric: test_bound\n        first: {model: spvae",
         14, "checks[0].experiment", "write first"),
        ("metric: test_bound\n        first: {model: spvae",
         "metric: test_bond\n        first: {model: spvae",
         15, "checks[0].metric", "write test_bound"),
        ("metric: test_bound\n        first: {model: spvae",
         "metric: inpainting_error\n        first: {model: spvae",
         15, "checks[0].metric", "is not measured in this experiment"),
        ("first: {model: spvae,", "first: {model: spvea,", 16, "checks[0].first.model", "spvae"),
        ("spvae, hidden_layers: 3", "spvae, hidden_layer: 3", 16, "checks[0].first.hidden_layer",
         "write hidden_layers"),
        ("spvae, hidden_layers: 3", "spvae, hidden_layers: 4", 16, "checks[0].first.hidden_layers",
         "one of 3, 5"),
        ("{model: spvae, hidden_layers: 3}", "{model: spvae}", 16, "checks[0].first",
         "the key 'hidden_layers' is missing"),
        ("{model: spvae, hidden_layers: 3}", "{hidden_layers: 3}", 16, "checks[0].first",
         "the key 'model' is missing"),
        ("spvae, hidden_layers: 3", "spvae, protocol: authors, hidden_layers: 3", 16,
         "checks[0].first.protocol", "unknown axis"),
        ("spvae, hidden_layers: 3", "vae, hidden_layers: 2", 17, "checks[0].second",
         "compared with itself"),
        ("relation: higher", "relation: larger", 18, "checks[0].relation", "'higher' or 'lower'"),
        ("relation: higher", "relation: higher\n        at_most: 1.0", 19, "checks[0].at_most",
         "unknown key"),
        ("[mnist]", "[cifar10]", 19, "checks[0].data_sets[0]", "the experiment first has no"),
        # Of two scales, and so of none.
        ("[mnist]", "[digits, mnist]", 19, "checks[0].data_sets[0]", "the experiment first has no"),
        ("[mnist]", "[mnist]\n        likelihoods: [poisson]", 20, "checks[0].likelihoods[0]",
         "'gaussian', 'binomial'"),
        ("data_sets: [mnist]\n      - kind", "exception: true\n      - kind", 19,
         "checks[0].exception", "an exception without data sets"),
        ("[mnist]", "[mnist]\n        fraction: 0.3", 20, "checks[0].fraction", "1.0, 0.5"),
        ("fraction: 0.5\n", "fraction: 1.0\n", 24, "checks[1].fraction", "less than 1"),
        ("        fraction: 0.5\n", "", 20, "checks[1]", "the key 'fraction' is missing"),
        # The first cell of each that no entry is for, by what entries say of data and of values.
        ("        data_sets: [mnist]\n      - kind", "      - kind", 16, "checks[0].first",
         "does not train spvae (hidden_layers 3) on svhn gaussian; expected cells where it does: "
         "mnist gaussian, mnist binomial"),
        ("spvae, hidden_layers: 3", "spvae, hidden_layers: 5", 16, "checks[0].first",
         "does not train spvae (hidden_layers 5) on mnist binomial"),
        ("{model: vae, hidden_layers: 2}\n        relation: higher",
         "{model: spvae, hidden_layers: 5}\n        relation: higher", 17, "checks[0].second",
         "does not train spvae (hidden_layers 5) on mnist binomial"),
        ("tolerance: 0.1", "tolerance: -0.1", 25, "checks[1].tolerance", "at least 0"),
        (",\n         at_most: 1.5", "", 26, "checks[2]", "a check without a bound"),
        ("at_most: 1.5", "at_most: 1.5, at_least: 2.0", 27, "checks[2].at_most", "is below"),
        ("at_most: 1.5", "at_most: .inf", 27, "checks[2].at_most", "finite"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_claim_is_refused_with_line_and_key(
    tmp_path: Path, old: str, new: str, line: int, key: str, said: str
) -> None:
    assert _STUDY.count(old) == 1
    path = _study(tmp_path, _STUDY.replace(old, new))
    with pytest.raises(UserError) as caught:
        load_study(path)
    assert said in str(caught.value)
    assert caught.value.place == f"{path}, line {line}, key claims.one.{key}"


def test_stability_needs_a_model_that_is_trained_on_everything(tmp_path: Path) -> None:
    a, b = _STUDY.index("      - kind: comparison"), _STUDY.index("      - kind: stability")
    end = _STUDY.index("      - {kind: limit")
    text = _STUDY[:a] + _STUDY[b:end] + _STUDY[_STUDY.index("experiments:") :]
    path = _study(tmp_path, text.replace("fractions: [1.0, 0.5]", "fractions: [0.7, 0.5]"))
    with pytest.raises(UserError, match="never trains on the whole training set") as caught:
        load_study(path)
    assert caught.value.place == f"{path}, line 14, key claims.one.checks[0].experiment"


def test_a_claim_without_checks_is_refused(tmp_path: Path) -> None:
    a, b = _STUDY.index("      - kind: comparison"), _STUDY.index("experiments:")
    text = (_STUDY[:a] + _STUDY[b:]).replace("checks:", "checks: []")
    with pytest.raises(UserError, match="the list is empty"):
        load_study(_study(tmp_path, text))


def test_the_study_claims_what_the_paper_says() -> None:
    claims = load_study("spvae").claims
    assert {
        "better_on_all_six",
        "smaller_by_an_order_of_magnitude",
        "stable_to_a_tenth",
        "smaller_loss",
        "convolutions_help",
        "convolutions_help_but_for_spvae_on_continuous_mnist",
        "conv_spvae_below_conv_vae_on_continuous_mnist",
        "conv_spvae_below_spvae_on_continuous_mnist",
        "three_layers_are_worse",
        "five_times_slower",
    } <= claims.keys()
    for name in ("better_at_every_fraction", "stable_to_a_tenth", "smaller_loss"):
        free, fixed = claims[name].checks, claims[f"{name}_fixed_hyperparameters"].checks
        assert {one.experiment for one in free} == {"figure2"}
        assert [one.model_copy(update={"experiment": "figure2"}) for one in fixed] == list(free)


def test_notes_tell_what_thresholds_and_seconds_mean() -> None:
    study = load_study("spvae")
    notes = {name: claim.note or "" for name, claim in study.claims.items()}
    # A twentieth of the 2819 nats of Table 1 is 140.95.
    for name in ("stable_to_a_tenth", "stable_to_a_tenth_fixed_hyperparameters"):
        assert "about 140 nats on continuous MNIST" in notes[name]
    for name in ("smaller_loss", "smaller_loss_fixed_hyperparameters"):
        assert "picked by the test bounds of all fractions" in notes[name]
    assert "2,080,424 parameters" in notes["smaller_by_an_order_of_magnitude"]
    assert "benchmarks/training_step.py measures steps alone" in notes["five_times_slower"]
    assert "banks of unequal size do not compare" in study.experiments["cost"].description
    assert metric("seconds_per_step").title.endswith("validation included")


def test_figure_2_says_which_ways_are_run() -> None:
    study = load_study("spvae")
    description = study.experiments["figure2"].description
    given = "--config experiments='[figure2]' protocols='[authors,text]' streams='[full,restart]'"
    assert given in description
    ways = {
        name: (
            study.experiments[name].scales["paper"].protocols,
            study.experiments[name].scales["paper"].streams,
        )
        for name in ("figure2", "figure2_fixed_hyperparameters")
    }
    assert ways == {
        "figure2": (("authors",), ("full",)),
        "figure2_fixed_hyperparameters": (("authors", "text"), ("full", "restart")),
    }


@pytest.mark.parametrize(
    ("subject", "said"),
    [
        ("region_graph: random, repetitions: 2", None),
        ("region_graph: poon_domingos", None),
        ("region_graph: random", "the key 'repetitions' is missing"),
        ("region_graph: poon_domingos, repetitions: 4", "only where region_graph is random"),
    ],
)
def test_a_subject_has_only_what_means_something(
    tmp_path: Path, subject: str, said: str | None
) -> None:
    text = f"""\
name: mine
title: A study
reference: Nobody, nowhere
training: {{learning_rate: 0.1, stopping: five_decreases}}
protocols: {{authors: {{description: The authors'.}}}}
claims:
  one:
    statement: It is small.
    place: Table 1
    checks:
      - {{kind: limit, experiment: first, metric: test_bound, at_most: 1.5,
         first: {{model: spvae, {subject}}}}}
experiments:
  first:
    title: First
    description: A table.
    presentation: table
    compare: [region_graph, repetitions]
    table: {{rows: region_graph, columns: [repetitions], metric: test_bound}}
    measures: {{importance_samples: [5]}}
    scales:
      paper:
        data_sets: [mnist]
        likelihoods: [gaussian]
        models:
          spvae:
            - {{hidden_units: [3], latent_dimensions: [1]}}
            - {{hidden_units: [3], latent_dimensions: [1], region_graph: [random],
               repetitions: [2]}}
"""
    if said is None:
        assert load_study(_study(tmp_path, text)).claims
    else:
        with pytest.raises(UserError, match=said):
            load_study(_study(tmp_path, text))
