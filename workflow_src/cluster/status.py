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
_PAUSE = 2.0
_UNTOLD = "PENDING"
_FORGOTTEN_AFTER = 2

_Memory = dict[str, Any]
"""What is remembered of one job: ``state``; ``final``; ``absences``, questions that it was missing
from; ``ended_since``, when it first seemed to have ended without being requeued."""


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
    open_jobs = [job for job in sent.values() if not known.get(job.id, {}).get("final")]
    if open_jobs or not sent:
        listed = _listed(open_jobs, run, driver)
        if listed is not None:
            _learn(known, open_jobs, listed, driver)
            known |= {job: {"state": one.state} for job, one in listed.items() if job not in sent}
            _remember(driver, known)
    return {job: known.get(job, {}).get("state", _UNTOLD) for job in {**sent, **known}}


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
    absent = [job for job in jobs if job.id not in listed]
    accounted = accounted_states([job.id for job in absent], timeout=10) if absent else {}
    for job in jobs:
        before = known.get(job.id, {})
        state = listed[job.id].state if job.id in listed else accounted.get(job.id)
        after = _forgotten(job, before, driver) if state is None else _seen(state, before)
        known[job.id] = after
        if after.get("final") and kind(after["state"]) is Kind.FAILED:
            driver.say(f"{job.rule} {job.name}: job {job.id} ended as {after['state']}")
            note_ended(
                driver.results,
                *job.key,
                slurm_job=job.id,
                state_word=str(after.get("word", after["state"])),
                driver=driver.token,
            )


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


def _forgotten(job: Sent, before: _Memory, driver: Driver) -> _Memory:
    """A job that neither the queue nor the accounting knows: its own last word counts."""
    entry = read_entry(entry_path(driver.results, *job.key))
    if entry is not None and entry.slurm_job == job.id and entry.state is State.FINISHED:
        return {"state": "COMPLETED", "final": True}
    absences = int(before.get("absences", 0)) + 1
    if absences < _FORGOTTEN_AFTER:
        return {"state": before.get("state", _UNTOLD), "absences": absences}
    return {"state": "FAILED", "word": "forgotten", "final": True}


def _remember(driver: Driver, known: dict[str, _Memory]) -> None:
    with contextlib.suppress(UserError):
        write_json(driver.part(".states"), known)
