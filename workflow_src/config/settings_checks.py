"""Checks of settings against what exists: studies, experiments, data sets, protocols, likelihoods.

Also what the settings select of the studies, since a selection of nothing is refused here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from workflow_src.config.complaints import Complaint, shown, unknown
from workflow_src.config.data_sets import unknown_data_set
from workflow_src.config.experiments import Experiment, Grid
from workflow_src.config.models import model_declaration
from workflow_src.config.settings import Settings
from workflow_src.config.studies import Study, load_study, study_names


@dataclass(frozen=True)
class Selected:
    """An experiment that the settings ask for, with its grid at their scale."""

    study: Study
    name: str
    experiment: Experiment
    grid: Grid


def selected_experiments(settings: Settings) -> tuple[Selected, ...]:
    """The experiments of the settings' studies that they ask for and that their scale has."""
    return _selected(settings, [load_study(name) for name in settings.studies])


def complaints_about(settings: Settings) -> Iterator[Complaint]:
    """All that the settings name and that does not exist, or not at their scale.

    Raises
    ------
    UserError
        A study file has something wrong in itself.
    """
    missing = list(_unknown_studies(settings.studies))
    yield from missing
    if missing:
        return
    studies = [load_study(name) for name in settings.studies]
    yield from _equal_names(studies)
    yield from _unknown_data_sets(settings.data_sets)
    yield from _unknown_experiments(settings, studies)
    yield from _unknown_protocols(settings, studies)
    yield from _unknown_likelihoods(settings, _selected(settings, studies))


def _selected(settings: Settings, studies: Sequence[Study]) -> tuple[Selected, ...]:
    return tuple(
        Selected(study, name, experiment, experiment.scales[settings.scale])
        for study in studies
        for name, experiment in study.experiments.items()
        if settings.scale in experiment.scales
        and (settings.experiments == "all" or name in settings.experiments)
    )


def _unknown_studies(names: Sequence[str]) -> Iterator[Complaint]:
    for position, name in enumerate(names):
        if name.endswith(".yaml"):
            if not Path(name).is_file():
                yield Complaint(
                    ("studies", position),
                    f"the study file {shown(name)} does not exist",
                    expected="the path of a study file, from the directory of the command",
                )
        elif name not in study_names():
            yield unknown(("studies", position), "study", name, study_names())


def _equal_names(studies: Sequence[Study]) -> Iterator[Complaint]:
    """Results are named by study, so that two of one name would overwrite each other."""
    names = [study.name for study in studies]
    for position, name in enumerate(names):
        if name in names[:position]:
            first = studies[names.index(name)].path
            yield Complaint(
                ("studies", position),
                f"the study {name} is there already, from {first}",
                expected="studies of different names",
            )


def _unknown_data_sets(names: str | Sequence[str]) -> Iterator[Complaint]:
    if isinstance(names, str):
        return
    for position, name in enumerate(names):
        if (complaint := unknown_data_set(("data_sets", position), name)) is not None:
            yield complaint


def _unknown_experiments(settings: Settings, studies: Sequence[Study]) -> Iterator[Complaint]:
    at_scale = {
        name
        for study in studies
        for name, experiment in study.experiments.items()
        if settings.scale in experiment.scales
    }
    if not at_scale:
        yield Complaint(
            ("scale",),
            f"no experiment of {', '.join(settings.studies)} has the scale {settings.scale}",
            expected="the other scale, or another study",
        )
    if settings.experiments == "all":
        return
    known = {name for study in studies for name in study.experiments}
    for position, name in enumerate(settings.experiments):
        if name not in known:
            yield unknown(("experiments", position), "experiment", name, known)
        elif name not in at_scale:
            yield Complaint(
                ("experiments", position),
                f"the experiment {name} has no grid at the scale {settings.scale}",
                expected="one of " + ", ".join(sorted(at_scale)),
                remedy="leave it out or change the scale",
            )


def _unknown_protocols(settings: Settings, studies: Sequence[Study]) -> Iterator[Complaint]:
    if settings.protocols == "default":
        return
    for position, protocol in enumerate(settings.protocols):
        for study in studies:
            if protocol not in study.protocols:
                yield Complaint(
                    ("protocols", position),
                    f"the study {study.name} has no protocol {protocol}",
                    expected="one of " + ", ".join(study.protocols),
                )


def _unknown_likelihoods(settings: Settings, selected: Sequence[Selected]) -> Iterator[Complaint]:
    if settings.likelihoods == "default":
        return
    models = sorted({model for one in selected for model in one.grid.models})
    known = dict.fromkeys(
        likelihood for model in models for likelihood in model_declaration(model).likelihoods
    )
    for position, likelihood in enumerate(settings.likelihoods):
        if models and likelihood not in known:
            yield unknown(
                ("likelihoods", position), "likelihood of the chosen models", likelihood, known
            )
