"""Grids of a study with the models that join it: their entries, and what keeps one from joining.

A model joins by its model.yaml, see `workflow_src.config.joining`. What is wrong with it is told of
that file, so that a study that was right stays so whatever joins it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from workflow_src.config.complaints import Complaint, unknown
from workflow_src.config.experiment_checks import PICTURES, computes
from workflow_src.config.experiments import Experiment
from workflow_src.config.joining import Join
from workflow_src.config.models import measures_of, metrics_of, model_declarations
from workflow_src.config.yaml_lines import Document, KeyPath, read_yaml


class Joinable(Protocol):
    """What of a study tells whether a model can join it."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def experiments(self) -> Mapping[str, Experiment]:
        """Its experiments by name, with grids that have no model that joins."""
        ...


@dataclass(frozen=True)
class Joining:
    """One model's joins of one study, by their place in its model.yaml."""

    model: str
    document: Document
    joins: Mapping[int, Join]

    @property
    def experiments(self) -> tuple[str, ...]:
        """The experiments that it joins."""
        return tuple(dict.fromkeys(name for one in self.joins.values() for name in one.experiments))

    def added_to(self, plain: Mapping[str, Any]) -> dict[str, Any]:
        """The plain value of a study's file, with the model's entries in its grids."""
        experiments = dict(plain["experiments"])
        for number, join in self.joins.items():
            entries = self.document.value["joins"][number]["scales"]
            for name in join.experiments:
                scales = dict(experiments[name]["scales"])
                for scale in join.scales:
                    models = scales[scale]["models"] | {self.model: entries[scale]}
                    scales[scale] = scales[scale] | {"models": models}
                experiments[name] = experiments[name] | {"scales": scales}
        return {**plain, "experiments": experiments}

    def place(self, key: KeyPath) -> str:
        """Where in the model.yaml it stands what makes a study wrong under ``key``."""
        return self.document.place(self._own_key(key))

    def refuse_misfits(self, study: Joinable) -> None:
        """What the types of a study's file do not see, as it holds of joining models alone.

        Raises
        ------
        UserError
            An experiment or scale that does not exist, one that the study has the model in or that
            the model joins twice, or one that shows what is not measured of the model.
        """
        for complaint in self._misfits(study):
            raise complaint.error(self.document.place)

    def _misfits(self, study: Joinable) -> Iterator[Complaint]:
        seen: set[tuple[str, str]] = set()
        for number, join in self.joins.items():
            for position, name in enumerate(join.experiments):
                key: KeyPath = ("joins", number, "experiments", position)
                if name not in study.experiments:
                    yield unknown(key, f"experiment of {study.name}", name, study.experiments)
                    return
                experiment = study.experiments[name]
                yield from self._without_grid(key, name, join, experiment)
                yield from self._without_numbers(key, name, experiment)
                for scale in join.scales:
                    if (name, scale) in seen:
                        yield Complaint(
                            key,
                            f"{self.model} joins {name} at scale {scale} twice",
                            expected="each experiment once at a scale",
                        )
                    seen.add((name, scale))

    def _without_grid(
        self, key: KeyPath, name: str, join: Join, experiment: Experiment
    ) -> Iterator[Complaint]:
        for scale in join.scales:
            grid = experiment.scales.get(scale)
            if grid is None:
                yield Complaint(
                    key,
                    f"the experiment {name} has no grid at scale {scale}",
                    expected=f"experiments with the scales {' and '.join(join.scales)}",
                    remedy=f"give {name} a join of its own, with the scale "
                    + " or ".join(experiment.scales),
                )
            elif self.model in grid.models:
                yield Complaint(
                    key,
                    f"the study has {self.model} in {name} itself, at scale {scale}",
                    expected="experiments that it is not in",
                    remedy=f"take {name} out of the join",
                )

    def _without_numbers(
        self, key: KeyPath, name: str, experiment: Experiment
    ) -> Iterator[Complaint]:
        metric, form = experiment.table.metric, experiment.presentation
        if not computes(self.model, metric):
            yield Complaint(
                key,
                f"the table of {name} has the {metric}, of which {self.model} has none",
                expected="experiments by " + ", ".join(metrics_of(self.model)),
            )
        if form in PICTURES and form not in measures_of(self.model):
            yield Complaint(
                key,
                f"the experiment {name} shows {form}, of which {self.model} has none",
                expected="experiments that show a table or "
                + ", ".join(one for one in measures_of(self.model) if one in PICTURES),
            )

    def _own_key(self, key: KeyPath) -> KeyPath:
        """A key of the study with its joins, as a key of the model.yaml."""
        if key[:1] != ("experiments",) or len(key) == 1:
            return ("joins",)
        name, scale = str(key[1]), key[3] if key[2:3] == ("scales",) and key[3:] else None
        number, join = next(
            (number, one)
            for number, one in self.joins.items()
            if name in one.experiments and (scale is None or scale in one.scales)
        )
        if key[4:6] == ("models", self.model):
            return ("joins", number, "scales", str(scale), *key[6:])
        return ("joins", number, "experiments", join.experiments.index(name))


def joinings(study: str, studies: Iterable[str]) -> tuple[Joining, ...]:
    """The models that join a study, in the order of their names; ``studies`` are all there are.

    Raises
    ------
    UserError
        A model joins a study that does not exist.
    """
    known = tuple(studies)
    found = []
    for model, one in sorted(model_declarations().items()):
        if not one.joins:
            continue
        document = read_yaml(one.path)
        for number, join in enumerate(one.joins):
            if join.study not in known:
                raise unknown(("joins", number, "study"), "study", join.study, known).error(
                    document.place
                )
        own = {number: join for number, join in enumerate(one.joins) if join.study == study}
        if own:
            found.append(Joining(model, document, own))
    return tuple(found)
