"""Times several ways of doing one thing in turn, so that a drifting machine drifts for all."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping


def times_in_turn(
    ways: Mapping[str, Callable[[], object]],
    rounds: int,
    warm_up: int = 2,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """Seconds of every way in every round: A B C, A B C, ...

    With `time.process_time` as clock, seconds of this process alone, which others on the machine
    lengthen less; they add up over threads.
    """
    for _ in range(warm_up):
        for way in ways.values():
            way()
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            started = clock()
            way()
            seconds[name].append(clock() - started)
    return seconds


def clock_for(device_type: str, threads: int) -> Callable[[], float]:
    """The clock that other programs disturb least: processor time where one thread computes."""
    return time.process_time if device_type == "cpu" and threads == 1 else time.perf_counter


def median_of(what: Callable[[], object], rounds: int) -> str:
    """Median, least and most seconds of one way, in words."""
    (seconds,) = times_in_turn({"": what}, rounds, warm_up=0).values()
    middle, least, most = statistics.median(seconds), min(seconds), max(seconds)
    return f"median {middle:.3f} s, {least:.3f} to {most:.3f}"


def tell(seconds: Mapping[str, list[float]], baseline: str, unit: str = "ms") -> None:
    """Print the median of every way and its ratio to ``baseline``, pair by pair."""
    scale = {"ms": 1e3, "s": 1.0}[unit]
    for name, values in seconds.items():
        ratios = [b / a for a, b in zip(values, seconds[baseline], strict=True)]
        print(
            f"{name:<40} median {statistics.median(values) * scale:9.2f} {unit}   "
            f"{baseline} / this: median {statistics.median(ratios):5.2f}, "
            f"{min(ratios):.2f} to {max(ratios):.2f}"
        )
