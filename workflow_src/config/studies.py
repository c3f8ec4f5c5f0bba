"""`Study`: one paper as data, read from a YAML file.

The protocols under which models are trained, the experiments, the published numbers and the claims.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, PrivateAttr, model_validator

from workflow_src.config.claim_checks import check_claims
from workflow_src.config.claim_expansion import expand_claims
from workflow_src.config.claims import Claim
from workflow_src.config.complaints import Complaint, Place, unknown, validate
from workflow_src.config.experiments import Experiment, Grid
from workflow_src.config.joined_grids import joinings
from workflow_src.config.judges import judge_values
from workflow_src.config.models import hyperparameters_of
from workflow_src.config.published import PublishedValue, read_published
from workflow_src.config.strict import Name, ProtocolName, Scalar, StrictModel
from workflow_src.config.study_checks import (
    check_completeness,
    check_experiment_names,
    check_model_values,
    check_models,
    check_study_name,
    check_training,
)
from workflow_src.config.yaml_lines import Document, KeyPath, read_yaml

STUDIES = Path(__file__).parent.parent / "studies"


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
    protocols: Annotated[dict[ProtocolName, Protocol], Field(min_length=1)] = Field(
        description="Ways of training, which grids and settings choose from."
    )
    experiments: Annotated[dict[Name, Experiment], Field(min_length=1)] = Field(
        description="Tables and figures by name."
    )
    claims: dict[Name, Claim] = Field(
        {}, description="What the paper says of its results, as checks over metrics."
    )

    _path: Path = PrivateAttr(default=Path())
    _joined: dict[str, tuple[str, ...]] = PrivateAttr(default_factory=dict)

    @model_validator(mode="after")
    def _leaves_the_names_of_claims(self) -> Study:
        check_experiment_names(self.experiments)
        return self

    @model_validator(mode="after")
    def _leaves_the_name_of_the_overview(self) -> Study:
        check_study_name(self.name)
        return self

    @model_validator(mode="after")
    def _fixes_what_its_trainers_take(self) -> Study:
        models = sorted({model for _, grid in self._grids() for model in grid.models})
        check_training(self.training, models)
        for name, protocol in self.protocols.items():
            check_training(protocol.training, models, ("protocols", name))
        return self

    @model_validator(mode="after")
    def _has_the_protocols_of_its_grids(self) -> Study:
        for key, grid in self._grids():
            for position, protocol in enumerate(grid.protocols):
                if protocol not in self.protocols:
                    raise unknown(
                        (*key, "protocols", position), "protocol", protocol, self.protocols
                    ).raised_in_validator()
        return self

    @model_validator(mode="after")
    def _leaves_no_hyperparameter_open(self) -> Study:
        for key, grid in self._grids():
            for model, entries in grid.models.items():
                for protocol in self.protocols:
                    given = self.training_values(model, protocol, grid)
                    check_completeness((*key, "models", model), model, protocol, given, entries)
        return self

    @model_validator(mode="after")
    def _has_what_its_judges_take(self) -> Study:
        for key, grid in self._grids():
            judges = grid.judges
            if judges is None:
                continue
            if judges.protocol not in self.protocols:
                raise unknown(
                    (*key, "judges", "protocol"), "protocol", judges.protocol, self.protocols
                ).raised_in_validator()
            given = judge_values(judges, self.protocols[judges.protocol].models)
            where: KeyPath = (*key, "judges", "values")
            check_completeness(where, judges.model, judges.protocol, given, ({},))
        return self

    @model_validator(mode="after")
    def _claims_what_it_measures(self) -> Study:
        check_claims(self.claims, self.experiments)
        return self

    def _grids(self) -> Iterator[tuple[KeyPath, Grid]]:
        """Every grid, with the key that it stands under."""
        for name, experiment in self.experiments.items():
            for scale, grid in experiment.scales.items():
                yield ("experiments", name, "scales", scale), grid

    @property
    def path(self) -> Path:
        """The file that the study was read from."""
        return self._path

    def joined(self, experiment: str) -> tuple[str, ...]:
        """Models of an experiment's grids that joined them: the file does not know them."""
        return self._joined.get(experiment, ())

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
    plain, place = _plain(document)
    study = validate(Study, plain, place)
    if study.name != document.path.stem:
        raise Complaint(
            ("name",), f"{study.name!r} is not the file's name", expected=document.path.stem
        ).error(document.place)
    if document.path.resolve().parent == STUDIES.resolve():
        study = _with_joins(study, plain)
    study._path = document.path
    for experiment in study.experiments:
        study.published_values(experiment)
    return study


def _plain(document: Document) -> tuple[dict[str, Any], Place]:
    """The content of a study's file with its claims written out, and where each key stands."""
    if "claims" not in document.value:
        return document.value, document.place
    expanded = expand_claims(document.value["claims"], document.place)
    plain = {**document.value, "claims": expanded.claims}
    return plain, lambda key: document.place(expanded.written(key))


def _with_joins(alone: Study, plain: dict[str, Any]) -> Study:
    """The study with the models that join it; ``plain`` is the content of its file.

    Models join one after the other, so that what is wrong with one is told of it alone.
    """
    study = alone
    joined: dict[str, tuple[str, ...]] = {}
    for one in joinings(alone.name, study_names()):
        one.refuse_misfits(alone)
        plain = one.added_to(plain)
        study = validate(Study, plain, one.place)
        for name in one.experiments:
            joined[name] = (*joined.get(name, ()), one.model)
    study._joined = joined
    return study
