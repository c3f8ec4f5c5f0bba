"""What is too long for the partition, told before anything is sent there."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from workflow_src.cluster.profile import PROFILE
from workflow_src.plan.packing import minutes, too_long
from workflow_src.plan.plan import Plan
from workflow_src.plan.planned import Shard

_SHOWN = 3
_SAFE_PART = 0.8
"""Of the limit, as advice for what is expected: some jobs take longer than that."""


@dataclass(frozen=True)
class TimeLimit:
    """The longest that a training job may run, in minutes, and who says so."""

    minutes: int
    place: str

    def too_long(self, plan: Plan) -> tuple[str, ...]:
        """The digests of the shards that are expected to take longer."""
        return too_long(plan.expected, self.minutes)


def complaints(plan: Plan, limit: TimeLimit | None) -> list[str]:
    """Sentences on what does not fit into ``limit``; that all fits is one sentence, too."""
    if limit is None or not plan.shards:
        return []
    said = f"the time limit of {limit.minutes} min ({limit.place})"
    told = [*_runs_alone(plan, limit, said), *_jobs(plan, limit, said)]
    return told or [f"every job fits into {said}"]


def _runs_alone(plan: Plan, limit: TimeLimit, said: str) -> Iterator[str]:
    long = too_long({name: plan.costs[name] for name in plan.missing}, limit.minutes)
    if long:
        shown = "; ".join(_described(plan, name) for name in long[:_SHOWN])
        more = f"; and {len(long) - _SHOWN} more" if len(long) > _SHOWN else ""
        runs = "1 run is" if len(long) == 1 else f"{len(long)} runs are each"
        yield (
            f"too long: {runs} expected to take longer than {said}: {shown}{more}; "
            f"{_attempts_advised(plan, limit, frozenset(long))}"
        )


def _attempts_advised(plan: Plan, limit: TimeLimit, long: frozenset[str]) -> str:
    """What to do where runs ``long`` do not fit into one attempt each."""
    jobs = [shard.digest for shard in plan.shards if not long.isdisjoint(shard.runs)]
    longest = max(plan.expected[digest].seconds for digest in jobs)
    attempts = math.ceil(longest / (60 * limit.minutes))
    who = "its job needs" if len(jobs) == 1 else f"their {len(jobs)} jobs need up to"
    return (
        f"{who} {attempts} attempts; set `retries` in {PROFILE} to {attempts - 1} or more, or "
        "choose a partition with more time"
    )


def _jobs(plan: Plan, limit: TimeLimit, said: str) -> Iterator[str]:
    long = frozenset(limit.too_long(plan))
    several = sum(
        shard.digest in long and len(shard.runs) > 1 and _has_run_that_fits(plan, shard, limit)
        for shard in plan.shards
    )
    if several:
        jobs = "1 job of several runs is" if several == 1 else f"{several} jobs of several runs are"
        yield (
            f"too long: {jobs} expected to take longer than {said}; "
            f"set shard.target_hours to {limit.minutes / 60 * _SAFE_PART:.2g} or less"
        )
    cut = sum(
        minutes(cost.seconds, cost.source) > limit.minutes
        for digest, cost in plan.expected.items()
        if digest not in long
    )
    if cut:
        jobs, ask = ("1 job", "asks") if cut == 1 else (f"{cut} jobs", "ask")
        yield f"{jobs} would ask for more than {said} to be safe, and {ask} for all of it"


def _has_run_that_fits(plan: Plan, shard: Shard, limit: TimeLimit) -> bool:
    """Whether smaller shards would help: other runs are too long in any."""
    return any(plan.costs[name].seconds <= 60 * limit.minutes for name in shard.runs)


def _described(plan: Plan, name: str) -> str:
    spec = plan.runs[name].spec
    hours = plan.costs[name].seconds / 3600
    return f"{spec.model} on {spec.data_set}, {spec.likelihood} (run {name}, {hours:.1f} h)"
