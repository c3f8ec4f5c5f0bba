"""Which runs one job trains on one device.

Runs that can share a bank stay together, and the rest is filled up with runs of the same model on
the same data. Where runs are packed decides how fast they are trained, not what comes out; packing
is local all the same, so that new runs seldom move others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from workflow_src.plan.specs import RunSpec, Scalar

FREE_IN_A_BANK = frozenset({"stopping"})
"""Hyperparameters that members of one bank may differ in, beside axes that are not its family's."""

Family = tuple[str, str, str]
BankKey = tuple[Family, tuple[tuple[str, Scalar], ...]]

_ROUNDING = 1e-9
"""Relative; so that what sums to the target exactly is not kept out by how sums are rounded."""


def family(spec: RunSpec) -> Family:
    """Model, data set and likelihood: what all runs of a shard share."""
    return spec.model, spec.data_set, spec.likelihood


def bank_key(spec: RunSpec) -> BankKey:
    """Equal for runs that one bank can train: same shapes, same rhythm of steps.

    Members may differ in seed, fraction, protocol and stream, and in `FREE_IN_A_BANK`.
    """
    shape = tuple(item for item in spec.hyperparameters if item[0] not in FREE_IN_A_BANK)
    return family(spec), shape


def fill_shards(
    runs: Mapping[str, RunSpec],
    seconds: Mapping[str, float],
    *,
    target_seconds: float,
    maximum_runs: int,
) -> list[tuple[str, ...]]:
    """The runs' fingerprints, divided into shards of limited length.

    A shard has at most ``maximum_runs`` runs, and the expected ``seconds`` of its runs add up to
    ``target_seconds`` at most, unless it is one run that alone takes longer.

    The result depends on specs and seconds alone, not on their order. A bank that fits is never
    divided, and its neighbours' coming and going moves it between shards whole.
    """
    room = _Room(maximum_runs, target_seconds * (1 + _ROUNDING))
    keys = {name: bank_key(spec) for name, spec in runs.items()}
    # Few keys are shared by many runs, and making them sortable is the slow part.
    ranks = {key: rank for rank, key in enumerate(sorted(set(keys.values()), key=_sortable))}
    ordered = sorted(
        runs, key=lambda name: (ranks[keys[name]], _sortable(_member_key(runs[name])), name)
    )
    shards: list[tuple[str, ...]] = []
    for _, members in groupby(ordered, key=lambda name: keys[name][0]):
        rest: list[_Bank] = []
        for key, names in groupby(members, key=lambda name: keys[name]):
            for part in _cut(key, list(names), seconds, room):
                if room.is_full(part):
                    shards.append(part.runs)
                else:
                    rest.append(part)
        shards.extend(
            tuple(name for bank in banks for name in bank.runs)
            for banks in _combined(rest, 0, room)
        )
    return shards


@dataclass(frozen=True)
class _Bank:
    """Runs of one shape, or a part of them that one shard has room for."""

    key: BankKey
    runs: tuple[str, ...]
    seconds: float


@dataclass(frozen=True)
class _Room:
    """What fits into one shard."""

    runs: int
    seconds: float

    def has(self, banks: Iterable[_Bank]) -> bool:
        number, seconds = 0, 0.0
        for bank in banks:
            number += len(bank.runs)
            seconds += bank.seconds
        return number <= self.runs and seconds <= self.seconds

    def is_full(self, bank: _Bank) -> bool:
        """Whether there is no room beside ``bank`` for one more of its like."""
        one_more = bank.seconds * (1 + 1 / len(bank.runs))
        return len(bank.runs) >= self.runs or one_more > self.seconds


def _cut(
    key: BankKey, names: Sequence[str], seconds: Mapping[str, float], room: _Room
) -> list[_Bank]:
    """The runs of one bank in as few parts as there is room for."""
    parts: list[_Bank] = []
    part: list[str] = []
    taken = 0.0
    for name in names:
        if part and (len(part) == room.runs or taken + seconds[name] > room.seconds):
            parts.append(_Bank(key, tuple(part), taken))
            part, taken = [], 0.0
        part.append(name)
        taken += seconds[name]
    return [*parts, _Bank(key, tuple(part), taken)]


def _combined(banks: list[_Bank], depth: int, room: _Room) -> list[list[_Bank]]:
    """Banks of one family, filled into shards.

    Where they do not all fit in one, they are first divided by the value of their first
    hyperparameter, then by the next: a new value then opens a branch of its own and leaves the
    others as they were. Small neighbouring branches share a shard.

    ``banks`` are ordered by their keys. Several have the same key where runs of unequal length left
    room in more than one part of a bank.
    """
    if len(banks) <= 1 or room.has(banks):
        return [banks] if banks else []
    if banks[0].key == banks[-1].key:
        branches = [[bank] for bank in banks]
    else:
        branches = [list(same) for _, same in groupby(banks, key=lambda bank: bank.key[1][depth])]
    filled: list[list[_Bank]] = []
    for branch in branches:
        for part in _combined(branch, depth + 1, room):
            if filled and room.has([*filled[-1], *part]):
                filled[-1] = filled[-1] + part
            else:
                filled.append(part)
    return filled


def _member_key(spec: RunSpec) -> Sequence[Scalar]:
    free = [value for name, value in spec.hyperparameters if name in FREE_IN_A_BANK]
    return (spec.protocol, spec.stream, spec.fraction, spec.seed, *map(str, free))


def _sortable(key: Any) -> Any:
    """The key with every scalar beside its type's name, so that unlike scalars can be ordered."""
    if isinstance(key, tuple):
        return tuple(_sortable(part) for part in key)
    if isinstance(key, bool | int | float):
        return ("", key, "")
    return ("s", 0, key)
