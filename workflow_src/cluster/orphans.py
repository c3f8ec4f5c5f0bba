"""Jobs that an earlier start left in the queue: found before planning, and taken over."""

from __future__ import annotations

import contextlib
import os
import time
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from workflow_src.cluster.drivers import Driver, Sent, earlier_drivers
from workflow_src.cluster.queue import PREFIX, Key, QueuedJob, own_jobs
from workflow_src.cluster.tools import NoAnswerError
from workflow_src.errors import UserError

PATIENCE = 60.0
_PAUSE = 3.0
_WORDS = {"PENDING": "waiting", "RUNNING": "running", "COMPLETING": "ending"}


def find_orphans(
    results: Path, directory: Path, *, patience: float | None = None
) -> list[QueuedJob]:
    """The living jobs of earlier starts in ``directory``, waiting for SLURM to answer if need be.

    ``patience`` is in seconds, `PATIENCE` where it is left out.

    Raises
    ------
    UserError
        If SLURM does not answer while an earlier driver may have left jobs: what is sent now could
        be in the queue already.
    """
    patience = PATIENCE if patience is None else patience
    unsettled = [driver for driver in earlier_drivers(results) if unsettled_jobs(driver)]
    busy = [one.token for one in earlier_drivers(results) if not one.waits_for_sending(patience)]
    if busy:
        raise UserError(
            "an earlier start is still sending a job",
            place=f"{results}/jobs/drivers/{busy[0]}.lock",
            remedy="wait a minute and start again",
        )
    clusters = {"", *(job.cluster for driver in unsettled for job in unsettled_jobs(driver))}
    try:
        jobs = _ask(clusters, patience if unsettled else 0.0)
    except NoAnswerError as error:
        if not unsettled:
            return []
        raise UserError(
            f"SLURM does not answer ({error}), and an earlier start may have left jobs there",
            remedy="start again when `squeue` works, so that no job is sent twice",
        ) from None
    return [job for job in jobs if _is_ours(job, directory)]


def unsettled_jobs(driver: Driver) -> list[Sent]:
    """Jobs of a driver that it never saw end."""
    known = driver.last_states()
    return [job for job in driver.sent() if not known.get(job.id, {}).get("final")]


def one_per_key(jobs: Iterable[QueuedJob]) -> dict[Key, QueuedJob]:
    """The job to take over for every key: of several the one that runs, else the earliest."""
    ordered = sorted(jobs, key=lambda job: (job.state != "RUNNING", _number(job.id)))
    chosen: dict[Key, QueuedJob] = {}
    for job in ordered:
        if job.key is not None:
            chosen.setdefault(job.key, job)
    return chosen


def as_sent(job: QueuedJob) -> Sent:
    """A job in the queue as one that a driver may take over."""
    assert job.key is not None
    return Sent(job.id, *job.key, job.run, job.cluster, adopted=True)


def messages(jobs: Sequence[QueuedJob], needed: Collection[str]) -> list[str]:
    """What to tell about orphans; ``needed`` are the ids of those that are taken over."""
    taken = [job for job in jobs if job.id in needed]
    # What is ending needs no scancel.
    others = [job for job in jobs if job.id not in needed and job.state != "COMPLETING"]
    lines = []
    if taken:
        lines.append(
            f"{_jobs(taken)} of an earlier start {_are(taken)} still in the queue "
            f"({_states(taken)}): {'they are' if len(taken) > 1 else 'it is'} taken over, "
            "not sent again"
        )
    if others:
        ids = " ".join(job.id for job in others)
        lines.append(
            f"{_jobs(others)} of an earlier start {_are(others)} in the queue that this plan does "
            f"not need ({_states(others)}); to end {'them' if len(others) > 1 else 'it'}: "
            f"scancel {ids}"
        )
    return lines


def _ask(clusters: Iterable[str], patience: float) -> list[QueuedJob]:
    end = time.monotonic() + patience
    wanted = list(clusters)
    while True:
        try:
            return own_jobs(timeout=max(20.0, end - time.monotonic()), clusters=wanted)
        except NoAnswerError:
            if time.monotonic() > end:
                raise
        time.sleep(_PAUSE)


def _is_ours(job: QueuedJob, directory: Path) -> bool:
    if not job.is_alive or job.key is None or not job.run.startswith(f"{PREFIX}_"):
        return False
    with contextlib.suppress(OSError):
        return os.path.realpath(job.directory) == os.path.realpath(directory)
    return False


def _jobs(jobs: Sequence[QueuedJob]) -> str:
    return f"{len(jobs)} job" if len(jobs) == 1 else f"{len(jobs)} jobs"


def _are(jobs: Sequence[QueuedJob]) -> str:
    return "is" if len(jobs) == 1 else "are"


def _states(jobs: Iterable[QueuedJob]) -> str:
    counted = Counter(_WORDS.get(job.state, job.state.lower()) for job in jobs)
    return ", ".join(f"{number} {word}" for word, number in sorted(counted.items()))


def _number(job: str) -> int:
    digits = job.partition("_")[0]
    return int(digits) if digits.isdecimal() else 0
