"""What training and measuring took: device time, steps and memory, by model and data set.

A run counts once wherever several experiments share it: in the costs of each study that has it,
and once in those of all studies. Only what was computed counts: a run that is still missing is
among the runs and takes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workflow_src.lineage.remembering import RememberedResults
from workflow_src.report.evaluations import MISSING, Evaluation, Run
from workflow_src.report.evidence import Evidence, runs_of

COMPLETED, DIVERGED = "completed", "diverged"

PEAK_NOTE = (
    "Peaks of memory are those of the process that trained: runs that are trained side by side, or "
    "one after the other by one job, share it."
)
"""What has to be said beside peaks of memory."""


@dataclass(frozen=True)
class CostRow:
    """The costs of some runs and of the evaluations that chose among them.

    Attributes
    ----------
    model, data_set:
        What they are of; both None in a total.
    runs, completed, diverged:
        How many there are and how they ended; the others are missing.
    device_seconds:
        Of training: each run's share of the time of its bank.
    evaluations, evaluation_seconds:
        How many were made, and their wall time: choosing winners and measuring them. What was
        measured before or for another evaluation counts once, whichever needed it.
    steps:
        Taken by all runs together.
    parameters:
        The fewest and the most of a run; None where none was trained.
    peak_host_bytes, peak_device_bytes:
        The largest of any process that trained; None where no record tells.
    """

    model: str | None
    data_set: str | None
    runs: int
    completed: int
    diverged: int
    device_seconds: float
    evaluations: int
    evaluation_seconds: float
    steps: int
    parameters: tuple[int, int] | None
    peak_host_bytes: int | None
    peak_device_bytes: int | None

    @property
    def missing(self) -> int:
        """Runs that were not trained yet, or whose evaluation was not made."""
        return self.runs - self.completed - self.diverged


def training_costs(evidence: Evidence, study: str) -> list[CostRow]:
    """A row per model and data set of one study, in the order of the plan; judges are last."""
    evaluations = _evaluations(evidence, study)
    runs: dict[tuple[str, str], list[Run]] = {}
    for run in runs_of(evaluations):
        runs.setdefault((run.spec["model"], run.spec["data_set"]), []).append(run)
    chosen: dict[tuple[str, str], dict[str, Evaluation]] = {}
    for group in evidence.study_groups(study):
        key = group.axes["model"], group.axes["data_set"]
        chosen.setdefault(key, {})[group.evaluation.fingerprint] = group.evaluation
    return [
        _row(evidence.archive, *key, runs.get(key, ()), tuple(chosen.get(key, {}).values()))
        for key in dict.fromkeys([*runs, *chosen])
    ]


def total_costs(evidence: Evidence, study: str | None = None) -> CostRow:
    """All of one study, or of all studies, in one row."""
    evaluations = evidence.evaluations if study is None else _evaluations(evidence, study)
    return _row(evidence.archive, None, None, runs_of(evaluations), evaluations)


def _evaluations(evidence: Evidence, study: str) -> tuple[Evaluation, ...]:
    groups = evidence.study_groups(study)
    return tuple({one.evaluation.fingerprint: one.evaluation for one in groups}.values())


def _row(
    archive: RememberedResults,
    model: str | None,
    data_set: str | None,
    runs: Sequence[Run],
    evaluations: Sequence[Evaluation],
) -> CostRow:
    made = [one for one in evaluations if one.state != MISSING]
    peaks = [_peak(archive, run) for run in runs]
    parameters = [run.parameter_count for run in runs if run.parameter_count is not None]
    return CostRow(
        model=model,
        data_set=data_set,
        runs=len(runs),
        completed=sum(run.state == COMPLETED for run in runs),
        diverged=sum(run.state == DIVERGED for run in runs),
        device_seconds=sum(run.device_seconds or 0.0 for run in runs),
        evaluations=len(made),
        evaluation_seconds=_evaluation_seconds(archive, made),
        steps=sum(run.steps or 0 for run in runs),
        parameters=(min(parameters), max(parameters)) if parameters else None,
        peak_host_bytes=_largest(peaks, "host_bytes"),
        peak_device_bytes=_largest(peaks, "device_bytes"),
    )


def _peak(archive: RememberedResults, run: Run) -> Mapping[str, Any]:
    record = _record(archive, Path(run.directory)) or {}
    return record.get("peak_memory") or {}


def _evaluation_seconds(archive: RememberedResults, evaluations: Sequence[Evaluation]) -> float:
    """Of the evaluations, and of each measurement that was made in the time of none of them."""
    times: list[Mapping[str, Any]] = []
    users: dict[Path, list[Mapping[str, Any]]] = {}
    for one in evaluations:
        times.append(_time(archive, one.path.parent))
        if one.measurement is not None:
            users.setdefault(one.measurement, []).append(times[-1])
    for place, of_users in users.items():
        measured = _time(archive, place)
        if not any(_is_within(measured, time) for time in of_users):
            times.append(measured)
    return sum(float(time.get("seconds") or 0.0) for time in times)


def _is_within(inner: Mapping[str, Any], outer: Mapping[str, Any]) -> bool:
    """Whether one time lies in another; both are of ISO 8601 in UTC, which sorts as text."""
    if not all(time.get(name) for time in (inner, outer) for name in ("started", "ended")):
        return False
    return bool(outer["started"] <= inner["started"] and inner["ended"] <= outer["ended"])


def _time(archive: RememberedResults, directory: Path) -> Mapping[str, Any]:
    return (_record(archive, directory) or {}).get("time") or {}


def _record(archive: RememberedResults, directory: Path) -> Mapping[str, Any] | None:
    return archive.whole_record(Path(*directory.parts[-4:]).as_posix())


def _largest(peaks: Iterable[Mapping[str, Any]], name: str) -> int | None:
    return max((peak[name] for peak in peaks if peak.get(name) is not None), default=None)
