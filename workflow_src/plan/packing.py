"""How long jobs are expected to take, what is asked of the cluster for them, and what is too long.

Expectations decide where runs are packed and what time is asked for; no result and no fingerprint
depends on them.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from workflow_src.plan.costs import Cost
from workflow_src.plan.planned import Shard

SAFETY = {"measured": 1.5, "scaled": 2.0, "guessed": 3.0}
"""Asked for, as a multiple of what is expected. A job that is ended goes on where it stopped, so
this weighs a place in the queue against a second start, not against lost work."""

_WORST_FIRST = ("guessed", "scaled", "measured")
_START_MINUTES = 10
_LEAST_MINUTES = 30


def minutes(seconds: float, source: str, attempt: int = 1, limit_minutes: int | None = None) -> int:
    """The wall time to ask for, in minutes, at the first or a later ``attempt``.

    ``source`` is a `Cost`'s. ``limit_minutes`` is the longest that the partition gives.
    """
    expected = math.ceil(seconds * SAFETY[source] / 60) + _START_MINUTES
    asked = max(expected, _LEAST_MINUTES) * attempt
    return asked if limit_minutes is None else min(asked, limit_minutes)


def total(costs: Iterable[Cost]) -> Cost:
    """What several runs cost one after another; the sum is as good as the worst of its parts."""
    every = list(costs)
    sources = {cost.source for cost in every}
    source = next((word for word in _WORST_FIRST if word in sources), _WORST_FIRST[-1])
    return Cost(sum(cost.seconds for cost in every), source)


def too_long(expected: Mapping[str, Cost], limit_minutes: int) -> tuple[str, ...]:
    """The jobs, or runs, that are expected to take longer than ``limit_minutes``, by their names.

    SLURM ends such a job; it goes on in the next attempt, of which a profile has a few.
    """
    return tuple(name for name, cost in expected.items() if cost.seconds > 60 * limit_minutes)


@dataclass(frozen=True)
class Spread:
    """The least, the median and the most of something."""

    least: float
    median: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """The spread of at least one value."""
        return cls(min(values), statistics.median(values), max(values))


@dataclass(frozen=True)
class Packing:
    """How the missing runs are divided among jobs, and what those are expected to take.

    Attributes
    ----------
    jobs:
        Their number; where it is 0, everything else is 0 or None.
    runs_per_job, hours_per_job:
        Hours are expected hours of one device.
    minutes:
        What each job's first attempt asks for, the partition's limit at most.
    hours:
        Of all jobs together.
    sources:
        Runs by where their expectation comes from.
    longest:
        The digest of the longest job's shard.
    """

    jobs: int
    runs_per_job: Spread | None
    hours_per_job: Spread | None
    minutes: Spread | None
    hours: float
    sources: dict[str, int]
    longest: str | None


def packing(
    shards: Sequence[Shard],
    expected: Mapping[str, Cost],
    costs: Mapping[str, Cost],
    limit_minutes: int | None = None,
) -> Packing:
    """Sum up ``shards``; ``expected`` is by shard, ``costs`` by run.

    ``limit_minutes`` is the longest that the partition gives, where that is known.
    """
    if not shards:
        return Packing(0, None, None, None, 0.0, {}, None)
    jobs = [expected[shard.digest] for shard in shards]
    return Packing(
        jobs=len(shards),
        runs_per_job=Spread.of([len(shard.runs) for shard in shards]),
        hours_per_job=Spread.of([cost.seconds / 3600 for cost in jobs]),
        minutes=Spread.of(
            [minutes(cost.seconds, cost.source, limit_minutes=limit_minutes) for cost in jobs]
        ),
        hours=sum(cost.seconds for cost in jobs) / 3600,
        sources=dict(Counter(costs[name].source for shard in shards for name in shard.runs)),
        longest=max(shards, key=lambda shard: expected[shard.digest].seconds).digest,
    )
