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

from workflow_src.config.data_sets import DataSet, data_set, with_members
from workflow_src.config.experiments import Experiment, Grid
from workflow_src.config.grid_entries import cells_of, given_in
from workflow_src.config.hyperparameters import Hyperparameter
from workflow_src.config.models import (
    evaluation_of,
    hyperparameters_of,
    measures_of,
    model_declaration,
)
from workflow_src.config.settings import Settings
from workflow_src.config.studies import Study
from workflow_src.errors import UserError
from workflow_src.plan.cut_cells import AXES as CUT_AXES
from workflow_src.plan.cut_cells import CutCell, gigabytes_above, nothing_left
from workflow_src.plan.specs import AXES, RunSpec, Scalar

Values = tuple[tuple[str, Scalar], ...]
Item = TypeVar("Item")


@dataclass(frozen=True)
class Group:
    """The candidates of one cell, and what is measured on the best of them.

    ``axes`` has the keys of `workflow_src.plan.specs.AXES`, ``variant`` those hyperparameters that
    the experiment tells apart and that mean something for these runs; all ``runs`` share them.
    """

    study: str
    experiment: str
    axes: dict[str, Scalar]
    variant: dict[str, Scalar]
    runs: tuple[RunSpec, ...]
    measures: dict[str, Any]
    judges: tuple[RunSpec, ...] = ()
    """Runs that judge what the winner draws, see `workflow_src.plan.judges`."""


@dataclass(frozen=True)
class Expansion:
    """What a study comes to under some settings: what is trained, and what would be too large."""

    groups: tuple[Group, ...]
    cut_cells: tuple[CutCell, ...]


def expand(study: Study, settings: Settings) -> list[Group]:
    """The groups of an `expansion`."""
    return list(expansion(study, settings).groups)


def expansion(study: Study, settings: Settings) -> Expansion:
    """The groups of every chosen experiment of ``study`` that exists at the settings' scale.

    The order is the study's. An experiment that is asked for by name and does not exist at that
    scale, or has no cell for the settings' data sets and likelihoods, is a `UserError`; under
    ``all`` it is left out. Data sets, likelihoods, seeds, protocols and streams that the settings
    name take the place of each grid's own. Where a model has no cell for a data set and likelihood,
    it has no group. `workflow_src.plan.omissions` tells what is left out.

    Cells of which a run takes more memory than the settings' cap are in no group; an experiment of
    which nothing else is there is a `UserError`.
    """
    found: list[Group] = []
    cut: list[CutCell] = []
    for name, experiment in _chosen(study, settings).items():
        both = list(_groups(study, name, experiment, settings))
        groups = [one for one in both if isinstance(one, Group)]
        too_large = [one for one in both if isinstance(one, CutCell)]
        if not groups and too_large:
            place = f"{study.path}: experiments.{name}.scales.{settings.scale}"
            raise nothing_left(too_large, place)
        if not groups and settings.experiments != "all":
            raise _without_cells(study, name, settings)
        found += groups
        cut += too_large
    return Expansion(tuple(found), tuple(cut))


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
    data_sets = with_members(_chosen_or(grid.data_sets, settings.data_sets))
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


def _groups(
    study: Study, name: str, experiment: Experiment, settings: Settings
) -> Iterator[Group | CutCell]:
    grid = experiment.scales[settings.scale]
    data_sets = with_members(_chosen_or(grid.data_sets, settings.data_sets))
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
            facts = data_set(data)
            all_cells = _cells(study, grid, model, facts, likelihood, protocol, place)
            cap = settings.memory_cap_gigabytes
            too_large = _too_large(model, all_cells, facts, cap)
            for cell, gigabytes in too_large.items():
                known = dict(cell)
                yield CutCell(
                    study=study.name,
                    experiment=name,
                    axes=dict(zip(CUT_AXES, (model, data, likelihood, protocol), strict=True)),
                    variant=_variant(model, known, experiment.told_apart),
                    hyperparameters={one: known[one] for one in given_in(grid.models[model])},
                    gigabytes=gigabytes,
                    cap_gigabytes=cap,
                )
            cells = [cell for cell in all_cells if cell not in too_large]
            for variant, own in _by_variant(model, cells, experiment.told_apart):
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
    evaluation = evaluation_of(model)
    further = [name for name in evaluation.further_measures if asked[name]]
    there_is = measures_of(model)
    return {name: asked[name] for name in (*evaluation.measures, *further) if name in there_is}


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
        resolve({**fixed, **cell}, declared, facts, place)
        for cell in cells_of(grid.models[model], facts.name, likelihood)
    )
    distinct = tuple(dict.fromkeys(cells))
    _refuse_one_model_twice(distinct, declared, place)
    return distinct


def _too_large(
    model: str, cells: Sequence[Values], facts: DataSet, cap: float
) -> dict[Values, float]:
    """The cells of which a run takes more than ``cap`` gigabytes, and how many."""
    sizes = {cell: gigabytes_above(cap, model, dict(cell), facts) for cell in cells}
    return {cell: size for cell, size in sizes.items() if size is not None}


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

    What means nothing in a cell, or is none of the model's, is no part of its variant.
    """
    variants: dict[Values, list[Values]] = {}
    for cell in cells:
        variant = tuple(_variant(model, dict(cell), compare).items())
        variants.setdefault(variant, []).append(cell)
    for values, own in variants.items():
        yield dict(values), own


def _variant(model: str, values: Mapping[str, Scalar], compare: Sequence[str]) -> dict[str, Scalar]:
    """What of a cell's ``values`` an experiment compares."""
    declared = hyperparameters_of(model)
    return {
        name: values[name]
        for name in compare
        if name in declared and declared[name].applies(values)
    }


def resolve(
    given: Mapping[str, Scalar],
    declared: Mapping[str, Hyperparameter],
    facts: DataSet,
    place: str,
) -> Values:
    """The values of all ``declared`` hyperparameters, those not ``given`` by their defaults.

    Raises
    ------
    UserError
        Where one has no value, or a value that does not suit the data set.
    """
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
        misfit = hyperparameter.misfit(value, facts)
        if misfit is not None:
            problem, expected = misfit
            raise UserError(
                f"{name} {hyperparameter.shown(value)} {problem}",
                place=place,
                expected=expected,
                remedy=f"give entries data_sets there, with values for {facts.name}, or take the "
                "experiment or the data set out of config.yaml",
            )
        resolved[name] = hyperparameter.resolved(value)
    return tuple(sorted(resolved.items()))


def _refuse_unknown_protocol(study: Study, protocol: str) -> None:
    if protocol not in study.protocols:
        raise UserError(
            f"study {study.name} has no protocol {protocol}",
            place=str(study.path),
            expected=f"one of {', '.join(study.protocols)}",
            remedy="change protocols in config.yaml",
        )
