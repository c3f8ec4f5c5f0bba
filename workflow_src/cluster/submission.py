"""What ``sbatch`` does when the plugin calls it: refuse, take over, or send until SLURM accepts.

A job that failed by itself would fail again and is refused. One whose like of an earlier driver is
still in the queue is not sent a second time. Before a call that failed is repeated, the queue is
looked through, since a controller may have accepted a job and lost the answer.
"""

from __future__ import annotations

import contextlib
import enum
import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from workflow_src.cluster.drivers import Driver, Sent
from workflow_src.cluster.queue import Key, QueuedJob, key_of, own_jobs
from workflow_src.cluster.states import Kind, kind
from workflow_src.cluster.tools import NoAnswerError, environment, real_tool
from workflow_src.errors import UserError
from workflow_src.jobs.journal import State, entry_path, note_queued, read_entry

UNREACHABLE_PATIENCE = 15 * 60.0
"""Seconds for which a call is repeated while SLURM does not answer. While it has as many jobs of
this user as it takes there is no end: it takes more when some of them are done."""
FIRST_PAUSE, LONGEST_PAUSE = 2.0, 60.0
_STEP = 2.0
"""Seconds between two looks at whether the job is still wanted."""
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


_PRINTED = re.compile(r"^[ \t]*(\d+)(?:;(\S+))?[ \t]*$", re.M)
"""What ``sbatch --parsable`` prints; sites add lines of their own before and after it."""
_ATTEMPT = re.compile(r"--attempt[ =]'?(\d+)")


class _Failure(enum.Enum):
    """Why a call of sbatch failed."""

    FULL = enum.auto()
    UNREACHABLE = enum.auto()
    FINAL = enum.auto()


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
    _keep_log_folder(request)
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
    chosen = os.environ.get("SBATCH_CLUSTERS") or os.environ.get("SLURM_CLUSTERS") or ""
    return Request(tuple(words), key, run, _option(words, "--clusters") or chosen)


def _keep_log_folder(request: Request) -> None:
    """Keep SLURM's log folder from looking empty while the job waits.

    The plugin of every Snakemake that ends removes empty ones, and SLURM fails a job at its start
    if it cannot open its log.
    """
    folder = Path(_option(request.words, "--output") or "").parent
    if folder.is_absolute() and "%" not in str(folder):
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            (folder / ".keep").touch()


def _taken_over(request: Request, driver: Driver) -> Sent | None:
    """The earlier driver's job that makes the same, unless it has failed or was ours already."""
    _refuse_hopeless(request, driver)
    orphan = driver.orphans().get(request.key)
    if orphan is None or any(job.id == orphan.id for job in driver.sent()):
        return None
    there = _patient_question(orphan.run, orphan.cluster, driver)
    # A site may write comments of its own, which then do not say the key.
    same = [one for one in there if one.id == orphan.id]
    like = [one for one in there if one.key == request.key and one.run == orphan.run]
    found = next((one for one in [*same, *like] if _is_worth_waiting_for(one)), None)
    if found is None:
        return None
    cluster = found.cluster or orphan.cluster
    job = Sent(found.id, *request.key, orphan.run, cluster, adopted=True)
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
    with contextlib.suppress(UserError):
        driver.note_run(request.run)
    arrived = _arrived(request, driver) if _is_repeated(request, script, driver) else None
    if arrived is not None:
        return arrived
    failure, begun, pause = None, 0.0, FIRST_PAUSE
    while True:
        called = time.monotonic()
        done = _call(request, script, driver)
        if done.returncode == 0:
            return _accepted(request, driver, done.stdout.decode(errors="replace"))
        said = " ".join(done.stderr.decode(errors="replace").split())
        before, failure = failure, _failure(said)
        if failure is not before:
            begun, pause = called, FIRST_PAUSE
        is_late = time.monotonic() - begun > UNREACHABLE_PATIENCE
        if failure is _Failure.FINAL or (failure is _Failure.UNREACHABLE and is_late):
            raise RefusedError(_with_remedy(said))
        driver.say(f"{request.key[0]} {request.key[1]}: sbatch failed, repeated soon: {said}")
        _wait(pause, driver)
        pause = min(2 * pause, LONGEST_PAUSE)
        asked = time.monotonic()
        arrived = _arrived(request, driver)
        if arrived is not None:
            return arrived
        # The question has a patience of its own.
        begun += time.monotonic() - asked


def _is_repeated(request: Request, script: bytes, driver: Driver) -> bool:
    """Whether this driver asked for the same before."""
    texts = [*request.words, script.decode(errors="replace")]
    attempts = [int(found) for text in texts for found in _ATTEMPT.findall(text)]
    return max(attempts, default=1) > 1 or any(job.key == request.key for job in driver.sent())


def _call(request: Request, script: bytes, driver: Driver) -> subprocess.CompletedProcess[bytes]:
    """Call the real sbatch once, if the driver still wants the job."""
    path = real_tool("sbatch")
    if path is None:
        raise UserError("sbatch: this machine has no such tool of SLURM")
    with driver.sending() as descriptor:
        # A driver that comes after a killed one waits for this lock before it looks at the queue.
        _refuse_unwanted(driver)
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


def _accepted(request: Request, driver: Driver, said: str) -> Sent:
    """The job of which sbatch printed the id, on a line of its own: ``ID`` or ``ID;CLUSTER``."""
    found = _PRINTED.findall(said)
    if len(found) == 1:
        return _note(request, driver, *found[0])
    # It may be in the queue for all that.
    arrived = _arrived(request, driver)
    if arrived is None:
        raise RefusedError(f"sbatch gave no job id: {said.strip()!r}")
    return arrived


def _note(request: Request, driver: Driver, number: str, cluster: str) -> Sent:
    """Remember a job that SLURM has accepted."""
    job = Sent(number, *request.key, request.run, cluster)
    # It is in the queue: a full disk must not make it look as if it were not. Each question for
    # states finds it by the name that it bears, and notes it then.
    with contextlib.suppress(UserError):
        driver.note_sent(job)
    note_queued(driver.results, *request.key, slurm_job=job.id, driver=driver.token)
    return job


def _arrived(request: Request, driver: Driver) -> Sent | None:
    """The job in the queue, noted now, if SLURM accepted it although sbatch failed."""
    jobs = _patient_question(request.run, request.cluster, driver)
    over = {number for number, known in driver.last_states().items() if known.get("final")}
    mine = over.union(job.id for job in driver.sent())
    for job in jobs:
        is_like = job.key == request.key and job.run == request.run
        if is_like and job.id not in mine and _is_worth_waiting_for(job):
            driver.say(f"{job.comment}: job {job.id} was accepted all the same")
            return _note(request, driver, job.id, job.cluster)
    return None


def _is_worth_waiting_for(job: QueuedJob) -> bool:
    return job.is_alive or kind(job.state) is Kind.DONE


def _refuse_unwanted(driver: Driver) -> None:
    """Refuse a job that nobody would wait for."""
    if driver.is_cancelled:
        raise RefusedError("not sent: the jobs were cancelled")
    if not driver.is_alive():
        raise RefusedError("not sent: the Snakemake that asked for it is gone")


def _wait(seconds: float, driver: Driver) -> None:
    """Wait before a repeat for as long as the job is wanted."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        _refuse_unwanted(driver)
        time.sleep(min(left, _STEP))
    _refuse_unwanted(driver)


def _patient_question(run: str, cluster: str, driver: Driver) -> list[QueuedJob]:
    """The jobs of that name; where SLURM does not answer, nothing is sent, lest it be doubled."""
    begun, pause = time.monotonic(), FIRST_PAUSE
    while True:
        try:
            return own_jobs(timeout=_QUESTION_TIMEOUT, runs=[run], clusters=[cluster])
        except NoAnswerError as error:
            if time.monotonic() - begun > UNREACHABLE_PATIENCE:
                raise RefusedError(f"not sent, since SLURM does not answer: {error}") from None
        _wait(pause, driver)
        pause = min(2 * pause, LONGEST_PAUSE)


def _failure(said: str) -> _Failure:
    """What kind of failure these words of sbatch tell."""
    if _FULL.search(said):
        return _Failure.FULL
    is_away = any(part in said.lower() for part in _UNREACHABLE)
    return _Failure.UNREACHABLE if is_away else _Failure.FINAL


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
