"""Cells of grids that a plan left out, as a training of theirs would take more memory than its cap.

Neither a table nor a claim leaves them out: a place that has nothing else says so, and the others
say what the grid lacks. `workflow_src.plan.cut_cells` tells how a report's membership lists them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workflow_src.config.data_sets import data_set
from workflow_src.plan.cut_cells import size_told
from workflow_src.report.wording import counted, described

OF_RUNS = ("fraction", "stream", "seed")
"""Axes that a cut cell stands for all values of."""
_NAMED = 6
"""Cells that a note lists one by one; of more it names the number, the smallest and the largest."""


@dataclass(frozen=True)
class Cut:
    """One cell of a grid that is not trained.

    ``axes`` has what of a group's axes matters, ``variant`` what the experiment tells apart,
    ``hyperparameters`` all that the grid gives; sizes are in 10^9 bytes.
    """

    study: str
    experiment: str
    axes: Mapping[str, Any]
    variant: Mapping[str, Any]
    hyperparameters: Mapping[str, Any]
    gigabytes: float
    cap_gigabytes: float

    @property
    def size(self) -> str:
        """What it takes, beside the cap."""
        return f"{size_told(self.gigabytes)} > {size_told(self.cap_gigabytes)}"

    def value_of(self, name: str) -> Any:
        """The value of an axis or of what is told apart; a collection for its member."""
        if name == "data_set":
            own = str(self.axes[name])
            return data_set(own).collection or own
        return self.axes[name] if name in self.axes else self.variant.get(name)


class CutIndex:
    """Cut cells by their place, for many look-ups."""

    def __init__(self, cuts: Sequence[Cut]) -> None:
        self._cuts = tuple(cuts)
        self._by_names: dict[tuple[str, ...], dict[tuple[Any, ...], list[Cut]]] = {}

    def at(self, place: Mapping[str, Any]) -> tuple[Cut, ...]:
        """Those that would stand at these axes and hyperparameters, None for what they lack."""
        told = {name: value for name, value in place.items() if name not in OF_RUNS}
        names = tuple(told)
        if names not in self._by_names:
            found: dict[tuple[Any, ...], list[Cut]] = {}
            for cut in self._cuts:
                found.setdefault(tuple(map(cut.value_of, names)), []).append(cut)
            self._by_names[names] = found
        return tuple(self._by_names[names].get(tuple(told.values()), ()))


def read_cuts(rows: Sequence[Mapping[str, Any]]) -> tuple[Cut, ...]:
    """The cut cells of a report's membership."""
    names = Cut.__dataclass_fields__
    return tuple(Cut(**{name: row[name] for name in names}) for row in rows)


def cut_reason(cuts: Sequence[Cut]) -> str:
    """Why a place of a table has no number, where all of its grid was cut."""
    own = _each_once(cuts)
    smallest = own[0]
    if len(own) == 1:
        return f"cut: {smallest.size}"
    return f"cut: {counted(len(own), 'cell')}, the smallest {smallest.size}"


def cut_caveat(cuts: Sequence[Cut]) -> str:
    """What a verdict says of the cells that its numbers are without, of a grid that is partly cut.

    Shorter than `cut_remark`, as the table that the verdict leads to names them.
    """
    own = _each_once(cuts)
    which = own[0].size if len(own) == 1 else f"the smallest {own[0].size}"
    return f"{counted(len(own), 'cell')} of the grid cut: {which}"


def cut_remark(cuts: Sequence[Cut]) -> str:
    """What a note says of the cells that a place lacks."""
    own = _each_once(cuts)
    named = own if len(own) <= _NAMED else [own[0], own[-1]]
    told = [f"{described(one.hyperparameters)} ({size_told(one.gigabytes)})" for one in named]
    cap = size_told(own[0].cap_gigabytes)
    joined = "; ".join(told) if len(own) <= _NAMED else " to ".join(told)
    are = "cell of the grid is" if len(own) == 1 else "cells of the grid are"
    return f"{len(own)} {are} cut, above the memory cap of {cap}: {joined}."


def _each_once(cuts: Sequence[Cut]) -> list[Cut]:
    """By size, one for the members of a collection, of which it is the same."""
    unique = {tuple(one.hyperparameters.items()): one for one in cuts}
    return sorted(unique.values(), key=lambda one: one.gigabytes)
