"""Studies are checked when they are loaded; what is wrong in a file is refused with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from workflow_src.config.studies import load_study, study_names, study_path
from workflow_src.errors import UserError


@pytest.mark.parametrize("name", study_names())
def test_every_study_of_the_package_loads(name: str) -> None:
    assert load_study(name).name == name


_STUDY = """\
name: mine
title: A study
reference: Nobody, nowhere
training:
  batch_size: 32
protocols:
  authors:
    description: The authors'.
    training:
      stopping: five_decreases
    models:
      vae: {learning_rate: 0.1}
experiments:
  first:
    title: First
    description: A table.
    presentation: table
    table:
      rows: model
      columns: [data_set]
      metric: test_bound
    measures:
      importance_samples: [5, 50]
    scales:
      demo:
        data_sets: [digits]
        likelihoods: [gaussian]
        training:
          maximum_steps: 10
        models:
          vae:
            - hidden_units: [3]
              latent_dimensions: [1, 2]
"""


def _study(tmp_path: Path, text: str) -> str:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    return str(path)


def test_a_study_can_lie_anywhere(tmp_path: Path) -> None:
    study = load_study(_study(tmp_path, _STUDY))
    assert study.path == tmp_path / "mine.yaml"
    assert study.experiments["first"].scales["demo"].fractions == (1.0,)


@pytest.mark.parametrize(
    ("old", "new", "line", "key", "said"),
    [
        ("name: mine", "name: yours", 1, "name", "expected mine"),
        ("title: A", "titel: A", 2, "titel", "write title"),
        ("title: A study\n", "", 1, None, "the key 'title' is missing"),
        ("batch_size: 32", "batch_sise: 32", 5, "training.batch_sise", "write batch_size"),
        ("batch_size: 32", "batch_size: big", 5, "training.batch_size", "a whole number from 1"),
        ("batch_size: 32", "batch_size: [32]", 5, "training.batch_size", "a number or text"),
        ("  authors:", "  author:", 7, "protocols.author", "write authors"),
        (
            "stopping: five_decreases",
            "stopping: never",
            10,
            "protocols.authors.training.stopping",
            "one of eleven_below_best, five_decreases",
        ),
        ("vae: {lear", "vea: {lear", 12, "protocols.authors.models.vea", "write vae"),
        (
            "vae: {learning_rate: 0.1}",
            "vae: {learning_rat: 0.1}",
            12,
            "protocols.authors.models.vae.learning_rat",
            "write learning_rate",
        ),
        (
            "vae: {learning_rate: 0.1}",
            "vae: {learning_rate: -1}",
            12,
            "protocols.authors.models.vae.learning_rate",
            "a number",
        ),
        ("presentation: table", "presentation: tabel", 17, None, "write table"),
        ("rows: model", "rows: modle", 19, None, "write model"),
        ("[data_set]", "[]", 20, "experiments.first.table.columns", "the list is empty"),
        ("metric: test_bound", "metric: test_bond", 21, None, "write test_bound"),
        ("rows: model", "rows: data_set", 20, None, "in the rows already"),
        ("columns: [data_set]", "columns: [seed]", 20, None, "unknown axis"),
        (
            "presentation: table",
            "presentation: table\n    compare: [hiden_units]",
            18,
            "experiments.first.compare[0]",
            "write hidden_units",
        ),
        (
            "presentation: table",
            "presentation: table\n    compare: [split_step]",
            18,
            None,
            "unknown hyperparameter of vae",
        ),
        ("presentation: table", "presentation: curve", 17, None, "which is no number"),
        ("presentation: table", "presentation: inpainting", 17, None, "is not measured"),
        ("presentation: table", "presentation: leaf_posteriors", 17, None, "is not measured"),
        ("metric: test_bound", "metric: inpainting_error", 21, None, "masks under inpainting"),
        ("presentation: table", "presentation: global_samples", 17, None, "is not measured"),
        ("presentation: table", "presentation: inverse_cdfs", 17, None, "is not measured"),
        (
            "[5, 50]",
            "[5]\n      global_samples: 3",
            24,
            "experiments.first.measures.global_samples",
            "not measured on models such as vae",
        ),
        ("[5, 50]", "[5]\n      inverse_cdfs: true", 24, None, "models such as vae"),
        ("[5, 50]", "[5]\n      training_bounds: true", 24, None, "models such as vae"),
        (
            "metric: test_bound",
            "metric: log_partition_function",
            21,
            "experiments.first.table.metric",
            "a metric that is computed for one of its models",
        ),
        ("metric: test_bound", "metric: test_bits_per_dimension", 21, None, "for one of its"),
        (
            "[digits]",
            "[digits, binarised_mnist]",
            32,
            "experiments.first.scales.demo.models.vae[0]",
            'binarised_mnist has no likelihood "gaussian"',
        ),
        ("[digits]", "[cifar10_colour]", 32, None, "expected one of discretised_logistic"),
        (
            "[5, 50]",
            "[5]\n      inpainting: [left, rihgt]",
            24,
            "experiments.first.measures.inpainting[1]",
            "write right",
        ),
        ("[5, 50]", "[5]\n      inpainting: [left, left]", 24, None, "listed twice"),
        ("[5, 50]", "[50, 5]", 23, "experiments.first.measures.importance_samples", "ascending"),
        ("[5, 50]", "[]", 23, None, "the list is empty"),
        ("[5, 50]", "[0, 5]", 23, None, "at least 1"),
        ("      demo:", "      demos:", 25, "experiments.first.scales.demos", "write demo"),
        ("[digits]", "[digit]", 26, "experiments.first.scales.demo.data_sets[0]", "write digits"),
        ("[digits]", "[]", 26, "experiments.first.scales.demo.data_sets", "the list is empty"),
        ("[gaussian]", "[binominal]", 27, None, "write binomial"),
        ("maximum_steps: 10", "maximum_step: 10", 29, None, "write maximum_steps"),
        ("maximum_steps: 10", "hidden_units: 10", 29, None, "unknown hyperparameter"),
        ("          vae:", "          vea:", 31, None, "write vae"),
        (
            "hidden_units: [3]",
            "hiden_units: [3]",
            32,
            "experiments.first.scales.demo.models.vae[0].hiden_units",
            "write hidden_units",
        ),
        (
            "latent_dimensions: [1, 2]",
            "latent_dimensions: [1, 2.5]",
            33,
            "experiments.first.scales.demo.models.vae[0].latent_dimensions[1]",
            "2.5 is not allowed; expected a whole number",
        ),
        ("latent_dimensions: [1, 2]", "latent_dimensions: []", 33, None, "the list is empty"),
        ("latent_dimensions: [1, 2]", "latent_dimensions: 2", 33, None, "expected a list"),
        ("latent_dimensions: [1, 2]", "latent_dimensions: [2, 2]", 33, None, "listed twice"),
        (
            "              latent_dimensions: [1, 2]\n",
            "",
            32,
            "experiments.first.scales.demo.models.vae[0]",
            "latent_dimensions of vae has no value",
        ),
        ("    models:\n      vae: {learning_rate: 0.1}\n", "", 30, None, "learning_rate of vae"),
        (
            "training:\n          maximum_steps",
            "fractions: [1.5]\n        training:\n          maximum_steps",
            28,
            "experiments.first.scales.demo.fractions[0]",
            "expected at most 1",
        ),
        (
            "latent_dimensions: [1, 2]",
            "latent_dimensions: [1, 2]\n              data_sets: [digit]",
            34,
            "experiments.first.scales.demo.models.vae[0].data_sets[0]",
            "write digits",
        ),
        (
            "latent_dimensions: [1, 2]",
            "latent_dimensions: [1, 2]\n              likelihoods: [binominal]",
            34,
            "experiments.first.scales.demo.models.vae[0].likelihoods[0]",
            "write binomial",
        ),
        (
            "latent_dimensions: [1, 2]",
            "latent_dimensions: [1, 2]\n              data_sets: [mnist]",
            31,
            "experiments.first.scales.demo.models.vae",
            "no entry of vae is for any of this grid's data sets",
        ),
        (
            "likelihoods: [gaussian]",
            "likelihoods: [gaussian]\n        protocols: [text]",
            28,
            "experiments.first.scales.demo.protocols[0]",
            'unknown protocol "text"',
        ),
        ("likelihoods: [gaussian]", "likelihoods: [gaussian]\n        seeds: [-1]", 28, None, "at"),
        ("title: First", "title: First\n    title: Again", 16, None, "is given twice"),
        ("name: mine", "name: index", 1, "name", "would be the report's overview"),
        ("  first:", "  claims:", 14, "experiments.claims", "could be those of claims"),
        ("  first:", "  my_claims:", 14, "experiments.my_claims", "does not end in claims"),
    ],
)
def test_what_is_wrong_is_refused_with_line_and_key(
    tmp_path: Path, old: str, new: str, line: int, key: str | None, said: str
) -> None:
    assert _STUDY.count(old) == 1
    path = _study(tmp_path, _STUDY.replace(old, new))
    with pytest.raises(UserError) as caught:
        load_study(path)
    assert said in str(caught.value)
    place = str(caught.value.place)
    assert place.startswith(f"{path}, line {line}")
    if key is not None:
        assert place == f"{path}, line {line}, key {key}"


def test_a_metric_of_two_numbers_of_samples_needs_two(tmp_path: Path) -> None:
    text = _STUDY.replace("metric: test_bound", "metric: test_bound_gain")
    assert load_study(_study(tmp_path, text)).experiments["first"].table.metric
    with pytest.raises(UserError, match="two numbers of importance_samples or more"):
        load_study(_study(tmp_path, text.replace("[5, 50]", "[50]")))


def test_models_that_have_only_a_bound_need_a_number_of_samples(tmp_path: Path) -> None:
    line = "      importance_samples: [5, 50]\n"
    assert line in _STUDY
    with pytest.raises(UserError, match="no more than a bound") as caught:
        load_study(_study(tmp_path, _STUDY.replace(line, "      samples: 4\n")))
    assert str(caught.value.place).endswith("experiments.first.measures.importance_samples")


def test_a_curve_goes_over_fractions_or_compared_numbers(tmp_path: Path) -> None:
    curve = _STUDY.replace("presentation: table", "presentation: curve\n    compare: [NAME]")
    for name in ("hidden_units", "learning_rate"):
        text = curve.replace("NAME", name).replace("rows: model", f"rows: {name}")
        assert load_study(_study(tmp_path, text)).experiments["first"].table.rows == name
    text = curve.replace("NAME", "stopping").replace("rows: model", "rows: stopping")
    with pytest.raises(UserError, match="a curve over stopping, which is no number"):
        load_study(_study(tmp_path, text))
    with pytest.raises(UserError, match='unknown axis "hidden_units"'):
        load_study(_study(tmp_path, text.replace("rows: stopping", "rows: hidden_units")))


_STEPS = """\
          spvae:
            - hidden_units: [3]
              latent_dimensions: [1]
              learning_rate: [0.1]
              split_step: [2, 4]
"""


def test_a_step_cuts_the_images_of_the_data_sets_that_its_entry_is_for(tmp_path: Path) -> None:
    text = _STUDY + _STEPS
    load_study(_study(tmp_path, text))
    for steps, data_sets in (("2, 7", "digits, mnist"), ("2, 8", "digits")):
        path = _study(
            tmp_path, text.replace("[2, 4]", f"[{steps}]").replace("[digits]", f"[{data_sets}]")
        )
        with pytest.raises(UserError, match="does not cut the 8 x 8 images of digits") as caught:
            load_study(path)
        key = "experiments.first.scales.demo.models.spvae[0].split_step[1]"
        assert caught.value.place == f"{path}, line 38, key {key}"
        assert "data_sets" in str(caught.value.remedy)
    own = (
        text.replace("[2, 4]", "[7]\n              data_sets: [mnist]") + _STEPS.partition("\n")[2]
    )
    load_study(_study(tmp_path, own))
    with pytest.raises(UserError, match="7 does not cut the 32 x 32 images of svhn"):
        load_study(_study(tmp_path, own.replace("data_sets: [mnist]", "data_sets: [mnist, svhn]")))


def test_a_likelihood_that_the_model_lacks_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from workflow_src.config import models, study_checks

    known = dict(models.model_declarations())
    known["vae"] = known["vae"].model_copy(update={"likelihoods": ("binomial",)})
    monkeypatch.setattr(study_checks, "model_declarations", lambda: known)
    with pytest.raises(UserError, match="the model vae has no likelihood"):
        load_study(_study(tmp_path, _STUDY))


def test_missing_published_numbers_are_refused_before_anything_runs(tmp_path: Path) -> None:
    text = _STUDY.replace("presentation: table", "presentation: table\n    published: gone.csv")
    with pytest.raises(UserError, match=r"published/gone\.csv: the file does not exist"):
        load_study(_study(tmp_path, text))


def test_an_unknown_study_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UserError, match="write spvae"):
        study_path("spvea")
    with pytest.raises(UserError, match="does not exist"):
        load_study("somewhere/else.yaml")


_LATENT = """\
  latent:
    title: Latent
    description: Models with latent variables.
    presentation: learning_curves
    table:
      rows: model
      columns: [data_set]
      metric: marginal_bound_gain
    measures:
      importance_samples: [5]
      global_samples: 2
      inverse_cdfs: true
      training_bounds: true
    scales:
      demo:
        data_sets: [digits, cifar10_colour]
        likelihoods: [bernoulli, discretised_logistic]
        training: {learning_rate: 0.001}
        models:
          dvaepp:
            - {data_sets: [digits], likelihoods: [bernoulli], architecture: [digits]}
            - data_sets: [cifar10_colour]
              likelihoods: [discretised_logistic]
              architecture: [cifar10]
"""


def test_a_grid_has_data_sets_of_different_likelihoods_in_entries_of_their_own(
    tmp_path: Path,
) -> None:
    text = _STUDY.replace(
        "    training:\n      stopping", "    models:\n      vae:\n        stopping"
    )
    text = text.replace(
        "    models:\n      vae: {learning_rate: 0.1}\n", "        learning_rate: 0.1\n"
    )
    study = load_study(_study(tmp_path, text + _LATENT))
    assert study.experiments["latent"].measures.global_samples == 2


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("      training_bounds: true\n", "", "training_bounds among the measures"),
        ("      global_samples: 2\n", "      leaf_posteriors: true\n", "models such as dvaepp"),
        (
            "metric: marginal_bound_gain",
            "metric: inpainting_error",
            "computed for one of its models",
        ),
        (
            "metric: marginal_bound_gain",
            "metric: validation_bound",
            "a bound on the test set, whose standard error is known",
        ),
        (
            "likelihoods: [discretised_logistic]\n",
            "likelihoods: [bernoulli]\n",
            "cifar10_colour has no likelihood",
        ),
    ],
)
def test_what_is_wrong_with_latent_variables_is_refused(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    assert old in _LATENT
    with pytest.raises(UserError, match=said):
        load_study(_study(tmp_path, _STUDY + _LATENT.replace(old, new)))
