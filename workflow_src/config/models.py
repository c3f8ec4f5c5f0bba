"""What models, trainers and evaluations declare about themselves, in a YAML file in their folder.

Adding a model is adding its folder: it is found here without any list. No module of a model is
imported, so that planning stays free of torch.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import Field, model_validator

from workflow_src.config.complaints import Complaint, shown, unknown, validate
from workflow_src.config.hyperparameters import Hyperparameter, check_conditions
from workflow_src.config.joining import Join
from workflow_src.config.strict import Distinct, Likelihood, Name, Scalar, StrictModel, Unique
from workflow_src.config.yaml_lines import read_yaml

PACKAGE = Path(__file__).parent.parent


class TrainerDeclaration(StrictModel):
    """What trainer.yaml of a folder in workflow_src/train says."""

    name: Name = Field(description="Name of the folder.")
    hyperparameters: dict[Name, Hyperparameter] = Field(description="What the trainer takes.")

    @model_validator(mode="after")
    def _is_consistent(self) -> TrainerDeclaration:
        check_conditions(self.hyperparameters)
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
    measures: Distinct[Name] | None = Field(
        None,
        description="Of what its evaluation can be asked to measure, what there is of this model; "
        "all, where nothing is said.",
    )
    metrics: Distinct[Name] | None = Field(
        None,
        description="Of what its evaluation computes, what there is of this model; all, where "
        "nothing is said.",
    )
    hyperparameters: dict[Name, Hyperparameter] = Field(description="What the model takes.")
    small: dict[Name, Scalar] = Field(
        {},
        description="Hyperparameters of a small instance, for images of 8 x 8 pixels, by which "
        "tests of what models have in common build it; others have their defaults.",
    )
    joins: Annotated[tuple[Join, ...], Field(strict=False)] = Field(
        (),
        description="Experiments of studies that do not know it, in whose tables and figures it "
        "stands beside their own models.",
    )

    @model_validator(mode="after")
    def _is_consistent(self) -> ModelDeclaration:
        check_conditions(self.hyperparameters)
        return self

    @model_validator(mode="after")
    def _is_one_of_its_own(self) -> ModelDeclaration:
        for name, value in self.small.items():
            if name not in self.hyperparameters:
                raise unknown(
                    ("small", name), "hyperparameter", name, self.hyperparameters
                ).raised_in_validator()
            one = self.hyperparameters[name]
            if not one.accepts(value):
                raise Complaint(
                    ("small", name), f"{shown(value)} is not allowed", expected=one.allowed
                ).raised_in_validator()
        return self

    @property
    def path(self) -> Path:
        """The model.yaml that says so."""
        return PACKAGE / "models" / self.name / "model.yaml"

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
    further_measures: Unique[Name] = Field(
        (),
        description="What they can ask beside. A measurement that they ask none of it does not "
        "mention it, and keeps the name that it had before there was such a measure.",
    )
    metrics: Distinct[Name] = Field(description="Metrics that it computes, some of some models.")

    @property
    def all_measures(self) -> tuple[str, ...]:
        """Everything that experiments can ask it to measure."""
        return (*self.measures, *self.further_measures)


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


def measures_of(model: str) -> tuple[str, ...]:
    """What the evaluation of ``model`` can be asked to measure that there is of this model."""
    return _there_is(evaluation_of(model).all_measures, model_declaration(model).measures)


def metrics_of(model: str) -> tuple[str, ...]:
    """The metrics that the evaluation of ``model`` computes, some of some of its variants."""
    return _there_is(evaluation_of(model).metrics, model_declaration(model).metrics)


def _there_is(names: Sequence[str], own: Sequence[str] | None) -> tuple[str, ...]:
    return tuple(name for name in names if own is None or name in own)


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


def resolved_values(model: str, values: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """Values of some of a model's hyperparameters as specs hold them.

    What is no value of one, or is of a model that there is not (yet), stays as it is.
    """
    known = hyperparameters_of(model) if model in model_declarations() else {}
    return {
        name: known[name].resolved(value) if name in known and known[name].accepts(value) else value
        for name, value in values.items()
    }


def known_as(name: str, value: object) -> object:
    """A hyperparameter's value as people know it: a layout by its name, where a model gives one.

    Anything else stays as it is.
    """
    return _layout_names().get((name, value), value) if isinstance(value, str) else value


@functools.cache
def _layout_names() -> Mapping[tuple[str, str], str]:
    """What hyperparameters' layouts are called, by hyperparameter and canonical notation."""
    return {
        (name, str(one.resolved(called))): str(one.shown(called))
        for declaration in model_declarations().values()
        for name, one in declaration.hyperparameters.items()
        for called in one.names
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
