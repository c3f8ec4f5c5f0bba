"""Winners whose pictures stand side by side, and what tells them apart in a title."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workflow_src.config.models import known_as
from workflow_src.report.evidence import Group, read_arrays
from workflow_src.report.wording import axis_value, hyperparameter_text

Cell = tuple[str, str]
"""Data set and likelihood."""


@dataclass(frozen=True)
class Pictured:
    """A winner with the arrays that its pictures are made of."""

    group: Group
    arrays: dict[str, Any]
    others: tuple[Group, ...] = ()
    """Of a collection, the winners on its other data sets, whose pictures are among the arrays."""

    @property
    def way(self) -> tuple[str, str]:
        """Protocol and stream."""
        return self.group.axes["protocol"], self.group.axes["stream"]


def pictured(
    groups: Sequence[Group], name: str, *, every_seed: bool = False
) -> dict[Cell, list[Pictured]]:
    """Winners with that file of arrays by data set and likelihood.

    Of those that differ in nothing but the seed the first alone, unless all are asked for.
    """
    found: dict[Cell, list[Pictured]] = {}
    seen = set()
    for group in groups:
        fixed = {axis: value for axis, value in group.axes.items() if axis != "seed"}
        way = (*fixed.items(), *group.variant.items())
        if way in seen and not every_seed:
            continue
        arrays = read_arrays(group.evaluation, name)
        if arrays is not None:
            seen.add(way)
            cell = (group.axes["data_set"], group.axes["likelihood"])
            found.setdefault(cell, []).append(Pictured(group, arrays))
    return found


def cell_title(cell: Cell) -> str:
    """Data set and likelihood in words."""
    return f"{axis_value('data_set', cell[0])}, {axis_value('likelihood', cell[1])}"


def title_of(one: Pictured, drawn: Sequence[Pictured], between: str = "\n") -> str:
    """What of model, compared hyperparameters and way of training differs; or the model."""
    lines = []
    if len(models_of(drawn)) > 1:
        lines.append(axis_value("model", one.group.axes["model"]))
    for name, value in one.group.variant.items():
        if len({other.group.variant.get(name) for other in drawn}) > 1:
            lines.append(hyperparameter_text(name, value))
    if len({other.way for other in drawn}) > 1:
        lines.append(", ".join(one.way))
    return between.join(lines) or axis_value("model", one.group.axes["model"])


def models_of(drawn: Sequence[Pictured]) -> list[str]:
    """The models of these winners, as people call them."""
    return list(dict.fromkeys(axis_value("model", one.group.axes["model"]) for one in drawn))


def suffix_of(one: Pictured) -> str:
    """What a file name tells a winner by."""
    axes = one.group.axes
    names = ("model", "data_set", "likelihood", "protocol", "stream")
    values = [str(known_as(name, value)) for name, value in one.group.variant.items()]
    return "-".join([*(str(axes[name]) for name in names), *values])


def told_seeds(drawn: Sequence[Pictured]) -> str:
    """Seed, protocol and stream, for a caption."""
    seeds = sorted({one.group.axes["seed"] for one in drawn})
    ways = dict.fromkeys(one.way for one in drawn)
    told = "; ".join(f"protocol {protocol}, stream {stream}" for protocol, stream in ways)
    return f"seed {', '.join(map(str, seeds))}; {told}"


def evaluations_of(drawn: Sequence[Pictured]) -> tuple[str, ...]:
    """Fingerprints of the evaluations behind them."""
    groups = (group for one in drawn for group in (one.group, *one.others))
    return tuple(group.evaluation.fingerprint for group in groups)


def by_collection(found: Mapping[Cell, Sequence[Pictured]]) -> dict[Cell, list[list[Pictured]]]:
    """Winners that differ in the member of a collection alone together, by data set or collection.

    Each list has one winner, or of a collection one for every member that is there.
    """
    cells: dict[Cell, dict[tuple[Any, ...], list[Pictured]]] = {}
    for (_, likelihood), drawn in found.items():
        for one in drawn:
            cell = (str(one.group.value_of("data_set")), likelihood)
            told = {name: one.group.axes[name] for name in ("model", "protocol", "stream")}
            kind = (*told.items(), *one.group.variant.items())
            cells.setdefault(cell, {}).setdefault(kind, []).append(one)
    return {cell: list(kinds.values()) for cell, kinds in cells.items()}
