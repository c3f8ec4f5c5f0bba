"""Drivers: each Snakemake that sends jobs, and what it sent, as files in results/jobs/drivers/.

``TOKEN.json`` says who it is, ``TOKEN.runs`` has the names of its jobs in SLURM, written before the
first is sent, ``TOKEN.sent`` one line per job that it sent or took over, and ``TOKEN.states`` what
its last question about them was answered. ``TOKEN.lock`` is held while a job is being sent,
``TOKEN.cancelled`` is there once it cancels its jobs, ``TOKEN.ended`` when it ended in order. The
commands before SLURM's find their driver by an environment variable.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import logging
import os
import socket
import time
import uuid
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from workflow_src.cluster.queue import Key
from workflow_src.cluster.tools import stand_before_slurm
from workflow_src.errors import UserError
from workflow_src.jobs.holders import as_mapping, from_mapping, is_dead, this_process
from workflow_src.jobs.journal import DRIVER_VARIABLE
from workflow_src.jobs.journal import FOLDER as JOBS
from workflow_src.storage import explain, read_json_object, write_json

FOLDER = "drivers"
_KEPT = 20
_PARTS = (".json", ".sent", ".runs", ".states", ".lock", ".cancelled", ".ended", ".log")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sent:
    """A job that a driver waits for; ``run`` is its name in SLURM."""

    id: str
    rule: str
    name: str
    run: str
    cluster: str = ""
    adopted: bool = False
    """Whether an earlier driver sent it."""

    @property
    def key(self) -> Key:
        """What it makes."""
        return self.rule, self.name


@dataclass(frozen=True)
class Driver:
    """One Snakemake, by its file ``TOKEN.json``."""

    path: Path

    @classmethod
    def current(cls) -> Driver | None:
        """That of this process or of the one that started it, as the environment says."""
        named = os.environ.get(DRIVER_VARIABLE)
        return cls(Path(named)) if named else None

    @property
    def token(self) -> str:
        """Its name."""
        return self.path.stem

    @property
    def results(self) -> Path:
        """The results that its jobs make."""
        return self.path.parents[2]

    def part(self, suffix: str) -> Path:
        """Another of its files."""
        return self.path.with_suffix(suffix)

    def facts(self) -> dict[str, Any]:
        """Who it is; empty where its file cannot be read."""
        with contextlib.suppress(UserError):
            return read_json_object(self.path)
        return {}

    def is_alive(self) -> bool:
        """Whether its process runs; True too where that cannot be seen from here."""
        content = self.facts().get("process")
        process = from_mapping(content) if isinstance(content, dict) else None
        return process is None or not is_dead(process)

    def sent(self) -> list[Sent]:
        """The jobs that it waits for, or did."""
        return list(_lines(self.part(".sent")))

    def note_sent(self, job: Sent) -> None:
        """Remember a job; one short line, which the system writes whole."""
        text = json.dumps(dataclasses.asdict(job), sort_keys=True)
        _append(self.part(".sent"), f"{text}\n")

    def runs(self) -> list[str]:
        """The names in SLURM that its jobs have, or were to get."""
        try:
            return list(dict.fromkeys(self.part(".runs").read_text().split()))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise explain(error, self.part(".runs")) from error

    def note_run(self, name: str) -> None:
        """Remember a name before the first job with it is sent."""
        if name not in self.runs():
            _append(self.part(".runs"), f"{name}\n")

    def orphans(self) -> dict[Key, Sent]:
        """The jobs of earlier drivers that it takes over when it would send one like them."""
        found = (_sent(one) for one in self.facts().get("orphans", ()))
        return {one.key: one for one in found if one is not None}

    def last_states(self) -> dict[str, dict[str, Any]]:
        """What was last known of each job, by its id, as `workflow_src.cluster.status` writes."""
        with contextlib.suppress(UserError):
            return read_json_object(self.part(".states"))
        return {}

    @property
    def is_cancelled(self) -> bool:
        """Whether it has begun to cancel its jobs, so that no more may be sent."""
        return self.part(".cancelled").exists()

    @property
    def is_wanting(self) -> bool:
        """Whether it is there and still wants its jobs."""
        return not self.is_cancelled and self.is_alive()

    def unsettled(self) -> list[Sent]:
        """Jobs that it never saw end."""
        over = self.settled()
        return [job for job in self.sent() if job.id not in over]

    def settled(self) -> set[str]:
        """The ids of jobs that it saw end."""
        return {job for job, known in self.last_states().items() if known.get("final")}

    @property
    def may_have_left_jobs(self) -> bool:
        """Whether there may be jobs that it never saw end, also one that it never heard of.

        SLURM may have accepted a job while the driver, or its command, was killed.
        """
        if self.unsettled():
            return True
        began = any(self.part(suffix).exists() for suffix in (".runs", ".lock"))
        return began and not (self.part(".ended").exists() and self.sent())

    def names(self) -> set[str]:
        """The names in SLURM of all jobs that it sent or took over."""
        return {*self.runs(), *(job.run for job in self.sent())}

    def say(self, text: str) -> None:
        """Leave a line in its log, where its own words cannot be seen on the terminal."""
        moment = datetime.now(UTC).isoformat(timespec="seconds")
        with contextlib.suppress(UserError):
            _append(self.part(".log"), f"{moment} {text}\n")

    @contextlib.contextmanager
    def sending(self) -> Iterator[int]:
        """Hold a lock that says that a job is being sent, so that the next driver waits for it.

        The descriptor is for the child that sends, which keeps the lock if this process is killed.
        Where the file system has no locks there is none.
        """
        try:
            descriptor = os.open(self.part(".lock"), os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise explain(error, self.part(".lock")) from error
        try:
            with contextlib.suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_SH)
            yield descriptor
        finally:
            os.close(descriptor)

    def waits_for_sending(self, patience: float) -> bool:
        """Wait until no job is being sent for this driver; False if that takes too long."""
        end = time.monotonic() + patience
        try:
            descriptor = os.open(self.part(".lock"), os.O_RDWR)
        except OSError:
            return True
        try:
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    return True
                except BlockingIOError:
                    if time.monotonic() > end:
                        return False
                    time.sleep(0.2)
                except OSError:
                    return True
        finally:
            os.close(descriptor)


def register(results: Path, orphans: Iterable[Sent]) -> Driver:
    """Make this process a driver: its file, its name in the environment, its commands on PATH."""
    moment = datetime.now(UTC)
    token = f"{moment:%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:8]}"
    driver = Driver(results.resolve() / JOBS / FOLDER / f"{token}.json")
    write_json(
        driver.path,
        {
            "schema_version": 1,
            "token": token,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "process": as_mapping(this_process()),
            "started": moment.isoformat(timespec="seconds"),
            "orphans": [dataclasses.asdict(one) for one in orphans],
        },
    )
    os.environ[DRIVER_VARIABLE] = str(driver.path)
    stand_before_slurm()
    return driver


def earlier_drivers(results: Path) -> list[Driver]:
    """All drivers of which files are there, oldest first."""
    folder = results.resolve() / JOBS / FOLDER
    return [Driver(path) for path in sorted(folder.glob("*.json")) if path.name[0] != "."]


def forget_old(results: Path, needed: Collection[str] = ()) -> None:
    """Remove the files of drivers that are long over, but for those whose jobs have a ``needed``
    name."""
    for driver in earlier_drivers(results)[:-_KEPT]:
        if driver.names().isdisjoint(needed):
            for suffix in _PARTS:
                with contextlib.suppress(OSError):
                    driver.part(suffix).unlink(missing_ok=True)


def _lines(path: Path) -> Iterator[Sent]:
    try:
        text = path.read_text()
    except FileNotFoundError:
        return
    except OSError as error:
        raise explain(error, path) from error
    for line in text.splitlines():
        with contextlib.suppress(ValueError):
            job = _sent(json.loads(line))
            if job is not None:
                yield job


def _sent(content: object) -> Sent | None:
    if not isinstance(content, dict):
        return None
    known = {one.name for one in dataclasses.fields(Sent)}
    with contextlib.suppress(TypeError):
        return Sent(**{key: value for key, value in content.items() if key in known})
    return None


def _append(path: Path, text: str) -> None:
    try:
        with path.open("a") as stream:
            stream.write(text)
    except OSError as error:
        raise explain(error, path) from error
