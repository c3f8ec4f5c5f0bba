"""The judges of groups: which runs they are, from what the groups' grids say.

Judges are trained once per data set, likelihood and seed, for whatever they judge.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any

from workflow_src.config.data_sets import data_set
from workflow_src.config.judges import (
    JUDGED_SAMPLES,
    judge_values,
    judged_labels,
    judging_data_set,
)
from workflow_src.config.models import evaluation_of, hyperparameters_of, model_declaration
from workflow_src.config.studies import Study
from workflow_src.plan.grids import Group, resolve
from workflow_src.plan.specs import RunSpec

_WHOLE, _STREAM = 1.0, "full"


def with_judges(study: Study, scale: str, group: Group) -> Group:
    """The group with the runs that judge what its winner draws.

    Where nothing is asked for, the group is as it was; where it is not known what images should
    show, nothing is drawn for judges.

    Raises
    ------
    UserError
        Where a hyperparameter of the judges has no value.
    """
    if not group.measures.get(JUDGED_SAMPLES):
        return group
    judges = study.experiments[group.experiment].scales[scale].judges  # type: ignore[index]
    facts = data_set(str(group.axes["data_set"]))
    if judges is None or not any(judged_labels(facts, dict(r.hyperparameters)) for r in group.runs):
        return dataclasses.replace(group, measures=_without_judging(group))
    whole = data_set(judging_data_set(facts))
    given = judge_values(judges, study.protocols[judges.protocol].models)
    place = f"{study.path}: experiments.{group.experiment}.scales.{scale}.judges"
    values = resolve(given, hyperparameters_of(judges.model), whole, place)
    axes = (judges.model, whole.name, str(group.axes["likelihood"]), _WHOLE)
    specs = (RunSpec(*axes, seed, judges.protocol, _STREAM, values) for seed in judges.seeds)
    return dataclasses.replace(group, judges=tuple(specs))


def _without_judging(group: Group) -> dict[str, Any]:
    """The measures of a group that draws nothing for judges, as if nobody had asked for it."""
    measures = {**group.measures, JUDGED_SAMPLES: 0}
    if JUDGED_SAMPLES in evaluation_of(str(group.axes["model"])).further_measures:
        del measures[JUDGED_SAMPLES]
    return measures


def unjudged(studies: Iterable[Study], groups: Iterable[Group]) -> Iterator[str]:
    """A line for every experiment and model of which some is not judged that the study asks for."""
    asked = {
        (study.name, name)
        for study in studies
        for name, experiment in study.experiments.items()
        if experiment.measures.judged_samples
    }
    left_out: dict[tuple[str, str, str], list[str]] = {}
    for group in groups:
        model = str(group.axes["model"])
        could_be = JUDGED_SAMPLES in evaluation_of(model).all_measures
        if (group.study, group.experiment) in asked and could_be and not group.judges:
            cell = group.study, group.experiment, model
            left_out.setdefault(cell, []).append(data_set(str(group.axes["data_set"])).title)
    for (study, experiment, model), titles in left_out.items():
        yield (
            f"{study}/{experiment}: what {model_declaration(model).title} draws is not judged on "
            f"{', '.join(dict.fromkeys(titles))}, as nothing says what it should show"
        )
