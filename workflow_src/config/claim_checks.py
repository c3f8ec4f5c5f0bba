"""Checks of claims against the experiments of their study: what they name is there and measured."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from workflow_src.config.claims import Check, Claim, Stability
from workflow_src.config.complaints import Complaint, shown, unknown
from workflow_src.config.data_sets import as_collections, with_members
from workflow_src.config.experiment_checks import check_measured
from workflow_src.config.experiments import Experiment, Grid
from workflow_src.config.grid_entries import Entry, applies, values_in
from workflow_src.config.models import hyperparameters_of, resolved_values
from workflow_src.config.strict import Scalar
from workflow_src.config.study_checks import check_metric
from workflow_src.config.yaml_lines import KeyPath


def claimed_grid(experiment: Experiment) -> Grid:
    """The grid that claims are about: the paper's, or else the only one."""
    return experiment.scales.get("paper") or next(iter(experiment.scales.values()))


def checked_grid(check: Check, experiment: Experiment) -> Grid:
    """The grid that a check is about: the paper's, or another that has data sets which it lacks."""
    claimed, named = claimed_grid(experiment), set(check.data_sets or ())
    grids = (claimed, *experiment.scales.values())
    return next((grid for grid in grids if named <= set(shown_data_sets(grid))), claimed)


def shown_data_sets(grid: Grid) -> tuple[str, ...]:
    """The data sets of a grid as tables and claims tell them apart: collections in one."""
    return as_collections(grid.data_sets)


def claimed_cells(check: Check, experiment: Experiment) -> tuple[tuple[str, str], ...]:
    """Data set, or collection of them, and likelihood of every cell that a check is about."""
    grid = checked_grid(check, experiment)
    return tuple(
        (data_set, likelihood)
        for likelihood in check.likelihoods or grid.likelihoods
        for data_set in check.data_sets or shown_data_sets(grid)
    )


def check_claims(claims: Mapping[str, Claim], experiments: Mapping[str, Experiment]) -> None:
    """Every check names an experiment, and of it what it measures, models and cells."""
    for name, claim in claims.items():
        for position, check in enumerate(claim.checks):
            key: KeyPath = ("claims", name, "checks", position)
            if check.experiment not in experiments:
                here = (*key, "experiment")
                raise unknown(
                    here, "experiment", check.experiment, experiments
                ).raised_in_validator()
            _check(key, check, experiments[check.experiment])


def _check(key: KeyPath, check: Check, experiment: Experiment) -> None:
    check_metric(check.metric, (*key, "metric"))
    _check_metric_measured((*key, "metric"), check.metric, experiment)
    subjects = {"first": check.first}
    second = getattr(check, "second", None)
    if second is not None:
        subjects["second"] = second
    for name, subject in subjects.items():
        _check_subject((*key, name), subject, check.experiment, experiment)
    if check.first == second:
        raise Complaint(
            (*key, "second"),
            f"{_told(check.first)} is compared with itself",
            expected="another one",
        ).raised_in_validator()
    grid = checked_grid(check, experiment)
    named: dict[str, tuple[Sequence[object], Sequence[object]]] = {
        "data_sets": (check.data_sets or (), shown_data_sets(grid)),
        "likelihoods": (check.likelihoods or (), grid.likelihoods),
    }
    for name, (given, known) in named.items():
        for position, one in enumerate(given):
            _check_known((*key, name, position), one, known, check.experiment)
    _check_known((*key, "fraction"), check.fraction, grid.fractions, check.experiment)
    if isinstance(check, Stability) and check.fraction == 1:
        raise Complaint(
            (*key, "fraction"), "everything is compared with itself", expected="less than 1"
        ).raised_in_validator()
    if isinstance(check, Stability) and 1 not in grid.fractions:
        raise Complaint(
            (*key, "experiment"),
            f"the experiment {check.experiment} never trains on the whole training set",
            expected="an experiment whose fractions have 1.0",
        ).raised_in_validator()
    for name, subject in subjects.items():
        _check_cells((*key, name), subject, check, experiment)


def _check_metric_measured(key: KeyPath, metric: str, experiment: Experiment) -> None:
    measures = experiment.measures
    measured = {name for name, value in measures if value}
    models = sorted({model for grid in experiment.scales.values() for model in grid.models})
    check_measured(metric, measures.importance_samples, measured, models, key)


def _check_cells(
    key: KeyPath, subject: Mapping[str, Scalar], check: Check, experiment: Experiment
) -> None:
    """The grid that the check is about has the subject in every cell that the check is about."""
    grid, model = checked_grid(check, experiment), str(subject["model"])
    fitting = [
        entry
        for entry in grid.models.get(model, ())
        if all(
            subject[name] in _values_of(entry, name, model)
            for name in experiment.compare
            if name in subject
        )
    ]

    def has(data_set: str, likelihood: str) -> bool:
        members = [one for one in with_members([data_set]) if one in grid.data_sets]
        return all(any(applies(entry, one, likelihood) for entry in fitting) for one in members)

    for data_set, likelihood in claimed_cells(check, experiment):
        if not has(data_set, likelihood):
            there = [
                f"{one} {other}"
                for one, other in itertools.product(shown_data_sets(grid), grid.likelihoods)
                if has(one, other)
            ]
            raise Complaint(
                key,
                f"the experiment {check.experiment} does not train {_told(subject)} on {data_set}"
                f" {likelihood}",
                expected="cells where it does: " + (", ".join(there) or "there is none"),
            ).raised_in_validator()


def _told(subject: Mapping[str, Scalar]) -> str:
    """A subject with all its values, since a file may list several in one place."""
    values = ", ".join(f"{name} {value}" for name, value in subject.items() if name != "model")
    return f"{subject['model']} ({values})" if values else str(subject["model"])


def _check_known(key: KeyPath, one: object, known: Sequence[object], experiment: str) -> None:
    if one not in known:
        raise Complaint(
            key,
            f"the experiment {experiment} has no {shown(one)}",
            expected="one of " + ", ".join(map(str, known)),
        ).raised_in_validator()


def _check_subject(
    key: KeyPath, subject: Mapping[str, Scalar], name: str, experiment: Experiment
) -> None:
    """The subject is a model of the experiment, with one value for everything compared there."""
    known = ("model", *experiment.compare)
    for given in subject:
        if given not in known:
            raise unknown(
                (*key, given), f"axis that {name} tells apart", given, known
            ).raised_in_validator()
    _check_given(key, "model", subject, name)
    grids = experiment.scales.values()
    models = sorted({model for grid in grids for model in grid.models})
    model = str(subject["model"])
    if model not in models:
        raise unknown((*key, "model"), f"model of {name}", model, models).raised_in_validator()
    declared = hyperparameters_of(model)
    for hyperparameter in experiment.compare:
        if hyperparameter not in declared:
            _check_absent((*key, hyperparameter), hyperparameter, subject, model)
            continue
        if not declared[hyperparameter].applies(subject):
            if hyperparameter in subject:
                raise Complaint(
                    (*key, hyperparameter),
                    f"{hyperparameter} means nothing here",
                    expected=f"it only where {declared[hyperparameter].condition}",
                ).raised_in_validator()
            continue
        _check_given(key, hyperparameter, subject, name)
        values = _values(hyperparameter, model, experiment)
        told = resolved_values(model, {hyperparameter: subject[hyperparameter]})
        known_values = [resolved_values(model, {hyperparameter: value}) for value in values]
        if told not in known_values:
            raise Complaint(
                (*key, hyperparameter),
                f"{name} has no {model} with {hyperparameter} {shown(subject[hyperparameter])}",
                expected="one of " + ", ".join(map(str, values)),
            ).raised_in_validator()


def _check_absent(
    key: KeyPath, hyperparameter: str, subject: Mapping[str, Scalar], model: str
) -> None:
    if hyperparameter in subject:
        raise Complaint(
            key, f"{model} has no {hyperparameter}", expected="it of models that have it alone"
        ).raised_in_validator()


def _check_given(key: KeyPath, needed: str, subject: Mapping[str, Scalar], name: str) -> None:
    if needed not in subject:
        raise Complaint(
            key, f"the key {needed!r} is missing", expected=f"{needed}: one of {name}'s"
        ).raised_in_validator()


def _values(name: str, model: str, experiment: Experiment) -> list[Scalar]:
    """The values that a hyperparameter is given in any grid of the experiment, or by default."""
    values = [
        value
        for grid in experiment.scales.values()
        for entry in grid.models.get(model, ())
        for value in _values_of(entry, name, model)
    ]
    return list(dict.fromkeys(values))


def _values_of(entry: Entry, name: str, model: str) -> Sequence[Scalar]:
    """The values that one entry gives a hyperparameter, or its default."""
    default = hyperparameters_of(model)[name].default
    return values_in(entry).get(name, () if default is None else (default,))
