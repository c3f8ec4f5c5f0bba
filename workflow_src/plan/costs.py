"""How long the missing runs will take, from the records of earlier ones.

An expectation for people, never an input to anything: the same cell's mean where it was trained
before, a scaled mean of its family where it was not, else a stated guess.
"""

from __future__ import annotations

import contextlib
import math
import os
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from workflow_src.archive.results import Results
from workflow_src.errors import UserError
from workflow_src.plan.layout import Layout
from workflow_src.plan.shards import Family, family
from workflow_src.plan.specs import RunSpec, Scalar, from_canonical

GUESSED_STEP_SECONDS = 0.02
GUESSED_STEPS = 20_000
_READ_PER_FAMILY = 100

_Cell = tuple[tuple[str, Scalar], ...]
_Times = dict[_Cell, list[float]]


@dataclass(frozen=True)
class Cost:
    """Expected seconds of one run, and where the number comes from."""

    seconds: float
    source: str
    """``measured``, ``scaled`` or ``guessed``."""


def expected_costs(
    specs: Iterable[RunSpec], layout: Layout, root: Path, *, device: str
) -> dict[RunSpec, Cost]:
    """The expected cost of each run on ``device`` (``cpu``, ``cuda`` or ``cuda:N``)."""
    wanted = list(specs)
    on_gpu = device != "cpu"
    families = dict.fromkeys(family(spec) for spec in wanted)
    results = Results(root / layout.results)
    known = {f: _recorded(f, results, on_gpu) for f in families}
    costs: dict[tuple[Family, _Cell], Cost] = {}
    for spec in wanted:
        key = (family(spec), spec.hyperparameters)
        if key not in costs:
            costs[key] = _cost(spec.hyperparameters, known[family(spec)])
    return {spec: costs[family(spec), spec.hyperparameters] for spec in wanted}


def _cost(cell: _Cell, times: _Times) -> Cost:
    if cell in times:
        return Cost(_mean(times[cell]), "measured")
    if times:
        scaled = [_mean(seconds) * _ratio(cell, other) for other, seconds in times.items()]
        return Cost(_mean(scaled), "scaled")
    steps = dict(cell).get("maximum_steps", GUESSED_STEPS)
    return Cost(GUESSED_STEP_SECONDS * min(float(steps), GUESSED_STEPS), "guessed")


def _ratio(cell: _Cell, other: _Cell) -> float:
    """How much longer ``cell`` should take than ``other``: the root of the ratio of their sizes.

    The root, since about half of a small network's time does not grow with it.
    """
    values = dict(other)
    logarithm = 0.0
    for name, value in cell:
        before = values.get(name)
        if type(value) is int and type(before) is int and value > 0 and before > 0:
            logarithm += math.log(value / before)
    return math.exp(logarithm / 2)


def _recorded(one: Family, results: Results, on_gpu: bool) -> _Times:
    """Seconds of the family's latest finished runs on that kind of device, by cell."""
    model, data_set, likelihood = one
    folder = f"runs/{model}/{data_set}-{likelihood}"
    dated = []
    with contextlib.suppress(OSError), os.scandir(results.root / folder) as entries:
        dated = [(entry.stat().st_mtime_ns, f"{folder}/{entry.name}") for entry in entries]
    loose = [name for _, name in sorted(dated, reverse=True)]
    packed = (name for name in results.index.directories if name.startswith(f"{folder}/"))
    times: _Times = defaultdict(list)
    for name in list(dict.fromkeys([*loose, *packed]))[:_READ_PER_FAMILY]:
        found = _read(results, name, on_gpu)
        if found is not None:
            times[found[0]].append(found[1])
    return dict(times)


def _read(results: Results, directory: str, on_gpu: bool) -> tuple[_Cell, float] | None:
    # A damaged or foreign record is the audit's to tell; here it only fails to inform.
    try:
        record = results.record(directory)
        if (record["machine"]["gpu"] is not None) != on_gpu:
            return None
        spec = from_canonical(record["content"]["spec"])
        return spec.hyperparameters, float(record["content"]["result"]["device_seconds"])
    except (UserError, OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
