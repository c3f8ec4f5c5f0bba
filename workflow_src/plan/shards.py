"""Which runs one job trains on one device.

Runs that can share a bank stay together, and the rest is filled up with runs of the same model on
the same data. Where runs are packed decides how fast they are trained, not what comes out; packing
is local all the same, so that new runs seldom move others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from workflow_src.plan.specs import RunSpec, Scalar

FREE_IN_A_BANK = frozenset({"stopping"})
"""Hyperparameters that members of one bank may differ in, beside axes that are not its family's."""

Family = tuple[str, str, str]
BankKey = tuple[Family, tuple[tuple[str, Scalar], ...]]
_Bank = list[str]


def family(spec: RunSpec) -> Family:
    """Model, data set and likelihood: what all runs of a shard share."""
    return spec.model, spec.data_set, spec.likelihood


def bank_key(spec: RunSpec) -> BankKey:
    """Equal for runs that one bank can train: same shapes, same rhythm of steps.

    Members may differ in seed, fraction, protocol and stream, and in `FREE_IN_A_BANK`.
    """
    shape = tuple(item for item in spec.hyperparameters if item[0] not in FREE_IN_A_BANK)
    return family(spec), shape


def fill_shards(runs: Mapping[str, RunSpec], maximum_runs: int) -> list[tuple[str, ...]]:
    """The runs' fingerprints, divided into shards of at most ``maximum_runs``.

    The result depends on the specs alone, not on their order. A bank that fits is never divided,
    and its neighbours' coming and going moves it between shards whole.
    """
    keys = {name: bank_key(spec) for name, spec in runs.items()}
    # Few keys are shared by many runs, and making them sortable is the slow part.
    ranks = {key: rank for rank, key in enumerate(sorted(set(keys.values()), key=_sortable))}
    ordered = sorted(
        runs, key=lambda name: (ranks[keys[name]], _sortable(_member_key(runs[name])), name)
    )
    shards: list[tuple[str, ...]] = []
    for _, members in groupby(ordered, key=lambda name: family(runs[name])):
        rest: list[_Bank] = []
        for _, bank in groupby(members, key=lambda name: keys[name]):
            whole, remainder = _cut(list(bank), maximum_runs)
            shards.extend(whole)
            rest.extend([remainder] if remainder else [])
        shards.extend(
            tuple(name for bank in banks for name in bank)
            for banks in _combined(rest, 0, runs, maximum_runs)
        )
    return shards


def _cut(bank: _Bank, maximum: int) -> tuple[list[tuple[str, ...]], _Bank]:
    full = len(bank) // maximum * maximum
    return [tuple(bank[at : at + maximum]) for at in range(0, full, maximum)], bank[full:]


def _combined(
    banks: list[_Bank], depth: int, runs: Mapping[str, RunSpec], maximum: int
) -> list[list[_Bank]]:
    """Banks of one family, filled into shards.

    Where they do not all fit in one, they are first divided by the value of their first
    hyperparameter, then by the next: a new value then opens a branch of its own and leaves the
    others as they were. Small neighbouring branches share a shard.
    """
    if sum(map(len, banks)) <= maximum:
        return [banks] if banks else []
    filled: list[list[_Bank]] = []
    for _, branch in groupby(banks, key=lambda bank: _coordinate(runs[bank[0]], depth)):
        for part in _combined(list(branch), depth + 1, runs, maximum):
            if filled and sum(map(len, filled[-1])) + sum(map(len, part)) <= maximum:
                filled[-1] = filled[-1] + part
            else:
                filled.append(part)
    return filled


def _coordinate(spec: RunSpec, depth: int) -> tuple[str, Scalar]:
    return bank_key(spec)[1][depth]


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
