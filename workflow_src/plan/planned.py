"""The things that a plan names: prepared data, runs, shards and evaluations, each with its place.

Plain values; `workflow_src.plan.plan` makes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workflow_src.config.data_sets import data_set
from workflow_src.plan.grids import Group
from workflow_src.plan.layout import EVALUATION_RECORD, PREPARED_RECORD, RUN_RECORD
from workflow_src.plan.specs import RunSpec, Scalar


@dataclass(frozen=True)
class PlannedData:
    """One data set prepared for one likelihood."""

    data_set: str
    likelihood: str
    fingerprint: str
    directory: Path
    recipe: dict[str, Any]

    @property
    def record(self) -> Path:
        """The file that says that it is there."""
        return self.directory / PREPARED_RECORD

    @property
    def raw_name(self) -> str:
        """The data set in whose raw folder its published files lie."""
        return data_set(self.data_set).raw_name


@dataclass(frozen=True)
class PlannedRun:
    """One training, its name and its place."""

    spec: RunSpec
    fingerprint: str
    directory: Path
    prepared: PlannedData

    @property
    def record(self) -> Path:
        """The file that says that it is there."""
        return self.directory / RUN_RECORD


@dataclass(frozen=True)
class Shard:
    """The runs, by fingerprint, that one job trains."""

    digest: str
    runs: tuple[str, ...]


@dataclass(frozen=True)
class PlannedEvaluation:
    """One choice among runs and what is measured on the winner; ``groups`` share it."""

    fingerprint: str
    axes: dict[str, Scalar]
    measures: dict[str, Any]
    runs: tuple[str, ...]
    groups: tuple[Group, ...]
    prepared: PlannedData
    directory: Path
    exists: bool
    archived: bool
    """Whether it is in a pack and nowhere else, so that ``path`` is no file."""
    judges: tuple[PlannedRun, ...] = ()
    """The runs that judge what the winner draws; none of them is chosen."""

    @property
    def needed(self) -> tuple[str, ...]:
        """Every run that must be there first, by fingerprint: candidates and judges."""
        return (*self.runs, *(judge.fingerprint for judge in self.judges))

    @property
    def data(self) -> tuple[PlannedData, ...]:
        """The prepared data that are read: its own first, then those of judges."""
        own = {one.fingerprint: one for one in (self.prepared, *(j.prepared for j in self.judges))}
        return tuple(own.values())

    @property
    def path(self) -> Path:
        """The file that says that it is there."""
        return self.directory / EVALUATION_RECORD
