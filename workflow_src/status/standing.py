"""Where every run, shard, evaluation and other job stands: pure conclusions from one scan."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass

from workflow_src.jobs.journal import State
from workflow_src.status.scanning import Found, Job

SILENCE = 120.0
"""Seconds without a sign after which a job may be gone; it gives one every fifteen."""


class Standing(enum.StrEnum):
    """How far something is, in the order in which counts are told."""

    DONE = "done"
    RUNNING = "running"
    SILENT = "silent"
    """Said to be running, and gave no sign for `SILENCE`."""
    QUEUED = "queued"
    INTERRUPTED = "interrupted"
    FAILED = "failed"
    MISSING = "missing"


@dataclass(frozen=True)
class ShardStanding:
    """One shard: ``unfinished`` are the fingerprints of its runs that are not there yet."""

    digest: str
    standing: Standing
    runs: int
    unfinished: tuple[str, ...]
    job: Job | None


@dataclass(frozen=True)
class Progress:
    """Where everything stands.

    Attributes
    ----------
    runs, evaluations:
        Standing of each by fingerprint; an unfinished run stands as the shard that is to train it.
    shards:
        Those of the plan; any other of which all planned runs are there, with these alone; and any
        other that is at work.
    other_jobs:
        Jobs that train nothing (data, evaluations, report), with their standing.
    """

    runs: Mapping[str, Standing]
    evaluations: Mapping[str, Standing]
    shards: tuple[ShardStanding, ...]
    report: Standing
    other_jobs: tuple[tuple[Job, Standing], ...]

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left to do."""
        left = [*self.runs.values(), *self.evaluations.values(), self.report]
        return all(standing is Standing.DONE for standing in left)

    @property
    def is_under_way(self) -> bool:
        """Whether a job gives signs of life or is in a queue."""
        return not self._of_jobs().isdisjoint({Standing.RUNNING, Standing.QUEUED})

    @property
    def has_failures(self) -> bool:
        """Whether something is missing because a job failed."""
        return Standing.FAILED in self._of_jobs() and not self.is_complete

    def _of_jobs(self) -> set[Standing]:
        shards = {shard.standing for shard in self.shards}
        return shards | {standing for _, standing in self.other_jobs}


def conclude(found: Found) -> Progress:
    """Where everything stands, from what was found."""
    shards = _shards(found)
    standings: dict[str, Standing] = dict.fromkeys(found.overview.runs, Standing.MISSING)
    for shard in sorted(shards, key=lambda one: _STRENGTH[one.standing]):
        standings.update((name, shard.standing) for name in shard.unfinished if name in standings)
    standings.update(dict.fromkeys(found.runs, Standing.DONE))
    evaluations = {
        name: Standing.DONE if name in found.evaluations else _standing_of(found.jobs.get(name))
        for name in found.overview.evaluations
    }
    report = Standing.DONE if found.report else _standing_of(found.jobs.get(found.overview.report))
    return Progress(
        runs=standings,
        evaluations=evaluations,
        shards=shards,
        report=report,
        other_jobs=_other_jobs(found),
    )


_STRENGTH = {
    Standing.DONE: 0,
    Standing.MISSING: 1,
    Standing.FAILED: 2,
    Standing.INTERRUPTED: 3,
    Standing.QUEUED: 4,
    Standing.SILENT: 5,
    Standing.RUNNING: 6,
}
"""Where several shards hold one run, as after planning anew, the liveliest speaks for it."""


def _shards(found: Found) -> tuple[ShardStanding, ...]:
    planned = found.overview.runs.keys()
    left = {d: tuple(n for n in runs if n in planned) for d, runs in found.manifests.items()}
    # Where results were removed since, the manifest of an earlier plan is no word on this one's.
    finished = {d: runs for d, runs in left.items() if runs and found.runs.issuperset(runs)}
    # A job of an earlier plan counts while it gives signs; what it last said of itself may stay
    # for ever where it was killed.
    at_work = {d: r for d, r in found.memberships.items() if _is_at_work(found.jobs[d])}
    members = finished | at_work | dict(found.overview.shards)
    return tuple(_shard(digest, runs, found) for digest, runs in sorted(members.items()))


def _shard(digest: str, runs: tuple[str, ...], found: Found) -> ShardStanding:
    unfinished = tuple(name for name in runs if name not in found.runs)
    job = found.jobs.get(digest)
    standing = Standing.DONE
    if unfinished or (job is not None and _is_at_work(job)):
        standing = _standing_of(job)
    return ShardStanding(digest, standing, len(runs), unfinished, job)


def _other_jobs(found: Found) -> tuple[tuple[Job, Standing], ...]:
    """Jobs of the plan that train nothing, and others that are at work."""
    overview = found.overview
    planned = {*overview.evaluations, *overview.data, overview.report}
    return tuple(
        (job, _standing_of(job))
        for name, job in found.jobs.items()
        if name not in overview.shards and name not in found.memberships
        if name in planned or _is_at_work(job)
    )


def _is_at_work(job: Job) -> bool:
    return _standing_of(job) is Standing.RUNNING


def _standing_of(job: Job | None) -> Standing:
    """Where something stands that is not there and that ``job`` last said it would make."""
    if job is None:
        return Standing.MISSING
    if job.entry.state is State.RUNNING:
        return Standing.SILENT if job.quiet_seconds > SILENCE else Standing.RUNNING
    return _STANDINGS[job.entry.state]


_STANDINGS = {
    State.QUEUED: Standing.QUEUED,
    State.FINISHED: Standing.MISSING,
    State.FAILED: Standing.FAILED,
    State.INTERRUPTED: Standing.INTERRUPTED,
}
