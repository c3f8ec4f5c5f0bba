"""What ``sbatch`` does when the plugin calls it: refuse, take over, or send until SLURM accepts.

A job that failed by itself would fail again and is refused. One whose like of an earlier driver is
still in the queue is not sent a second time. Before a call that failed is repeated, the queue is
looked through, since a controller may have accepted a job and lost the answer.
"""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from workflow_src.cluster.drivers import Driver, Sent
from workflow_src.cluster.queue import Key, QueuedJob, key_of, own_jobs
from workflow_src.cluster.states import Kind, kind
from workflow_src.cluster.tools import NoAnswerError, environment, real_tool
from workflow_src.errors import UserError
from workflow_src.jobs.journal import State, entry_path, note_queued, read_entry

UNREACHABLE_PATIENCE = 15 * 60.0
FULL_PATIENCE = 4 * 3600.0
"""Seconds for which a call is repeated: while SLURM does not answer, and while it has as many jobs
of this user as it takes."""
FIRST_PAUSE, LONGEST_PAUSE = 2.0, 60.0
_QUESTION_TIMEOUT = 60.0
_CALL_TIMEOUT = 600.0

_FULL = re.compile(r"Submit\w*Limit")
"""Such as QOSMaxSubmitJobPerUserLimit and AssocMaxSubmitJobLimit."""
_UNREACHABLE = (
    "unable to contact",
    "timed out",
    "temporarily",
    "connect failure",
    "connection refused",
    "connection reset",
    "not responding",
    "zero bytes",
    "message receive failure",
    "transport endpoint",
    "standby mode",
    "no route to host",
    "communication connection failure",
    "communication shutdown failure",
    "insane message length",
    "munge",
    "no such host",
)
"""Parts of what sbatch says, in small letters, while the controller or the way to it is away."""
_REMEDIES = {
    r"qos": "choose a QOS that you may use: slurm-qos in profiles/slurm/profile.yaml",
    r"invalid account|association": "put your account into profiles/slurm/profile.yaml "
    "(`sacctmgr show associations user=$USER` lists them)",
    r"partition": "put a partition of this cluster into profiles/slurm/profile.yaml "
    "(`sinfo` lists them)",
    r"time limit": "ask for less time: shard.target_hours in config.yaml or runtime in the profile",
    r"node configuration|gres|generic resource": "ask for less memory or another GPU in "
    'profiles/slurm/profile.yaml (`sinfo -o "%P %G %m %l"` lists what there is)',
}


class RefusedError(Exception):
    """The job is not sent; the text says why."""


@dataclass(frozen=True)
class Request:
    """A call of sbatch by the plugin."""

    words: tuple[str, ...]
    key: Key
    run: str
    cluster: str


def submit(words: Sequence[str], driver: Driver) -> int | None:
    """Answer a call of sbatch; None where it is not one for a job of ours."""
    request = read_request(words)
    if request is None:
        return None
    try:
        job = _taken_over(request, driver) or _sent(request, driver)
    except RefusedError as refusal:
        driver.say(f"{request.key[0]} {request.key[1]}: {refusal}")
        print(refusal, file=sys.stderr)
        return 1
    print(f"{job.id};{job.cluster}" if job.cluster else job.id)
    return 0


def read_request(words: Sequence[str]) -> Request | None:
    """What the plugin asks for, if the call is one for a job with a key."""
    key = key_of(_option(words, "--comment") or "")
    run = _option(words, "--job-name")
    if key is None or run is None or "--parsable" not in words:
        return None
    if any(word.startswith("--array") for word in words):
        return None
    return Request(tuple(words), key, run, _option(words, "--clusters") or "")


def _taken_over(request: Request, driver: Driver) -> Sent | None:
    """The earlier driver's job that makes the same, unless it has failed or was ours already."""
    _refuse_hopeless(request, driver)
    orphan = driver.orphans().get(request.key)
    if orphan is None or any(job.id == orphan.id for job in driver.sent()):
        return None
    there = {job.id: job for job in _patient_question(orphan.run, orphan.cluster, driver)}
    found = there.get(orphan.id)
    if found is None or not (found.is_alive or kind(found.state) is Kind.DONE):
        return None
    job = Sent(orphan.id, *request.key, orphan.run, orphan.cluster, adopted=True)
    driver.note_sent(job)
    driver.say(f"{job.rule} {job.name}: job {job.id} of an earlier start is taken over")
    return job


def _refuse_hopeless(request: Request, driver: Driver) -> None:
    """Refuse a job that failed under this driver in a way that repeating does not mend."""
    entry = read_entry(entry_path(driver.results, *request.key))
    if entry is None or entry.state is not State.FAILED or entry.worth_repeating is not False:
        return
    mine = {job.id for job in driver.sent()}
    if entry.driver == driver.token or entry.slurm_job in mine:
        raise RefusedError(f"not sent again: {entry.reason or 'it would fail again'}")


def _sent(request: Request, driver: Driver) -> Sent:
    """Send the job, as often as it takes."""
    # The plugin gives the script on the standard input where the command line would be too long.
    script = sys.stdin.buffer.read() if "/dev/stdin" in request.words else b""
    pause, begun = FIRST_PAUSE, time.monotonic()
    while True:
        done = _call(request, script, driver)
        if done.returncode == 0:
            return _note(request, driver, done.stdout.decode(errors="replace"))
        said = " ".join(done.stderr.decode(errors="replace").split())
        patience = _patience(said)
        if time.monotonic() - begun > patience:
            raise RefusedError(_with_remedy(said))
        driver.say(f"{request.key[0]} {request.key[1]}: sbatch failed, repeated soon: {said}")
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)
        arrived = _arrived(request, driver)
        if arrived is not None:
            return _note(request, driver, f"{arrived.id};{arrived.cluster}")


def _call(request: Request, script: bytes, driver: Driver) -> subprocess.CompletedProcess[bytes]:
    """Call the real sbatch once, if the driver still wants the job."""
    path = real_tool("sbatch")
    if path is None:
        raise UserError("sbatch: this machine has no such tool of SLURM")
    with driver.sending() as descriptor:
        # A driver that comes after a killed one waits for this lock before it looks at the queue.
        if not driver.is_alive():
            raise RefusedError("not sent: the Snakemake that asked for it is gone")
        if driver.is_cancelled:
            raise RefusedError("not sent: the jobs were cancelled")
        try:
            return subprocess.run(
                [path, *request.words],
                input=script,
                capture_output=True,
                env=environment(),
                timeout=_CALL_TIMEOUT,
                pass_fds=(descriptor,),
            )
        except subprocess.TimeoutExpired:
            return subprocess.CompletedProcess([path], 1, b"", b"sbatch: error: timed out")


def _note(request: Request, driver: Driver, said: str) -> Sent:
    """Remember what sbatch printed: ``ID`` or ``ID;CLUSTER``, on its last line."""
    found = re.search(r"^(\d+)(?:;(\S*))?\s*\Z", said.strip(), re.M)
    if found is None:
        raise RefusedError(f"sbatch gave no job id: {said.strip()!r}")
    cluster = found[2] or "" if request.cluster else ""
    job = Sent(found[1], *request.key, request.run, cluster)
    # It is in the queue: a full disk must not make it look as if it were not. Its state is told
    # all the same, since it bears the name that the plugin asks for.
    with contextlib.suppress(UserError):
        driver.note_sent(job)
    note_queued(driver.results, *request.key, slurm_job=job.id, driver=driver.token)
    return job


def _arrived(request: Request, driver: Driver) -> QueuedJob | None:
    """The job in the queue, if SLURM accepted it although sbatch failed."""
    mine = {job.id for job in driver.sent()}
    for job in _patient_question(request.run, request.cluster, driver):
        if job.key == request.key and job.id not in mine and job.run == request.run:
            driver.say(f"{job.comment}: job {job.id} was accepted all the same")
            return job
    return None


def _patient_question(run: str, cluster: str, driver: Driver) -> list[QueuedJob]:
    """The jobs of that name; where SLURM does not answer, nothing is sent, lest it be doubled."""
    begun, pause = time.monotonic(), FIRST_PAUSE
    while True:
        try:
            return own_jobs(timeout=_QUESTION_TIMEOUT, runs=[run], clusters=[cluster])
        except NoAnswerError as error:
            if time.monotonic() - begun > UNREACHABLE_PATIENCE:
                raise RefusedError(f"not sent, since SLURM does not answer: {error}") from None
            if not driver.is_wanting:
                raise RefusedError("not sent: nobody waits for it any more") from None
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)


def _patience(said: str) -> float:
    """For how many seconds a call that failed with these words is repeated."""
    if _FULL.search(said):
        return FULL_PATIENCE
    there = any(part in said.lower() for part in _UNREACHABLE)
    return UNREACHABLE_PATIENCE if there else 0.0


def _with_remedy(said: str) -> str:
    for pattern, remedy in _REMEDIES.items():
        if re.search(pattern, said, re.I):
            return f"{said}\nto mend it: {remedy}"
    return said


def _option(words: Sequence[str], name: str) -> str | None:
    """The value of ``--name value`` or ``--name=value``."""
    for at, word in enumerate(words):
        if word.startswith(f"{name}="):
            return word.partition("=")[2]
        if word == name and at + 1 < len(words):
            return words[at + 1]
    return None
