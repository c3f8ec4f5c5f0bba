"""What is run again before a change is accepted, and what was found.

Results of the old code are made once more by the new code in `workflow_src.changes.repetitions`.
Here it is said which can be: bits depend on machine, versions, device and threads, so only results
that were made with those at hand are comparable.
"""

from __future__ import annotations

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

RECORDS_READ = 300
"""Records of one model and kind that are read at most."""

_PACKAGES = ("torch", "numpy")


@dataclass(frozen=True)
class Trial:
    """One repetition, or why there was none.

    Attributes
    ----------
    step:
        The step whose code was tried.
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
    results: tuple[str, ...] = ()
    equal: bool | None = None
    reason: str | None = None
    outputs: Mapping[str, str] = field(default_factory=dict)
    differences: tuple[str, ...] = ()
    seconds: float = 0.0

    def evidence(self) -> dict[str, Any]:
        """The trial as an acceptance keeps it."""
        if self.equal is None:
            return {"step": self.step, "equal": None, "reason": self.reason}
        return {
            "step": self.step,
            "runs": list(self.results),
            "outputs": dict(self.outputs),
            "equal": self.equal,
            "machine": _machine(),
            "versions": _versions(),
            "seconds": round(self.seconds, 3),
        }

    def line(self) -> str:
        """The trial as people read it."""
        if self.equal is None:
            return f"{self.step}: not run again ({self.reason})"
        found = "bit-equal" if self.equal else "not equal"
        return f"{self.step}: {len(self.results)} made again, {found} ({self.seconds:.1f} s)"


def made_with(
    results: Results, kind: str, model: str, codes: frozenset[str]
) -> Iterator[tuple[str, Record]]:
    """Results of a model that were made with one of ``codes`` (digests or identities).

    At most `RECORDS_READ` records are read, the latest of every family first.
    """
    orphans = Orphans(results, kind, ())
    read = 0
    for family in orphans.families(model):
        for directory in orphans.of(family).values():
            if read == RECORDS_READ:
                return
            read += 1
            try:
                record = results.record(directory)
                code = record["content"]["code"]
                if codes & {code["digest"], code.get("identity", "")}:
                    yield directory, record
            except (UserError, KeyError, TypeError, AttributeError):
                continue


def incomparable(record: Record, device: str | None, threads: int | None) -> str | None:
    """Why a repetition here could not be expected to give a record's bits; None if it could.

    ``device`` and ``threads`` restrict what is sampled, where they are given.
    """
    machine, here = record.get("machine") or {}, describe_machine()
    if machine.get("cpu") != here["cpu"]:
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
        return _other_card(machine.get("gpu") or {})
    return None


def device_of(record: Record) -> str:
    """The kind of device that a result was made on: ``cpu`` or ``cuda``."""
    return "cpu" if (record.get("machine") or {}).get("gpu") is None else "cuda"


def _other_card(made: Mapping[str, Any]) -> str | None:
    import torch

    if not torch.cuda.is_available():
        return "made on a CUDA device, and there is none here"
    return None if torch.cuda.get_device_name() == made.get("name") else "made on another card"


def _machine() -> dict[str, Any]:
    here = describe_machine()
    gpu = here["gpu"]
    return {"host": here["host"], "cpu": here["cpu"], "gpu": gpu["name"] if gpu else None}


def _versions() -> dict[str, str | None]:
    found: dict[str, str | None] = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return found
