"""Whether the numbers of one table were made alike: same code, same libraries, same kind of device.

Numbers of one table are compared with each other, and so must differ in nothing but what the table
varies. Hosts and models of processors may differ, and are told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from workflow_src.audit.chain import Chain
from workflow_src.audit.findings import Notes
from workflow_src.audit.records import PACKAGES, Examined
from workflow_src.plan.plan import Plan

_SHOWN = 3

Records = Mapping[str, Sequence[Examined]]


def check_mixtures(plan: Plan, chain: Chain, notes: Notes) -> None:
    """Every experiment's trainings, measurements and evaluations, each kind for itself."""
    tables: dict[tuple[str, str], set[str]] = {}
    for one in plan.evaluations:
        for group in one.groups:
            tables.setdefault((group.study, group.experiment), set()).add(one.fingerprint)
    for (study, experiment), evaluations in tables.items():
        for kind, records in _below(sorted(evaluations), chain).items():
            place = f"table {study} {experiment}"
            for name, said in _ENVIRONMENT.items():
                found = _by_value(records, said)
                if len(found) > 1:
                    notes.find("mixture", place, f"{kind}s of several {name}: {_told(found)}")
            for name, said in _CIRCUMSTANCES.items():
                found = _by_value(records, said)
                if len(found) > 1:
                    notes.remark(place, f"{kind}s of several {name}: {_told(found)}")


def tell_uncommitted(records: Iterable[Examined], notes: Notes) -> None:
    """A remark on results that were made from a tree with uncommitted changes."""
    dirty = [one for one in records if one.record and one.record.get("git", {}).get("dirty")]
    if dirty:
        notes.remark(
            dirty[0].place,
            f"{len(dirty)} results were made from a tree with uncommitted changes, this one first",
        )


def _below(evaluations: Iterable[str], chain: Chain) -> dict[str, list[Examined]]:
    """The records that one table is made from, by kind, each once."""
    found: dict[str, dict[str, Examined]] = {"run": {}, "measurement": {}, "evaluation": {}}
    for fingerprint in evaluations:
        one = chain.examined.get(("evaluation", fingerprint))
        if one is None or one.record is None:
            continue
        found["evaluation"][fingerprint] = one
        for parent in one.record["parents"]:
            key = (parent["kind"], parent["fingerprint"])
            if key in chain.examined:
                found.setdefault(key[0], {})[key[1]] = chain.examined[key]
    return {kind: list(records.values()) for kind, records in found.items()}


def _by_value(
    records: Iterable[Examined], said: Callable[[Mapping[str, Any]], Any]
) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for one in records:
        found.setdefault(str(said(one.record or {})), []).append(one.place)
    return found


def _told(found: Mapping[str, Sequence[str]]) -> str:
    parts = [
        f"{value} ({len(places)}, such as {places[0]})"
        for value, places in list(found.items())[:_SHOWN]
    ]
    return "; ".join(parts) + (" ..." if len(found) > _SHOWN else "")


def _python(record: Mapping[str, Any]) -> Any:
    text = str(record.get("environment", {}).get("python"))
    return "Python " + ".".join(text.split(".")[:2])


def _package(name: str) -> Callable[[Mapping[str, Any]], Any]:
    return lambda record: f"{name} {record.get('environment', {}).get('packages', {}).get(name)}"


def _device(record: Mapping[str, Any]) -> Any:
    return "CPU" if record.get("machine", {}).get("gpu") is None else "GPU"


def _processor(record: Mapping[str, Any]) -> Any:
    machine = record.get("machine", {})
    return (machine.get("gpu") or {}).get("name") or machine.get("cpu")


_ENVIRONMENT: dict[str, Callable[[Mapping[str, Any]], Any]] = {
    "versions of Python": _python,
    **{f"versions of {name}": _package(name) for name in PACKAGES},
    "kinds of device": _device,
}

_CIRCUMSTANCES: dict[str, Callable[[Mapping[str, Any]], Any]] = {
    "hosts": lambda record: record.get("machine", {}).get("host"),
    "processors": _processor,
    "numbers of threads": lambda record: record.get("threads"),
}
