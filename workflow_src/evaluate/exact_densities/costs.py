"""How long regions and an expectation step take, and the same by the paper's simplices.

Times are those of this process on this machine; equal measurements differ in them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import numpy as np

from workflow_src.evaluate.exact_densities.subject import Array, Subject
from workflow_src.evaluate.measurement import Arrays
from workflow_src.evaluate.metric_rows import Row, row
from workflow_src.models.piecewise_affine.inference.expectations import expected_statistics
from workflow_src.models.piecewise_affine.partitions.enumeration import partition

REPETITIONS = 5
ENOUGH_SECONDS = 2.0
"""Nothing is timed again once it took this long together."""


def costs(subject: Subject, points: Array) -> dict[str, float]:
    """Seconds to enumerate the regions, and of one expectation step on points [N, D]."""
    network = subject.model.network
    return {
        "enumeration_seconds": seconds_of(lambda: partition(network)),
        "expectation_seconds": seconds_of(
            lambda: expected_statistics(
                subject.model,
                subject.partition,
                points,
                memory_bytes=subject.memory_bytes,
                device=str(subject.device),
            )
        ),
    }


def seconds_of(work: Callable[[], object]) -> float:
    """The shortest of a few times that ``work`` takes; the first one loads what it needs."""
    taken: list[float] = []
    while len(taken) < REPETITIONS and sum(taken) < ENOUGH_SECONDS:
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return min(taken)


def cost_rows(found: Mapping[str, float]) -> list[Row]:
    """A row for each time."""
    return [row(metric, seconds, None, "s", None) for metric, seconds in found.items()]


def cost_arrays(subject: Subject, points: Array, found: Mapping[str, float]) -> Arrays:
    """The times, and of how many regions and points they are."""
    return {name: np.array(seconds) for name, seconds in found.items()} | {
        "regions": np.array(subject.partition.regions),
        "points": np.array(len(points)),
    }
