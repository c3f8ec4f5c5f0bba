"""What is too long for the partition, told before anything is sent there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from workflow_src.plan.packing import minutes, too_long
from workflow_src.plan.plan import Plan

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
    said = f"the time limit of {limit.minutes} minutes ({limit.place})"
    told = [*_runs_alone(plan, limit, said), *_jobs(plan, limit, said)]
    return told or [f"every job fits into {said}"]


def _runs_alone(plan: Plan, limit: TimeLimit, said: str) -> Iterator[str]:
    long = too_long({name: plan.costs[name] for name in plan.missing}, limit.minutes)
    if long:
        shown = "; ".join(_described(plan, name) for name in long[:_SHOWN])
        more = f"; and {len(long) - _SHOWN} more" if len(long) > _SHOWN else ""
        yield (
            f"too long: {len(long)} runs are each expected to take longer than {said}: "
            f"{shown}{more}; they go on in the next attempt, so choose a partition with more time, "
            "or let `retries` in the profile be enough"
        )


def _jobs(plan: Plan, limit: TimeLimit, said: str) -> Iterator[str]:
    long = frozenset(limit.too_long(plan))
    several = sum(shard.digest in long and len(shard.runs) > 1 for shard in plan.shards)
    if several:
        yield (
            f"too long: {several} jobs of several runs are expected to take longer than {said}; "
            f"set shard.target_hours to {limit.minutes / 60 * _SAFE_PART:.2g} or less"
        )
    cut = sum(
        minutes(cost.seconds, cost.source) > limit.minutes
        for digest, cost in plan.expected.items()
        if digest not in long
    )
    if cut:
        yield f"{cut} jobs would ask for more than {said} to be safe, and ask for all of it"


def _described(plan: Plan, name: str) -> str:
    spec = plan.runs[name].spec
    hours = plan.costs[name].seconds / 3600
    return f"{spec.model} on {spec.data_set}, {spec.likelihood} (run {name}, {hours:.1f} h)"
