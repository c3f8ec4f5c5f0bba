"""Entries of a model's grid: products of hyperparameters' values, some for certain data alone."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated

from pydantic import AfterValidator, Field

from workflow_src.config.data_sets import with_members
from workflow_src.config.strict import Distinct, Name, Scalar

CONDITIONS = ("data_sets", "likelihoods")
"""Keys of an entry that say where it applies; all others are hyperparameters."""

Entry = Mapping[str, Sequence[Scalar]]


def entry_with_members(entry: dict[str, tuple[Scalar, ...]]) -> dict[str, tuple[Scalar, ...]]:
    """The entry, with the members of collections among its ``data_sets`` in their place."""
    names = entry.get("data_sets")
    if names is None:
        return entry
    return entry | {"data_sets": with_members(map(str, names))}


GridEntry = Annotated[dict[Name, Distinct[Scalar]], AfterValidator(entry_with_members)]
"""An entry as files have it: lists of values by name."""

GridEntries = Annotated[tuple[GridEntry, ...], Field(strict=False, min_length=1)]
"""All entries of a model in a grid."""


def values_in(entry: Entry) -> dict[str, Sequence[Scalar]]:
    """The values of an entry's hyperparameters, by name."""
    return {name: values for name, values in entry.items() if name not in CONDITIONS}


def given_in(entries: Sequence[Entry]) -> tuple[str, ...]:
    """The hyperparameters that any of a model's entries gives, in the order of first appearance."""
    return tuple(dict.fromkeys(name for entry in entries for name in values_in(entry)))


def applies(entry: Entry, data_set: str, likelihood: str) -> bool:
    """Whether an entry is part of the grid of ``data_set`` read by ``likelihood``."""
    return all(
        name not in entry or value in entry[name]
        for name, value in zip(CONDITIONS, (data_set, likelihood), strict=True)
    )


def cells_of(
    entries: Sequence[Entry], data_set: str, likelihood: str
) -> Iterator[dict[str, Scalar]]:
    """Every cell of a grid on ``data_set`` read by ``likelihood``; one may come twice."""
    for entry in entries:
        if applies(entry, data_set, likelihood):
            given = values_in(entry)
            for values in itertools.product(*given.values()):
                yield dict(zip(given, values, strict=True))
