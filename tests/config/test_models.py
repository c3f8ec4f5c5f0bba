"""Models and trainers declare themselves in their folders; what they declare is checked."""

from __future__ import annotations

from pathlib import Path

import pytest

from workflow_src.config.data_sets import DATA_SETS, DataSet, data_set
from workflow_src.config.experiments import Measures
from workflow_src.config.hyperparameters import Hyperparameter
from workflow_src.config.metrics import METRICS
from workflow_src.config.models import (
    ModelDeclaration,
    discovered,
    evaluation_declarations,
    evaluation_of,
    hyperparameters_of,
    model_declaration,
    model_declarations,
    trainer_declaration,
)
from workflow_src.errors import UserError


def test_models_are_found_by_their_folders() -> None:
    assert {"spvae", "vae"} <= set(model_declarations())
    assert model_declaration("spvae").module == "workflow_src.models.spvae.model"
    assert trainer_declaration("gradient").module == "workflow_src.train.gradient.trainer"


def test_a_run_has_the_hyperparameters_of_its_model_and_its_trainer() -> None:
    assert {"hidden_units", "split_step", "learning_rate"} <= set(hyperparameters_of("spvae"))
    assert "split_step" not in hyperparameters_of("vae")


def test_no_model_takes_a_hyperparameter_that_its_trainer_takes() -> None:
    for declaration in model_declarations().values():
        trainer = trainer_declaration(declaration.trainer)
        assert not set(declaration.hyperparameters) & set(trainer.hyperparameters)


def test_every_model_has_an_evaluation_and_evaluations_offer_what_there_is() -> None:
    assert {evaluation_of(model).name for model in model_declarations()} == set(
        evaluation_declarations()
    )
    for one in evaluation_declarations().values():
        assert set(one.measures) <= set(Measures.model_fields)
        assert set(one.metrics) <= set(METRICS)
    offered = {name for one in evaluation_declarations().values() for name in one.measures}
    assert offered == set(Measures.model_fields)


def test_a_default_can_come_from_the_data_set() -> None:
    step = hyperparameters_of("spvae")["split_step"]
    assert step.has_default
    assert [step.default_for(data_set(name)) for name in ("digits", "mnist", "svhn")] == [2, 7, 8]
    assert hyperparameters_of("vae")["learning_rate"].default_for(data_set("digits")) is None


@pytest.mark.parametrize(
    ("declared", "good", "bad"),
    [
        ({"type": "integer", "minimum": 1}, [1, 7], [0, 1.0, True, "1", None, [1]]),
        ({"type": "integer", "maximum": 3}, [-5, 3], [4]),
        ({"type": "number", "minimum": 0}, [0, 0.5, 3], [-0.1, float("nan"), float("inf"), "a"]),
        ({"type": "number", "above": 0}, [1e-9, 1], [0, 0.0, False]),
        ({"type": "choice", "choices": ["a", "b"]}, ["a", "b"], ["c", 1, True]),
    ],
)
def test_values_are_accepted_by_type_and_bounds(
    declared: dict[str, object], good: list[object], bad: list[object]
) -> None:
    one = Hyperparameter.model_validate({**declared, "meaning": "A test."})
    assert [one.accepts(value) for value in good] == [True] * len(good)
    assert [one.accepts(value) for value in bad] == [False] * len(bad)


def test_a_hyperparameter_may_mean_something_only_beside_others() -> None:
    own = hyperparameters_of("spvae")
    assert own["repetitions"].applies({"region_graph": "random", "split_step": 2})
    assert not own["structure_seed"].applies({"region_graph": "poon_domingos"})
    assert own["split_step"].applies({"region_graph": "poon_domingos"})
    # Where the other is not known, it may.
    assert own["repetitions"].applies({"split_step": 2})
    assert own["repetitions"].condition == "region_graph is random"


def test_one_of_two_places_is_enough_to_mean_something() -> None:
    own = hyperparameters_of("dvaepp")["smoothing"]
    for latents, local, means in (
        ("normal", "normal", False),
        ("none", "normal", False),
        ("none", "bernoulli", True),
        ("boltzmann_machine", "normal", True),
        ("bernoulli", "bernoulli", True),
    ):
        assert own.applies({"global_latents": latents, "local_latents": local}) == means
    assert own.applies({"global_latents": "normal"})
    assert own.condition == (
        "global_latents is boltzmann_machine or bernoulli, or local_latents is bernoulli"
    )


_CONDITION = """\
  kind:
    type: choice
    choices: [round, square]
    meaning: Its kind.
  corners:
    type: integer
    only_where: {kind: [square]}
    meaning: Its corners.
"""


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("{kind: [square]}", "{kid: [square]}", 17, "write kind"),
        ("{kind: [square]}", "{corners: [4]}", 17, "always means something"),
        ("{kind: [square]}", "{kind: [sqare]}", 17, "kind is never"),
        ("{kind: [square]}", "{kind: []}", 17, "the list is empty"),
        ("{kind: [square]}", "{size: [0]}", 17, "a whole number from 1"),
        ("{kind: [square]}", "[{kind: [square]},\n      {kind: [sqare]}]", 18, "never"),
        ("{kind: [square]}", "[{kind: [square]},\n      {kid: [square]}]", 18, "write kind"),
        ("{kind: [square]}", "[{kind: [square]},\n      {kind: []}]", 18, "the list is empty"),
        ("{kind: [square]}", "[]", 17, "the list is empty"),
        ("{kind: [square]}", "square", 17, "a mapping of keys to values"),
    ],
)
def test_a_condition_names_what_there_is(
    tmp_path: Path, old: str, new: str, line: int, said: str
) -> None:
    text = _MODEL.format(folder="mine") + _CONDITION
    assert _discover(tmp_path, text)["mine"].hyperparameters["corners"].only_where
    with pytest.raises(UserError) as caught:
        _discover(tmp_path, text.replace(old, new).replace("mine", "other"), "other")
    assert said in str(caught.value)
    assert f"model.yaml, line {line}, key" in str(caught.value.place)


_MODEL = """\
name: {folder}
title: A model
trainer: gradient
evaluation: leaf_models
likelihoods: [gaussian]
hyperparameters:
  size:
    type: integer
    minimum: 1
    meaning: Its size.
"""


def _discover(tmp_path: Path, text: str, folder: str = "mine") -> dict[str, ModelDeclaration]:
    (tmp_path / folder).mkdir()
    (tmp_path / folder / "model.yaml").write_text(text)
    return discovered(ModelDeclaration, tmp_path, "model.yaml")


def test_a_new_folder_is_a_new_model(tmp_path: Path) -> None:
    assert _discover(tmp_path, _MODEL.format(folder="mine"))["mine"].title == "A model"


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("name: mine", "name: other", 1, "not the folder's"),
        ("title: A model", "titel: A model", 2, "write title"),
        ("[gaussian]", "[gausian]", 5, "write gaussian"),
        ("[gaussian]", "[]", 5, "the list is empty"),
        ("type: integer", "type: int", 8, "write integer"),
        ("type: integer", "type: choice", 8, "choices belong to"),
        ("    meaning: Its size.\n", "", 7, "the key 'meaning' is missing"),
        ("minimum: 1", "default: 1.5", 9, "the default 1.5 is not allowed"),
        ("minimum: 1", "default_from_data_set: superpixl", 9, "write superpixel"),
    ],
)
def test_a_wrong_declaration_is_refused_with_its_line(
    tmp_path: Path, old: str, new: str, line: int, said: str
) -> None:
    text = _MODEL.format(folder="mine").replace(old, new)
    with pytest.raises(UserError) as caught:
        _discover(tmp_path, text)
    assert said in str(caught.value)
    assert f"model.yaml, line {line}, key" in str(caught.value.place)


def test_unknown_names_are_refused_with_the_known_ones() -> None:
    with pytest.raises(UserError, match="write spvae"):
        model_declaration("spave")
    with pytest.raises(UserError, match="write gradient"):
        trainer_declaration("gradients")


def test_defaults_from_data_sets_are_numbers_of_every_data_set_that_the_model_takes() -> None:
    for name, model in model_declarations().items():
        for key, one in hyperparameters_of(name).items():
            if one.default_from_data_set is None:
                continue
            assert one.default_from_data_set in DataSet.model_fields
            for data in DATA_SETS.values():
                if set(model.likelihoods) & set(data.likelihoods):
                    assert type(one.default_for(data)) is int, (name, key, data.title)
