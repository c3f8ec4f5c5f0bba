"""What is run again before a change is accepted, and what was found.

Results of the old code are made once more by the new code in `workflow_src.changes.repetitions`.
Here it is said which can be: bits depend on machine, versions, device and threads, so only results
that were made with those at hand are comparable.
"""

from __future__ import annotations

import functools
import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from workflow_src.archive.results import Results
from workflow_src.changes.earlier import Record
from workflow_src.changes.orphans import Orphans
from workflow_src.errors import UserError
from workflow_src.provenance.machine import describe_machine

_PACKAGES = ("torch", "numpy")


@dataclass(frozen=True)
class Trial:
    """One repetition, or why there was none.

    Attributes
    ----------
    step:
        The step whose code was tried.
    family:
        What kind of its results: data set and likelihood, and the device where bits depend on it;
        empty where nothing was looked for or found.
    results:
        Fingerprints of what was made again.
    equal:
        Whether every bit was the same; None where nothing was run.
    reason:
        Why nothing was run.
    outputs:
        sha256 of what both made, by fingerprint and file.
    differences:
        What differed, and by how much.
    seconds:
        How long it took.
    """

    step: str
    family: str = ""
    results: tuple[str, ...] = ()
    equal: bool | None = None
    reason: str | None = None
    outputs: Mapping[str, str] = field(default_factory=dict)
    differences: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def title(self) -> str:
        """The step and the kind of its results."""
        return f"{self.step}, {self.family}" if self.family else self.step

    def evidence(self) -> dict[str, Any]:
        """The trial as an acceptance keeps it."""
        of = {"step": self.step, **({"family": self.family} if self.family else {})}
        if self.equal is None:
            return of | {"equal": None, "reason": self.reason}
        return of | {
            "runs": list(self.results),
            "outputs": dict(self.outputs),
            "equal": self.equal,
            "machine": _machine(),
            "versions": dict(_versions()),
            "seconds": round(self.seconds, 3),
        }

    def line(self) -> str:
        """The trial as people read it."""
        if self.equal is None:
            return f"{self.title}: not run again ({self.reason})"
        found = "bit-equal" if self.equal else "not equal"
        return f"{self.title}: {len(self.results)} made again, {found} ({self.seconds:.1f} s)"


def made_with(
    results: Results, kind: str, model: str, codes: frozenset[str]
) -> Iterator[tuple[str, Record]]:
    """Results of a model that were made with one of ``codes`` (digests or identities).

    Family by family, in each the latest first.
    """
    orphans = Orphans(results, kind, ())
    for family in orphans.families(model):
        for directory in orphans.of(family).values():
            try:
                record = results.record(directory)
                if is_of(record, codes):
                    yield directory, record
            except (UserError, KeyError, TypeError, AttributeError):
                continue


def is_of(record: Record, codes: frozenset[str]) -> bool:
    """Whether one of ``codes`` (digests or identities) made what the record is of."""
    code = record["content"]["code"]
    return bool(codes & {code["digest"], code.get("identity", "")})


def incomparable(record: Record, device: str | None, threads: int | None) -> str | None:
    """Why a repetition here could not be expected to give a record's bits; None if it could.

    ``device`` and ``threads`` restrict what is sampled, where they are given.
    """
    machine = record.get("machine") or {}
    if machine.get("cpu") != _processor():
        return "made on another kind of machine"
    environment = record.get("environment") or {}
    packages = environment.get("packages") or {}
    made = {"python": environment.get("python")} | {n: packages.get(n) for n in _PACKAGES}
    if made != _versions():
        return "made with other versions of Python, torch or numpy"
    kind = device_of(record)
    if device is not None and device.partition(":")[0] != kind:
        return f"made on {kind}"
    if threads is not None and record.get("threads") != threads:
        return f"made with {record.get('threads')} threads"
    if kind == "cuda":
        return _other_card(machine.get("gpu") or {}, device or kind)
    return None


def device_of(record: Record) -> str:
    """The kind of device that a result was made on: ``cpu`` or ``cuda``."""
    return "cpu" if (record.get("machine") or {}).get("gpu") is None else "cuda"


def _other_card(made: Mapping[str, Any], device: str) -> str | None:
    import torch

    if not torch.cuda.is_available():
        return "made on a CUDA device, and there is none here"
    number = int(device.partition(":")[2] or torch.cuda.current_device())
    if number >= torch.cuda.device_count():
        return f"made on a CUDA device, and there is no {device} here"
    return (
        None if torch.cuda.get_device_name(number) == made.get("name") else "made on another card"
    )


def _machine() -> dict[str, Any]:
    here = describe_machine()
    gpu = here["gpu"]
    return {"host": here["host"], "cpu": here["cpu"], "gpu": gpu["name"] if gpu else None}


@functools.cache
def _processor() -> Any:
    return describe_machine()["cpu"]


@functools.cache
def _versions() -> Mapping[str, str | None]:
    found: dict[str, str | None] = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return found
