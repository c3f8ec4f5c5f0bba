"""Who holds something: a process, named so that another one can tell whether it still lives."""

from __future__ import annotations

import dataclasses
import os
import socket
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workflow_src.jobs import slurm

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_NAMESPACE = Path("/proc/self/ns/pid")
_ENDED = ("Z", "X")


@dataclass(frozen=True)
class Holder:
    """One process that may hold leases.

    Attributes
    ----------
    token:
        Unlike that of any other holder.
    host, pid:
        Where it runs.
    started:
        Its start in clock ticks since the machine did: numbers of processes are used again.
    boot, namespace:
        The machine's boot and the pid namespace that its number counts in; None where the system
        does not tell, and then nobody can see from here whether it lives.
    slurm_job, slurm_restarts:
        Its SLURM job, and how often SLURM had started that again.
    """

    token: str
    host: str
    pid: int
    started: int | None = None
    boot: str | None = None
    namespace: str | None = None
    slurm_job: str | None = None
    slurm_restarts: int = 0

    def __str__(self) -> str:
        of_slurm = f", SLURM job {self.slurm_job}" if self.slurm_job else ""
        return f"process {self.pid} on {self.host}{of_slurm}"


def this_process() -> Holder:
    """A new holder, which is this process."""
    return Holder(
        token=uuid.uuid4().hex,
        host=socket.gethostname(),
        pid=os.getpid(),
        started=_start_of(os.getpid()),
        boot=_boot(),
        namespace=_namespace(),
        slurm_job=slurm.job(),
        slurm_restarts=slurm.restarts(),
    )


def as_mapping(holder: Holder) -> dict[str, Any]:
    """A holder as JSON values."""
    return dataclasses.asdict(holder)


def from_mapping(content: Mapping[str, Any]) -> Holder | None:
    """The holder that `as_mapping` gave; None where it is damaged."""
    names = [one.name for one in dataclasses.fields(Holder)]
    try:
        holder = Holder(**{name: content[name] for name in names})
    except (KeyError, TypeError):
        return None
    texts = (holder.boot, holder.namespace, holder.slurm_job)
    whole = (
        isinstance(holder.token, str)
        and isinstance(holder.host, str)
        and type(holder.pid) is int
        and isinstance(holder.started, int | None)
        and all(isinstance(one, str | None) for one in texts)
        and isinstance(holder.slurm_restarts, int)
    )
    return holder if whole else None


def is_dead(holder: Holder) -> bool:
    """Whether its process is seen to have ended; False too where it cannot be seen from here."""
    here = _boot(), _namespace()
    if None in here or (holder.boot, holder.namespace) != here or holder.pid <= 0:
        return False
    try:
        os.kill(holder.pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        pass  # It is there, as somebody else's.
    found = _stat(holder.pid)
    if found is None:
        return False
    state, started = found
    return state in _ENDED or (holder.started is not None and started != holder.started)


def is_succeeded(holder: Holder, by: Holder) -> bool:
    """Whether ``by`` is a later start of the same SLURM job: SLURM ended the earlier one."""
    return (
        holder.slurm_job is not None
        and holder.slurm_job == by.slurm_job
        and holder.slurm_restarts < by.slurm_restarts
    )


def _boot() -> str | None:
    try:
        return _BOOT.read_text().strip() or None
    except OSError:
        return None


def _namespace() -> str | None:
    try:
        return os.readlink(_NAMESPACE)
    except OSError:
        return None


def _start_of(pid: int) -> int | None:
    found = _stat(pid)
    return found[1] if found else None


def _stat(pid: int) -> tuple[str, int] | None:
    """State and start of a process, see proc(5); None where they cannot be read."""
    try:
        # The name in parentheses may hold anything, parentheses and spaces too.
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        return fields[0], int(fields[19])
    except (OSError, IndexError, ValueError):
        return None
