"""Cells of grids that are not trained, as a run of theirs would take more memory than the cap.

The cap is `memory_cap_gigabytes` of the settings; `workflow_src.plan.sizes` says what a run takes.
A cell stands for all its runs: fractions, seeds and streams change no size. What is left of a group
after the cut keeps its fingerprints, as neither the cap nor what was cut enters any run's.

The report's membership lists them under ``cut_cells``, in the order of the study, each as

- ``study``, ``experiment``: names;
- ``axes``: {``model``, ``data_set``, ``likelihood``, ``protocol``}: those of `specs.AXES` that
  matter;
- ``variant``: the compared hyperparameters with their values, as a group's ``variant``;
- ``hyperparameters``: those with their values that the grid's entries give, compared ones included;
- ``gigabytes``: what one run takes, in 10^9 bytes;
- ``cap_gigabytes``: the cap at the time of the plan.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workflow_src.config.data_sets import DataSet, data_set
from workflow_src.config.models import known_as, model_declaration
from workflow_src.config.strict import Scalar
from workflow_src.errors import UserError
from workflow_src.plan.sizes import training_bytes

GIGABYTE = 1_000_000_000
"""Bytes of the unit of caps and sizes."""

AXES = ("model", "data_set", "likelihood", "protocol")
"""What a cut cell has of `workflow_src.plan.specs.AXES`."""

_NAMED = 3
"""Cut cells of an experiment's model that a note lists one by one."""


@dataclass(frozen=True)
class CutCell:
    """One cell that is not trained; the module's docstring says what its parts are."""

    study: str
    experiment: str
    axes: dict[str, Scalar]
    variant: dict[str, Scalar]
    hyperparameters: dict[str, Scalar]
    gigabytes: float
    cap_gigabytes: float

    def described(self) -> dict[str, Any]:
        """The cell as memberships hold it."""
        return {
            "study": self.study,
            "experiment": self.experiment,
            "axes": self.axes,
            "variant": self.variant,
            "hyperparameters": self.hyperparameters,
            "gigabytes": self.gigabytes,
            "cap_gigabytes": self.cap_gigabytes,
        }


def gigabytes_above(
    cap: float, model: str, values: Mapping[str, Scalar], facts: DataSet
) -> float | None:
    """What a run of the cell takes, where that is more than ``cap``; else None.

    Both are in 10^9 bytes. A model that does not say what it takes is never above.
    """
    size = training_bytes(model, values, facts)
    if size is None or size <= cap * GIGABYTE:
        return None
    return size / GIGABYTE


def nothing_left(cells: Sequence[CutCell], place: str) -> UserError:
    """The complaint about an experiment of which every cell, all in ``cells``, is above the cap."""
    smallest = min(cells, key=lambda one: one.gigabytes)
    every, need, which = f"all {len(cells)} cells", "need", "the smallest"
    if len(cells) == 1:
        every, need, which = "the only cell", "needs", "it"
    return UserError(
        f"{every} of the experiment {smallest.experiment} {need} more memory than the cap of "
        f"{smallest.cap_gigabytes:g} GB; {which}, {_told(smallest)}, needs "
        f"{size_told(smallest.gigabytes)}",
        place=place,
        expected="a cell that fits",
        remedy="raise memory_cap_gigabytes in config.yaml, give the grid smaller models, or take "
        "the experiment out of config.yaml",
    )


def notes(cells: Iterable[CutCell], *, several_studies: bool) -> list[str]:
    """What a plan says of cut cells: a line per model, and set of experiments that lack the same.

    Few cells are listed one by one; of many it is the number, the smallest and the largest.
    """
    by_place: dict[tuple[str, str], list[CutCell]] = {}
    for cell in cells:
        title = f"{cell.study}/{cell.experiment}" if several_studies else cell.experiment
        by_place.setdefault((title, _model(cell)), []).append(cell)
    places: dict[str, list[str]] = {}
    for (title, model), own in by_place.items():
        places.setdefault(_lacking(model, own), []).append(title)
    return [f"{', '.join(titles)}: {lacking}" for lacking, titles in places.items()]


def _lacking(model: str, cells: Sequence[CutCell]) -> str:
    own = sorted(cells, key=lambda one: one.gigabytes)
    listed = [f"{_told(one)} ({size_told(one.gigabytes)})" for one in own]
    what = "; ".join(listed) if len(own) <= _NAMED else f"from {listed[0]} to {listed[-1]}"
    count = f"{len(own)} cell" + ("" if len(own) == 1 else "s")
    return (
        f"{count} of {model_declaration(model).title} not trained, above "
        f"memory_cap_gigabytes {own[0].cap_gigabytes:g}: {what}"
    )


def size_told(gigabytes: float) -> str:
    """A size in words, such as 11.2 GB; rounded up, so that none looks like a cap below it."""
    if gigabytes >= 1:
        return f"{math.ceil(10 * gigabytes) / 10:g} GB"
    return f"{math.ceil(1000 * gigabytes)} MB"


def _model(cell: CutCell) -> str:
    return str(cell.axes["model"])


def _told(cell: CutCell) -> str:
    """The cell's own values and its data."""
    values = ", ".join(
        f"{name} {known_as(name, value)}" for name, value in cell.hyperparameters.items()
    )
    data = data_set(str(cell.axes["data_set"])).title
    return f"{values} on {data}" if values else f"{model_declaration(_model(cell)).title} on {data}"
