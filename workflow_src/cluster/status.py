"""What ``squeue`` and ``sacct`` say when the plugin asks how its jobs are.

One line per job that the driver sent or took over, and never an error: a failed question makes the
plugin forget its jobs. While SLURM does not answer, jobs are what they were last. A job that SLURM
has forgotten is what the accounting or its own journal entry says.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Sequence
from typing import Any

from workflow_src.cluster.drivers import Driver, Sent
from workflow_src.cluster.queue import QueuedJob, accounted_states, own_jobs
from workflow_src.cluster.states import Kind, for_plugin, kind
from workflow_src.cluster.tools import NoAnswerError
from workflow_src.errors import UserError
from workflow_src.jobs.journal import State, entry_path, note_ended, read_entry
from workflow_src.storage import write_json

PATIENCE = 40.0
"""Seconds for one answer; the plugin takes 60 for a failure, and Python has to start."""
REQUEUE_PATIENCE = 60.0
"""Seconds in which SLURM requeues the job of a failed node, if it is going to."""
RUNAWAY_PATIENCE = 600.0
"""Seconds in which the accounting learns of the end of a job that is no longer in the queue."""
ACCOUNTING_PATIENCE = 10.0
_PAUSE = 2.0
_UNTOLD = "PENDING"
_FORGOTTEN_AFTER = 2
_NO_KEY = ("", "")
"""That of a job of which the site has rewritten the comment."""

_Memory = dict[str, Any]
"""What is remembered of one job: ``state``; ``final``; ``absences``, questions that it was missing
from, and ``absent_since``, when the first was; ``ended_since``, when it first seemed to have ended
without being requeued; ``key`` and ``cluster`` of one that could not be noted as sent."""


def answer_states(words: Sequence[str], driver: Driver) -> int | None:
    """Answer the plugin's question for states; None where the call is another."""
    run = _run_asked_for(words)
    if run is None:
        return None
    for job, state in states_of(driver, run).items():
        print(f"{job}|{for_plugin(state)}")
    return 0


def states_of(driver: Driver, run: str) -> dict[str, str]:
    """The state of every job of the driver, by its id; ``run`` is the name that its jobs bear."""
    # Jobs are read before SLURM is asked, so that one sent in between is not taken for forgotten.
    sent = {job.id: job for job in driver.sent()}
    known = driver.last_states()
    jobs = sent | _found_before(known, run, sent)
    listed = _listed([job for job in jobs.values() if _is_open(job, known)], run, driver)
    if listed is not None:
        jobs |= _found_now(listed, run, driver)
        _learn(known, [job for job in jobs.values() if _is_open(job, known)], listed, driver)
        for job in jobs.values():
            if job.id not in sent:
                known[job.id] |= {"key": job.key, "cluster": job.cluster}
        _remember(driver, known)
    return {job: known.get(job, {}).get("state", _UNTOLD) for job in {**sent, **known}}


def _is_open(job: Sent, known: dict[str, _Memory]) -> bool:
    return not known.get(job.id, {}).get("final")


def _key(memory: _Memory) -> tuple[str, str]:
    rule, name = memory.get("key", _NO_KEY)
    return rule, name


def _found_now(listed: dict[str, QueuedJob], run: str, driver: Driver) -> dict[str, Sent]:
    """The jobs that bear the driver's name but could not be noted when they were sent."""
    noted = {job.id for job in driver.sent()}
    found = {}
    for one in listed.values():
        if one.run == run and one.id not in noted:
            job = Sent(one.id, *(one.key or _NO_KEY), run, one.cluster)
            found[one.id] = job
            if one.key is not None:
                with contextlib.suppress(UserError):
                    driver.note_sent(job)
    return found


def _found_before(known: dict[str, _Memory], run: str, sent: dict[str, Sent]) -> dict[str, Sent]:
    """The jobs that were found so earlier, and can still not be noted."""
    missing = {job: memory for job, memory in known.items() if job not in sent}
    return {
        job: Sent(job, *_key(memory), run, memory.get("cluster", ""))
        for job, memory in missing.items()
    }


def _run_asked_for(words: Sequence[str]) -> str | None:
    """The name in a question of the plugin: `query_job_status_squeue` or `..._sacct` there."""
    if "--noheader" not in words or "--name" not in words[:-1]:
        return None
    formats = {"--format=%i|%T", "--format=JobIdRaw,State"}
    return words[words.index("--name") + 1] if formats.intersection(words) else None


def _listed(jobs: Iterable[Sent], run: str, driver: Driver) -> dict[str, QueuedJob] | None:
    """What squeue shows of the jobs; None if it gives no answer in time."""
    end = time.monotonic() + PATIENCE
    runs = {run, *(job.run for job in jobs)}
    clusters = {"", *(job.cluster for job in jobs)}
    while True:
        left = end - time.monotonic()
        try:
            found = own_jobs(timeout=left, runs=runs, clusters=clusters)
            return {job.id: job for job in found}
        except NoAnswerError as error:
            if left < 2 * _PAUSE:
                driver.say(f"no answer, jobs count as what they were last: {error}")
                return None
        time.sleep(_PAUSE)


def _learn(
    known: dict[str, _Memory], jobs: Sequence[Sent], listed: dict[str, QueuedJob], driver: Driver
) -> None:
    """Write into ``known`` what the list and, for jobs that it lacks, other sources say."""
    accounted = _accounted([job for job in jobs if job.id not in listed])
    for job in jobs:
        before = known.get(job.id, {})
        state = listed[job.id].state if job.id in listed else accounted.get(job.id)
        is_told = state is not None and (job.id in listed or kind(state) is not Kind.GOING_ON)
        if state is not None and is_told:
            after = _seen(state, before)
        else:
            after = _forgotten(job, before, driver, accounted=state)
        known[job.id] = after
        if after.get("final") and kind(after["state"]) is Kind.FAILED:
            driver.say(f"{job.rule} {job.name}: job {job.id} ended as {after['state']}")
            if job.key == _NO_KEY:
                continue
            note_ended(
                driver.results,
                *job.key,
                slurm_job=job.id,
                state_word=str(after.get("word", after["state"])),
                driver=driver.token,
            )


def _accounted(jobs: Sequence[Sent]) -> dict[str, str]:
    """What the accounting tells of jobs, each asked of its own cluster."""
    end = time.monotonic() + ACCOUNTING_PATIENCE
    states: dict[str, str] = {}
    for cluster in sorted({job.cluster for job in jobs}):
        ids = [job.id for job in jobs if job.cluster == cluster]
        states |= accounted_states(ids, timeout=end - time.monotonic(), cluster=cluster)
    return states


def _seen(state: str, before: _Memory) -> _Memory:
    match kind(state):
        case Kind.GOING_ON:
            return {"state": state}
        case Kind.PERHAPS_REQUEUED:
            since = before.get("ended_since", time.time())
            if time.time() - since < REQUEUE_PATIENCE:
                return {"state": state, "ended_since": since}
            return {"state": "FAILED", "word": state, "final": True}
        case _:
            return {"state": state, "final": True}


def _forgotten(job: Sent, before: _Memory, driver: Driver, *, accounted: str | None) -> _Memory:
    """A job that is not in the queue, and of which no end is known: its own last word counts.

    ``accounted`` is the accounting's word for a job that it thinks goes on. It learns of ends late,
    and of some never.
    """
    entry = read_entry(entry_path(driver.results, *job.key))
    if entry is not None and entry.slurm_job == job.id and entry.state is State.FINISHED:
        return {"state": "COMPLETED", "final": True}
    absences = int(before.get("absences", 0)) + 1
    since = float(before.get("absent_since", time.time()))
    patience = 0.0 if accounted is None else RUNAWAY_PATIENCE
    if absences < _FORGOTTEN_AFTER or time.time() - since < patience:
        state = before.get("state", accounted or _UNTOLD)
        return {"state": state, "absences": absences, "absent_since": since}
    return {"state": "FAILED", "word": "forgotten", "final": True}


def _remember(driver: Driver, known: dict[str, _Memory]) -> None:
    with contextlib.suppress(UserError):
        write_json(driver.part(".states"), known)
