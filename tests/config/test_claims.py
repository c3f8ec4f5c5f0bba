"""Claims name what there is: experiments, metrics, models, cells; all else is refused by line."""

from __future__ import annotations

from pathlib import Path

import pytest

from workflow_src.config.claim_checks import claimed_cells
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
         "one of 3"),
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
        ("[mnist]", "[digits]", 19, "checks[0].data_sets[0]", "the experiment first has no"),
        ("[mnist]", "[mnist]\n        likelihoods: [poisson]", 20, "checks[0].likelihoods[0]",
         "'gaussian' or 'binomial'"),
        ("[mnist]", "[mnist]\n        fraction: 0.3", 20, "checks[0].fraction", "1.0, 0.5"),
        ("fraction: 0.5\n", "fraction: 1.0\n", 24, "checks[1].fraction", "less than 1"),
        ("        fraction: 0.5\n", "", 20, "checks[1]", "the key 'fraction' is missing"),
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
        "conv_spvae_below_conv_vae_on_continuous_mnist",
        "conv_spvae_below_spvae_on_continuous_mnist",
        "three_layers_are_worse",
        "five_times_slower",
    } <= claims.keys()
    for name in ("better_at_every_fraction", "stable_to_a_tenth", "smaller_loss"):
        free, fixed = claims[name].checks, claims[f"{name}_fixed_hyperparameters"].checks
        assert {one.experiment for one in free} == {"figure2"}
        assert [one.model_copy(update={"experiment": "figure2"}) for one in fixed] == list(free)
