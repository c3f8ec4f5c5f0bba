"""What models, trainers and evaluations declare about themselves, in a YAML file in their folder.

Adding a model is adding its folder: it is found here without any list. No module of a model is
imported, so that planning stays free of torch.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import Discriminator, Field, Tag, model_validator

from workflow_src.config.complaints import Complaint, shown, unknown, validate
from workflow_src.config.data_sets import DataSet
from workflow_src.config.strict import Distinct, Likelihood, Name, Scalar, StrictModel
from workflow_src.config.yaml_lines import KeyPath, read_yaml

PACKAGE = Path(__file__).parent.parent

Where = dict[Name, Distinct[Scalar]]
"""Values of hyperparameters by name."""


class Hyperparameter(StrictModel):
    """One number or choice that a model or trainer takes."""

    type: Literal["integer", "number", "choice"] = Field(description="What values are.")
    minimum: int | float | None = Field(None, description="Smallest value allowed.")
    above: int | float | None = Field(None, description="Bound that values must exceed.")
    maximum: int | float | None = Field(None, description="Largest value allowed.")
    choices: Distinct[str] | None = Field(None, description="Values of a choice.")
    default: Scalar | None = Field(None, description="Value where a study gives none.")
    default_from_data_set: str | None = Field(
        None, description="Field of the data set that gives the value where a study does not."
    )
    cuts_images: bool = Field(
        False, description="Whether it is a size that must cut images into equal parts."
    )
    only_where: Annotated[
        Annotated[Where, Tag("[one]")]
        | Annotated[tuple[Where, ...], Field(strict=False, min_length=1), Tag("[several]")],
        Discriminator(lambda value: "[several]" if isinstance(value, list | tuple) else "[one]"),
    ] = Field(
        {},
        description="Values of other hyperparameters of the same folder, all of which it takes to "
        "mean something, or a list of such mappings, any of which will do; elsewhere it changes "
        "no model.",
    )
    meaning: str = Field(description="What it does, in a sentence.")

    @model_validator(mode="after")
    def _is_consistent(self) -> Hyperparameter:
        if (self.type == "choice") != (self.choices is not None):
            problem = "choices belong to the type choice, and only there"
            raise Complaint(("type",), problem).raised_in_validator()
        if self.default is not None and not self.accepts(self.default):
            problem = f"the default {shown(self.default)} is not allowed"
            raise Complaint(("default",), problem, self.allowed).raised_in_validator()
        source = self.default_from_data_set
        if source is not None and source not in DataSet.model_fields:
            raise unknown(
                ("default_from_data_set",), "field of a data set", source, DataSet.model_fields
            ).raised_in_validator()
        return self

    @property
    def has_default(self) -> bool:
        """Whether a study may leave it out."""
        return self.default is not None or self.default_from_data_set is not None

    @property
    def allowed(self) -> str:
        """The allowed values in words."""
        if self.choices is not None:
            return "one of " + ", ".join(self.choices)
        bounds = {"from": self.minimum, "above": self.above, "to": self.maximum}
        words = [f"{word} {bound}" for word, bound in bounds.items() if bound is not None]
        kind = "a whole number" if self.type == "integer" else "a number"
        return " ".join([kind, *words])

    def suits(self, value: Scalar, data_set: DataSet) -> bool:
        """Whether images of the data set are what the value takes."""
        if not self.cuts_images or not isinstance(value, int):
            return True
        sides = data_set.shape
        return value < max(sides) and not any(side % value for side in sides)

    def accepts(self, value: object) -> bool:
        """Whether ``value`` has the type and lies within the bounds."""
        if self.choices is not None:
            return value in self.choices
        number = int if self.type == "integer" else (int, float)
        if isinstance(value, bool) or not isinstance(value, number):
            return False
        return (
            math.isfinite(value)
            and (self.minimum is None or value >= self.minimum)
            and (self.above is None or value > self.above)
            and (self.maximum is None or value <= self.maximum)
        )

    def applies(self, values: Mapping[str, Scalar]) -> bool:
        """Whether it means something beside these values; those left out do not prevent it."""
        return any(
            all(name not in values or values[name] in allowed for name, allowed in place.items())
            for _, place in self.places
        )

    @property
    def condition(self) -> str:
        """Where it means something, in words."""
        return ", or ".join(
            " and ".join(
                f"{name} is {' or '.join(map(str, allowed))}" for name, allowed in place.items()
            )
            for _, place in self.places
        )

    @property
    def places(self) -> list[tuple[KeyPath, Where]]:
        """What ``only_where`` lists, any of which is enough, and under which key each stands."""
        if isinstance(self.only_where, dict):
            return [(("only_where",), self.only_where)]
        return [(("only_where", index), place) for index, place in enumerate(self.only_where)]

    def default_for(self, data_set: DataSet) -> Scalar | None:
        """The default on ``data_set``, or None where a study must give the value."""
        if self.default_from_data_set is not None:
            value: Scalar = getattr(data_set, self.default_from_data_set)
            return value
        return self.default


def _check_conditions(declared: Mapping[str, Hyperparameter]) -> None:
    """What a hyperparameter depends on is another one, always meaningful, and takes the values."""
    independent = [name for name, one in declared.items() if not one.only_where]
    conditions = [
        (("hyperparameters", name, *below, other), other, values)
        for name, one in declared.items()
        for below, place in one.places
        for other, values in place.items()
    ]
    for key, other, values in conditions:
        if other not in independent:
            raise unknown(
                key, "hyperparameter that always means something", other, independent
            ).raised_in_validator()
        for position, value in enumerate(values):
            if not declared[other].accepts(value):
                problem = f"{other} is never {shown(value)}"
                raise Complaint(
                    (*key, position), problem, declared[other].allowed
                ).raised_in_validator()


class TrainerDeclaration(StrictModel):
    """What trainer.yaml of a folder in workflow_src/train says."""

    name: Name = Field(description="Name of the folder.")
    hyperparameters: dict[Name, Hyperparameter] = Field(description="What the trainer takes.")

    @model_validator(mode="after")
    def _is_consistent(self) -> TrainerDeclaration:
        _check_conditions(self.hyperparameters)
        return self

    @property
    def module(self) -> str:
        """Name of the module that trains."""
        return f"workflow_src.train.{self.name}.trainer"

    @property
    def stopping(self) -> str:
        """Name of the module that says why training ends."""
        return f"workflow_src.train.{self.name}.stopping"


class ModelDeclaration(StrictModel):
    """What model.yaml of a folder in workflow_src/models says."""

    name: Name = Field(description="Name of the folder, and of the model in settings and columns.")
    title: str = Field(description="Name in tables and figures.")
    trainer: Name = Field(description="Folder of workflow_src/train that trains it.")
    evaluation: Name = Field(description="Folder of workflow_src/evaluate that measures it.")
    likelihoods: Distinct[Likelihood] = Field(description="Likelihoods it has.")
    hyperparameters: dict[Name, Hyperparameter] = Field(description="What the model takes.")

    @model_validator(mode="after")
    def _is_consistent(self) -> ModelDeclaration:
        _check_conditions(self.hyperparameters)
        return self

    @property
    def module(self) -> str:
        """Name of the module that builds it."""
        return f"workflow_src.models.{self.name}.model"

    @property
    def measurement(self) -> str:
        """Name of the module that measures it."""
        return f"workflow_src.evaluate.{self.evaluation}.measurement"

    @property
    def drawing(self) -> str | None:
        """Name of the module that puts its images together, for evaluations that need one."""
        exists = (PACKAGE / "models" / self.name / "drawing.py").exists()
        return f"workflow_src.models.{self.name}.drawing" if exists else None


class EvaluationDeclaration(StrictModel):
    """What evaluation.yaml of a folder in workflow_src/evaluate says."""

    name: Name = Field(description="Name of the folder.")
    measures: Distinct[Name] = Field(description="What experiments can ask it to measure.")
    metrics: Distinct[Name] = Field(description="Metrics that it computes, some of some models.")


Declaration = TypeVar("Declaration", ModelDeclaration, TrainerDeclaration, EvaluationDeclaration)


def model_declaration(name: str) -> ModelDeclaration:
    """The model of that name; an unknown name is a `UserError` that lists the known ones."""
    return _named("model", name, model_declarations())


def trainer_declaration(name: str) -> TrainerDeclaration:
    """The trainer of that name; an unknown name is a `UserError` that lists the known ones."""
    return _named("trainer", name, trainer_declarations())


@functools.cache
def model_declarations() -> Mapping[str, ModelDeclaration]:
    """All models by name."""
    return discovered(ModelDeclaration, PACKAGE / "models", "model.yaml")


@functools.cache
def trainer_declarations() -> Mapping[str, TrainerDeclaration]:
    """All trainers by name."""
    return discovered(TrainerDeclaration, PACKAGE / "train", "trainer.yaml")


def evaluation_of(model: str) -> EvaluationDeclaration:
    """The evaluation that measures ``model``; an unknown name is a `UserError`, as above."""
    return _named("evaluation", model_declaration(model).evaluation, evaluation_declarations())


@functools.cache
def evaluation_declarations() -> Mapping[str, EvaluationDeclaration]:
    """All evaluations by name."""
    return discovered(EvaluationDeclaration, PACKAGE / "evaluate", "evaluation.yaml")


@functools.cache
def hyperparameters_of(model: str) -> Mapping[str, Hyperparameter]:
    """All that a run of ``model`` has values for: the model's own and its trainer's."""
    declaration = model_declaration(model)
    return {
        **declaration.hyperparameters,
        **trainer_declaration(declaration.trainer).hyperparameters,
    }


def discovered(
    declaration: type[Declaration], directory: Path, file_name: str
) -> dict[str, Declaration]:
    """The declarations in ``directory``'s folders by name, which must be the folders' names."""
    found = {}
    for path in sorted(directory.glob(f"*/{file_name}")):
        document = read_yaml(path)
        one = validate(declaration, document.value, document.place)
        if one.name != path.parent.name:
            problem = f"the name {one.name!r} is not the folder's"
            raise Complaint(("name",), problem, path.parent.name).error(document.place)
        found[one.name] = one
    return found


def _named(what: str, name: str, known: Mapping[str, Declaration]) -> Declaration:
    if name not in known:
        raise unknown((), what, name, known).error(lambda key: f"{what}s")
    return known[name]
