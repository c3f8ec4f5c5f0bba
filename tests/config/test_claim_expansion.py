"""Claims for several values are the plain claims that one could have written out."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from workflow_src.config.claim_expansion import PlainClaims, expand_claims
from workflow_src.config.studies import Study, load_study
from workflow_src.config.yaml_lines import dotted
from workflow_src.errors import UserError

_STUDY = """\
name: mine
title: A study
reference: Nobody, nowhere
training: {learning_rate: 0.1, stopping: five_decreases}
protocols: {authors: {description: The authors'.}}
claims:
  deeper_is_better:
    statement: More layers are better.
    place: Table 1
    checks:
      - kind: comparison
        experiment: first
        metric: test_bound
        first: {model: vae, hidden_layers: [2, 3]}
        second: {model: vae, hidden_layers: [1, 2]}
        relation: higher
        fraction: [1.0, 0.5]
  spvae_wins_with:
    for_each:
      hidden_layers:
        - 2
        - 3
    statement: "With {hidden_layers} layers the SPVAE is better."
    place: Table 1, {hidden_layers} layers
    note: Of {hidden_layers}.
    checks:
      - kind: comparison
        experiment: first
        metric: test_bound
        first: {model: spvae}
        second: {model: vae}
        relation: higher
      - kind: limit
        experiment: first
        metric: test_bound
        first: {model: [spvae, vae]}
        at_most: 1.5
experiments:
  first:
    title: First
    description: A table.
    presentation: table
    compare: [hidden_layers]
    table: {rows: model, columns: [data_set], metric: test_bound}
    measures: {importance_samples: [5]}
    scales:
      paper:
        data_sets: [digits]
        likelihoods: [gaussian]
        fractions: [1.0, 0.5]
        models:
          vae:
            - {hidden_units: [3], latent_dimensions: [1], hidden_layers: [1, 2, 3]}
          spvae:
            - {hidden_units: [3], latent_dimensions: [1], hidden_layers: [1, 2, 3]}
  layers_are_not_compared:
    title: Second
    description: A table.
    presentation: table
    table: {rows: model, columns: [data_set], metric: test_bound}
    measures: {importance_samples: [5]}
    scales:
      paper:
        data_sets: [digits]
        likelihoods: [gaussian]
        models:
          vae: [{hidden_units: [3], latent_dimensions: [1]}]
          spvae: [{hidden_units: [3], latent_dimensions: [1]}]
"""


def _path(folder: Path, text: str) -> Path:
    path = folder / "mine.yaml"
    path.write_text(text)
    return path


def _expanded(claims: Any) -> PlainClaims:
    return expand_claims(claims, lambda key: dotted(key))


def _checks(*checks: dict[str, Any]) -> list[dict[str, Any]]:
    (claim,) = _expanded({"one": {"checks": list(checks)}}).claims.values()
    return list(claim["checks"])


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return load_study(str(_path(tmp_path_factory.mktemp("study"), _STUDY)))


def test_a_claim_for_each_value_is_a_claim_of_its_own(study: Study) -> None:
    assert list(study.claims) == [
        "deeper_is_better",
        "spvae_wins_with_hidden_layers_2",
        "spvae_wins_with_hidden_layers_3",
    ]
    claim = study.claims["spvae_wins_with_hidden_layers_3"]
    assert claim.statement == "With 3 layers the SPVAE is better."
    assert (claim.place, claim.note) == ("Table 1, 3 layers", "Of 3.")
    assert claim.for_each == {"hidden_layers": 3}
    comparison, *limits = claim.checks
    assert comparison.kind == "comparison"
    assert comparison.first == {"model": "spvae", "hidden_layers": 3}
    assert comparison.second == {"model": "vae", "hidden_layers": 3}
    assert [(one.kind, one.first) for one in limits] == [
        ("limit", {"model": "spvae", "hidden_layers": 3}),
        ("limit", {"model": "vae", "hidden_layers": 3}),
    ]


def test_what_both_sides_list_goes_together_and_the_rest_makes_a_product(study: Study) -> None:
    found = [
        (check.first["hidden_layers"], check.second["hidden_layers"], check.fraction)
        for check in study.claims["deeper_is_better"].checks
        if check.kind == "comparison"
    ]
    assert found == [(2, 1, 1.0), (2, 1, 0.5), (3, 2, 1.0), (3, 2, 0.5)]


def test_one_value_is_compared_with_each_of_a_list() -> None:
    check = {"first": {"model": "vae", "rate": 1}, "second": {"rate": [2, 3], "model": "vae"}}
    assert _checks(check) == [
        {"first": {"model": "vae", "rate": 1}, "second": {"rate": rate, "model": "vae"}}
        for rate in (2, 3)
    ]


def test_several_hyperparameters_make_a_claim_for_every_combination() -> None:
    claim = {
        "for_each": {"rate": [0.05, 1.0, 1e-5, -2], "kind": ["one_layer", "None"]},
        "statement": "{rate} and {kind}, {kind}.",
        "checks": [{"first": {"model": "vae"}}],
    }
    claims = _expanded({"holds": claim}).claims
    assert [(name, one["statement"]) for name, one in claims.items()] == [
        ("holds_rate_0_05_kind_one_layer", "0.05 and one layer, one layer."),
        ("holds_rate_0_05_kind_none", "0.05 and None, None."),
        ("holds_rate_1_kind_one_layer", "1 and one layer, one layer."),
        ("holds_rate_1_kind_none", "1 and None, None."),
        ("holds_rate_1e_05_kind_one_layer", "1e-05 and one layer, one layer."),
        ("holds_rate_1e_05_kind_none", "1e-05 and None, None."),
        ("holds_rate_minus_2_kind_one_layer", "-2 and one layer, one layer."),
        ("holds_rate_minus_2_kind_none", "-2 and None, None."),
    ]
    first = claims["holds_rate_1_kind_none"]["checks"][0]["first"]
    assert first == {"model": "vae", "rate": 1.0, "kind": "None"}


@pytest.mark.parametrize("written", [[], {"one": 3}, {"one": {"checks": {}}}, {"one": {}}])
def test_what_is_no_claim_is_left_to_the_types(written: Any) -> None:
    assert _expanded(written).claims == written


def test_what_is_written_is_not_changed() -> None:
    written = yaml.safe_load(_STUDY)["claims"]
    _expanded(written)
    assert written == yaml.safe_load(_STUDY)["claims"]


VALUES = st.lists(
    st.integers(0, 9) | st.sampled_from([0.05, 0.5, "linear", "deep"]),
    min_size=1,
    max_size=3,
    unique=True,
)


@given(
    chosen=VALUES,
    together=VALUES,
    alone=VALUES,
    first_alone=st.booleans(),
    fractions=st.lists(st.sampled_from([1.0, 0.5, 0.1]), min_size=1, max_size=2, unique=True),
)
def test_the_expansion_is_the_written_out_form(
    chosen: list[Any], together: list[Any], alone: list[Any], first_alone: bool, fractions: Any
) -> None:
    """Claims as nested loops write them out: the outer loop over ``for_each``."""
    other = [f"other_{value}" for value in together]
    sides = ({"b": alone}, {}) if first_alone else ({}, {"b": alone})
    check = {
        "first": {"model": "one", "a": together, **sides[0]},
        "second": {"model": "two", "a": other, **sides[1]},
        "fraction": fractions,
    }
    plain = {"first": {"model": "one"}}
    written = {
        "family": {"for_each": {"c": chosen}, "statement": "At {c}.", "checks": [check, plain]},
        "alone": {"statement": "Plain.", "checks": [plain]},
    }
    expected: dict[str, list[Any]] = {}
    for value in chosen:
        checks: list[Any] = []
        for position, single, fraction in itertools.product(range(len(together)), alone, fractions):
            one = {"model": "one", "a": together[position], "c": value}
            two = {"model": "two", "a": other[position], "c": value}
            (one if first_alone else two)["b"] = single
            checks.append({"first": one, "second": two, "fraction": fraction})
        statement = f"At {value}."
        expected[statement] = [*checks, {"first": {"model": "one", "c": value}}]
    expected["Plain."] = [plain]
    expansion = _expanded(written)
    assert {one["statement"]: one["checks"] for one in expansion.claims.values()} == expected
    # Every value is where the file says that it is.
    for name, claim in expansion.claims.items():
        for number, one in enumerate(claim["checks"]):
            for side in ("first", "second"):
                for key, value in one.get(side, {}).items():
                    place = expansion.written(("claims", name, "checks", number, side, key))
                    assert _at({"claims": written}, place) == value


def _at(value: Any, key: Any) -> Any:
    for part in key:
        value = value[part]
    return value


@pytest.mark.parametrize(
    ("old", "new", "line", "key", "said"),
    [
        # Lists in checks.
        ("hidden_layers: [1, 2]}\n        relation", "hidden_layers: [1]}\n        relation", 15,
         "deeper_is_better.checks[0].second.hidden_layers", "2 in the first, 1 here"),
        ("hidden_layers: [2, 3]}", "hidden_layers: []}", 14,
         "deeper_is_better.checks[0].first.hidden_layers", "the list is empty"),
        ("fraction: [1.0, 0.5]", "fraction: [1.0, 1]", 17,
         "deeper_is_better.checks[0].fraction[1]", "1 is listed twice"),
        ("[spvae, vae]", "[spvae, spvae]", 36, "spvae_wins_with.checks[1].first.model[1]",
         '"spvae" is listed twice'),
        ("[spvae, vae]", "[spvae, [vae]]", 36, "spvae_wins_with.checks[1].first.model[1]",
         "a number or text"),
        ("fraction: [1.0, 0.5]", "fraction: [1.0, 2.0]", 17,
         "deeper_is_better.checks[0].fraction[1]", "at most 1"),
        ("fraction: [1.0, 0.5]", "fraction: [1.0, 0.4]", 17,
         "deeper_is_better.checks[0].fraction[1]", "one of 1.0, 0.5"),
        ("hidden_layers: [2, 3]}", "hidden_layers: [2, 4]}", 14,
         "deeper_is_better.checks[0].first.hidden_layers[1]", "has no vae with hidden_layers 4"),
        ("second: {model: vae, hidden_layers: [1, 2]}", "second: {model: vae, hidden_layers: 2}",
         15, "deeper_is_better.checks[0].second", "vae (hidden_layers 2) is compared with itself"),
        # Values of claims.
        ("        - 3", "        - 2", 22, "spvae_wins_with.for_each.hidden_layers[1]",
         "2 is listed twice"),
        ("        - 3", "        - true", 22, "spvae_wins_with.for_each.hidden_layers[1]",
         "a number or text"),
        ("        - 3", "        - 4", 22, "spvae_wins_with.for_each.hidden_layers[1]",
         "has no spvae with hidden_layers 4"),
        ("hidden_layers:\n        - 2\n        - 3", "hidden_layers: 2", 20,
         "spvae_wins_with.for_each.hidden_layers", "a list of values in square brackets"),
        ("hidden_layers:\n        - 2\n        - 3", "hidden_layers: []", 20,
         "spvae_wins_with.for_each.hidden_layers", "the list is empty"),
        ("for_each:\n      hidden_layers:\n        - 2\n        - 3", "for_each: [2, 3]", 19,
         "spvae_wins_with.for_each", "lists of values, by the name"),
        ("for_each:\n      hidden_layers:", "for_eech:\n      hidden_layers:", 23,
         "spvae_wins_with.statement", "unknown placeholder"),
        ("first: {model: spvae}", "first: {model: spvae, hidden_layers: 2}", 30,
         "spvae_wins_with.checks[0].first.hidden_layers", "has its values from for_each"),
        # What the experiment does not tell apart.
        ("experiment: first\n        metric: test_bound\n        first: {model: spvae}",
         "experiment: layers_are_not_compared\n        metric: test_bound\n"
         "        first: {model: spvae}", 21, "spvae_wins_with.for_each.hidden_layers[0]",
         "unknown axis that layers_are_not_compared tells apart"),
        # Texts.
        ("With {hidden_layers}", "With {hidden_layer}", 23, "spvae_wins_with.statement",
         "write hidden_layers"),
        ("Of {hidden_layers}", "Of {layers}", 25, "spvae_wins_with.note", "unknown placeholder"),
        ("With {hidden_layers} layers", "With layers", 23, "spvae_wins_with.statement",
         "expected {hidden_layers} where it says the value"),
        ("More layers", "More {hidden_layers}", 8, "deeper_is_better.statement",
         "no placeholder here"),
        # Names.
        ("  deeper_is_better:", "  spvae_wins_with_hidden_layers_3:", 18, "spvae_wins_with",
         "two claims get the name spvae_wins_with_hidden_layers_3"),
        ("  spvae_wins_with:", "  Wins:", 18, "Wins", "is not allowed"),
        # What is wrong in every claim of several is told once.
        ("relation: higher\n      - kind: limit", "relation: bigger\n      - kind: limit", 32,
         "spvae_wins_with.checks[0].relation", "\"bigger\" is not allowed; expected 'higher'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused_where_it_is_written(
    tmp_path: Path, old: str, new: str, line: int, key: str, said: str
) -> None:
    assert _STUDY.count(old) == 1
    path = _path(tmp_path, _STUDY.replace(old, new))
    with pytest.raises(UserError) as caught:
        load_study(str(path))
    assert said in str(caught.value)
    assert caught.value.place == f"{path}, line {line}, key claims.{key}"


def test_names_that_values_make_equal_are_refused() -> None:
    claim = {"for_each": {"kind": ["a-b", "a_b"]}, "statement": "{kind}", "checks": []}
    with pytest.raises(UserError, match="two claims get the name holds_kind_a_b"):
        _expanded({"holds": claim})


def test_values_that_go_together_may_repeat_alone_and_not_as_a_pair() -> None:
    pair = {"first": {"rate": [1, 1]}, "second": {"rate": [2, 3]}}
    assert [(one["first"], one["second"]) for one in _checks(pair)] == [
        ({"rate": 1}, {"rate": 2}),
        ({"rate": 1}, {"rate": 3}),
    ]
    with pytest.raises(UserError, match="is listed twice"):
        _checks({"first": {"rate": [1, 1]}, "second": {"rate": [2, 2]}})
