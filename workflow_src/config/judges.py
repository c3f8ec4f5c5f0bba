"""`Judges`: the classifiers that say what drawn images show, as a grid asks for them.

Judges are ordinary runs, trained once per data set, likelihood and seed on the whole data set that
images of a class come from. What study, protocol and grid give all trainers is for what is
compared; judges take their own values and the protocol's for their model.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, Protocol

from pydantic import Field, model_validator

from workflow_src.config.complaints import Complaint, unknown
from workflow_src.config.data_sets import DataSet, data_set
from workflow_src.config.grid_entries import Entry, applies, values_in
from workflow_src.config.models import hyperparameters_of, model_declarations
from workflow_src.config.strict import (
    Distinct,
    Name,
    ProtocolName,
    Scalar,
    Seed,
    StrictModel,
)
from workflow_src.config.study_checks import check_name, check_value
from workflow_src.config.yaml_lines import KeyPath

JUDGED_SAMPLES = "judged_samples"
"""The measure that needs judges."""

CLASSIFICATION = "classification"
"""The evaluation that measures judges, by which they are known."""

_CLASSIFIER = "classifier"
"""The hyperparameter by which a model says whether, and where, it has a classifier."""

_NONE = "none"
_CLASSES = 10


class Judges(StrictModel):
    """Classifiers that judge what is drawn."""

    model: Name = Field(description="Model that judges: one that is evaluated as a classifier.")
    seeds: Distinct[Seed] = Field(
        (0, 1, 2, 3, 4), description="One judge for each, whatever seeds the settings name."
    )
    protocol: ProtocolName = Field(
        "authors", description="The study's protocol that all judges are trained by."
    )
    values: dict[Name, Scalar] = Field(
        {}, description="Hyperparameters of the judges; they go before the protocol's."
    )

    @model_validator(mode="after")
    def _names_what_exists(self) -> Judges:
        known = [n for n, one in model_declarations().items() if one.evaluation == CLASSIFICATION]
        if self.model not in known:
            raise unknown(
                ("model",), "model that classifies", self.model, known
            ).raised_in_validator()
        declared = hyperparameters_of(self.model)
        for name, value in self.values.items():
            check_name(("values", name), name, declared, self.model)
            check_value(("values", name), value, declared[name])
        return self


def judging_data_set(facts: DataSet) -> str:
    """The data set that the judges of a data set are trained on."""
    return facts.judged_by or facts.name


def judged_labels(facts: DataSet, values: Mapping[str, Scalar]) -> tuple[int, ...]:
    """The labels of which a model with these hyperparameters draws images; empty where of none.

    On a class's data set, its own; else those that a classifier of the model's draws from.
    """
    labels = facts.training_labels
    if not labels and facts.training_label is not None:
        labels = (facts.training_label,)
    if len(labels) == 1:
        return labels
    if values.get(_CLASSIFIER, _NONE) == _NONE:
        return ()
    return labels or tuple(range(_CLASSES))


class JudgedGrid(Protocol):
    """What of an experiment's grid tells who judges what."""

    @property
    def data_sets(self) -> Sequence[str]:
        """Names of data sets."""
        ...

    @property
    def likelihoods(self) -> Sequence[str]:
        """Likelihoods."""
        ...

    @property
    def judges(self) -> Judges | None:
        """Those that judge, if any."""
        ...

    @property
    def models(self) -> Mapping[str, Sequence[Entry]]:
        """Entries by model."""
        ...


def check_judges(
    judges: Judges | None, data_sets: Sequence[str], likelihoods: Sequence[str]
) -> None:
    """The judges have every likelihood, and there are such images of what they are trained on."""
    if judges is None:
        return
    own = model_declarations()[judges.model].likelihoods
    for likelihood in likelihoods:
        if likelihood not in own:
            raise Complaint(
                ("judges", "model"),
                f"the judges of {judges.model} have no likelihood {likelihood}",
                expected="likelihoods among " + ", ".join(own),
            ).raised_in_validator()
    for name in data_sets:
        whole = data_set(judging_data_set(data_set(name)))
        for likelihood in likelihoods:
            if likelihood in data_set(name).likelihoods and likelihood not in whole.likelihoods:
                raise Complaint(
                    ("judges",),
                    f"judges of {name} are trained on {whole.name}, which has no likelihood "
                    f"{likelihood}",
                    expected="likelihoods among " + ", ".join(whole.likelihoods),
                ).raised_in_validator()


def check_judging(
    judged_samples: int, scales: Mapping[Literal["demo", "paper"], JudgedGrid]
) -> None:
    """Grids have judges where images are judged, and only there; and something to judge."""
    for scale, grid in scales.items():
        here: KeyPath = ("scales", scale)
        if judged_samples and grid.judges is None:
            raise Complaint(
                here,
                f"{JUDGED_SAMPLES} are asked for, and nobody judges them",
                expected="judges: {model: convolutional_classifier}",
            ).raised_in_validator()
        if grid.judges is not None and not judged_samples:
            raise Complaint(
                (*here, "judges"),
                "there are judges and nothing to judge",
                expected=f"{JUDGED_SAMPLES} among the measures, or no judges",
            ).raised_in_validator()
        if judged_samples and not any(_judged_cells(grid)):
            raise Complaint(
                here,
                f"{JUDGED_SAMPLES} are asked for, and of no cell is it known what they should show",
                expected="data sets of a single class, or a model with a classifier",
                remedy=f"take {JUDGED_SAMPLES} out of the measures, or name data sets by class",
            ).raised_in_validator()


def _judged_cells(grid: JudgedGrid) -> Iterator[tuple[int, ...]]:
    """The labels of every combination of data set and values of a classifier in a grid."""
    for (model, entries), name in itertools.product(grid.models.items(), grid.data_sets):
        for entry, likelihood in itertools.product(entries, grid.likelihoods):
            if applies(entry, name, likelihood):
                for value in _classifiers(model, entry):
                    yield judged_labels(data_set(name), {_CLASSIFIER: value})


def _classifiers(model: str, entry: Entry) -> Sequence[Scalar]:
    """The values that an entry has for where the model's classifier is."""
    declared = hyperparameters_of(model).get(_CLASSIFIER)
    if declared is None:
        return (_NONE,)
    given = values_in(entry).get(_CLASSIFIER)
    return given if given is not None else (declared.default or _NONE,)


def judge_values(
    judges: Judges, of_protocol: Mapping[str, Mapping[str, Scalar]]
) -> dict[str, Scalar]:
    """What judges are given; ``of_protocol`` are its values for single models."""
    return {**of_protocol.get(judges.model, {}), **judges.values}
