"""One evaluation record as a report reads it: its runs, its numbers, and why it lacks others."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workflow_src.archive.results import Results, making_anew
from workflow_src.config.metrics import LOG_PARTITION, METRICS
from workflow_src.errors import UserError
from workflow_src.report.impossible import cannot_have

MEASURED = "measured"
NO_WINNER = "no_winner"
MISSING = "missing"


@dataclass(frozen=True)
class Run:
    """One candidate of a group, as its evaluation or, before that, its plan tells.

    Attributes
    ----------
    state:
        ``completed``, ``diverged``, or ``missing`` where no evaluation has seen it.
    reason:
        How training ended.
    validation_bound:
        Best validation bound in nats; None where no validation was finite.
    hyperparameters:
        Those that the evaluation sets out, or all of the spec's.
    """

    fingerprint: str
    spec: Mapping[str, Any]
    directory: str
    state: str
    reason: str | None = None
    validation_bound: float | None = None
    best_step: int | None = None
    steps: int | None = None
    parameter_count: int | None = None
    device_seconds: float | None = None
    hyperparameters: Mapping[str, Any] | None = None

    @property
    def ended_by_maximum_steps(self) -> bool:
        """Whether training was cut off before its stopping rule ended it."""
        return self.state == "completed" and "maximum_steps" in (self.reason or "")


@dataclass(frozen=True)
class Metric:
    """One measured number.

    ``standard_error`` is over what the metric's ``errors_over`` says, and of the log partition
    function where that is a summand.
    """

    name: str
    value: float
    standard_error: float | None
    unit: str
    importance_samples: int | None


@dataclass(frozen=True)
class Evaluation:
    """One evaluation record, or the fact that there is none.

    Attributes
    ----------
    state:
        `MEASURED`, `NO_WINNER` or `MISSING`.
    reason:
        Why there are no metrics; None where there are.
    measurement:
        Directory with the arrays of the winner.
    dimensions:
        Values of an image, as the measurement has them; None where it does not tell.
    ended:
        When it was made, ISO 8601 in UTC.
    """

    fingerprint: str
    path: Path
    state: str
    reason: str | None
    runs: tuple[Run, ...]
    winner: Run | None
    metrics: tuple[Metric, ...]
    measurement: Path | None
    dimensions: int | None
    ended: str | None
    archive: Results = field(compare=False, repr=False)
    """Where the record and the measurement are read from, loose or packed."""
    left_out_judges: tuple[str, ...] = ()
    """Why those did not judge that should have, as each one's training ended."""
    judges: int = 0
    """How many should have judged what the winner draws."""
    judge_runs: tuple[Run, ...] = ()
    """These, as runs."""
    unfinished_layers: Mapping[int, float] = field(default_factory=dict)
    """The last width of every mixture layer of the winner that was not annealed, by layer."""

    def why_never(self, name: str) -> str | None:
        """Why no training of its can have a metric of that name; None where one may."""
        specs = [self.winner.spec] if self.winner else [run.spec for run in self.runs]
        reasons = {cannot_have(spec, name) for spec in specs}
        known = sorted(reason for reason in reasons if reason is not None)
        return "; ".join(known) if known and None not in reasons else None

    def why_without(self, name: str) -> str:
        """Why it has no metric of that name."""
        if (never := self.why_never(name)) is not None:
            return never
        if self.reason is not None:
            return self.reason
        of_judges = any(word in name for word in ("judge", "sharpen"))
        if of_judges and self.judges and len(self.left_out_judges) == self.judges:
            return f"none of {self.judges} judges was trained: {self.left_out_judges[0]}"
        return f"the evaluation has no {name}"

    def metric(self, name: str) -> Metric | None:
        """The metric of that name, of the most importance samples where it has several."""
        found = [one for one in self.metrics if one.name == name]
        return max(found, key=lambda one: one.importance_samples or 0, default=None)

    def log_partition_error(self, name: str) -> float:
        """The log partition function's part of a metric's standard error, in the metric's unit.

        0 where it is no summand, is exact, or the prior has none.

        Raises
        ------
        UserError
            The measurement does not tell the dimensions that the unit is per.
        """
        one, found = self.metric(name), self.metric(LOG_PARTITION)
        if one is None or found is None or not METRICS[name].holds_log_partition:
            return 0.0
        return (found.standard_error or 0.0) * self._per_nat(one.unit)

    def _per_nat(self, unit: str) -> float:
        """How much one nat per image is in another unit of this evaluation."""
        if unit == "nats":
            return 1.0
        if not self.dimensions:
            place = self.measurement or self.path.parent
            raise damaged("the record does not tell the values of an image", place, place)
        nats_of_unit = math.log(2) if unit == "bits per dimension" else 1.0
        return 1 / (self.dimensions * nats_of_unit)


def damaged(problem: str, path: Path, directory: Path) -> UserError:
    """The complaint about a file of a result, which is to be made anew."""
    return UserError(problem, place=str(path), remedy=making_anew(directory.as_posix()))
