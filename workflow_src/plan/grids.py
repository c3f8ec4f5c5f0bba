"""From a study and the settings to groups of runs: the candidates of every cell of a table.

A group holds the runs that differ in hyperparameters alone; its winner is chosen among them.
Whether a run exists, and what it is called, is not known here.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workflow_src.config.data_sets import DataSet, data_set
from workflow_src.config.models import Hyperparameter, hyperparameters_of, model_declaration
from workflow_src.config.settings import Settings
from workflow_src.config.studies import Experiment, Grid, Study
from workflow_src.errors import UserError
from workflow_src.plan.specs import AXES, RunSpec, Scalar

Values = tuple[tuple[str, Scalar], ...]


@dataclass(frozen=True)
class Group:
    """The candidates of one cell, and what is measured on the best of them.

    ``axes`` has the keys of `workflow_src.plan.specs.AXES`; all ``runs`` share them.
    """

    study: str
    experiment: str
    axes: dict[str, Scalar]
    runs: tuple[RunSpec, ...]
    measures: dict[str, Any]


def expand(study: Study, settings: Settings) -> list[Group]:
    """The groups of every chosen experiment of ``study`` that exists at the settings' scale.

    The order is the study's. An experiment that is asked for by name and does not exist at that
    scale is a `UserError`; under ``all`` it is left out. Data sets and likelihoods that the
    settings name take the place of each grid's own.
    """
    return [
        group
        for name, experiment in _chosen(study, settings).items()
        for group in _groups(study, name, experiment, settings)
    ]


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


def _groups(study: Study, name: str, experiment: Experiment, settings: Settings) -> Iterator[Group]:
    grid = experiment.scales[settings.scale]
    measures = experiment.measures.model_dump(mode="json")
    data_sets = grid.data_sets if settings.data_sets == "default" else settings.data_sets
    likelihoods = grid.likelihoods if settings.likelihoods == "default" else settings.likelihoods
    for model, data, protocol in itertools.product(grid.models, data_sets, settings.protocols):
        _refuse_unknown_protocol(study, protocol)
        cells = _cells(study, grid, model, data_set(data), protocol)
        others = itertools.product(likelihoods, settings.streams, grid.fractions, settings.seeds)
        for likelihood, stream, fraction, seed in others:
            _refuse_unsuited_likelihood(study, model, likelihood)
            values = (model, data, likelihood, float(fraction), seed, protocol, stream)
            runs = tuple(RunSpec(*values, hyperparameters=cell) for cell in cells)
            axes: dict[str, Scalar] = dict(zip(AXES, values, strict=True))
            yield Group(study.name, name, axes, runs, measures)


def _cells(
    study: Study, grid: Grid, model: str, facts: DataSet, protocol: str
) -> tuple[Values, ...]:
    """Every cell of the model's grid with all hyperparameters resolved, each once."""
    declared = hyperparameters_of(model)
    fixed = study.training_values(model, protocol, grid)
    cells = (
        _resolved({**fixed, **cell}, declared, facts, f"{study.path}: {model}")
        for entry in grid.models[model]
        for cell in _product(entry)
    )
    return tuple(dict.fromkeys(cells))


def _product(entry: Mapping[str, Sequence[Scalar]]) -> Iterator[dict[str, Scalar]]:
    for values in itertools.product(*entry.values()):
        yield dict(zip(entry, values, strict=True))


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
                expected="a divisor of both sides that is smaller than one of them",
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


def _refuse_unsuited_likelihood(study: Study, model: str, likelihood: str) -> None:
    allowed: tuple[str, ...] = model_declaration(model).likelihoods
    if likelihood not in allowed:
        raise UserError(
            f"model {model} has no likelihood {likelihood}",
            place=str(study.path),
            expected=f"one of {', '.join(allowed)}",
            remedy="change likelihoods in config.yaml or in the study",
        )
