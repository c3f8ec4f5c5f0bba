"""What each job says of itself while it is at work: one small file per job in results/jobs/.

A job rewrites its entry every few seconds, so that the file's time is its sign of life. Entries
are for people, for ``status`` and for the commands before SLURM's; no result depends on one.
"""

from __future__ import annotations

import dataclasses
import enum
import json
import logging
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from workflow_src.errors import UserError
from workflow_src.storage import replacing_file

log = logging.getLogger(__name__)

FOLDER = "jobs"
SCHEMA_VERSION = 1

HEARTBEAT = 15.0
"""Seconds between two signs of life of a running job."""

DRIVER_VARIABLE = "DENSITY_BENCH_DRIVER"
"""The file of the Snakemake that sends the jobs; its stem is the driver's token."""


class State(enum.StrEnum):
    """What became of a job, as far as its entry knows."""

    QUEUED = "queued"
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True)
class Entry:
    """One job's entry.

    Attributes
    ----------
    rule, name:
        Which job: the rule of the workflow, and what tells its jobs apart (the 16 hex digits of a
        shard's digest or of a fingerprint; a data set's name).
    state:
        See `State`.
    since, updated:
        When the state began, and when the entry was written; ISO, UTC.
    driver:
        Token of the Snakemake that sent the job.
    attempt:
        Which time that Snakemake sends it.
    host, pid:
        Where it runs, once it does.
    slurm_job, slurm_restarts, slurm_nodes:
        SLURM's id, how often SLURM started it again, and the nodes.
    visible_devices:
        CUDA_VISIBLE_DEVICES, where it is set.
    reason:
        Why it failed or stopped, in one line.
    worth_repeating:
        Whether what made it fail may pass: a full disk may, a mistake in the settings not.
    progress:
        How far it is: ``device``, and of a shard ``runs``, ``runs_finished``, ``waiting_for`` (runs
        that another job trains), ``bank`` (what is trained now, in words), ``bank_runs``, ``step``,
        ``maximum_steps``, ``active_runs``, ``best_bound`` (nats), ``steps_per_second``; any of
        them may be missing.
    """

    rule: str
    name: str
    state: State
    since: str
    updated: str
    driver: str | None = None
    attempt: int | None = None
    host: str | None = None
    pid: int | None = None
    slurm_job: str | None = None
    slurm_restarts: int = 0
    slurm_nodes: str | None = None
    visible_devices: str | None = None
    reason: str | None = None
    worth_repeating: bool | None = None
    progress: dict[str, Any] = field(default_factory=dict)


def entry_path(results: Path, rule: str, name: str) -> Path:
    """Where the entry of that job lies."""
    return results / FOLDER / f"{rule}-{name}.json"


def read_entry(path: Path) -> Entry | None:
    """The entry in a file; None where there is none, or where it is damaged."""
    try:
        content = json.loads(path.read_text())
        known = {one.name for one in dataclasses.fields(Entry)}
        values = {key: value for key, value in content.items() if key in known}
        entry = Entry(**values | {"state": State(values["state"])})
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return entry if _is_well_typed(entry) else None


def write_entry(path: Path, entry: Entry) -> None:
    """Replace the entry in a file.

    Raises
    ------
    UserError
        If it cannot be written, as on a full disk.
    """
    content = dataclasses.asdict(entry) | {"schema_version": SCHEMA_VERSION}
    with replacing_file(path, durable=False) as temporary:
        temporary.write_text(json.dumps(content, sort_keys=True, indent=1) + "\n")


def entries(results: Path) -> list[Entry]:
    """All entries that can be read, by the names of their files."""
    paths = sorted((results / FOLDER).glob("*.json"))
    found = (read_entry(path) for path in paths if not path.name.startswith("."))
    return [entry for entry in found if entry is not None]


def note_queued(results: Path, rule: str, name: str, *, slurm_job: str, driver: str | None) -> None:
    """Say that a job was handed to SLURM, unless it has spoken for itself already."""
    path = entry_path(results, rule, name)
    known = read_entry(path)
    if known is not None and known.slurm_job == slurm_job:
        return
    moment = now()
    entry = Entry(rule, name, State.QUEUED, moment, moment, driver=driver, slurm_job=slurm_job)
    _write_or_warn(path, entry)


def note_ended(
    results: Path, rule: str, name: str, *, slurm_job: str, state_word: str, driver: str | None
) -> None:
    """Say what SLURM says became of a job that ended without a last word of its own.

    A job that stopped on a signal keeps its state, and learns what the signal was for.
    """
    path = entry_path(results, rule, name)
    known = read_entry(path)
    moment = now()
    said = f"SLURM: {state_word}"
    if known is None:
        known = Entry(rule, name, State.QUEUED, moment, moment, driver, slurm_job=slurm_job)
    if known.slurm_job != slurm_job:
        return
    if known.state in (State.QUEUED, State.RUNNING):
        changes: dict[str, Any] = {
            "state": State.FAILED,
            "since": moment,
            "reason": said,
            "worth_repeating": True,
        }
    elif known.state == State.INTERRUPTED and said not in (known.reason or ""):
        changes = {"reason": f"{known.reason} ({said})" if known.reason else said}
    else:
        return
    driver = known.driver if driver is None else driver
    _write_or_warn(path, dataclasses.replace(known, updated=moment, driver=driver, **changes))


def now() -> str:
    """This moment as entries write it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def driver_token() -> str | None:
    """The token of the Snakemake that sent this process, where one says so."""
    named = os.environ.get(DRIVER_VARIABLE)
    return Path(named).stem if named else None


def _write_or_warn(path: Path, entry: Entry) -> None:
    try:
        write_entry(path, entry)
    except (UserError, OSError) as error:
        log.warning("the journal cannot be written: %s", error)


def _is_well_typed(entry: Entry) -> bool:
    """Whether what others sort by, compare and look into is of the type that it should be."""
    texts = (entry.rule, entry.name, entry.since, entry.updated)
    maybe_texts = (entry.driver, entry.host, entry.slurm_job, entry.slurm_nodes, entry.reason)
    maybe_numbers = (entry.attempt, entry.pid)
    return (
        all(isinstance(one, str) for one in texts)
        and all(one is None or isinstance(one, str) for one in maybe_texts)
        and all(one is None or isinstance(one, int) for one in maybe_numbers)
        and isinstance(entry.slurm_restarts, int)
        and isinstance(entry.visible_devices, str | None)
        and isinstance(entry.worth_repeating, bool | None)
        and isinstance(entry.progress, dict)
    )
