"""Jobs that an earlier start left in the queue: those that a plan takes over, and the others."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from workflow_src.cluster.cancelling import Cancellation
from workflow_src.cluster.drivers import Driver, forget_old, register
from workflow_src.cluster.orphans import as_sent, find_orphans, messages, one_per_key
from workflow_src.cluster.queue import Key, QueuedJob
from workflow_src.errors import UserError
from workflow_src.plan.plan import Plan

PREPARATION = "prepare"
TRAINING = "train_shard"
EVALUATION = "evaluate_group"
REPORT = "report"
RULES = (PREPARATION, TRAINING, EVALUATION, REPORT)
"""The rules whose jobs go to the cluster."""


def jobs_in_queue(results: Path, *, for_sure: bool) -> list[QueuedJob]:
    """The living jobs that earlier starts sent for these results.

    If they must be known ``for_sure``, those that are ending are waited for, and a SLURM that does
    not answer is an error; else that counts as none.
    """
    if for_sure:
        return find_orphans(results)
    try:
        return find_orphans(results, patience=0, settle=False)
    except UserError:
        return []


def live_shards(jobs: Iterable[QueuedJob]) -> list[str]:
    """The digests of shards that these jobs train."""
    return [name for rule, name in one_per_key(jobs) if rule == TRAINING]


def taken_over(plan: Plan, jobs: Iterable[QueuedJob]) -> list[QueuedJob]:
    """Those of the jobs that make what ``plan`` misses."""
    needed = needed_keys(plan)
    return [job for key, job in one_per_key(jobs).items() if key in needed]


def needed_keys(plan: Plan) -> set[Key]:
    """What jobs may have to be sent for."""
    keys = {(TRAINING, shard.digest) for shard in plan.shards}
    keys |= {(EVALUATION, one.fingerprint) for one in plan.evaluations if not one.exists}
    keys |= {
        (PREPARATION, data.fingerprint)
        for data in plan.prepared
        if not os.path.isfile(plan.root / data.record)
    }
    return keys | {(REPORT, plan.report)}


def become_driver(plan: Plan, jobs: Sequence[QueuedJob], taken: Sequence[QueuedJob]) -> Driver:
    """Make this process the driver that waits for the ``taken`` ones of the ``jobs``.

    Ctrl-C then cancels what it waits for.
    """
    results = plan.root / plan.layout.results
    forget_old(results, {job.run for job in jobs})
    driver = register(results, [as_sent(job) for job in taken])
    Cancellation(driver).prepare()
    return driver


def told(jobs: Sequence[QueuedJob], taken: Iterable[QueuedJob]) -> list[str]:
    """What to tell about them, as lines."""
    return messages(jobs, {job.id for job in taken})
