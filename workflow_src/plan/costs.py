"""How long the missing runs will take, from the records of earlier ones.

An expectation for people and for packing, never an input to any result: the mean of the same cell
where it was trained before, what others of its family took in the ratio that sizes make likely
where it was not, else a stated guess.
"""

from __future__ import annotations

import contextlib
import math
import os
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workflow_src.archive.results import Results
from workflow_src.errors import UserError
from workflow_src.plan.guesses import guessed_seconds
from workflow_src.plan.layout import Layout
from workflow_src.plan.shards import Family, family
from workflow_src.plan.specs import RunSpec, Scalar, from_canonical

_READ_PER_FAMILY = 1_000
"""Records; a tenth of a millisecond of CPU time each, so that a paper's grid is planned at once."""

_Cell = tuple[tuple[str, Scalar], ...]
_Measured = list[tuple[RunSpec, float]]


@dataclass(frozen=True)
class Cost:
    """Expected seconds of one run, and where the number comes from."""

    seconds: float
    source: str
    """``measured``, ``scaled`` or ``guessed``."""


def expected_costs(
    specs: Iterable[RunSpec], layout: Layout, root: Path, *, device: str
) -> dict[RunSpec, Cost]:
    """The expected cost of each run on ``device`` (``cpu``, ``cuda`` or ``cuda:N``).

    Only the folders of these runs' families are looked at.
    """
    wanted = list(specs)
    on_gpu = device != "cpu"
    results = Results(root / layout.results)
    known: dict[Family, _Known] = {}
    costs: dict[tuple[Family, float, _Cell], Cost] = {}
    for spec in wanted:
        one = family(spec)
        key = one, spec.fraction, spec.hyperparameters
        if key not in costs:
            if one not in known:
                known[one] = _Known(_recorded(one, results, on_gpu), on_gpu)
            costs[key] = known[one].cost(spec)
    return {spec: costs[family(spec), spec.fraction, spec.hyperparameters] for spec in wanted}


class _Known:
    """What earlier runs of one family took, and what that says of others."""

    def __init__(self, measured: _Measured, on_gpu: bool) -> None:
        self._on_gpu = on_gpu
        self._exactly: dict[tuple[_Cell, float], list[float]] = defaultdict(list)
        self._at_any_fraction: dict[_Cell, list[float]] = defaultdict(list)
        self._over_guess: list[float] = []
        for spec, seconds in measured:
            self._exactly[spec.hyperparameters, spec.fraction].append(seconds)
            self._at_any_fraction[spec.hyperparameters].append(seconds)
            self._over_guess.append(seconds / self._guess(spec))

    def cost(self, spec: RunSpec) -> Cost:
        """The cost of a run of this family."""
        exactly = self._exactly.get((spec.hyperparameters, spec.fraction))
        if exactly:
            return Cost(statistics.fmean(exactly), "measured")
        same_cell = self._at_any_fraction.get(spec.hyperparameters)
        if same_cell:
            return Cost(statistics.fmean(same_cell), "scaled")
        if self._over_guess:
            # The median, since one odd run says little about other cells.
            return Cost(self._guess(spec) * statistics.median(self._over_guess), "scaled")
        return Cost(self._guess(spec), "guessed")

    def _guess(self, spec: RunSpec) -> float:
        return guessed_seconds(spec, on_gpu=self._on_gpu)


def _recorded(one: Family, results: Results, on_gpu: bool) -> _Measured:
    """Completed runs of the family on that kind of device, with their device seconds."""
    model, data_set, likelihood = one
    folder = f"runs/{model}/{data_set}-{likelihood}"
    dated = []
    with contextlib.suppress(OSError), os.scandir(results.root / folder) as entries:
        dated = [(entry.stat().st_mtime_ns, f"{folder}/{entry.name}") for entry in entries]
    loose = [name for _, name in sorted(dated, reverse=True)]
    packed = (name for name in results.index.directories if name.startswith(f"{folder}/"))
    names = _spread(list(dict.fromkeys([*loose, *packed])), _READ_PER_FAMILY)
    return [found for name in names if (found := _read(results, name, on_gpu)) is not None]


def _spread(names: Sequence[str], count: int) -> list[str]:
    """At most ``count`` of the names at equal distances: neighbours in time are of one cell."""
    stride = max(len(names) / count, 1.0)
    return [names[int(place * stride)] for place in range(min(len(names), count))]


def _read(results: Results, directory: str, on_gpu: bool) -> tuple[RunSpec, float] | None:
    # A damaged or foreign record is the audit's to tell; here it only fails to inform.
    try:
        record = results.record(directory)
        if (record["machine"]["gpu"] is not None) != on_gpu or _has_diverged(record):
            return None
        spec = from_canonical(record["content"]["spec"])
        seconds = float(record["content"]["result"]["device_seconds"])
    except (UserError, OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return (spec, seconds) if math.isfinite(seconds) and seconds >= 0.0 else None


def _has_diverged(record: Mapping[str, Any]) -> bool:
    """Whether the run ended early, which says nothing of how long its like will take."""
    return bool(record["content"].get("status", {}).get("state") == "diverged")
