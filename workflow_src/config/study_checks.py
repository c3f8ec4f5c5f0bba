"""Checks of a study against what exists: data sets, models, their hyperparameters, metrics.

They take plain parts of a study and raise complaints inside pydantic's validators, which add where
the part stands.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence

from workflow_src.config.complaints import Complaint, shown, unknown
from workflow_src.config.data_sets import (
    DATA_SETS,
    data_set,
    unknown_data_set,
    with_members,
)
from workflow_src.config.grid_entries import CONDITIONS, Entry, applies, values_in
from workflow_src.config.hyperparameters import Hyperparameter
from workflow_src.config.metrics import METRICS
from workflow_src.config.models import (
    hyperparameters_of,
    model_declarations,
    trainer_declaration,
)
from workflow_src.config.strict import Scalar
from workflow_src.config.yaml_lines import KeyPath

CLAIMS_STEM = "claims"
"""Ends the names of the files of a study's claims, which no experiment's files may have."""

OVERVIEW_STEM = "index"
"""The name of the report's overview, beside which pages are called as their studies."""


def check_study_name(name: str) -> None:
    """The report's page of the study would not be its overview."""
    if name == OVERVIEW_STEM:
        raise Complaint(
            ("name",),
            f"the page of a study {name} would be the report's overview",
            expected="any other name",
            remedy="give the study and its file another name",
        ).raised_in_validator()


def check_experiment_names(names: Iterable[str]) -> None:
    """No experiment's files would be called as those of claims are."""
    for name in names:
        if name == CLAIMS_STEM or name.endswith(f"_{CLAIMS_STEM}"):
            raise Complaint(
                ("experiments", name),
                f"the files of the experiment {name} could be those of claims",
                expected=f"a name that does not end in {CLAIMS_STEM}",
                remedy="give it another name",
            ).raised_in_validator()


def known_data_sets(names: Sequence[str]) -> tuple[str, ...]:
    """The data sets by these names, all in the registry; collections by their members."""
    for position, name in enumerate(names):
        if (complaint := unknown_data_set((position,), name)) is not None:
            raise complaint.raised_in_validator()
    return with_members(names)


def check_metric(name: str, key: KeyPath = ("metric",)) -> None:
    """The metric, which stands under ``key``, is one that tables can show."""
    if name not in METRICS:
        raise unknown(key, "metric", name, METRICS).raised_in_validator()


def check_models(names: Iterable[str]) -> None:
    """Each model has a folder with a declaration."""
    for name in names:
        if name not in model_declarations():
            raise unknown(
                ("models", name), "model", name, model_declarations()
            ).raised_in_validator()


def check_likelihoods(models: Iterable[str], likelihoods: Sequence[str]) -> None:
    """Each model has each likelihood."""
    for model in models:
        has = model_declarations()[model].likelihoods
        for position, likelihood in enumerate(likelihoods):
            if likelihood not in has:
                raise Complaint(
                    ("likelihoods", position),
                    f"the model {model} has no likelihood {shown(likelihood)}",
                    expected="one of " + ", ".join(has),
                ).raised_in_validator()


def check_cells(
    models: Mapping[str, Sequence[Entry]], data_sets: Sequence[str], likelihoods: Sequence[str]
) -> None:
    """Each entry gives allowed values to its model's hyperparameters, and some are of the grid."""
    for model, entries in models.items():
        known = hyperparameters_of(model)
        for position, entry in enumerate(entries):
            here: KeyPath = ("models", model, position)
            _check_conditions(here, entry, model)
            for name, values in values_in(entry).items():
                check_name((*here, name), name, known, model)
                for index, value in enumerate(values):
                    check_value((*here, name, index), value, known[name])
                    _check_suits((*here, name, index), value, known[name], entry, data_sets)
        pairs = itertools.product(data_sets, likelihoods)
        if not any(applies(entry, *pair) for pair in pairs for entry in entries):
            raise Complaint(
                ("models", model),
                f"no entry of {model} is for any of this grid's data sets and likelihoods",
                expected=f"one for {' or '.join(data_sets)}, {' or '.join(likelihoods)}",
            ).raised_in_validator()


def check_images(
    models: Mapping[str, Sequence[Entry]], data_sets: Sequence[str], likelihoods: Sequence[str]
) -> None:
    """Each entry is for data sets whose images exist for the likelihoods that it is for."""
    for model, entries in models.items():
        for position, entry in enumerate(entries):
            for name, likelihood in itertools.product(data_sets, likelihoods):
                has = data_set(name).likelihoods
                if likelihood not in has and applies(entry, name, likelihood):
                    raise Complaint(
                        ("models", model, position),
                        f"the data set {name} has no likelihood {shown(likelihood)}",
                        expected="one of " + ", ".join(has),
                        remedy="give entries data_sets and likelihoods that go together",
                    ).raised_in_validator()


def _check_suits(
    key: KeyPath,
    value: Scalar,
    hyperparameter: Hyperparameter,
    entry: Entry,
    data_sets: Sequence[str],
) -> None:
    """The value suits the images of the data sets that the entry names, or else of the grid's."""
    for name in entry.get("data_sets", data_sets):
        misfit = hyperparameter.misfit(value, data_set(str(name)))
        if misfit is not None:
            problem, expected = misfit
            raise Complaint(
                key,
                f"{shown(value)} {problem}",
                expected=expected,
                remedy="give the entry data_sets, and other data sets an entry of their own",
            ).raised_in_validator()


def _check_conditions(key: KeyPath, entry: Entry, model: str) -> None:
    known = dict(zip(CONDITIONS, (DATA_SETS, model_declarations()[model].likelihoods), strict=True))
    words = dict(zip(CONDITIONS, ("data set", f"likelihood of {model}"), strict=True))
    for condition in CONDITIONS:
        for position, name in enumerate(entry.get(condition, ())):
            if name not in known[condition]:
                here = (*key, condition, position)
                raise unknown(here, words[condition], name, known[condition]).raised_in_validator()


def check_training(
    training: Mapping[str, Scalar], models: Iterable[str], key: KeyPath = ()
) -> None:
    """``training``, under ``key``, suits the hyperparameters of the trainers of ``models``."""
    trainers = sorted({model_declarations()[model].trainer for model in models})
    known = {
        name: hyperparameter
        for trainer in trainers
        for name, hyperparameter in trainer_declaration(trainer).hyperparameters.items()
    }
    for name, value in training.items():
        here: KeyPath = (*key, "training", name)
        check_name(here, name, known, "the trainer " + " or ".join(trainers))
        check_value(here, value, known[name])


def check_model_values(models: Mapping[str, Mapping[str, Scalar]]) -> None:
    """Each model's entry gives allowed values to its or its trainer's hyperparameters."""
    for model, values in models.items():
        known = hyperparameters_of(model)
        for name, value in values.items():
            check_name(("models", model, name), name, known, model)
            check_value(("models", model, name), value, known[name])


def check_completeness(
    key: KeyPath, model: str, protocol: str, given: Mapping[str, Scalar], entries: Sequence[Entry]
) -> None:
    """Every entry of a model's grid leaves no hyperparameter without a default open."""
    for position, entry in enumerate(entries):
        for name, hyperparameter in hyperparameters_of(model).items():
            if not (hyperparameter.has_default or name in given or name in entry):
                raise Complaint(
                    (*key, position),
                    f"the hyperparameter {name} of {model} has no value"
                    f" under the protocol {protocol}",
                    expected=f"{name}: {hyperparameter.allowed}",
                    remedy="give it here, in the study's training or in the protocol",
                ).raised_in_validator()


def check_name(key: KeyPath, name: str, known: Mapping[str, Hyperparameter], of: str) -> None:
    """The hyperparameter is one of those known."""
    if name not in known:
        raise unknown(key, f"hyperparameter of {of}", name, known).raised_in_validator()


def check_value(key: KeyPath, value: Scalar, hyperparameter: Hyperparameter) -> None:
    """The value is one that the hyperparameter accepts."""
    if not hyperparameter.accepts(value):
        objection = hyperparameter.objection(value)
        problem = f"{shown(value)} is not allowed" + (f": {objection}" if objection else "")
        raise Complaint(key, problem, expected=hyperparameter.allowed).raised_in_validator()
