"""The status of a results directory: one scan and what follows from it, also as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workflow_src.status.expectation import Left, expect
from workflow_src.status.scanning import Found, Job, Scanner
from workflow_src.status.standing import Progress, ShardStanding, Standing, conclude

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Status:
    """What was found, where everything stands, and what is left."""

    found: Found
    progress: Progress
    left: Left


def look(scanner: Scanner) -> Status:
    """Scan once and conclude."""
    found = scanner.scan()
    progress = conclude(found)
    return Status(found, progress, expect(found, progress))


def counts(standings: Mapping[str, Standing]) -> dict[str, int]:
    """How many there are, and how many of them stand where."""
    found = Counter(standings.values())
    return {"all": len(standings), **{one.value: found[one] for one in Standing}}


def described(status: Status) -> dict[str, Any]:
    """The status as JSON values, for programs; times in seconds."""
    found, progress, left = status.found, status.progress, status.left
    shards = {shard.digest: shard.standing for shard in progress.shards}
    return {
        "schema_version": SCHEMA_VERSION,
        "planned": found.overview.planned.isoformat(),
        "scale": found.overview.scale,
        "device": found.overview.device,
        "complete": progress.is_complete,
        "failures": progress.has_failures,
        "runs": counts(progress.runs)
        | {"diverged": dict(sorted(found.diverged.items())), "not_looked_at": found.unknown},
        "shards": counts(shards)
        | {
            "jobs": [
                _described_shard(shard, left)
                for shard in progress.shards
                if shard.standing is not Standing.DONE
            ]
        },
        "evaluations": counts(progress.evaluations),
        "report": progress.report.value,
        "other_jobs": [
            {"standing": standing.value, **_described_job(job)}
            for job, standing in progress.other_jobs
        ],
        "left": {
            "device_seconds": left.device_seconds,
            "wall_seconds": left.wall_seconds,
            "devices": left.devices,
            "times_as_expected": left.factor,
            "compared_runs": left.compared,
        },
    }


def _described_shard(shard: ShardStanding, left: Left) -> dict[str, Any]:
    return {
        "digest": shard.digest,
        "standing": shard.standing.value,
        "runs": shard.runs,
        "unfinished": list(shard.unfinished),
        "device_seconds_left": left.of_shards.get(shard.digest),
        "job": None if shard.job is None else _described_job(shard.job),
    }


def _described_job(job: Job) -> dict[str, Any]:
    entry = job.entry
    return {
        "rule": entry.rule,
        "name": entry.name,
        "since": entry.since,
        "quiet_seconds": round(job.quiet_seconds, 1),
        "attempt": entry.attempt,
        "host": entry.host,
        "visible_devices": entry.visible_devices,
        "slurm_job": entry.slurm_job,
        "slurm_restarts": entry.slurm_restarts,
        "slurm_nodes": entry.slurm_nodes,
        "reason": entry.reason,
        "worth_repeating": entry.worth_repeating,
        "log": None if job.log is None else str(job.log),
        "progress": entry.progress,
    }
