"""`Study`: one paper as data, read from a YAML file.

Its experiments, their grids at each scale, the protocols under which models are trained, and how
results are laid out. What the grids expand to is `workflow_src.plan`'s.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, PrivateAttr, model_validator

from workflow_src.config.complaints import Complaint, unknown, validate
from workflow_src.config.models import hyperparameters_of
from workflow_src.config.published import PublishedValue, read_published
from workflow_src.config.strict import (
    Ascending,
    Distinct,
    Likelihood,
    Name,
    Scalar,
    StrictModel,
)
from workflow_src.config.study_checks import (
    check_cells,
    check_completeness,
    check_data_sets,
    check_likelihoods,
    check_metric,
    check_model_values,
    check_models,
    check_training,
)
from workflow_src.config.yaml_lines import read_yaml

STUDIES = Path(__file__).parent.parent / "studies"

Axis = Literal["model", "data_set", "likelihood", "fraction", "protocol", "stream"]
Cells = Annotated[tuple[dict[Name, Distinct[Scalar]], ...], Field(strict=False, min_length=1)]
Fraction = Annotated[float, Field(gt=0, le=1)]
CsvName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+\.csv$")]


class Grid(StrictModel):
    """What one experiment trains at one scale."""

    data_sets: Distinct[Name] = Field(description="Data sets, unless the settings name others.")
    likelihoods: Distinct[Likelihood] = Field(
        description="Likelihoods, unless the settings name others."
    )
    fractions: Distinct[Fraction] = Field(
        (1.0,), description="Parts of the training set to train on, each within (0, 1]."
    )
    training: dict[Name, Scalar] = Field(
        {}, description="Values for trainers at this scale; they go before the study's."
    )
    models: Annotated[dict[Name, Cells], Field(min_length=1)] = Field(
        description="Per model, hyperparameters with their values: every entry of the list is a "
        "product of its values, and the grid is what any entry contains."
    )

    @model_validator(mode="after")
    def _names_what_exists(self) -> Grid:
        check_data_sets(self.data_sets)
        check_models(self.models)
        check_likelihoods(self.models, self.likelihoods)
        check_cells(self.models)
        check_training(self.training, self.models)
        return self


class Measures(StrictModel):
    """What is measured on the winner of a group."""

    importance_samples: Ascending = Field(
        description="Numbers of importance samples to give the test bound for, ascending."
    )
    samples: int = Field(0, ge=0, description="Number of images to sample.")
    leaf_manifolds: bool = Field(
        False, description="Whether to decode a grid of latent codes of every leaf."
    )


class TableLayout(StrictModel):
    """What a table has in its rows, columns and cells."""

    rows: Axis = Field(description="Axis that goes down the rows.")
    columns: Distinct[Axis] = Field(description="Axes that go across, the outermost first.")
    metric: Name = Field(description="Metric in the cells.")

    @model_validator(mode="after")
    def _names_what_exists(self) -> TableLayout:
        check_metric(self.metric)
        return self


class Experiment(StrictModel):
    """One table or figure of the paper."""

    title: str = Field(description="Heading in the report.")
    description: str = Field(description="What it shows, in a sentence or two.")
    presentation: Literal["table", "curve", "leaf_manifolds"] = Field(
        description="Form of the result beside its table."
    )
    published: CsvName | None = Field(
        None, description="File in published/, beside the study, with the paper's numbers."
    )
    table: TableLayout = Field(description="Rows, columns and cells of its table.")
    measures: Measures = Field(description="What is measured on the winners.")
    scales: Annotated[dict[Literal["demo", "paper"], Grid], Field(min_length=1)] = Field(
        description="Grid at each scale that the experiment exists at."
    )


class Protocol(StrictModel):
    """One answer to what the paper leaves open about training."""

    description: str = Field(description="Whose settings these are, in a sentence.")
    training: dict[Name, Scalar] = Field({}, description="Values for the trainers of all models.")
    models: dict[Name, dict[Name, Scalar]] = Field(
        {}, description="Values for single models; they go before the others."
    )

    @model_validator(mode="after")
    def _names_what_exists(self) -> Protocol:
        check_models(self.models)
        check_model_values(self.models)
        return self


class Study(StrictModel):
    """One paper: what it trained, how, and what it measured."""

    name: Name = Field(description="Name of the study and of its file.")
    title: str = Field(description="Title of the paper.")
    reference: str = Field(description="Authors, place and year.")
    training: dict[Name, Scalar] = Field({}, description="Values for trainers, throughout.")
    protocols: Annotated[dict[Literal["authors", "text"], Protocol], Field(min_length=1)] = Field(
        description="Ways of training, chosen in the settings."
    )
    experiments: Annotated[dict[Name, Experiment], Field(min_length=1)] = Field(
        description="Tables and figures by name."
    )

    _path: Path = PrivateAttr(default=Path())

    @model_validator(mode="after")
    def _fixes_what_its_trainers_take(self) -> Study:
        grids = [grid for one in self.experiments.values() for grid in one.scales.values()]
        models = sorted({model for grid in grids for model in grid.models})
        check_training(self.training, models)
        for name, protocol in self.protocols.items():
            check_training(protocol.training, models, ("protocols", name))
        return self

    @model_validator(mode="after")
    def _leaves_no_hyperparameter_open(self) -> Study:
        for name, experiment in self.experiments.items():
            for scale, grid in experiment.scales.items():
                for model, cells in grid.models.items():
                    for protocol in self.protocols:
                        check_completeness(
                            ("experiments", name, "scales", scale, "models", model),
                            model,
                            protocol,
                            self.training_values(model, protocol, grid),
                            cells,
                        )
        return self

    @property
    def path(self) -> Path:
        """The file that the study was read from."""
        return self._path

    def published_values(self, experiment: str) -> tuple[PublishedValue, ...]:
        """The paper's numbers for one experiment; none where it prints none."""
        name = self.experiments[experiment].published
        return () if name is None else read_published(self.path.parent / "published" / name)

    def training_values(self, model: str, protocol: str, grid: Grid) -> dict[str, Scalar]:
        """What the study fixes for every run of ``model`` under ``protocol`` in ``grid``.

        The nearer place wins: study, protocol, protocol's model, grid. A grid's cell goes before
        all of them. Values for trainers other than the model's are left out.
        """
        chosen = self.protocols[protocol]  # type: ignore[index]
        everything = {
            **self.training,
            **chosen.training,
            **chosen.models.get(model, {}),
            **grid.training,
        }
        known = hyperparameters_of(model)
        return {name: value for name, value in everything.items() if name in known}


def study_path(name_or_path: str) -> Path:
    """The file of a study: a path where it ends in .yaml, else that of the package's studies.

    Raises
    ------
    UserError
        No study of the package has that name.
    """
    if name_or_path.endswith(".yaml"):
        return Path(name_or_path)
    known = study_names()
    if name_or_path not in known:
        complaint = unknown((), "study", name_or_path, known)
        raise complaint.error(lambda key: "studies")
    return STUDIES / f"{name_or_path}.yaml"


def study_names() -> tuple[str, ...]:
    """Names of the package's studies."""
    return tuple(sorted(path.stem for path in STUDIES.glob("*.yaml")))


def load_study(name_or_path: str) -> Study:
    """Read a study and check all that it names: models, hyperparameters, data sets, metrics.

    Raises
    ------
    UserError
        The first thing wrong, with file, key and line.
    """
    document = read_yaml(study_path(name_or_path))
    study = validate(Study, document.value, document.place)
    study._path = document.path
    if study.name != document.path.stem:
        raise Complaint(
            ("name",), f"{study.name!r} is not the file's name", expected=document.path.stem
        ).error(document.place)
    for experiment in study.experiments:
        study.published_values(experiment)
    return study
