"""How long the rest may take: what the plan expected, corrected by how long finished runs took."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from workflow_src.status.scanning import Found, Job
from workflow_src.status.standing import Progress, ShardStanding, Standing


@dataclass(frozen=True)
class Left:
    """What training is left.

    Attributes
    ----------
    device_seconds:
        Of all unfinished runs together; None where the plan expected nothing of any.
    wall_seconds:
        Until the last of them ends, on as many devices as are at work now; None without any.
    devices:
        Training jobs at work.
    factor, compared:
        How many times as long as expected ``compared`` finished runs took, all together.
    of_shards:
        Device seconds left of every shard that is not done, by digest.
    """

    device_seconds: float | None
    wall_seconds: float | None
    devices: int
    factor: float | None
    compared: int
    of_shards: Mapping[str, float]


def expect(found: Found, progress: Progress) -> Left:
    """What is left, on the devices that are at work now."""
    costs = _Costs(found)
    unfinished = {name for name, at in progress.runs.items() if at is not Standing.DONE}
    shards = [shard for shard in progress.shards if shard.standing is not Standing.DONE]
    # A run is counted where it is being trained, should an earlier plan's shard hold it too.
    shards.sort(key=lambda shard: shard.standing is not Standing.RUNNING)
    of_shards: dict[str, float] = {}
    for shard in shards:
        own = [name for name in shard.unfinished if name in unfinished]
        unfinished.difference_update(own)
        of_shards[shard.digest] = _left_of(shard, costs.of(own), len(own))
    rest = costs.of(unfinished)
    running = [s.digest for s in shards if s.standing is Standing.RUNNING]
    waiting = [s.digest for s in shards if s.standing is not Standing.RUNNING]
    wall = _makespan(
        [of_shards[digest] for digest in running],
        [*(of_shards[digest] for digest in waiting), rest],
    )
    known = costs.is_known or not any(at is not Standing.DONE for at in progress.runs.values())
    return Left(
        device_seconds=sum(of_shards.values()) + rest if known else None,
        wall_seconds=wall if known else None,
        devices=len(running),
        factor=costs.factor,
        compared=len(found.seconds),
        of_shards=of_shards if known else {},
    )


class _Costs:
    """The expected device seconds of each run, corrected by finished runs of its family.

    A run of which nothing was expected counts as the mean of its family, else of all.
    """

    def __init__(self, found: Found) -> None:
        self._runs = found.overview.runs
        expected: dict[str, list[float]] = defaultdict(list)
        for run in self._runs.values():
            if run.seconds is not None:
                expected[run.family].append(run.seconds)
        self.is_known = bool(expected)
        everything = [one for seconds in expected.values() for one in seconds]
        self._mean = sum(everything) / len(everything) if everything else 0.0
        self._means = {family: sum(one) / len(one) for family, one in expected.items()}
        self.factor, self._factors = _factors(found)

    def of(self, names: Iterable[str]) -> float:
        """The device seconds of runs together."""
        return sum(self._of(name) for name in names)

    def _of(self, name: str) -> float:
        run = self._runs[name]
        seconds = run.seconds
        if seconds is None:
            seconds = self._means.get(run.family, self._mean)
        overall = 1.0 if self.factor is None else self.factor
        return seconds * self._factors.get(run.family, overall)


def _factors(found: Found) -> tuple[float | None, dict[str, float]]:
    """Times as long as expected that finished runs took: all together, and by family."""
    expected: dict[str, float] = defaultdict(float)
    took: dict[str, float] = defaultdict(float)
    for name, seconds in found.seconds.items():
        run = found.overview.runs[name]
        expected[run.family] += run.seconds or 0.0
        took[run.family] += seconds
    if not any(expected.values()):
        return None, {}
    factors = {family: took[family] / one for family, one in expected.items() if one}
    return sum(took.values()) / sum(expected.values()), factors


def _left_of(shard: ShardStanding, seconds: float, runs: int) -> float:
    """What is left of the ``seconds`` that a shard's unfinished ``runs`` are expected to take.

    What the bank in training has spent is taken off its active runs, as far as it was expected of
    them. Its steps say nothing of the end: most runs stop long before ``maximum_steps``.
    """
    if shard.standing is not Standing.RUNNING or shard.job is None or not runs:
        return seconds
    step, rate = _number(shard.job, "step"), _number(shard.job, "steps_per_second")
    active = _number(shard.job, "active_runs")
    if step is None or not rate or active is None:
        return seconds
    return seconds - min(step / rate, seconds * min(active / runs, 1.0))


def _number(job: Job, name: str) -> float | None:
    value = job.entry.progress.get(name)
    return float(value) if isinstance(value, int | float) and value >= 0 else None


def _makespan(running: list[float], waiting: list[float]) -> float | None:
    """When the last shard ends if each device takes the next one as soon as it is free."""
    if not running:
        return None
    devices = list(running)
    heapq.heapify(devices)
    last = max(devices)
    for seconds in waiting:
        ends = heapq.heappop(devices) + seconds
        last = max(last, ends)
        heapq.heappush(devices, ends)
    return last
