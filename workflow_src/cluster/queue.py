"""Questions to SLURM: this user's jobs, jobs of the past, and the time limits of partitions."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from workflow_src.cluster.states import Kind, kind, plain
from workflow_src.cluster.tools import NoAnswerError, ask

Key = tuple[str, str]
"""What a job makes: its rule, and the 16 hexadecimal digits of its shard, evaluation or report."""

_FORMAT = "%i|%T|%j|%k|%Z"
_KEY = re.compile(r"rule_(.+?)_wildcards_(?:.*_|.*-)?([0-9a-f]{16})")
_CLUSTER = re.compile(r"CLUSTER: (\S+)")
_TIME = re.compile(r"(?:(\d+)-)?(\d+(?::\d+){0,2})")
_IDS_AT_ONCE = 200


@dataclass(frozen=True)
class QueuedJob:
    """A job as squeue shows it; ``run`` is its name, which is that of the run of Snakemake."""

    id: str
    state: str
    run: str
    comment: str
    directory: str
    cluster: str = ""

    @property
    def key(self) -> Key | None:
        """What it makes, if its comment says so."""
        return key_of(self.comment)

    @property
    def is_alive(self) -> bool:
        """Whether it waits, runs or may do so again."""
        return kind(self.state) in (Kind.GOING_ON, Kind.PERHAPS_REQUEUED)


@dataclass(frozen=True)
class Partition:
    """What jobs of a partition may ask for.

    ``minutes`` is None where there is no limit; ``megabytes`` is the memory of its largest node, 0
    where that is not known.
    """

    minutes: int | None = None
    megabytes: int = 0


def key_of(comment: str) -> Key | None:
    """The key in a comment of the plugin: ``rule_R_wildcards_..._0123456789abcdef``."""
    found = _KEY.fullmatch(comment.strip())
    return (found[1], found[2]) if found else None


def own_jobs(
    *, timeout: float, runs: Iterable[str] = (), clusters: Iterable[str] = ("",)
) -> list[QueuedJob]:
    """This user's jobs in every state, ended ones for as long as squeue remembers them.

    ``runs`` narrows them to these names. One question per cluster, "" being the one at hand; the
    controller is asked for one user's jobs, so that a queue of thousands costs nothing here.

    Raises
    ------
    NoAnswerError
        If SLURM does not answer within ``timeout`` seconds.
    """
    words = ["--noheader", "--states=all", f"--user={os.getuid()}", f"--format={_FORMAT}"]
    names = ",".join(sorted(set(runs)))
    words += [f"--name={names}"] if names else []
    found: list[QueuedJob] = []
    end = time.monotonic() + timeout
    for cluster in sorted(set(clusters)):
        more = [f"--clusters={cluster}"] if cluster else []
        said = ask("squeue", [*words, *more], timeout=end - time.monotonic())
        found += _read_jobs(said, cluster)
    return found


def accounted_states(ids: Sequence[str], *, timeout: float, cluster: str = "") -> dict[str, str]:
    """The states that the accounting tells within ``timeout`` seconds; none where there is none.

    The jobs are those of ``cluster``, "" being the one at hand.
    """
    states: dict[str, str] = {}
    end = time.monotonic() + timeout
    words = ["-X", "--noheader", "--parsable2", "--format=JobIDRaw,State"]
    words += [f"--clusters={cluster}"] if cluster else []
    try:
        for at in range(0, len(ids), _IDS_AT_ONCE):
            asked = ",".join(ids[at : at + _IDS_AT_ONCE])
            left = end - time.monotonic()
            said = ask("sacct", [*words, f"--jobs={asked}"], timeout=left)
            for line in said.splitlines():
                job, _, state = line.partition("|")
                states[job.strip()] = plain(state)
    except NoAnswerError:
        pass
    return states


def partitions(*, timeout: float = 20) -> dict[str | None, Partition]:
    """The partitions of this cluster by name, the default one also as None; empty without SLURM."""
    found: dict[str | None, Partition] = {}
    try:
        # --exact: one line for each kind of node.
        said = ask("sinfo", ["--noheader", "--exact", "--format=%P|%l|%m"], timeout=timeout)
    except NoAnswerError:
        return found
    for line in said.splitlines():
        name, limit, memory = [*line.strip().split("|"), "", ""][:3]
        plain_name = name.rstrip("*")
        largest = int(memory.rstrip("+")) if memory.rstrip("+").isdecimal() else 0
        before = found.get(plain_name)
        one = Partition(minutes(limit), max(largest, before.megabytes if before else 0))
        found[plain_name] = one
        if name != plain_name:
            found[None] = one
    return found


def limits_of(partition: str | None, known: Mapping[str | None, Partition]) -> Partition:
    """What every one of the partitions ``a,b`` gives; None is the cluster's default."""
    names = [None] if partition is None else [name.strip() for name in partition.split(",")]
    asked = [known[name] for name in names if name in known]
    return Partition(
        min((one.minutes for one in asked if one.minutes is not None), default=None),
        min((one.megabytes for one in asked if one.megabytes), default=0),
    )


def time_limit_minutes(partition: str | None, *, timeout: float = 20) -> int | None:
    """The longest time that a job may ask for in ``partition``, the default one where it is None.

    Of several partitions (``a,b``), the shortest limit. None where there is no limit, no such
    partition, or no SLURM that answers.
    """
    return limits_of(partition, partitions(timeout=timeout)).minutes


def minutes(text: str) -> int | None:
    """A time of SLURM (``30``, ``2:00``, ``1:00:00``, ``2-12:00:00``) in whole minutes, rounded up;
    None for ``infinite`` and the like."""
    found = _TIME.fullmatch(text.strip())
    if not found:
        return None
    parts = [int(part) for part in found[2].split(":")]
    if found[1] is not None:
        # With days, what follows begins with hours; without, with minutes unless it has all three.
        hours, minute, second = [*parts, 0, 0][:3]
    else:
        hours, minute, second = parts if len(parts) == 3 else [0, *parts, 0][:3]
    return ((int(found[1] or 0) * 24 + hours) * 60) + minute + (second > 0)


def _read_jobs(said: str, cluster: str) -> Iterator[QueuedJob]:
    """The jobs in an answer; where several clusters were asked, each begins with its name."""
    for line in said.splitlines():
        header = _CLUSTER.fullmatch(line.strip())
        if header:
            cluster = header[1]
        elif line.count("|") >= 4:
            yield _queued(line, cluster)


def _queued(line: str, cluster: str) -> QueuedJob:
    job, state, run, comment, directory = line.split("|", 4)
    return QueuedJob(job.strip(), plain(state), run, comment, directory, cluster)
