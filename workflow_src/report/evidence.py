"""What a report is made from: the groups that its membership names, with their evaluation records.

Everything is read and checked here, once; tables, figures and page work on these values. An
evaluation that is not there, or that has no winner, is evidence too and keeps its reason.
"""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from workflow_src.archive.results import Results
from workflow_src.config.data_sets import data_set
from workflow_src.config.metrics import METRICS
from workflow_src.config.models import model_declaration
from workflow_src.config.studies import Study, load_study
from workflow_src.lineage.remembering import RememberedResults
from workflow_src.provenance.record import record_is_whole, refuse_newer_record
from workflow_src.report.annealing import FINAL_WIDTH, widths_left
from workflow_src.report.convergence import Course, convergences
from workflow_src.report.cuts import Cut, read_cuts
from workflow_src.report.evaluations import (
    MEASURED,
    MISSING,
    NO_WINNER,
    Evaluation,
    Metric,
    Run,
    damaged,
)
from workflow_src.storage import read_json_object

_HISTORY = "history.parquet"
_DEPTH = 4
"""Parts of a result's path from its kind on."""
_RESULT = ("best_step", "steps", "parameter_count", "device_seconds")
"""What a run's record tells of its training, by the names of `Run`."""


@dataclass(frozen=True)
class Group:
    """One point of an experiment: all axes fixed, the winner to be shown.

    ``variant`` holds the values of the hyperparameters that the experiment tells apart; it is empty
    where there are none, or where the model has none of them.
    """

    study: str
    experiment: str
    axes: Mapping[str, Any]
    evaluation: Evaluation
    variant: Mapping[str, Any] = field(default_factory=dict)

    @property
    def collection(self) -> str | None:
        """The collection whose numbers are averaged in tables that the data set belongs to."""
        return data_set(str(self.axes["data_set"])).collection

    def value_of(self, name: str) -> Any:
        """The value of an axis or of a compared hyperparameter; None where the model has none.

        Of the data set it is the collection, where it belongs to one.
        """
        if name == "data_set" and self.collection is not None:
            return self.collection
        return self.axes[name] if name in self.axes else self.variant.get(name)


@dataclass(frozen=True)
class Evidence:
    """All that one report shows, in the order of the plan."""

    fingerprint: str
    manifest: Path
    code: Mapping[str, Any]
    studies: tuple[Study, ...]
    groups: tuple[Group, ...]
    settings: Mapping[str, Any]
    """What was asked for when the report was planned."""
    sources: Path
    """Folder of the copies of uncommitted changes."""
    archive: RememberedResults = field(compare=False, repr=False)
    """What the records are read from, each once."""
    cuts: tuple[Cut, ...] = ()
    """Cells of grids that are not trained for their size."""

    @property
    def results(self) -> Path:
        """The results directory; the manifest lies in its ``report`` folder."""
        return self.manifest.parent.parent

    @property
    def evaluations(self) -> tuple[Evaluation, ...]:
        """Every evaluation once."""
        return tuple({g.evaluation.fingerprint: g.evaluation for g in self.groups}.values())

    @property
    def runs(self) -> tuple[Run, ...]:
        """Every run once, in the order of first appearance; those that only judge are last."""
        return runs_of(self.evaluations)

    def study_groups(self, study: str) -> tuple[Group, ...]:
        """The groups of one study."""
        return tuple(group for group in self.groups if group.study == study)

    def experiment_groups(self, study: str, experiment: str) -> tuple[Group, ...]:
        """The groups of one experiment."""
        return tuple(g for g in self.groups if (g.study, g.experiment) == (study, experiment))

    def experiment_cuts(self, study: str, experiment: str) -> tuple[Cut, ...]:
        """The cut cells of one experiment."""
        return tuple(one for one in self.cuts if (one.study, one.experiment) == (study, experiment))

    def study_cuts(self, study: str) -> tuple[Cut, ...]:
        """The cut cells of one study."""
        return tuple(one for one in self.cuts if one.study == study)


def runs_of(evaluations: Sequence[Evaluation]) -> tuple[Run, ...]:
    """Every run of these once, in the order of first appearance; those that only judge are last."""
    runs: dict[str, Run] = {}
    candidates = (run for one in evaluations for run in one.runs)
    # What judges may be a candidate elsewhere, which tells more.
    judges = (run for one in evaluations for run in one.judge_runs)
    for run in itertools.chain(candidates, judges):
        # The same run may be known to one evaluation and only planned for another.
        if run.fingerprint not in runs or runs[run.fingerprint].state == MISSING:
            runs[run.fingerprint] = run
    return tuple(runs.values())


def read_evidence(membership: Path) -> Evidence:
    """Read the membership of a report and every evaluation that it names.

    Raises
    ------
    UserError
        A membership or record that is damaged. One that does not exist is no error.
    """
    content = read_json_object(membership)
    manifest = Path(content["output"])
    archive = RememberedResults(manifest.parent.parent)
    groups = read_groups(content["groups"], archive)
    return Evidence(
        fingerprint=content["fingerprint"],
        manifest=manifest,
        code=content["code"],
        studies=tuple(load_study(path) for path in content["studies"]),
        groups=groups,
        settings=content["settings"],
        sources=Path(content["sources"]),
        archive=archive,
        cuts=read_cuts(content.get("cut_cells", [])),
    )


def read_groups(rows: Iterable[Mapping[str, Any]], archive: Results) -> tuple[Group, ...]:
    """The groups of these rows of a membership, each with its evaluation as far as it is there.

    Raises
    ------
    UserError
        A record that is damaged.
    """
    evaluations: dict[str, Evaluation] = {}
    groups = []
    for row in rows:
        name = row["evaluation"]
        if name not in evaluations:
            evaluations[name] = _read_evaluation(name, Path(row["path"]), archive)
        place = row["study"], row["experiment"], row["axes"]
        groups.append(Group(*place, evaluations[name], row.get("variant", {})))
    return _with_convergence(groups)


def read_arrays(evaluation: Evaluation, name: str) -> dict[str, NDArray[Any]] | None:
    """The arrays of one file of the winner's measurement; None where it was not measured.

    Raises
    ------
    UserError
        The file is not the one that the measurement's record vouches for.
    """
    if evaluation.measurement is None:
        return None
    data = _vouched(evaluation.archive, evaluation.measurement, f"{name}.npz")
    if data is None:
        return None
    with np.load(io.BytesIO(data)) as arrays:
        return dict(arrays)


def read_history(evaluation: Evaluation, run: Run) -> dict[str, NDArray[Any]] | None:
    """The columns of a run's history, a value per validation; None where the run is not here.

    Raises
    ------
    UserError
        The file is not the one that the run's record vouches for.
    """
    archive, directory = evaluation.archive, Path(run.directory)
    place = _within(directory)
    if not archive.is_loose(place) and not archive.is_packed(place):
        return None
    data = _vouched(archive, directory, _HISTORY)
    if data is None:
        return None
    table = pq.read_table(io.BytesIO(data))
    return {name: table[name].to_numpy() for name in table.column_names}


def _vouched(archive: Results, directory: Path, file: str) -> bytes | None:
    """A file's bytes as the record of its directory has them; None where that has no such file."""
    place = _within(directory)
    outputs = archive.record(place).get("outputs", {})
    if file not in outputs:
        return None
    data = archive.read(place, file)
    if hashlib.sha256(data).hexdigest() != outputs[file]["sha256"]:
        raise damaged("the file was changed after it was written", directory / file, directory)
    return data


def _read_evaluation(fingerprint: str, path: Path, archive: Results) -> Evaluation:
    place = _within(path.parent)
    if not archive.is_loose(place) and not archive.is_packed(place):
        planned = archive.root / "plan" / "evaluations" / f"{fingerprint}.json"
        return Evaluation(
            fingerprint=fingerprint,
            path=path,
            state=MISSING,
            reason="not evaluated yet",
            runs=_planned_runs(planned, "runs"),
            judge_runs=_planned_runs(planned, "judges"),
            winner=None,
            metrics=(),
            measurement=None,
            dimensions=None,
            ended=None,
            archive=archive,
        )
    record = archive.record(place)
    refuse_newer_record(record, path)
    if not record_is_whole(record) or record.get("fingerprint") != fingerprint:
        raise damaged("the record was changed after it was written", path, path.parent)
    content = record["content"]
    runs = tuple(_run(candidate) for candidate in content["candidates"])
    winner = next((run for run in runs if run.fingerprint == content["winner"]), None)
    measured = content["measurement"]
    measurement = Path(measured["directory"]) if measured else None
    evaluation = Evaluation(
        fingerprint=fingerprint,
        path=path,
        state=NO_WINNER if winner is None else MEASURED,
        reason=(content["reason"] or "no winner") if winner is None else None,
        runs=runs,
        winner=winner,
        metrics=_metrics(content["metrics"], winner),
        measurement=measurement,
        dimensions=_dimensions(archive, measurement),
        ended=record["time"]["ended"],
        archive=archive,
        left_out_judges=tuple(
            str(judge["reason"])
            for judge in content.get("judges", ())
            if judge["state"] != "completed"
        ),
        judges=len(content.get("judges", ())),
        judge_runs=tuple(_judge(archive, judge) for judge in content.get("judges", ())),
    )
    return replace(evaluation, unfinished_layers=_unfinished_layers(evaluation))


def _unfinished_layers(evaluation: Evaluation) -> dict[int, float]:
    """Of a winner that anneals; none where its history is not here."""
    winner = evaluation.winner
    if winner is None or FINAL_WIDTH not in winner.spec:
        return {}
    history = read_history(evaluation, winner)
    return {} if history is None else widths_left(history, float(winner.spec[FINAL_WIDTH]))


def _dimensions(archive: Results, measurement: Path | None) -> int | None:
    """The values of an image that the record of a measurement tells."""
    if measurement is None:
        return None
    # The end of its path alone, as results may have been moved since.
    place = Path(*measurement.parts[-4:]).as_posix()
    if not archive.is_loose(place) and not archive.is_packed(place):
        return None
    dimensions = archive.record(place)["content"].get("dimensions")
    return None if dimensions is None else int(dimensions)


def _within(directory: Path) -> str:
    """A result's place in the results, which may have been moved since its path was written."""
    return Path(*directory.parts[-_DEPTH:]).as_posix()


def _planned_runs(membership: Path, role: str) -> tuple[Run, ...]:
    """The runs of a planned evaluation, or those that are to judge."""
    if not membership.exists():
        return ()
    return tuple(
        Run(run["fingerprint"], run["spec"], run["directory"], MISSING, "not evaluated yet")
        for run in read_json_object(membership).get(role, ())
    )


def _judge(archive: Results, judge: Mapping[str, Any]) -> Run:
    """A run that judged; how it went is its own record's to tell, where that is here."""
    known = Run(*(judge[n] for n in ("fingerprint", "spec", "directory", "state", "reason")))
    place = _within(Path(known.directory))
    if not archive.is_loose(place) and not archive.is_packed(place):
        return known
    result = archive.record(place)["content"]["result"]
    return replace(
        known,
        validation_bound=result["best_validation_bound"],
        **{name: result[name] for name in _RESULT},
    )


def _run(candidate: Mapping[str, Any]) -> Run:
    return Run(**{name: candidate[name] for name in Run.__dataclass_fields__})


def _metrics(rows: list[Mapping[str, Any]], winner: Run | None) -> tuple[Metric, ...]:
    names = ("metric", "value", "standard_error", "unit", "importance_samples")
    metrics = [Metric(*(row[name] for name in names)) for row in rows]
    return (*metrics, *_metrics_of_training(winner)) if winner else tuple(metrics)


def _metrics_of_training(winner: Run) -> Iterator[Metric]:
    """What the winner's own record tells."""
    bound, seconds = winner.validation_bound, winner.device_seconds
    if bound is not None and math.isfinite(bound):
        samples = winner.spec.get("importance_samples")
        yield Metric("validation_bound", bound, None, "nats", samples)
    if seconds is not None and winner.steps:
        yield Metric("seconds_per_step", seconds / winner.steps, None, "s", None)


def _with_convergence(groups: Sequence[Group]) -> tuple[Group, ...]:
    """The groups with when their winners had converged, of models whose bounds are exact."""
    found = []
    for group, values in zip(groups, convergences([_course(one) for one in groups]), strict=True):
        more = (Metric(name, one, None, METRICS[name].unit, None) for name, one in values.items())
        evaluation = replace(group.evaluation, metrics=(*group.evaluation.metrics, *more))
        found.append(replace(group, evaluation=evaluation))
    return tuple(found)


def _course(group: Group) -> Course | None:
    """How the winner went; its target is that of all in the experiment that start as it did."""
    evaluation, winner = group.evaluation, group.evaluation.winner
    gaussian = evaluation.metric("isotropic_gaussian_validation_log_likelihood")
    if not winner or not gaussian or (history := read_history(evaluation, winner)) is None:
        return None
    # The network and where it starts, but for the noise, which the starting weights do not know.
    network = model_declaration(winner.spec["model"]).hyperparameters.keys() - {"starting_noise"}
    start = {name: winner.spec.get(name) for name in network} | dict(group.axes)
    problem = json.dumps([group.study, group.experiment, start], sort_keys=True)
    return Course(problem, gaussian.value, history)
