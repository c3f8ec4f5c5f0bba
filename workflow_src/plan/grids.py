"""From a study and the settings to groups of runs: the candidates of every cell of a table.

A group holds the runs that differ in hyperparameters alone; its winner is chosen among them.
Hyperparameters that an experiment compares are told apart: their values are a group's variant.
Whether a run exists, and what it is called, is not known here.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from workflow_src.config.data_sets import DataSet, data_set
from workflow_src.config.experiments import Experiment, Grid
from workflow_src.config.grid_entries import cells_of
from workflow_src.config.models import (
    Hyperparameter,
    evaluation_of,
    hyperparameters_of,
    model_declaration,
)
from workflow_src.config.settings import Settings
from workflow_src.config.studies import Study
from workflow_src.config.study_checks import CUTS
from workflow_src.errors import UserError
from workflow_src.plan.specs import AXES, RunSpec, Scalar

Values = tuple[tuple[str, Scalar], ...]
Item = TypeVar("Item")


@dataclass(frozen=True)
class Group:
    """The candidates of one cell, and what is measured on the best of them.

    ``axes`` has the keys of `workflow_src.plan.specs.AXES`, ``variant`` those hyperparameters that
    the experiment compares and that mean something for these runs; all ``runs`` share them.
    """

    study: str
    experiment: str
    axes: dict[str, Scalar]
    variant: dict[str, Scalar]
    runs: tuple[RunSpec, ...]
    measures: dict[str, Any]


def expand(study: Study, settings: Settings) -> list[Group]:
    """The groups of every chosen experiment of ``study`` that exists at the settings' scale.

    The order is the study's. An experiment that is asked for by name and does not exist at that
    scale, or has no cell for the settings' data sets and likelihoods, is a `UserError`; under
    ``all`` it is left out. Data sets, likelihoods, seeds, protocols and streams that the settings
    name take the place of each grid's own. Where a model has no cell for a data set and likelihood,
    it has no group. `workflow_src.plan.omissions` tells what is left out.
    """
    found = []
    for name, experiment in _chosen(study, settings).items():
        groups = list(_groups(study, name, experiment, settings))
        if not groups and settings.experiments != "all":
            raise _without_cells(study, name, settings)
        found += groups
    return found


def has_images(model: str, data: str, likelihood: str) -> bool:
    """Whether a model has the likelihood and the data set is prepared for it.

    Of a study's own grids they all do. Settings that name data sets or likelihoods for several
    studies name those of one that the other cannot have.
    """
    return (
        likelihood in model_declaration(model).likelihoods
        and likelihood in data_set(data).likelihoods
    )


def _chosen(study: Study, settings: Settings) -> dict[str, Experiment]:
    at_scale = {name: e for name, e in study.experiments.items() if settings.scale in e.scales}
    if settings.experiments == "all":
        return at_scale
    for name in settings.experiments:
        if name in study.experiments and name not in at_scale:
            scales = ", ".join(study.experiments[name].scales)
            raise UserError(
                f"experiment {name} does not exist at scale {settings.scale}",
                place=str(study.path),
                expected=f"scale {scales}, or one of: {', '.join(at_scale) or 'none'}",
                remedy="change scale or experiments in config.yaml",
            )
    return {name: e for name, e in at_scale.items() if name in settings.experiments}


def _without_cells(study: Study, name: str, settings: Settings) -> UserError:
    grid = study.experiments[name].scales[settings.scale]
    data_sets = _chosen_or(grid.data_sets, settings.data_sets)
    likelihoods: Sequence[str] = _chosen_or(grid.likelihoods, settings.likelihoods)
    return UserError(
        f"the experiment {name} has no cells for {', '.join(data_sets)} "
        f"({', '.join(likelihoods)}) at scale {settings.scale}",
        place=f"{study.path}: experiments.{name}.scales.{settings.scale}.models",
        expected=f"data sets such as {', '.join(grid.data_sets)}, "
        f"likelihoods such as {', '.join(grid.likelihoods)}",
        remedy="change data_sets or likelihoods in config.yaml, or take the experiment out of "
        "its experiments",
    )


def _groups(study: Study, name: str, experiment: Experiment, settings: Settings) -> Iterator[Group]:
    grid = experiment.scales[settings.scale]
    data_sets = _chosen_or(grid.data_sets, settings.data_sets)
    likelihoods: Sequence[str] = _chosen_or(grid.likelihoods, settings.likelihoods)
    protocols: Sequence[str] = _chosen_or(grid.protocols, settings.protocols)
    streams = _chosen_or(grid.streams, settings.streams)
    seeds = _chosen_or(grid.seeds, settings.seeds)
    for model, data, protocol in itertools.product(grid.models, data_sets, protocols):
        _refuse_unknown_protocol(study, protocol)
        measures = _measures(experiment, grid, model)
        for likelihood in likelihoods:
            if not has_images(model, data, likelihood):
                continue
            place = f"{study.path}: experiments.{name}.scales.{settings.scale}.models.{model}"
            cells = _cells(study, grid, model, data_set(data), likelihood, protocol, place)
            for variant, own in _by_variant(model, cells, experiment.compare):
                for stream, fraction, seed in itertools.product(streams, grid.fractions, seeds):
                    values = (model, data, likelihood, float(fraction), seed, protocol, stream)
                    runs = tuple(RunSpec(*values, hyperparameters=cell) for cell in own)
                    axes: dict[str, Scalar] = dict(zip(AXES, values, strict=True))
                    yield Group(study.name, name, axes, variant, runs, measures)


def _measures(experiment: Experiment, grid: Grid, model: str) -> dict[str, Any]:
    """What is asked of the model's evaluation; what only others measure is no part of it.

    So a new measure of one evaluation changes the name of no other's measurement.
    """
    asked = experiment.measures.model_dump(mode="json")
    if grid.importance_samples is not None:
        asked["importance_samples"] = list(grid.importance_samples)
    return {name: asked[name] for name in evaluation_of(model).measures}


def _chosen_or(default: Sequence[Item], chosen: str | Sequence[Item]) -> Sequence[Item]:
    """What the settings name; the grid's own where they leave it to the grid."""
    return default if isinstance(chosen, str) else chosen


def _cells(
    study: Study,
    grid: Grid,
    model: str,
    facts: DataSet,
    likelihood: str,
    protocol: str,
    place: str,
) -> tuple[Values, ...]:
    """Every cell of the model's grid with all hyperparameters resolved, each once."""
    declared = hyperparameters_of(model)
    fixed = study.training_values(model, protocol, grid)
    cells = (
        _resolved({**fixed, **cell}, declared, facts, place)
        for cell in cells_of(grid.models[model], facts.name, likelihood)
    )
    distinct = tuple(dict.fromkeys(cells))
    _refuse_one_model_twice(distinct, declared, place)
    return distinct


def _refuse_one_model_twice(
    cells: Sequence[Values], declared: Mapping[str, Hyperparameter], place: str
) -> None:
    """Cells that differ only in what means nothing there would be chosen between by chance."""
    seen: dict[Values, Values] = {}
    for cell in cells:
        known = dict(cell)
        meant = tuple((name, value) for name, value in cell if declared[name].applies(known))
        before = dict(seen.setdefault(meant, cell))
        for name in (name for name, value in cell if before[name] != value):
            raise UserError(
                f"{name} {before[name]} and {name} {known[name]} are one model, twice in the grid",
                place=place,
                expected=f"several values of {name} only where {declared[name].condition}",
                remedy="give them in an entry of the grid of their own",
            )


def _by_variant(
    model: str, cells: Sequence[Values], compare: Sequence[str]
) -> Iterator[tuple[dict[str, Scalar], list[Values]]]:
    """The cells by their values of what is compared, in the order of first appearance.

    What means nothing in a cell is no part of its variant.
    """
    declared = hyperparameters_of(model)
    variants: dict[Values, list[Values]] = {}
    for cell in cells:
        known = dict(cell)
        variant = tuple((name, known[name]) for name in compare if declared[name].applies(known))
        variants.setdefault(variant, []).append(cell)
    for values, own in variants.items():
        yield dict(values), own


def _resolved(
    given: Mapping[str, Scalar],
    declared: Mapping[str, Hyperparameter],
    facts: DataSet,
    place: str,
) -> Values:
    resolved: dict[str, Scalar] = {}
    for name, hyperparameter in declared.items():
        value = given.get(name, hyperparameter.default_for(facts))
        if value is None:
            raise UserError(
                f"hyperparameter {name} has no value and no default",
                place=place,
                expected=hyperparameter.allowed,
                remedy="give it under training, in the protocol or in the grid of the study",
            )
        if not hyperparameter.suits(value, facts):
            height, width = facts.shape
            raise UserError(
                f"{name} {value} does not cut the {height} x {width} images of {facts.name} "
                "into equal parts",
                place=place,
                expected=CUTS,
                remedy=f"give entries data_sets there, with values for {facts.name}, or take the "
                "experiment or the data set out of config.yaml",
            )
        # 1 and 1.0 are one value of a number; written alike, they get one fingerprint.
        resolved[name] = float(value) if hyperparameter.type == "number" else value
    return tuple(sorted(resolved.items()))


def _refuse_unknown_protocol(study: Study, protocol: str) -> None:
    if protocol not in study.protocols:
        raise UserError(
            f"study {study.name} has no protocol {protocol}",
            place=str(study.path),
            expected=f"one of {', '.join(study.protocols)}",
            remedy="change protocols in config.yaml",
        )
