"""Jobs that an earlier start left in the queue: found before planning, and taken over."""

from __future__ import annotations

import dataclasses
import sys
import time
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from workflow_src.cluster.cancelling import cancel
from workflow_src.cluster.drivers import Driver, Sent, earlier_drivers
from workflow_src.cluster.queue import Key, QueuedJob, own_jobs
from workflow_src.cluster.tools import NoAnswerError
from workflow_src.errors import UserError

PATIENCE = 60.0
ENDING_PATIENCE = 60.0
_PAUSE, _ENDING_PAUSE = 3.0, 1.0
_ENDING = "COMPLETING"
_WORDS = {"PENDING": "waiting", "RUNNING": "running"}


def find_orphans(
    results: Path, *, patience: float | None = None, settle: bool = True
) -> list[QueuedJob]:
    """The living jobs that earlier starts sent for these results, each with its key in its comment.

    With ``settle``, jobs that are ending or were to be cancelled are waited for, for
    `ENDING_PATIENCE` seconds; those that are still there afterwards are left out. SLURM is given
    ``patience`` seconds to answer, `PATIENCE` where it is left out.

    Raises
    ------
    UserError
        If SLURM does not answer while an earlier driver may have left jobs: what is sent now could
        be in the queue already.
    """
    patience = PATIENCE if patience is None else patience
    drivers = earlier_drivers(results)
    busy = [one.token for one in drivers if not one.waits_for_sending(patience)]
    if busy:
        raise UserError(
            "an earlier start is still sending a job",
            place=f"{results}/jobs/drivers/{busy[0]}.lock",
            remedy="wait a minute and start again",
        )
    unsettled = any(driver.may_have_left_jobs for driver in drivers)
    try:
        jobs = _living(drivers, patience if unsettled else 0.0)
        if settle:
            jobs = _settled(jobs, drivers, patience)
    except NoAnswerError as error:
        if not unsettled:
            return []
        raise UserError(
            f"SLURM does not answer ({error}), and an earlier start may have left jobs there",
            remedy="start again when `squeue` works, so that no job is sent twice",
        ) from None
    unwanted = _unwanted(jobs, drivers)
    return [job for job in jobs if job.id not in unwanted and job.state != _ENDING]


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
    others = [job for job in jobs if job.id not in needed]
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


def _living(drivers: Sequence[Driver], patience: float) -> list[QueuedJob]:
    """The living jobs that these drivers sent, by the names that they gave them.

    Where none was sent yet, nothing is asked.
    """
    sent = {job.id: job for driver in drivers for job in driver.sent()}
    names = set().union(*(driver.names() for driver in drivers))
    if not names:
        return []
    clusters = {"", *(job.cluster for job in sent.values())}
    found = _ask(names, clusters, patience)
    living = [_with_key(job, sent) for job in found if job.is_alive and job.run in names]
    return [job for job in living if job.key is not None]


def _with_key(job: QueuedJob, sent: Mapping[str, Sent]) -> QueuedJob:
    """A job with the comment that it was sent with: sites may write another over it."""
    one = sent.get(job.id)
    if one is None or one.run != job.run:
        return job
    return dataclasses.replace(job, comment=f"rule_{one.rule}_wildcards_{one.name}")


def _settled(jobs: list[QueuedJob], drivers: Sequence[Driver], patience: float) -> list[QueuedJob]:
    """Wait for the end of jobs that are ending or are to; return what lives then."""
    unwanted = _unwanted(jobs, drivers)
    # An interrupted driver may have been killed before it could cancel.
    cancel({job.id: job.cluster for job in jobs if job.id in unwanted and job.state != _ENDING})
    end, told = time.monotonic() + ENDING_PATIENCE, False
    while True:
        ending = [job for job in jobs if job.id in unwanted or job.state == _ENDING]
        if not ending:
            return jobs
        if time.monotonic() > end:
            _say(f"{_jobs(ending)} of an earlier start {_are(ending)} ending, and not waited for")
            return jobs
        if not told:
            _say(f"{_jobs(ending)} of an earlier start {_are(ending)} ending: waiting for that")
            told = True
        time.sleep(_ENDING_PAUSE)
        jobs = _living(drivers, patience)


def _unwanted(jobs: Iterable[QueuedJob], drivers: Iterable[Driver]) -> set[str]:
    """The ids of jobs of drivers that cancelled theirs."""
    cancelled = [driver for driver in drivers if driver.is_cancelled]
    ids = {job.id for driver in cancelled for job in driver.sent()}
    names = {name for driver in cancelled for name in driver.runs()}
    return {job.id for job in jobs if job.id in ids or job.run in names}


def _ask(names: Collection[str], clusters: Collection[str], patience: float) -> list[QueuedJob]:
    end = time.monotonic() + patience
    while True:
        try:
            left = end - time.monotonic()
            return own_jobs(timeout=max(20.0, left), runs=names, clusters=clusters)
        except NoAnswerError:
            if time.monotonic() > end:
                raise
        time.sleep(_PAUSE)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


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
